//! A write lock that is held for long, and a program that is late.

use std::thread;
use std::time::{Duration, Instant};

use scheduled_one_protocol::message::Heartbeat;
use scheduled_one_protocol::{Records, Store, StoreError, UnitName, Wanted};

use crate::{Place, caller, serving};

#[tokio::test]
async fn a_lock_that_a_stranger_holds_makes_the_store_unavailable() {
    let place = Place::new();
    let store = place.store();
    serving(&store).await;
    let stranger = place.stranger();
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store
        .heartbeat(&caller(), Heartbeat::alive())
        .await
        .unwrap_err();
    let StoreError::Unavailable(text) = error else {
        panic!("{error:?}");
    };
    assert!(
        text.contains("another process holds the write lock"),
        "{text}"
    );
    stranger.execute_batch("ROLLBACK").unwrap();
    serving(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_wait_for_the_lock_together_and_not_one_after_the_other() {
    let place = Place::new();
    let store = place.store();
    serving(&store).await;
    let stranger = place.stranger();
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begun = Instant::now();
    let requests: Vec<_> = (0..60)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move {
                let caller = caller();
                store.heartbeat(&caller, Heartbeat::alive()).await
            })
        })
        .collect();
    let mut late = 0;
    for request in requests {
        let error = request.await.unwrap().unwrap_err();
        let StoreError::Unavailable(text) = error else {
            panic!("{error:?}");
        };
        late += usize::from(text.contains("requests of this program wait for each other"));
    }
    // One second for all; a minute if each had its own.
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "{:?}",
        begun.elapsed()
    );
    assert!(late > 0);
    stranger.execute_batch("ROLLBACK").unwrap();
    serving(&store).await;
}

#[test]
fn a_program_that_blocks_all_threads_for_blocking_calls_keeps_its_store() {
    let place = Place::new();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    runtime.spawn_blocking(move || blocked.recv());
    runtime.block_on(async {
        let store = place.store();
        let reply = tokio::time::timeout(Duration::from_secs(60), serving(&store));
        reply.await.expect("no thread is left for the store");
    });
    drop(release);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_comes_late_is_not_saved() {
    let place = Place::new();
    let store = place.store();
    let wanted = Wanted::units([&UnitName::from("a")]);
    let late = store.transact(
        wanted,
        9,
        Box::new(|set| {
            thread::sleep(Duration::from_millis(700));
            set.meta.version = 7;
            Ok(())
        }),
    );
    let error = late.await.unwrap_err();
    let StoreError::Unavailable(text) = error else {
        panic!("{error:?}");
    };
    assert!(text.contains("spawn_blocking"), "{text}");
    // Version 7 would be refused.
    serving(&store).await;
}

#[tokio::test]
async fn a_dropped_request_leaves_no_lock() {
    let place = Place::new();
    let store = place.store();
    for _ in 0..20 {
        let caller = caller();
        let request = store.heartbeat(&caller, Heartbeat::alive());
        tokio::select! {
            biased;
            _ = request => {}
            () = tokio::task::yield_now() => {}
        }
        serving(&place.store()).await;
    }
}
