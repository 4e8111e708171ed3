//! The units that heartbeats name because nobody has claimed what is due: at most a batch, of more all of them in turn,
//! and none that has no tick any more.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::message::{
    ASK_AGAIN_MS, Claim, DueTick, Heartbeat, Intent, LowerBounds, MAX_BATCH, Missed, Register,
    Target, Verdict,
};
use scheduled_one_protocol::{Outcome, Store, TickMs, UnitName};

use super::way_back::{FIRST_SEEN, LEASE_MS, caller, expect, refused, registration};

/// No multiple of a batch, and so few that each second begins with another batch.
const UNITS: usize = 2 * MAX_BATCH + MAX_BATCH / 3;
/// A node that asks again and again sees all of them within this time. Without turns some would take minutes.
const BOUND: Duration = Duration::from_secs(20);

/// Registers more units that nobody claims than a heartbeat names, of a namespace that was never used, and sends
/// heartbeats until all were named.
///
/// # Errors
///
/// A heartbeat names too many, or some unit is not named in time.
pub async fn check_in_turn(store: &dyn Store, clock: Arc<dyn Clock>) -> Result<(), String> {
    let unit = |number| registration(UnitName::new(&format!("turn-{number:04}"), 0));
    let units: Vec<Register> = (0..UNITS).map(unit).collect();
    for batch in units.chunks(MAX_BATCH) {
        store.register(&caller(), batch).await.map_err(refused)?;
    }
    let mut missing: BTreeSet<UnitName> = units.into_iter().map(|it| it.unit).collect();
    let until = clock.boottime() + BOUND;
    while !missing.is_empty() {
        if clock.boottime() > until {
            return Err(format!(
                "{} units were never named: {missing:?}",
                missing.len()
            ));
        }
        let beat = store.heartbeat(&caller(), Heartbeat::alive()).await;
        let named = beat.map_err(refused)?.body.unclaimed;
        if named.len() > MAX_BATCH {
            return Err(format!("{} units at once", named.len()));
        }
        for unit in &named {
            missing.remove(unit);
        }
        clock
            .sleep(Duration::from_millis(ASK_AGAIN_MS as u64))
            .await;
    }
    Ok(())
}

/// Claims the last two ticks of a schedule in one request, of a namespace that was never used. The first claim names
/// the second tick as the next one, and the second claim none: then heartbeats do not name the unit.
///
/// # Errors
///
/// A claim has another verdict, or the unit is named.
pub async fn check_last_tick(store: &dyn Store, clock: Arc<dyn Clock>) -> Result<(), String> {
    let unit = UnitName::new("last", 0);
    let known = [registration(unit.clone())];
    store.register(&caller(), &known).await.map_err(refused)?;
    let (first, last) = (TickMs(1_000), TickMs(2_000));
    let claim = |after, tick: TickMs, next_due_ms| Claim {
        unit: unit.clone(),
        nonce: format!("nonce {tick}"),
        valid_until_ms: 1 << 52,
        lease_ms: LEASE_MS,
        takeovers: 0,
        schedule: None,
        control: 0,
        with_lane: false,
        bounds: LowerBounds::default(),
        target: Target::Tick(DueTick {
            after,
            next_due_ms,
            intent: Intent::MarkMissed,
            missed: Some(Missed {
                first: tick,
                last: tick,
                count: 1,
                outcome: Outcome::Missed,
                reason: "late".to_owned(),
            }),
            ..DueTick::new(tick)
        }),
    };
    let claims = [
        claim(FIRST_SEEN, first, Some(last.ms())),
        claim(Some(first), last, None),
    ];
    let until = clock.boottime() + BOUND;
    loop {
        let claimed = store.claim(&caller(), &claims).await.map_err(refused)?.body;
        let waits = |verdict: &Verdict| matches!(verdict, Verdict::Quarantined { .. });
        if claimed.iter().any(|it| waits(&it.verdict)) && clock.boottime() < until {
            clock.sleep(Duration::from_millis(100)).await;
            continue;
        }
        let are_missed = claimed.iter().all(|it| it.verdict == Verdict::MarkedMissed);
        expect("two missed ticks", &claimed, are_missed)?;
        break;
    }
    let beat = store.heartbeat(&caller(), Heartbeat::alive()).await;
    let named = beat.map_err(refused)?.body.unclaimed;
    expect("no unit that is due", &named, named.is_empty())
}
