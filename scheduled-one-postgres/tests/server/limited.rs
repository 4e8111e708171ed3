//! Users with fewer rights than a scheduler: a viewer looks, an operator changes what is wanted of jobs.

use scheduled_one_postgres::{PostgresStore, grant_operator, grant_viewer, schema};
use scheduled_one_protocol::message::{
    Ask, Asked, Cancel, Cancelled, Cause, Changed, ControlRequest, DirectiveChange, Heartbeat,
    Request,
};
use scheduled_one_protocol::{
    Directive, FencingToken, LedgerRecord, SkipReason, Store, StoreError, TickMs, UnitName,
};

use super::{Database, SERVER, caller, registration};

/// A database with a unit that a scheduler registered, and a user with these rights.
async fn store_of(kind: &str, grant: impl Fn(&str, &str) -> String) -> (Database, PostgresStore) {
    let database = Database::new();
    let [service, user] = ["service", kind].map(|user| format!("{user}_{}", database.name));
    for role in [&service, &user] {
        SERVER.sql(&format!("CREATE ROLE {role} LOGIN")).unwrap();
    }
    database.sql(&schema("scheduled_one", Some(&service)));
    let grants = grant("scheduled_one", &user);
    database.sql(&grants);
    let documented = include_str!("../../docs/postgres.md");
    for line in grant("scheduled_one", kind).lines() {
        assert!(documented.contains(line), "docs/postgres.md lacks: {line}");
    }
    let service = PostgresStore::new(&database.url_of(&service), "test").unwrap();
    Store::preflight(&service).await.unwrap();
    service
        .register(&caller(), &[registration("a")])
        .await
        .unwrap();
    service
        .heartbeat(&caller(), Heartbeat::alive())
        .await
        .unwrap();
    let line = LedgerRecord::skipped(
        &UnitName::from("a"),
        TickMs(1),
        SkipReason::Overlap,
        "node",
        1,
    );
    service.record(&caller(), &[line]).await.unwrap();
    let store = PostgresStore::new(&database.url_of(&user), "test").unwrap();
    assert!(
        Store::preflight(&store).await.is_err(),
        "a scheduler does not start"
    );
    Store::preflight_for_control(&store).await.unwrap();
    (database, store)
}

async fn look(store: &PostgresStore) {
    let caller = caller();
    let read = ControlRequest {
        wants_catalog: true,
        ..ControlRequest::default()
    };
    store.control(&caller, &read).await.unwrap();
    let nodes = store
        .heartbeat(&caller, Heartbeat::leaving())
        .await
        .unwrap();
    assert!(nodes.body.membership.members.is_some());
    let units = [UnitName::from("a"), UnitName::from("a").lane()];
    let status = store.inspect(&caller, &units).await.unwrap().body;
    assert!(status[0].marks.first_seen_ms.is_some());
    assert_eq!(store.ledger("a", 9).await.unwrap().len(), 1);
    store.trail(None, 9).await.unwrap();
}

async fn pause(store: &PostgresStore) -> Result<Changed, StoreError> {
    let change = ControlRequest {
        change: Some(DirectiveChange {
            subject: "a".to_owned(),
            seen: 0,
            directive: Directive::default(),
            action: "pause".to_owned(),
        }),
        ..ControlRequest::default()
    };
    let reply = store.control(&caller(), &change).await;
    reply.map(|reply| reply.body.changed)
}

async fn ask(store: &PostgresStore) -> Result<Asked, StoreError> {
    let request = Request {
        id: "r1".to_owned(),
        cause: Cause::Manual,
        actor: "ann".to_owned(),
        note: String::new(),
        logical: None,
        on_busy: None,
        parameters: String::new(),
    };
    let ask = Ask {
        unit: UnitName::from("a"),
        request,
    };
    let reply = store.ask(&caller(), &[ask]).await;
    reply.map(|reply| reply.body[0])
}

async fn cancel(store: &PostgresStore) -> Result<Cancelled, StoreError> {
    let cancel = Cancel {
        unit: UnitName::from("a"),
        token: FencingToken(7),
        by: "ann".to_owned(),
        note: String::new(),
    };
    let reply = store.cancel(&caller(), &[cancel]).await;
    reply.map(|reply| reply.body[0])
}

#[tokio::test]
async fn a_viewer_looks_and_changes_nothing() {
    let (_database, store) = store_of("viewer", grant_viewer).await;
    look(&store).await;
    for error in [
        pause(&store).await.unwrap_err(),
        ask(&store).await.unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(matches!(error, StoreError::Refused(_)), "{text}");
        assert!(
            text.contains("may look") && text.contains("operator"),
            "{text}"
        );
    }
    // There is no such run: nothing changes.
    assert_eq!(cancel(&store).await.unwrap(), Cancelled::Gone);
    assert!(store.trail(None, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_operator_changes_what_is_wanted_and_writes_no_history() {
    let (database, store) = store_of("operator", grant_operator).await;
    look(&store).await;
    assert!(matches!(pause(&store).await.unwrap(), Changed::To(_)));
    assert!(matches!(ask(&store).await.unwrap(), Asked::Queued { .. }));
    assert!(matches!(ask(&store).await.unwrap(), Asked::Known { .. }));
    assert_eq!(cancel(&store).await.unwrap(), Cancelled::Gone);
    let trail = store.trail(None, 9).await.unwrap();
    let actions: Vec<&str> = trail
        .iter()
        .map(|line| line.entry.action.as_str())
        .collect();
    assert_eq!(actions, ["run", "pause"]);
    // The heartbeat that removes a node which is gone.
    database.sql("UPDATE scheduled_one.node SET at_ms = at_ms - 60000");
    let nodes = store
        .heartbeat(&caller(), Heartbeat::leaving())
        .await
        .unwrap();
    assert_eq!(
        nodes.body.membership.members.map(|members| members.len()),
        Some(0)
    );

    let line = LedgerRecord::skipped(&UnitName::from("a"), TickMs(2), SkipReason::Overlap, "x", 2);
    assert!(store.record(&caller(), &[line]).await.is_err());
    assert_eq!(store.ledger("a", 9).await.unwrap().len(), 1);
}
