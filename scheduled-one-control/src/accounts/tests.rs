use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use scheduled_one_protocol::clock::{Clock, ManualClock};
use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_protocol::message::{ControlRequest, LowerBounds, Occasion, Register};
use scheduled_one_protocol::{JobDescriptor, Store};
use scheduled_one_schedule::{Schedule, Zone};

use super::*;
use crate::audit::TickStatus;

const HOUR: Duration = Duration::from_secs(3_600);

/// No tick is left out without a word, neither the newest nor the oldest.
#[tokio::test]
async fn a_range_with_too_many_ticks_is_refused() {
    let clock = ManualClock::new();
    let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
    let control = Control::of_stores(vec![Arc::clone(&store) as Arc<dyn Store>]).unwrap();
    let cron = "* * * * * *";
    let identity = Schedule::cron(cron, Zone::utc()).unwrap().identity();
    let mut job = JobDescriptor::default();
    job.say("identity", identity.to_string());
    job.say("cron", cron);
    let request = ControlRequest {
        described: vec![("often".to_owned(), job.to_text())],
        ..ControlRequest::default()
    };
    store.control(&control.caller, &request).await.unwrap();
    let register = Register {
        unit: UnitName::new("often", 0),
        first_seen_ms: clock.wall().as_millis() as i64,
        lease_ms: 1_000,
        schedule: None,
        generation: 0,
        occasion: Occasion::Again,
        decides: None,
        bounds: LowerBounds::default(),
        next_due_ms: None,
        requests: Vec::new(),
    };
    store.register(&control.caller, &[register]).await.unwrap();
    clock.advance(24 * HOUR);
    let now = UNIX_EPOCH + clock.wall();
    let of_a_day = control.audit("often", now - 24 * HOUR..now).await;
    let Err(Error::Argument { argument, message }) = of_a_day else {
        panic!("{of_a_day:?}");
    };
    assert_eq!(argument, "range");
    assert!(message.contains("10000 ticks of often"), "{message}");
    let of_an_hour = control
        .audit_in_full("often", now - HOUR..now)
        .await
        .unwrap();
    assert_eq!(of_an_hour.complete_since, None);
    let of_an_hour = of_an_hour.ticks;
    assert_eq!(of_an_hour.len(), 3_600);
    assert!(of_an_hour.iter().all(|tick| tick.status == TickStatus::Due));
}
