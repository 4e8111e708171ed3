//! What the audit and the description of a job say after changes of its schedule.

use std::time::UNIX_EPOCH;

use scheduled_one_runtime::clock::Clock;
use scheduled_one_runtime::{Outcome, Scheduler, TickStatus};

use crate::{BOUND, MINUTE, SECOND, World};

impl World {
    /// The ticks of the last hour, as the audit has them: each ran. In the process and outside it says the same.
    pub(crate) async fn audited(&self, node: &Scheduler) -> Vec<String> {
        let now = UNIX_EPOCH + self.clock.wall();
        let from = now - 60 * MINUTE;
        let of_control = self.control.audit_in_full("job", from..now).await.unwrap();
        let instant = |time| jiff::Timestamp::try_from(time).unwrap();
        let range = instant(from)..instant(now);
        let audit = node.audit_in_full("job", range).await.unwrap();
        assert_eq!(
            audit.complete_since,
            of_control.complete_since.map(instant),
            "{audit:?}"
        );
        assert!(
            audit
                .complete_since
                .is_some_and(|since| since < instant(now))
        );
        let ran = TickStatus::Decided(Outcome::Ok);
        let of_control = of_control.ticks.iter();
        let of_control = of_control.map(|tick| (instant(tick.tick), tick.status));
        let ticks = audit.ticks.iter().map(|tick| (tick.tick, tick.status));
        assert!(ticks.clone().eq(of_control), "{audit:?}");
        let time = |(tick, status): (jiff::Timestamp, TickStatus)| {
            assert_eq!(status, ran, "{audit:?}");
            tick.to_string()[14..19].to_owned()
        };
        ticks.map(time).collect()
    }
}

/// What the ledger has is listed, and nothing else of the time before the second one.
#[tokio::test]
async fn an_audit_behind_a_second_schedule_invents_no_gap() {
    let world = World::new().await;
    let node = world.start("0 * * * * *").await;
    world.until_runs(&["01:00"]).await;
    let control = &world.control;
    control.reschedule("job", "30 * * * * *").await.unwrap();
    world.until_runs(&["01:00", "01:30", "02:30"]).await;
    control.reschedule("job", "45 * * * * *").await.unwrap();
    let all = ["01:00", "01:30", "02:30", "02:45"];
    world.until_runs(&all).await;
    world.pass(5 * SECOND).await;
    assert_eq!(world.audited(&node).await, all);
    node.shutdown(BOUND).await;
}

/// Changes that have nothing to do with a pause leave who asked for it, and why.
#[tokio::test]
async fn a_pause_is_that_of_whoever_asked_for_it() {
    let world = World::new().await;
    let node = world.start("0 0 * * * *").await;
    let control = &world.control;
    let paused = control.pause("job").by("ann").note("db migration");
    paused.await.unwrap();
    let asked = async || {
        let pauses = control.describe("job").await.unwrap().pauses;
        let asked = pauses.into_iter().map(|pause| (pause.by, pause.note));
        asked.collect::<Vec<_>>()
    };
    let of_ann = [("ann".to_owned(), "db migration".to_owned())];
    assert_eq!(asked().await, of_ann);
    let other = control.reschedule("job", "0 30 * * * *").by("bob");
    other.note("later").await.unwrap();
    assert_eq!(asked().await, of_ann);
    control.reset("job").by("bob").await.unwrap();
    assert_eq!(asked().await, of_ann);
    // The trail has who did what.
    let trail = control.trail().job("job").await.unwrap().entries;
    let actors: Vec<&str> = trail.iter().map(|entry| &*entry.actor).collect();
    assert_eq!(actors, ["ann", "bob", "bob"]);
    control.resume("job").by("bob").await.unwrap();
    control.pause("job").by("carl").await.unwrap();
    assert_eq!(asked().await, [("carl".to_owned(), String::new())]);
    node.shutdown(BOUND).await;
}
