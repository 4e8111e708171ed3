use std::sync::Arc;
use std::time::Duration;

use scheduled_one_protocol::Store;
use scheduled_one_protocol::TickMs;
use scheduled_one_protocol::clock::{Clock, ManualClock};
use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_protocol::message::{
    Claim, DueTick, Heartbeat, LowerBounds, Occasion, Register, Target, Verdict,
};

use super::*;
use crate::ErrorKind;

const LEASE_MS: i64 = 10_000;
const SHARDS: u32 = 3;

/// A job whose shards were all granted in one step: all runs have the same token.
async fn granted_at_once() -> (Control, u64) {
    let clock = ManualClock::new();
    let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
    let control = Control::of_stores(vec![Arc::clone(&store) as Arc<dyn Store>]).unwrap();
    let caller = &control.caller;
    let units = (0..SHARDS).map(|shard| UnitName::new("work", shard));
    let register = |unit| Register {
        unit,
        first_seen_ms: 1,
        lease_ms: LEASE_MS,
        schedule: None,
        generation: 0,
        occasion: Occasion::Again,
        decides: None,
        bounds: LowerBounds::default(),
        next_due_ms: None,
        requests: Vec::new(),
    };
    let registrations: Vec<Register> = units.clone().map(register).collect();
    store.register(caller, &registrations).await.unwrap();
    store.heartbeat(caller, Heartbeat::alive()).await.unwrap();
    clock.advance(Duration::from_secs(3_600));
    let tick = TickMs(clock.wall().as_millis() as i64);
    let claim = |unit: UnitName| Claim {
        nonce: unit.to_string(),
        unit,
        valid_until_ms: tick.ms() + LEASE_MS,
        lease_ms: LEASE_MS,
        takeovers: 0,
        schedule: None,
        control: 0,
        bounds: LowerBounds::default(),
        with_lane: false,
        target: Target::Tick(DueTick {
            after: Some(TickMs(1)),
            ..DueTick::new(tick)
        }),
    };
    let claims: Vec<Claim> = units.map(claim).collect();
    let claimed = store.claim(caller, &claims).await.unwrap().body;
    let tokens: BTreeSet<u64> = claimed
        .iter()
        .map(|claimed| match &claimed.verdict {
            Verdict::Granted(grant) => grant.token.get(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(tokens.len(), 1, "{tokens:?}");
    (control, tokens.into_iter().next().unwrap())
}

/// How many runs were cancelled, as the trail says.
async fn cancelled(control: &Control) -> usize {
    let entries = control.trail().await.unwrap().entries;
    let cancels = entries.iter().filter(|entry| entry.action == "cancel");
    cancels.count()
}

#[tokio::test]
async fn of_shards_with_one_token_only_the_one_that_is_named_is_cancelled() {
    let (control, token) = granted_at_once().await;
    let error = control.cancel("work", token).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    let text = error.to_string();
    assert!(text.contains("0, 1, 2"), "{text}");
    assert_eq!(cancelled(&control).await, 0, "nothing is cancelled");

    let of_one = control.cancel("work", token).shard(1);
    assert_eq!(of_one.dry_run().await.unwrap(), CancelledRun::Cancelling);
    assert_eq!(cancelled(&control).await, 0, "a dry run");
    assert_eq!(of_one.await.unwrap(), CancelledRun::Cancelling);
    assert_eq!(cancelled(&control).await, 1);
    let other = control.cancel("work", token + 1).shard(1).await.unwrap();
    assert_eq!(other, CancelledRun::Gone { outcome: None });
    let wrong = control.cancel("work", token).shard(SHARDS).await;
    assert_eq!(wrong.unwrap_err().kind(), ErrorKind::Usage);
    assert_eq!(cancelled(&control).await, 1);
}
