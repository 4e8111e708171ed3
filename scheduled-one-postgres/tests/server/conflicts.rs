//! Transactions that PostgreSQL rolls back because of others are repeated, on the same connection, and no job learns of
//! it; and the settings that a transaction has.

use std::time::Duration;

use scheduled_one_postgres::PostgresStore;
use scheduled_one_protocol::message::{Caller, Heartbeat};
use scheduled_one_protocol::{Records, Store, UnitName, Wanted, WorkingSet};
use test_support::{PostgresServer, wait_until};

use super::{Database, caller, in_time, registration, serving, unavailable};

const BOUND: Duration = Duration::from_secs(30);

/// The processes of the server that serve the store.
const SERVED_BY: &str = "SELECT string_agg(pid::text, ',') FROM pg_stat_activity \
     WHERE datname = current_database() AND application_name = 'scheduled-one'";

#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_with_a_stranger_is_repeated() {
    let server = PostgresServer::options()
        .setting("fsync", "off")
        // The server looks once in each wait: when the stranger waits as well, and before the wait is given up.
        .setting("deadlock_timeout", "700ms")
        .start()
        .unwrap();
    let store = PostgresStore::new(&server.url(), "test").unwrap();
    let both = [registration("a"), registration("b")];
    in_time(async || store.register(&caller(), &both).await)
        .await
        .unwrap();
    let served_by = server.sql(SERVED_BY).unwrap();
    // It locks the second, and then, when a request has the first and waits for the second, the first. It is patient
    // enough to be no victim.
    let stranger = "SET deadlock_timeout = '1h'; SET application_name = 'stranger'; BEGIN; \
         SELECT 1 FROM scheduled_one.unit WHERE name = 'b' FOR UPDATE; \
         DO $$ BEGIN WHILE NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
         AND application_name = 'scheduled-one') LOOP PERFORM pg_sleep(0.001); PERFORM pg_stat_clear_snapshot(); \
         END LOOP; END $$; \
         SELECT 1 FROM scheduled_one.unit WHERE name = 'a' FOR UPDATE; COMMIT";
    let mut stranger = server.spawn_sql(stranger).unwrap();
    let has_second = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stranger' \
                      AND wait_event = 'PgSleep'";
    wait_until("the stranger has the second", BOUND, || {
        server.sql(has_second).unwrap() == "1"
    });
    let earlier = both
        .clone()
        .map(|unit| scheduled_one_protocol::message::Register {
            first_seen_ms: 0,
            ..unit
        });
    store.register(&caller(), &earlier).await.unwrap();
    assert!(stranger.wait().unwrap().success());
    assert!(
        server.log().contains("deadlock detected"),
        "{}",
        server.log()
    );
    let seen = "SELECT max(first_seen_ms) FROM scheduled_one.unit";
    assert_eq!(server.sql(seen).unwrap(), "0");
    assert_eq!(
        server.sql(SERVED_BY).unwrap(),
        served_by,
        "a repetition needs no connection"
    );
}

/// A trigger that fails the first so many times that a unit is written.
fn fail_first(database: &Database, times: u32, code: &str) {
    database.sql(&format!(
        "CREATE SEQUENCE tries; \
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF nextval('tries') <= {times} THEN RAISE EXCEPTION 'not now' USING ERRCODE = '{code}'; END IF; \
         RETURN NEW; END $$; \
         CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON scheduled_one.unit FOR EACH ROW EXECUTE FUNCTION refuse()"
    ));
}

