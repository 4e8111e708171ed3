//! What every store that keeps records does.

use std::future::Future;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::clock::ManualClock;
use crate::memory::MemoryStore;

fn caller() -> Caller {
    Caller {
        node: "node".to_owned(),
        name: "Node".to_owned(),
        quarantine_ms: 0,
        margin_ms: 0,
        ledger_limit: 9,
        buckets: 1,
    }
}

/// The embedded store never waits.
fn done<T>(future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the embedded store waits"),
    }
}

#[test]
fn a_damaged_record_is_refused_by_name_and_nothing_changes() {
    let store = MemoryStore::new(Arc::new(ManualClock::new()));
    let (caller, unit) = (caller(), UnitName::new("a", 0));
    let wanted = Wanted::units([&unit]);
    let damage_it: Decide<'_> = Box::new(|set| {
        let record = set.records.entry(unit.clone()).or_default();
        record.run.lease_ms = i64::MAX;
        set.touched.insert(unit.clone());
        Ok(())
    });
    done(store.transact(wanted, 9, damage_it)).unwrap();
    let registration = Register {
        unit: unit.clone(),
        first_seen_ms: 1,
        lease_ms: 1,
        schedule: None,
        generation: 0,
        occasion: crate::message::Occasion::Again,
        decides: None,
        bounds: Default::default(),
        next_due_ms: None,
        requests: Vec::new(),
    };
    let error = done(store.register(&caller, &[registration])).unwrap_err();
    let StoreError::Refused(text) = &error else {
        panic!("{error:?}");
    };
    assert!(
        text.contains(" of a ") && text.contains(" as lease"),
        "{text}"
    );
    // Another unit is not concerned.
    let status = done(store.inspect(&caller, &[UnitName::new("b", 0)])).unwrap();
    assert_eq!(status.body, [UnitStatus::default()]);
}
