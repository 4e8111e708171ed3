//! The doctor, at a real server.

use std::sync::Arc;
use std::time::Duration;

use scheduled_one_postgres::PostgresStore;
use scheduled_one_protocol::clock::{Clock, SystemClock};
use scheduled_one_protocol::{BoxFuture, DiagnosticContext, Finding, Severity, Store, UnitName};
use test_support::{PgBouncer, PostgresServer, wait_until, wait_until_async};

use super::{Database, caller, registration, serving};

const BOUND: Duration = Duration::from_secs(30);

pub(crate) fn needs() -> DiagnosticContext {
    DiagnosticContext {
        shortest_lease: Duration::from_secs(5),
        units: vec![UnitName::from("a"), UnitName::from("b")],
        clock: Arc::new(SystemClock),
    }
}

/// One finding of a report.
async fn finding(store: &PostgresStore, check: &str) -> Finding {
    let report = Store::diagnose(store, &needs()).await;
    let found = report.finding(check).cloned();
    found.unwrap_or_else(|| panic!("no {check}: {report}"))
}

#[tokio::test]
async fn the_doctor_names_what_it_sees() {
    let database = Database::new();
    let store = database.ready_store().await;
    store
        .register(&caller(), &[registration("a")])
        .await
        .unwrap();
    let report = Store::diagnose(&store, &needs()).await;
    for check in [
        "server",
        "role",
        "rights",
        "fsync",
        "commit",
        "connections",
        "identity",
        "clock",
        "round_trip",
        "marks",
        "bloat",
        "failover",
        "pooler",
    ] {
        assert!(report.finding(check).is_some(), "{check}: {report}");
    }
    assert_eq!(report.finding("fsync").unwrap().severity, Severity::Warning);
    assert_eq!(report.finding("identity").unwrap().severity, Severity::Ok);
    let far = SystemClock.wall().as_millis() + 600_000;
    database.sql(&format!("UPDATE scheduled_one.unit SET decided_ms = {far}"));
    let report = Store::diagnose(&store, &needs()).await;
    let marks = report.finding("marks").unwrap();
    assert_eq!(marks.severity, Severity::Warning);
    assert!(marks.found.contains("1 of 2 units"), "{report}");
    // What counts is the clock that decides, and not that of the machine that asks.
    let now = SystemClock.wall().as_millis();
    database.sql(&format!("UPDATE scheduled_one.unit SET decided_ms = {now}"));
    let behind = DiagnosticContext {
        clock: Arc::new(Off::behind(Duration::from_secs(600))),
        ..needs()
    };
    let report = Store::diagnose(&store, &behind).await;
    let severity = |check| report.finding(check).unwrap().severity;
    assert_eq!(severity("clock"), Severity::Warning, "{report}");
    assert_eq!(severity("marks"), Severity::Ok, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_sees_a_pooler_in_transaction_mode() {
    let server = PostgresServer::options().setting("fsync", "off");
    let server = server.start().unwrap();
    let direct = PostgresStore::new(&server.url(), "test").unwrap();
    let found = finding(&direct, "pooler").await;
    assert!(found.found.starts_with("none"), "{found:?}");
    for connections in [1, 3] {
        let pooler = PgBouncer::start(&server, connections).unwrap();
        let pooled = PostgresStore::new(&pooler.url(), "test").unwrap();
        let found = finding(&pooled, "pooler").await;
        assert!(found.found.contains("transaction mode"), "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_compares_leases_with_a_synchronous_standby() {
    let server = PostgresServer::start().unwrap();
    let store = PostgresStore::new(&server.url(), "test").unwrap();
    let found = finding(&store, "failover").await;
    assert_eq!(found.severity, Severity::Ok, "{found:?}");
    let _standby = server.standby().unwrap();
    wait_until_async("the standby is seen", BOUND, async || {
        let found = finding(&store, "failover").await;
        found.severity == Severity::Info && found.found.starts_with("1 servers follow")
    })
    .await;
    let set = "ALTER SYSTEM SET synchronous_standby_names = '*'";
    server.sql(set).unwrap();
    server.sql("SELECT pg_reload_conf()").unwrap();
    wait_until_async("the setting is seen", BOUND, async || {
        let found = finding(&store, "failover").await;
        found.severity == Severity::Warning && found.found.contains("noticed after 60s")
    })
    .await;
    // A user who may read nothing of replication sees the same.
    let sql = "CREATE ROLE jobs LOGIN; GRANT CREATE ON DATABASE postgres TO jobs";
    server.sql(sql).unwrap();
    let url = format!("{}?schema=jobs", server.url_of("jobs"));
    let store = PostgresStore::new(&url, "test").unwrap();
    let found = finding(&store, "failover").await;
    assert!(found.found.contains("noticed after 60s"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_sees_that_vacuum_does_not_keep_up() {
    // A server of its own, because of the transaction that is open.
    let server = PostgresServer::options().setting("fsync", "off");
    let server = server.start().unwrap();
    let store = PostgresStore::new(&server.url(), "test").unwrap();
    serving(&store).await;
    let units: Vec<_> = (0..100)
        .map(|unit| registration(&format!("unit-{unit}")))
        .collect();
    store.register(&caller(), &units).await.unwrap();
    assert_eq!(finding(&store, "bloat").await.severity, Severity::Ok);
    // It keeps all rows that it could still read.
    let hold = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM scheduled_one.unit; SELECT pg_sleep(600)";
    let mut reader = server.spawn_sql(hold).unwrap();
    let sleeping = "FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    wait_until("the transaction is open", BOUND, || {
        server.sql(&format!("SELECT count(*) {sleeping}")).unwrap() == "1"
    });
    let update = "DO $$ BEGIN FOR i IN 1..600 LOOP \
                  UPDATE scheduled_one.unit SET decided_ms = decided_ms; END LOOP; END $$";
    server.sql(update).unwrap();
    wait_until_async("the dead rows are seen", BOUND, async || {
        let found = finding(&store, "bloat").await;
        found.severity == Severity::Warning
            && found
                .found
                .contains("dead rows and 100 living ones in unit")
    })
    .await;
    server
        .sql(&format!("SELECT pg_terminate_backend(pid) {sleeping}"))
        .unwrap();
    reader.wait().unwrap();
}

/// A wall clock that is wrong: ahead by the first time, or behind by the second.
#[derive(Debug)]
struct Off(Duration, Duration);

impl Off {
    fn ahead(time: Duration) -> Self {
        Off(time, Duration::ZERO)
    }

    fn behind(time: Duration) -> Self {
        Off(Duration::ZERO, time)
    }
}

impl Clock for Off {
    fn boottime(&self) -> Duration {
        SystemClock.boottime()
    }

    fn wall(&self) -> Duration {
        SystemClock.wall() + self.0 - self.1
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        SystemClock.sleep(time)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_sees_a_wrong_clock_and_a_server_that_hides_its_identity() {
    let server = PostgresServer::options().setting("fsync", "off");
    let server = server.start().unwrap();
    server
        .sql(
            "CREATE ROLE jobs LOGIN; GRANT CREATE ON DATABASE postgres TO jobs; \
             REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC; \
             ALTER ROLE jobs SET synchronous_commit = off",
        )
        .unwrap();
    let store = PostgresStore::new(&server.url_of("jobs"), "test").unwrap();
    Store::preflight(&store).await.unwrap();
    let ahead = DiagnosticContext {
        clock: Arc::new(Off::ahead(Duration::from_secs(600))),
        ..needs()
    };
    let report = Store::diagnose(&store, &ahead).await;
    let clock = report.finding("clock").unwrap();
    assert_eq!(clock.severity, Severity::Warning, "{report}");
    let identity = report.finding("identity").unwrap();
    assert_eq!(identity.severity, Severity::Info, "{report}");
    assert!(
        identity.found.contains("each restart begins a quarantine")
            && identity.found.contains("42501"),
        "{report}"
    );
    let commit = report.finding("commit").unwrap();
    assert!(
        commit.found.contains("synchronous_commit is off"),
        "{report}"
    );
}
