//! Heartbeats name at most a batch of units: of more, all of them in turn.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::message::{ASK_AGAIN_MS, Heartbeat, MAX_BATCH, Register};
use scheduled_one_protocol::{Store, UnitName};

use super::way_back::{caller, refused, registration};

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