/// Writes a nonce into a unit; returns what each decision saw.
async fn write(
    store: &PostgresStore,
    nonce: &str,
) -> Result<Vec<usize>, scheduled_one_protocol::StoreError> {
    let (unit, mut seen) = (UnitName::from("a"), Vec::new());
    let wanted = Wanted::units([&unit]);
    let decide = Box::new(|set: &mut WorkingSet| {
        seen.push(set.records.len());
        let mut record = set.records.get(&unit).cloned().unwrap_or_default();
        record.run.nonce = nonce.to_owned();
        set.records.insert(unit.clone(), record);
        set.touched.insert(unit.clone());
        Ok(())
    });
    Records::transact(store, wanted, 9, decide).await?;
    Ok(seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_serialization_failure_is_repeated_with_the_same_nonce() {
    let database = Database::new();
    let store = database.ready_store().await;
    serving(&store).await;
    let served_by = database.sql(SERVED_BY);
    fail_first(&database, 3, "40001");
    assert_eq!(
        write(&store, "nonce-1").await.unwrap(),
        [0; 4],
        "decided on what was loaded anew"
    );
    let nonces = "SELECT string_agg(run_nonce, ',') FROM scheduled_one.unit";
    assert_eq!(database.sql(nonces), "nonce-1");
    assert_eq!(
        database.sql(SERVED_BY),
        served_by,
        "a repetition needs no connection"
    );
    // One that goes on is an error that may be repeated.
    database.sql(
        "DROP TRIGGER refuse ON scheduled_one.unit; DROP FUNCTION refuse; DROP SEQUENCE tries",
    );
    fail_first(&database, 1_000, "40P01");
    let text = unavailable(write(&store, "nonce-2").await);
    assert!(text.contains("40P01"), "{text}");
    assert_eq!(database.sql("SELECT last_value FROM tries"), "8");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_has_to_lock_the_bucket_needs_no_second_connection() {
    let database = Database::new();
    let store = database.ready_store().await;
    serving(&store).await;
    let served_by = database.sql(SERVED_BY);
    // Longer leases than before: the row of the bucket changes in steps that did not lock it.
    for quarantine_ms in 1..5 {
        let caller = Caller {
            quarantine_ms: quarantine_ms * 1_000_000,
            ..caller()
        };
        let inspected = in_time(async || store.inspect(&caller, &[]).await);
        inspected.await.unwrap();
    }
    let until = "SELECT quarantine_until_ms - quarantine_from_ms FROM scheduled_one.meta";
    assert_eq!(database.sql(until), "4000000", "the row was written");
    assert_eq!(database.sql(SERVED_BY), served_by);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_is_on_the_disk_and_other_levels_stay() {
    for (level, in_steps) in [
        ("off", "on"),
        ("local", "local"),
        ("remote_apply", "remote_apply"),
    ] {
        let database = Database::new();
        serving(&database.ready_store().await).await;
        database.sql(&format!(
            "ALTER DATABASE {} SET synchronous_commit = {level}; \
             CREATE TABLE level (it text); \
             CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             INSERT INTO level VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$; \
             CREATE TRIGGER note BEFORE INSERT OR UPDATE ON scheduled_one.unit FOR EACH ROW EXECUTE FUNCTION note()",
            database.name
        ));
        let store = database.store();
        in_time(async || store.register(&caller(), &[registration("a")]).await)
            .await
            .unwrap();
        assert_eq!(database.sql("SELECT DISTINCT it FROM level"), in_steps);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_made_read_only_takes_nothing_from_open_connections() {
    // As `ALTER SYSTEM` and a reload do it to all databases.
    let server = PostgresServer::options()
        .setting("fsync", "off")
        .start()
        .unwrap();
    let store = PostgresStore::new(&server.url(), "test").unwrap();
    serving(&store).await;
    server
        .sql("ALTER SYSTEM SET default_transaction_read_only = on")
        .unwrap();
    server.sql("SELECT pg_reload_conf()").unwrap();
    wait_until("the setting is seen", BOUND, || {
        server.sql("SHOW default_transaction_read_only").unwrap() == "on"
    });
    let text = unavailable(store.heartbeat(&caller(), Heartbeat::alive()).await);
    assert!(
        text.contains("25006") && text.contains("takes no writes")
            || text.contains("takes no writes ("),
        "{text}"
    );
    server
        .sql("ALTER SYSTEM RESET default_transaction_read_only")
        .unwrap();
    server.sql("SELECT pg_reload_conf()").unwrap();
    test_support::wait_until_async("the store is back", BOUND, async || {
        store.heartbeat(&caller(), Heartbeat::alive()).await.is_ok()
    })
    .await;
}
