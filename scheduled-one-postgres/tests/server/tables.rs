//! The tables: made once, completed, of a newer version; and their rows.

use scheduled_one_postgres::{PostgresStore, schema};
use scheduled_one_protocol::message::{Heartbeat, Register};
use scheduled_one_protocol::{
    Bucket, LedgerRecord, SkipReason, Store, StoreError, TickMs, UnitName,
};
use test_support::{PostgresServer, wait_until_async};
use tokio::task::JoinSet;

use super::{Database, caller, in_time, registration, serving};

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_at_the_same_time_make_the_tables_once() {
    for _ in 0..3 {
        let database = Database::new();
        let mut starts = JoinSet::new();
        for _ in 0..6 {
            let store = database.store();
            starts.spawn(async move {
                Store::preflight(&store).await.unwrap();
                for _ in 0..5 {
                    store
                        .register(&caller(), &[registration("a"), registration("b")])
                        .await
                        .unwrap();
                    serving(&store).await;
                }
            });
        }
        while let Some(start) = starts.join_next().await {
            start.unwrap();
        }
        assert_eq!(
            database.sql("SELECT count(*), max(version) FROM scheduled_one.layout"),
            "1|1"
        );
    }
}

#[tokio::test]
async fn columns_that_an_older_version_did_not_have_are_added() {
    let database = Database::new();
    let store = database.ready_store().await;
    store
        .register(&caller(), &[registration("a")])
        .await
        .unwrap();
    database.sql(
        "ALTER TABLE scheduled_one.unit DROP COLUMN run_seq, DROP COLUMN waiting; \
         ALTER TABLE scheduled_one.meta DROP COLUMN buckets; \
         ALTER TABLE scheduled_one.ledger DROP COLUMN error; DROP TABLE scheduled_one.node",
    );
    let other = database.ready_store().await;
    let reply = other
        .inspect(&caller(), &[UnitName::from("a")])
        .await
        .unwrap();
    assert_eq!(reply.body[0].marks.first_seen_ms, Some(1));
    serving(&other).await;
}

#[tokio::test]
async fn tables_of_a_newer_version_are_refused() {
    let database = Database::new();
    database.ready_store().await;
    database.sql("UPDATE scheduled_one.layout SET version = 99");
    let error = Store::preflight(&database.store()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("version 99, this is version 1"), "{text}");
    assert_eq!(error.finding.check, "tables");
}

#[tokio::test]
async fn tables_that_are_dropped_while_nodes_run_are_made_again() {
    let database = Database::new();
    let store = database.ready_store().await;
    store
        .register(&caller(), &[registration("a")])
        .await
        .unwrap();
    database.sql("DROP SCHEMA scheduled_one CASCADE");
    let reply = store
        .inspect(&caller(), &[UnitName::from("a")])
        .await
        .unwrap();
    assert_eq!(reply.body[0].marks.first_seen_ms, None);
    database.sql("DROP TABLE scheduled_one.ledger");
    assert_eq!(
        store.ledger("a", 9).await.unwrap_err(),
        store_error_of_a_missing_table()
    );
    assert_eq!(store.ledger("a", 9).await.unwrap(), []);
}

/// A request that only reads is not repeated here: the next one finds the tables again.
fn store_error_of_a_missing_table() -> StoreError {
    StoreError::Unavailable("relation \"scheduled_one.ledger\" does not exist (42P01)".to_owned())
}

/// Tables with their columns, defaults, settings and keys.
const MADE: &str = "SELECT c.relname, c.reloptions, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), \
     a.attnotnull, a.attidentity, co.collname, pg_get_expr(d.adbin, d.adrelid) \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid \
     LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum \
     LEFT JOIN pg_collation co ON co.oid = a.attcollation \
     WHERE n.nspname = 'scheduled_one' AND a.attnum > 0 ORDER BY 1, 3; \
     SELECT indexdef FROM pg_indexes WHERE schemaname = 'scheduled_one' ORDER BY 1; \
     SELECT version FROM scheduled_one.layout";

#[tokio::test]
async fn the_printed_schema_is_what_the_start_makes() {
    let (by_start, by_hand) = (Database::new(), Database::new());
    by_start.ready_store().await;
    by_hand.sql(&schema("scheduled_one", None));
    let made = by_start.sql(MADE);
    assert!(made.contains("unit|{fillfactor=50"), "{made}");
    assert_eq!(by_hand.sql(MADE), made);
    // The start finds nothing to do there.
    by_hand.ready_store().await;
    assert_eq!(by_hand.sql(MADE), made);
}

#[tokio::test]
async fn a_schema_of_another_name_holds_everything() {
    let database = Database::new();
    let url = format!("{}?schema=jobs", database.url());
    let store = PostgresStore::new(&url, "test").unwrap();
    serving(&store).await;
    assert_eq!(database.sql("SELECT count(*) FROM jobs.node"), "1");
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'scheduled_one'";
    assert_eq!(database.sql(schemas), "0");
}

