//! The page of a tick, also of one that has no line of its own in the ledger.

use std::time::Duration;

use crate::world::{World, eventually};

const HOUR: Duration = Duration::from_secs(3_600);
/// 2026-01-01 03:00:00 UTC.
const THREE: &str = "/jobs/nightly/ticks/1767236400000";

/// A world five hours later, in which `nightly` is paused.
async fn paused_for_five_hours() -> World {
    let world = World::new().await;
    world.control.pause("nightly").await.expect("paused");
    tokio::time::sleep(5 * HOUR + Duration::from_secs(60)).await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_tick_in_a_pause_says_so() {
    let world = paused_for_five_hours().await;
    let job = world.get("/jobs/nightly?range=week").await.is(200);
    job.has(&format!("href=\"{THREE}\""));
    let tick = world.get(THREE).await.is(200);
    tick.has("Tick 2026-01-01 03:00:00 UTC")
        .has("It is in a pause of the job.")
        .has("The ledger has no line of this tick.")
        .has(&format!("action=\"{THREE}/rerun\""));
    // No tick of the schedule.
    let no_tick = world.get("/jobs/nightly/ticks/1767236400001").await;
    no_tick.is(404).has("has no line of this run");
}

#[tokio::test(start_paused = true)]
async fn a_line_of_several_ticks_is_shown_for_the_one_that_was_asked_for() {
    let world = paused_for_five_hours().await;
    world.control.resume("nightly").await.expect("resumed");
    let is_one_line = async || {
        let lines = world.control.ledger("nightly", 9).await.expect("a ledger");
        lines.iter().any(|line| line.count == 5)
    };
    eventually("the ticks of the pause are one line", is_one_line).await;
    let tick = world.get(THREE).await.is(200);
    tick.has("Tick 2026-01-01 03:00:00 UTC")
        .has("skipped")
        .has("5 ticks, to")
        .has(&format!("action=\"{THREE}/rerun\""))
        .lacks("/ticks/1767229200000/rerun");
}
