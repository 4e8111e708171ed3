//! How much of a table a step reads.

use std::time::Duration;

use scheduled_one_postgres::PostgresStore;
use scheduled_one_protocol::message::{Finish, RunId};
use scheduled_one_protocol::{FencingToken, Outcome, Store, TickMs, UnitName};
use test_support::{PostgresServer, wait_until};

use super::{caller, in_time, registration};

const BOUND: Duration = Duration::from_secs(30);
const UNITS: usize = 2_000;
const BATCH: usize = 100;
const STEPS: usize = 3;

/// The server has never looked at the tables, so it believes that there is little in them. It would rather read all of
/// a table than look for each row of a batch, and compare every row with each of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_step_reads_the_rows_of_its_units_and_no_others() {
    let options = PostgresServer::options()
        .setting("fsync", "off")
        .setting("autovacuum", "off");
    let server = options.start().unwrap();
    let store = PostgresStore::new(&server.url(), "test").unwrap();
    Store::preflight(&store).await.unwrap();
    let names: Vec<String> = (0..UNITS).map(|unit| format!("unit-{unit:04}")).collect();
    for batch in names.chunks(BATCH) {
        let batch: Vec<_> = batch.iter().map(|unit| registration(unit)).collect();
        in_time(async || store.register(&caller(), &batch).await)
            .await
            .unwrap();
    }
    drop(store);
    let read = "SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables \
                WHERE relname = 'unit'";
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' \
                    AND pid <> pg_backend_pid()";
    // A session counts what it read at its end.
    let ended = || {
        wait_until("the sessions have ended", BOUND, || {
            server.sql(sessions).unwrap() == "0"
        });
        server.sql(read).unwrap().parse::<usize>().unwrap()
    };
    let before = ended();

    let store = PostgresStore::new(&server.url(), "test").unwrap();
    for step in 0..STEPS {
        let finishes: Vec<Finish> = names[step * BATCH..][..BATCH]
            .iter()
            .map(|unit| end_of_a_run(unit))
            .collect();
        let ended = in_time(async || store.finish(&caller(), &finishes).await).await;
        assert!(ended.unwrap().body.iter().all(|ended| ended.recorded));
    }
    drop(store);
    wait_until("the steps are counted", BOUND, || {
        ended() >= before + STEPS * BATCH
    });
    let rows = ended() - before;
    // A step whose reply came late was repeated.
    assert!(rows < UNITS, "{rows} rows were read");
}

/// The end of a run that the store knows nothing of, and takes in.
fn end_of_a_run(unit: &str) -> Finish {
    Finish {
        run: RunId {
            unit: UnitName::from(unit),
            tick: TickMs(1),
            nonce: format!("{unit}-nonce"),
            token: FencingToken(1),
            attempt: 1,
            lease_ms: 1_000,
            granted_at_ms: 1,
            takeovers: 0,
            origin: None,
        },
        outcome: Outcome::Ok,
        retried: false,
        reason: String::new(),
        error: String::new(),
        fired_at_ms: Some(1),
        ended_at_ms: 2,
    }
}