#[tokio::test]
async fn an_edited_row_is_refused_by_name_and_the_others_are_not() {
    let database = Database::new();
    let store = database.ready_store().await;
    let both = [registration("a"), registration("b")];
    store.register(&caller(), &both).await.unwrap();
    for (edit, word) in [
        ("run_attempt = -1", "-1 as run_attempt"),
        ("run_attempt = 0, waiting = 'x'", "x as waiting"),
        ("waiting = '', start_attempt = 3", "3 as start_attempt"),
        (
            "start_attempt = NULL, running = true, run_until_ms = 9223372036854775807",
            "as until",
        ),
        (
            "run_until_ms = 0, run_lease_ms = 9223372036854775807, next_due_ms = 1",
            "as lease",
        ),
        ("run_until_ms = -9223372036854775808", "as until"),
    ] {
        database.sql(&format!(
            "UPDATE scheduled_one.unit SET {edit} WHERE name = 'a'"
        ));
        let error = store.register(&caller(), &both[..1]).await.unwrap_err();
        let StoreError::Refused(text) = error else {
            panic!("{error:?}");
        };
        assert!(
            text.contains("the record of a has") && text.contains(word),
            "{text}"
        );
        store.register(&caller(), &both[1..]).await.unwrap();
        let reply = store
            .heartbeat(&caller(), Heartbeat::alive())
            .await
            .unwrap();
        assert_eq!((reply.body.ready, reply.body.overdue), (vec![], vec![]));
    }
}

fn line(tick: i64) -> LedgerRecord {
    let unit = UnitName::new("a", 0);
    LedgerRecord {
        reason: "a zero \0 byte".to_owned(),
        ..LedgerRecord::skipped(&unit, TickMs(tick), SkipReason::Overlap, "node", tick)
    }
}

#[tokio::test]
async fn a_ledger_is_kept_short_and_buckets_are_apart() {
    let database = Database::new();
    let store = database.ready_store().await;
    for first in (0..400).step_by(40) {
        let lines: Vec<LedgerRecord> = (first..first + 40).map(line).collect();
        store.record(&caller(), &lines).await.unwrap();
    }
    let newest = Store::ledger(&store, "a", 2).await.unwrap();
    let ticks: Vec<i64> = newest.iter().map(|line| line.tick.ms()).collect();
    assert_eq!(ticks, [399, 398]);
    assert_eq!(newest[0].reason, "a zero \u{fffd} byte");
    // Nine are kept, and those that came since the last deletion.
    let bound = std::time::Duration::from_secs(20);
    wait_until_async("the ledger is short", bound, async || {
        Store::ledger(&store, "a", 1_000).await.unwrap().len() <= 9 + 40
    })
    .await;
    assert!(Store::ledger(&store, "a", 1_000).await.unwrap().len() >= 9);
    let other = Store::open(&store, Bucket::all(2).nth(1).unwrap());
    assert_eq!(other.ledger("a", 100).await.unwrap(), []);
}

#[tokio::test]
async fn many_ledgers_are_trimmed_at_once_each_to_its_newest_lines() {
    let database = Database::new();
    let store = database.ready_store().await;
    let job = |job: &str, ticks: i64| {
        let unit = UnitName::new(job, 0);
        let lines = (0..ticks).map(line);
        lines
            .map(|line| LedgerRecord {
                unit: unit.clone(),
                ..line
            })
            .collect::<Vec<_>>()
    };
    let lines = [job("a", 40), job("b", 5), job("c", 60)].concat();
    in_time(async || store.record(&caller(), &lines).await)
        .await
        .unwrap();
    let ticks = async |job| {
        let lines = Store::ledger(&store, job, 1_000).await.unwrap();
        lines
            .iter()
            .map(|line| line.tick.ms())
            .collect::<Vec<i64>>()
    };
    let bound = std::time::Duration::from_secs(20);
    wait_until_async("the ledgers are short", bound, async || {
        ticks("a").await.len() <= 9 && ticks("c").await.len() <= 9
    })
    .await;
    assert_eq!(ticks("a").await, (31..40).rev().collect::<Vec<_>>());
    assert_eq!(ticks("b").await, (0..5).rev().collect::<Vec<_>>());
    assert_eq!(ticks("c").await, (51..60).rev().collect::<Vec<_>>());
}

/// Registers the units; to register them again changes nothing.
async fn registered(store: &PostgresStore, units: &[Register]) {
    let registered = in_time(async || store.register(&caller(), units).await);
    registered.await.unwrap();
}

#[tokio::test]
async fn updates_of_units_are_heap_only() {
    // A server of its own: a transaction that another test keeps open would keep old rows, also in other databases.
    let server = PostgresServer::options().setting("fsync", "off");
    let server = server.start().unwrap();
    let store = PostgresStore::new(&server.url(), "test").unwrap();
    let units: Vec<_> = (0..100)
        .map(|unit| Register {
            first_seen_ms: 1_000,
            ..registration(&format!("unit-{unit}"))
        })
        .collect();
    registered(&store, &units).await;
    for first_seen_ms in (0..200).rev() {
        let earlier: Vec<_> = units
            .iter()
            .cloned()
            .map(|unit| Register {
                first_seen_ms,
                ..unit
            })
            .collect();
        registered(&store, &earlier).await;
    }
    // Before version 15, a connection that has nothing to do keeps its newest statistics until it ends.
    drop(store);
    let bound = std::time::Duration::from_secs(20);
    wait_until_async("the statistics are there", bound, async || {
        let count = "SELECT n_tup_upd >= 19000 FROM pg_stat_user_tables WHERE relname = 'unit'";
        server.sql(count).unwrap() == "t"
    })
    .await;
    let share = "SELECT n_tup_hot_upd * 100 / n_tup_upd >= 90 FROM pg_stat_user_tables WHERE relname = 'unit'";
    assert_eq!(server.sql(share).unwrap(), "t");
}
