//! Handles of people, next to those of nodes: what they notice, what they may write, and what the doctor says to them.

use scheduled_one_postgres::{PostgresStore, grant_operator, grant_viewer, schema};
use scheduled_one_protocol::message::{
    Caller, Checkpoint, CheckpointRequest, Checkpointed, Heartbeat,
};
use scheduled_one_protocol::{FencingToken, Severity, Store, StoreError, UnitName};
use test_support::PostgresServer;

use super::doctor::needs;
use super::{Database, SERVER, caller, in_time, registration, serving};

/// Makes users with the rights of a scheduler, an operator and a viewer, and the tables.
const USERS: [&str; 3] = ["jobs", "operator", "viewer"];

fn grants() -> String {
    let rights =
        grant_operator("scheduled_one", "operator") + &grant_viewer("scheduled_one", "viewer");
    schema("scheduled_one", Some("jobs")) + &rights
}

async fn for_control(url: &str) -> PostgresStore {
    let store = PostgresStore::new(url, "test").unwrap();
    Store::preflight_for_control(&store).await.unwrap();
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_who_sees_less_of_the_server_begins_no_quarantine() {
    let server = PostgresServer::options()
        .setting("fsync", "off")
        .start()
        .unwrap();
    for user in USERS {
        server.sql(&format!("CREATE ROLE {user} LOGIN")).unwrap();
    }
    server.sql(&grants()).unwrap();
    server
        .sql(
            "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC; \
             GRANT EXECUTE ON FUNCTION pg_control_system() TO jobs",
        )
        .unwrap();
    let node = PostgresStore::new(&server.url_of("jobs"), "test").unwrap();
    let caller = Caller {
        quarantine_ms: 60_000,
        ..caller()
    };
    let beat = async || node.heartbeat(&caller, Heartbeat::alive()).await;
    let first = in_time(beat).await.unwrap().head;
    assert!(!first.serving.starts_with("start:"), "{first:?}");
    for user in ["operator", "viewer"] {
        let store = for_control(&server.url_of(user)).await;
        let looked = in_time(async || store.inspect(&caller, &[]).await);
        assert_eq!(looked.await.unwrap().head.serving, first.serving, "{user}");
        let head = in_time(beat).await.unwrap().head;
        assert_eq!(
            (head.serving, head.quarantine_from_ms),
            (first.serving.clone(), first.quarantine_from_ms),
            "{user}"
        );
    }
    // Nor does it notice a loss in the place of a node.
    server.kill().unwrap();
    server.restart().unwrap();
    let operator = for_control(&server.url_of("operator")).await;
    let looked = in_time(async || operator.inspect(&caller, &[]).await);
    assert_eq!(looked.await.unwrap().head.serving, first.serving);
    test_support::wait_until_async(
        "a node notices it",
        std::time::Duration::from_secs(30),
        async || {
            let head = beat().await.map(|reply| reply.head);
            head.is_ok_and(|head| head.quarantine_from_ms > first.quarantine_from_ms)
        },
    )
    .await;
}

/// A database whose tables a node has used, and users.
async fn database() -> (Database, impl Fn(&str) -> String) {
    let database = Database::new();
    let name = database.name.clone();
    let user = move |kind: &str| format!("{kind}_{name}");
    let mut grants = grants();
    for kind in USERS {
        SERVER
            .sql(&format!("CREATE ROLE {} LOGIN", user(kind)))
            .unwrap();
        grants = grants.replace(&format!("\"{kind}\""), &format!("\"{}\"", user(kind)));
    }
    database.sql(&grants);
    let node = PostgresStore::new(&database.url_of(&user("jobs")), "test").unwrap();
    serving(&node).await;
    let registered = in_time(async || node.register(&caller(), &[registration("a")]).await);
    registered.await.unwrap();
    (database, user)
}

#[tokio::test]
async fn an_operator_is_served_after_the_row_of_the_bucket_is_gone() {
    let (database, user) = database().await;
    let operator = for_control(&database.url_of(&user("operator"))).await;
    database.sql("TRUNCATE scheduled_one.meta");
    let looked = in_time(async || operator.inspect(&caller(), &[]).await);
    looked.await.unwrap();
    // What the nodes of the bucket take for a loss is still to be noticed.
    assert_eq!(
        database.sql("SELECT serving, quarantine_from_ms, buckets FROM scheduled_one.meta"),
        "|0|1"
    );
}

#[tokio::test]
async fn a_viewer_writes_no_checkpoint_and_is_not_answered_as_if_it_had() {
    let (database, user) = database().await;
    let viewer = for_control(&database.url_of(&user("viewer"))).await;
    let write = |write| CheckpointRequest {
        unit: UnitName::from("a"),
        write,
    };
    let text = Checkpoint {
        token: FencingToken(1),
        text: "left".to_owned(),
    };
    let written = in_time(async || {
        viewer
            .checkpoint(&caller(), &write(Some(text.clone())))
            .await
    });
    let error = written.await.unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "{error}");
    let read = in_time(async || viewer.checkpoint(&caller(), &write(None)).await);
    assert_eq!(read.await.unwrap().body, Checkpointed::Found(None));
}

#[tokio::test]
async fn the_doctor_examines_all_that_people_may_see() {
    let (database, user) = database().await;
    for (kind, role) in [("operator", "operator"), ("viewer", "viewer")] {
        let store = for_control(&database.url_of(&user(kind))).await;
        let report = Store::diagnose(&store, &needs()).await;
        let rights = report.finding("rights").unwrap();
        assert_eq!(rights.severity, Severity::Info, "{report}");
        assert!(rights.found.contains(role), "{report}");
        for check in [
            "server", "identity", "clock", "marks", "bloat", "failover", "pooler",
        ] {
            assert!(report.finding(check).is_some(), "{check}: {report}");
        }
    }
    // A service that connects as one of them would not start.
    let service = PostgresStore::new(&database.url_of(&user("operator")), "test").unwrap();
    let report = Store::diagnose(&service, &needs()).await;
    assert_eq!(
        report.finding("rights").unwrap().severity,
        Severity::Severe,
        "{report}"
    );
}
