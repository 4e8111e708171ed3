use std::sync::Arc;
use std::time::Duration;

use scheduled_one_protocol::clock::ManualClock;
use scheduled_one_protocol::memory::MemoryStore;

use super::*;

/// A store that has forgotten everything, and the way of an operator to it.
fn forgetful() -> (Arc<dyn Store>, Control) {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(ManualClock::new())));
    let control = Control::of_stores(vec![Arc::clone(&store)]);
    (store, control.expect("random numbers"))
}

/// What a node repeats after a loss of memory: a pause of all jobs.
fn repeated(version: u64) -> ControlRequest {
    let pause = Pause {
        since_ms: 1,
        until_ms: None,
    };
    let seen = Directive {
        version,
        pause: Some(pause),
        ..Directive::default()
    };
    ControlRequest {
        seen: vec![(ALL_JOBS.to_owned(), seen)],
        change: None,
    }
}

#[tokio::test]
async fn an_end_that_no_store_keeps_is_refused_by_operators_and_stores() {
    let (store, control) = forgetful();
    for until in [Duration::from_millis(1 << 54), Duration::from_secs(1 << 62)] {
        let wrong = control.pause_all().until(UNIX_EPOCH + until).await;
        let wrong = wrong.expect_err("too far away").to_string();
        assert!(wrong.contains("`until`: further away"), "{wrong}");
    }
    let wrong = store.control(&control.caller, &repeated(1 << 54)).await;
    let wrong = wrong.expect_err("too high").to_string();
    assert!(wrong.contains("2^53"), "{wrong}");
}
