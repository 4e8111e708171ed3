//! Locks, deaths, floods: a request fails by the right name, and the next one succeeds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use scheduled_one_postgres::PostgresStore;
use scheduled_one_protocol::message::{Caller, Heartbeat};
use scheduled_one_protocol::{Records, Store, StoreError, UnitName, Wanted, WorkingSet};
use test_support::{PostgresServer, wait_until, wait_until_async};
use tokio::task::JoinSet;

use super::{Database, SERVER, caller, registration, serving, unavailable};

const BOUND: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_a_stranger_holds_makes_the_store_unavailable() {
    let database = Database::new();
    let store = database.ready_store().await;
    store
        .register(&caller(), &[registration("a")])
        .await
        .unwrap();
    let name = database.name.clone();
    let stranger = thread::spawn(move || {
        let hold = "BEGIN; LOCK TABLE scheduled_one.unit; SELECT pg_sleep(600)";
        let _ = SERVER.sql_in(&name, hold);
    });
    let sleeping = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND wait_event = 'PgSleep'",
        database.name
    );
    wait_until("the stranger holds the lock", BOUND, || {
        database.sql(&sleeping) == "1"
    });
    let text = unavailable(store.register(&caller(), &[registration("a")]).await);
    assert!(
        text.contains("55P03") && text.contains("holds a lock"),
        "{text}"
    );
    database.sql(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = '{}' AND wait_event = 'PgSleep'",
        database.name
    ));
    stranger.join().unwrap();
    store
        .register(&caller(), &[registration("a")])
        .await
        .unwrap();
}

