//! Which ticks are backfilled, and what becomes of the schedule meanwhile.

use std::time::UNIX_EPOCH;

use scheduled_one_control::BackfillOnly;
use scheduled_one_control::audit::{AuditedTick, TickStatus};
use scheduled_one_protocol::Store;
use scheduled_one_runtime::clock::Clock;
use scheduled_one_runtime::{Cause, Outcome, ZoneData};

use crate::{JOB, SECOND, World};

#[tokio::test(start_paused = true)]
async fn what_the_ledger_no_longer_keeps_is_not_run_again() {
    let (world, node) = World::with_lines(50, 5, SECOND / 50).await;
    let control = node.control().expect("a handle");
    tokio::time::sleep(120 * SECOND).await;
    let range = world.down.1..UNIX_EPOCH + world.clock.wall() - SECOND;
    let audit = control.audit(JOB, range.clone()).await.expect("an audit");
    let with = |status| audit.iter().filter(|tick| tick.status == status).count();
    assert_eq!(with(TickStatus::Unknown), 0, "{audit:?}");
    assert!(with(TickStatus::NoLongerKept) > 60, "{audit:?}");
    assert!(with(TickStatus::Decided(Outcome::Ok)) > 40, "{audit:?}");
    let never = control.backfill(JOB, range).only(BackfillOnly::Never);
    let never = never.dry_run().await.expect("a plan").ticks;
    assert!(never.is_empty(), "{never:?}");
    node.shutdown(10 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_backfill_is_one_of_the_schedule_in_force() {
    let (world, node) = World::down_for(5, SECOND / 50).await;
    let control = node.control().expect("a handle");
    let now = || UNIX_EPOCH + world.clock.wall();
    let from = now();
    tokio::time::sleep(10 * SECOND).await;
    control
        .reschedule(JOB, "*/2 * * * * *")
        .await
        .expect("rescheduled");
    let since = now();
    tokio::time::sleep(20 * SECOND).await;

    let end = now() - SECOND;
    let audit = control.audit(JOB, from..end).await.expect("an audit");
    let ran = |tick: &&&AuditedTick| tick.status == TickStatus::Decided(Outcome::Ok);
    let (before, after): (Vec<&AuditedTick>, Vec<&AuditedTick>) =
        audit.iter().partition(|tick| tick.tick <= since);
    assert!((8..=11).contains(&before.len()), "{before:?}");
    assert!((8..=10).contains(&after.len()), "{after:?}");
    assert!(
        before.iter().filter(ran).count() >= before.len() - 1,
        "{before:?}"
    );
    assert!(
        after.iter().filter(ran).count() >= after.len() - 1,
        "{after:?}"
    );

    // Ticks that ran by the schedule before are none of which no run is known.
    let fills = |range, only| control.backfill(JOB, range).only(only);
    let never = fills(from..since, BackfillOnly::Never);
    assert_eq!(never.dry_run().await.expect("a plan").ticks, []);
    let all = fills(from..end, BackfillOnly::All);
    let begun = all.await.expect("begun").ticks;
    let wanted = after.iter().filter(ran).map(|tick| (tick.tick, 0));
    assert_eq!(begun, wanted.collect::<Vec<_>>());
    world.is_over(&control).await;
    let state = control.backfill_state(JOB).await.expect("a reply");
    assert_eq!(state.expect("a backfill").ended, "");
    let filled = world.filled();
    assert_eq!(filled.len(), begun.len());
    assert!(
        filled.iter().all(|tick_ms| tick_ms % 2_000 == 0),
        "{filled:?}"
    );
    node.shutdown(10 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_backfill_ends_when_its_job_has_another_schedule() {
    let (world, node) = World::down_for(300, SECOND / 50).await;
    let control = node.control().expect("a handle");
    let begun = control.backfill(JOB, world.down.0..world.down.1).await;
    let all = begun.expect("begun").ticks.len();
    while world.filled().is_empty() {
        tokio::time::sleep(SECOND / 10).await;
    }
    let other = control.reschedule(JOB, "*/2 * * * * *");
    other.await.expect("rescheduled");
    world.is_over(&control).await;
    let state = control.backfill_state(JOB).await.expect("a reply");
    let ended = state.expect("a backfill").ended;
    assert_eq!(ended, "the job has another schedule");
    assert!(
        world.filled().len() < all,
        "{} of {all}",
        world.filled().len()
    );
    node.shutdown(10 * SECOND).await;
}

/// Other nodes know whether the job has another schedule.
#[tokio::test(start_paused = true)]
async fn a_node_that_cannot_use_the_schedule_leaves_its_backfill_alone() {
    let (world, node) = World::down_for(5, SECOND / 50).await;
    let control = node.control().expect("a handle");
    let other = control.reschedule(JOB, "*/2 * * * * *").tz("Asia/Tokyo");
    other.await.expect("rescheduled");
    let since = UNIX_EPOCH + world.clock.wall();
    tokio::time::sleep(20 * SECOND).await;
    let backfill = control.backfill(JOB, since..UNIX_EPOCH + world.clock.wall());
    let backfill = backfill.only(BackfillOnly::All).by("zoe").note("outage");
    let begun = backfill.await.expect("begun").ticks.len();
    assert!(
        control
            .pause_backfill(JOB, true, "ann")
            .await
            .expect("paused")
    );
    node.shutdown(10 * SECOND).await;

    let few_zones = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../scheduled-one-schedule/tests/zoneinfo"
    );
    let few_zones = ZoneData::from_folder(few_zones).expect("zone data");
    let unable = world.node_with("unable", few_zones).await;
    let control = unable.control().expect("a handle");
    tokio::time::sleep(10 * SECOND).await;
    assert!(
        control
            .pause_backfill(JOB, false, "bob")
            .await
            .expect("resumed")
    );
    tokio::time::sleep(60 * SECOND).await;
    let state = control.backfill_state(JOB).await.expect("a reply");
    let state = state.expect("a backfill");
    assert_eq!((state.ended.as_str(), state.is_over()), ("", false));
    unable.shutdown(10 * SECOND).await;

    let able = world.node("able").await;
    let control = able.control().expect("a handle");
    world.is_over(&control).await;
    let state = control.backfill_state(JOB).await.expect("a reply");
    let state = state.expect("a backfill");
    assert_eq!((state.ended.as_str(), world.filled().len()), ("", begun));
    // Who asked for it stays, whoever paused it and let it go on.
    assert_eq!((state.by.as_str(), state.note.as_str()), ("zoe", "outage"));
    let lines = Store::ledger(&world.store, JOB, 1_000)
        .await
        .expect("a ledger");
    let filled = lines
        .iter()
        .filter(|line| line.cause == Some(Cause::Backfill));
    let actors: Vec<&str> = filled.map(|line| line.actor.as_str()).collect();
    assert!(
        actors.len() >= begun && actors.iter().all(|actor| *actor == "zoe"),
        "{actors:?}"
    );
    able.shutdown(10 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn no_tick_is_skipped_for_a_run_that_takes_longer_than_a_period() {
    let (world, node) = World::down_for(8, 3 * SECOND / 2).await;
    let control = node.control().expect("a handle");
    let begun = control
        .backfill(JOB, world.down.0..world.down.1)
        .at_a_time(1);
    let begun = begun.await.expect("begun");
    assert!(begun.ticks.len() > 4, "{begun:?}");
    world.is_over(&control).await;
    assert_eq!(world.filled().len(), begun.ticks.len());
    let lines = node.ledger(JOB, 1_000).await.expect("a ledger");
    let skipped = lines.iter().filter(|line| line.outcome == Outcome::Skipped);
    assert_eq!(skipped.count(), 0, "{lines:?}");
    let live = world.starts.lock().expect("lock").clone();
    let late = live
        .iter()
        .filter(|start| start.cause.is_none() && start.late_ms > 0);
    assert!(
        late.count() > 0,
        "some found a run of the backfill in their way"
    );
    node.shutdown(10 * SECOND).await;
}
