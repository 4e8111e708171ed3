//! What is shown of paused jobs.

use std::time::SystemTime;

use scheduled_one_runtime::clock::{Clock, ManualClock};
use scheduled_one_runtime::{Job, Scope};
use test_support::wait_until_async;

use crate::{BOUND, MINUTE, SECOND, advance_until, on, shown, wait_for};

const PAUSED: &str = "scheduled_one_job_paused";

#[tokio::test]
async fn a_pause_shows_and_its_ticks_are_skipped() {
    let clock = ManualClock::new();
    let builder = on(&clock).job(Job::every("j", MINUTE, || async {}));
    let scheduler = builder.start().await.expect("started");
    let of = (&scheduler, &clock);
    let control = scheduler.control().expect("a control");
    control.pause("j").by("test").await.expect("paused");
    advance_until(of, SECOND, PAUSED, &[("job_name", "j")], 1.0).await;
    clock.advance(5 * MINUTE);
    control.resume("j").by("test").await.expect("resumed");
    let skipped = [("job_name", "j"), ("reason", "paused")];
    advance_until(
        of,
        SECOND,
        "scheduled_one_ticks_skipped_total",
        &skipped,
        4.0,
    )
    .await;
    wait_for(&scheduler, PAUSED, &[("job_name", "j")], 0.0).await;
}

/// No directive changes then.
#[tokio::test]
async fn a_pause_that_ends_by_itself_is_no_longer_shown() {
    for scope in [Scope::One, Scope::EveryNode] {
        let clock = ManualClock::new();
        // Its next tick is long after the end of the pause.
        let job = Job::every("j", 10_000 * MINUTE, || async {}).scope(scope);
        let scheduler = on(&clock).job(job).start().await.expect("started");
        let control = scheduler.control().expect("a control");
        let until = SystemTime::UNIX_EPOCH + clock.wall() + 5 * MINUTE;
        wait_until_async("the job is known", BOUND, async || {
            clock.advance(SECOND / 10);
            control.pause("j").until(until).await.is_ok()
        })
        .await;
        let of_job = [("job_name", "j")];
        advance_until((&scheduler, &clock), SECOND, PAUSED, &of_job, 1.0).await;
        let is_over = async || {
            clock.advance(SECOND);
            tokio::task::yield_now().await;
            shown(&scheduler).value(PAUSED, &of_job) == 0.0
        };
        wait_until_async("the pause is over", BOUND, is_over).await;
        assert!(SystemTime::UNIX_EPOCH + clock.wall() >= until);
    }
}