#[tokio::test]
async fn a_node_that_stands_still_in_a_transaction_does_not_stop_the_others() {
    let database = Database::new();
    let store = database.ready_store().await;
    store
        .register(&caller(), &[registration("a")])
        .await
        .unwrap();
    let (stands, goes_on) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let still = {
        let (store, stands, goes_on) =
            (database.store(), Arc::clone(&stands), Arc::clone(&goes_on));
        // A thread with a runtime of its own, as another process has it.
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().unwrap();
            let wanted = Wanted::units([&UnitName::from("a")]);
            let decide = move |set: &mut WorkingSet| {
                stands.store(true, Ordering::SeqCst);
                wait_until("the others are done", BOUND, || {
                    goes_on.load(Ordering::SeqCst)
                });
                set.touched.insert(UnitName::from("a"));
                Ok(())
            };
            runtime.block_on(store.transact(wanted, 9, Box::new(decide)))
        })
    };
    wait_until_async("the node stands still", BOUND, async || {
        stands.load(Ordering::SeqCst)
    })
    .await;
    wait_until_async("the server ends the transaction", BOUND, async || {
        store
            .register(&caller(), &[registration("a")])
            .await
            .is_ok()
    })
    .await;
    goes_on.store(true, Ordering::SeqCst);
    let error = still.join().unwrap().unwrap_err();
    assert!(
        matches!(error, StoreError::Unavailable(_) | StoreError::Unknown(_)),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_nodes_that_register_the_same_units_all_succeed() {
    let database = Database::new();
    let store = database.ready_store().await;
    serving(&store).await;
    let mut nodes = JoinSet::new();
    for node in 0..6 {
        let store = database.store();
        nodes.spawn(async move {
            for round in 0..10 {
                // In different orders: the rows are locked in one.
                let mut units: Vec<_> = (0..8)
                    .map(|unit| registration(&format!("{round}-{unit}")))
                    .collect();
                units.rotate_left(node);
                store.register(&caller(), &units).await.unwrap();
            }
        });
    }
    while let Some(node) = nodes.join_next().await {
        node.unwrap();
    }
    assert_eq!(
        database.sql("SELECT count(*) FROM scheduled_one.unit"),
        "80"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_connection_costs_a_request_at_most() {
    let database = Database::new();
    let store = database.ready_store().await;
    serving(&store).await;
    let terminate = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE datname = '{}' AND application_name = 'scheduled-one'",
        database.name
    );
    for _ in 0..5 {
        database.sql(&terminate);
        if let Err(error) = store.heartbeat(&caller(), Heartbeat::alive()).await {
            assert!(
                matches!(error, StoreError::Unavailable(_) | StoreError::Unknown(_)),
                "{error:?}"
            );
            serving(&store).await;
        }
    }
}

#[tokio::test]
async fn a_dropped_request_leaves_no_transaction() {
    let database = Database::new();
    let store = database.ready_store().await;
    serving(&store).await;
    for yields in 0..20 {
        let caller = caller();
        let request = store.heartbeat(&caller, Heartbeat::alive());
        tokio::select! {
            biased;
            _ = request => {}
            () = async { for _ in 0..yields { tokio::task::yield_now().await } } => {}
        }
        serving(&store).await;
    }
    let open = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND state LIKE 'idle in%'",
        database.name
    );
    wait_until_async("no transaction is open", BOUND, async || {
        database.sql(&open) == "0"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_sees_the_slot_that_was_made_while_it_waited_for_the_unit() {
    let database = Database::new();
    let store = database.ready_store().await;
    store
        .register(&caller(), &[registration("a")])
        .await
        .unwrap();
    let unit = UnitName::from("a");
    let slot = unit.with_slot(1);
    let (name, makes) = (database.name.clone(), slot.to_string());
    // It makes the slot when somebody waits for the unit that it has locked.
    let other = thread::spawn(move || {
        let script = format!(
            "BEGIN; SELECT 1 FROM scheduled_one.unit WHERE name = 'a' FOR UPDATE; \
             DO $$ BEGIN WHILE NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() \
             AND wait_event_type = 'Lock') LOOP PERFORM pg_sleep(0.01); PERFORM pg_stat_clear_snapshot(); \
             END LOOP; END $$; \
             INSERT INTO scheduled_one.unit (bucket, name) SELECT bucket, '{makes}' FROM scheduled_one.unit; COMMIT"
        );
        SERVER.sql_in(&name, &script).unwrap();
    });
    let locked = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND wait_event = 'PgSleep'",
        database.name
    );
    wait_until("the unit is locked", BOUND, || database.sql(&locked) == "1");
    let mut seen = 0;
    let wanted = Wanted::units([&unit, &slot]);
    let decide = Box::new(|set: &mut WorkingSet| {
        seen = set.records.len();
        Ok(())
    });
    Records::transact(&store, wanted, 9, decide).await.unwrap();
    other.join().unwrap();
    assert_eq!(seen, 2, "the step decides without the slot");
}

#[tokio::test]
async fn a_refusal_saves_nothing() {
    let database = Database::new();
    let store = database.ready_store().await;
    serving(&store).await;
    let other = Caller {
        buckets: 2,
        ..caller()
    };
    let error = store
        .register(&other, &[registration("a")])
        .await
        .unwrap_err();
    assert_eq!(error, StoreError::OtherBuckets { found: 1, ours: 2 });
    assert_eq!(database.sql("SELECT count(*) FROM scheduled_one.unit"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_makes_the_store_unavailable_in_time() {
    let server = PostgresServer::start().unwrap();
    let store = PostgresStore::new(&server.url(), "test").unwrap();
    serving(&store).await;
    server.freeze().unwrap();
    let error = store
        .heartbeat(&caller(), Heartbeat::alive())
        .await
        .unwrap_err();
    assert!(
        matches!(error, StoreError::Unavailable(_) | StoreError::Unknown(_)),
        "{error:?}"
    );
    assert!(error.to_string().contains("within 2s"), "{error}");
    server.thaw().unwrap();
    wait_until_async("the store is back", BOUND, async || {
        store.heartbeat(&caller(), Heartbeat::alive()).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_server_without_free_connections_is_named_as_such() {
    let server = PostgresServer::options()
        .setting("max_connections", "4")
        .setting("superuser_reserved_connections", "0")
        .setting("max_wal_senders", "0")
        .start()
        .unwrap();
    let mut stores = Vec::new();
    let text = loop {
        let store = PostgresStore::new(&server.url(), "test").unwrap();
        match store.heartbeat(&caller(), Heartbeat::alive()).await {
            Ok(_) => stores.push(store),
            // A machine at work may need longer for a connection.
            Err(error) if error.to_string().contains("within 2s") => {}
            Err(error) => break error.to_string(),
        }
        assert!(stores.len() < 10);
    };
    assert!(text.contains("53300"), "{text}");
}
