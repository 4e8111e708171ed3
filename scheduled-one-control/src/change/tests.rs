use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::clock::ManualClock;
use scheduled_one_protocol::machine::Now;
use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_protocol::message::{
    ControlRequest, DirectiveChange, Heartbeat, JobList, LowerBounds, Occasion, OnBusy, Register,
};
use scheduled_one_protocol::{
    Answer, Backfill, BackfillRange, BoxFuture, Bucket, Decide, DiagnosticContext, LedgerRecord,
    Records, Report, ScheduleId, ScheduleOverride, Store, StoreError, Survey, TrailId, TrailLine,
    UnitName, Wanted,
};

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

/// A store that has just forgotten everything; of one step, the reply is lost.
#[derive(Debug)]
struct Forgetful {
    inner: MemoryStore,
    steps: AtomicUsize,
    /// The step, from 0.
    loses: usize,
}

impl Records for Forgetful {
    fn transact<'a>(
        &'a self,
        wanted: Wanted,
        ledger_limit: usize,
        mut decide: Decide<'a>,
    ) -> Answer<'a, ()> {
        let step: Decide<'a> = Box::new(move |set| {
            set.serving = "another process".to_owned();
            decide(set)
        });
        let reply = self.inner.transact(wanted, ledger_limit, step);
        match self.steps.fetch_add(1, Ordering::Relaxed) == self.loses {
            true => Box::pin(async { Err(StoreError::Unknown("the reply was lost".to_owned())) }),
            false => reply,
        }
    }

    fn survey(&self, now: Now) -> Answer<'_, Survey> {
        self.inner.survey(now)
    }

    fn ledger<'a>(&'a self, job: &'a str, limit: usize) -> Answer<'a, Vec<LedgerRecord>> {
        Records::ledger(&self.inner, job, limit)
    }

    fn trail(&self, before: Option<TrailId>, limit: usize) -> Answer<'_, Vec<TrailLine>> {
        Records::trail(&self.inner, before, limit)
    }

    fn open(&self, bucket: Bucket) -> Arc<dyn Store> {
        Records::open(&self.inner, bucket)
    }

    fn diagnose<'a>(&'a self, needs: &'a DiagnosticContext) -> BoxFuture<'a, Report> {
        Records::diagnose(&self.inner, needs)
    }
}

/// A store that has just forgotten everything, and the way of an operator to it.
fn forgetful() -> (Arc<dyn Store>, Control) {
    loses(usize::MAX)
}

fn loses(step: usize) -> (Arc<dyn Store>, Control) {
    let store: Arc<dyn Store> = Arc::new(Forgetful {
        inner: MemoryStore::new(Arc::new(ManualClock::new())),
        steps: AtomicUsize::new(0),
        loses: step,
    });
    let control = Control::of_stores(vec![Arc::clone(&store)]);
    (store, control.expect("random numbers"))
}

/// What a node repeats after a loss of memory: a pause of all jobs.
fn repeated(version: u64) -> ControlRequest {
    let pause = scheduled_one_protocol::Pause {
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
        ..ControlRequest::default()
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

#[tokio::test(start_paused = true)]
async fn a_resume_just_after_a_loss_of_memory_is_newer_than_what_nodes_repeat() {
    let (store, control) = forgetful();
    // Nobody has come before, so no lease is known, and no quarantine.
    let resumed = control.resume_all().await.expect("resumed");
    assert!(!resumed.already, "{resumed:?}");
    let reply = store.control(&control.caller, &repeated(1_000)).await;
    let directives = reply.expect("a reply").body.directives;
    assert!(!directives.in_force("job", i64::MAX).paused, "{directives}");
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_reply_was_lost_is_no_conflict() {
    let (_, control) = loses(3);
    let paused = control.pause_all().expect(0).await.expect("paused");
    assert!(!paused.already && paused.version > 0, "{paused:?}");
    let conflict = control.resume_all().expect(0).await;
    assert!(
        matches!(conflict, Err(Error::Conflict { .. })),
        "{conflict:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_after_a_loss_waits_for_what_nodes_repeat_with_versions_of_a_clock_that_was_ahead()
{
    let (store, control) = forgetful();
    let request = repeated(1 << 52);
    let node = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        store
            .control(&control.caller, &request)
            .await
            .expect("a reply");
    };
    let resume = control.resume_all().into_future();
    let (resumed, ()) = tokio::join!(resume, node);
    assert!(resumed.expect("resumed").version > 1 << 52);
    let reply = store.control(&control.caller, &request).await;
    let directives = reply.expect("a reply").body.directives;
    assert!(!directives.in_force("job", i64::MAX).paused, "{directives}");
}

#[tokio::test(start_paused = true)]
async fn a_backfill_that_the_store_forgot_stays_stopped_when_nodes_repeat_it() {
    let (store, control) = forgetful();
    let list = JobList::new(["job=0000000000000001", "*protocol=2"]);
    let alive = Heartbeat {
        jobs: list.digest(),
        job_list: Some(list),
        ..Heartbeat::alive()
    };
    let node = &crate::control::caller(1).expect("a caller");
    store.heartbeat(node, alive).await.expect("a reply");
    let open = Backfill {
        schedule: ScheduleId(1),
        ranges: vec![BackfillRange {
            shard: 0,
            ticks: 1..10,
            again: 0,
        }],
        newest_first: false,
        at_a_time: 1,
        on_busy: OnBusy::Wait,
        total: 9,
        asked: 0,
        ended: String::new(),
    };
    let directive = Directive {
        version: 1_000,
        backfill: Some(open),
        ..Directive::default()
    };
    let repeated = ControlRequest {
        seen: vec![(Backfill::subject("job"), directive)],
        ..ControlRequest::default()
    };
    let goes_on = async || {
        let reply = store.control(node, &repeated).await.expect("a reply");
        let directive = reply.body.directives.get(&Backfill::subject("job"));
        let backfill = directive.and_then(|one| one.backfill.as_ref());
        backfill.is_some_and(Backfill::is_open)
    };
    let went_on = control.stop_backfill("job", "ann", "").await;
    assert!(!went_on.expect("stopped"), "the store knew of none");
    assert!(!goes_on().await);
}

/// A job that a node has registered, by a clock that is not that of this process.
async fn with_job() -> (ManualClock, Arc<dyn Store>, Control) {
    let clock = ManualClock::new();
    clock.advance(DAY);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
    let control = Control::of_stores(vec![Arc::clone(&store)]).unwrap();
    let register = Register {
        unit: UnitName::new("work", 0),
        first_seen_ms: 1,
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
    (clock, store, control)
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_says_whether_something_would_change_and_changes_nothing() {
    let (clock, _, control) = with_job().await;
    let changed = |version, already| Changed {
        version,
        already,
        all_paused: false,
    };
    for change in [control.pause("work"), control.pause_all()] {
        assert_eq!(change.dry_run().await.unwrap(), changed(0, false));
    }
    let already = control.resume("work").dry_run().await.unwrap();
    assert_eq!(already, changed(0, true));
    assert_eq!(control.describe("work").await.unwrap().pauses, []);
    let unknown = control.pause("wrok").dry_run().await.unwrap_err();
    assert!(matches!(unknown, Error::UnknownJob { .. }));

    let paused = control.pause("work").lasting(DAY).await.unwrap();
    let pause = control.describe("work").await.unwrap().pauses.remove(0);
    // By the store's clock.
    let end = UNIX_EPOCH + clock.wall() + DAY;
    let until = UNIX_EPOCH + Duration::from_millis(pause.pause.until_ms.unwrap() as u64);
    assert!(end.duration_since(until).unwrap() < Duration::from_secs(1));
    let same = control.pause("work").until(until).dry_run().await.unwrap();
    assert_eq!(same, changed(paused.version, true));
    let resume = || control.resume("work");
    let dry = resume().expect(paused.version).dry_run().await.unwrap();
    assert_eq!(dry, changed(paused.version, false));
    let stale = resume().expect(paused.version - 1).dry_run().await;
    assert!(matches!(stale, Err(Error::Conflict { .. })));
    let all = control.resume_all().dry_run().await.unwrap();
    assert_eq!(all, changed(0, true));
    assert!(resume().lasting(DAY).dry_run().await.is_err());
}

/// Each bucket has a version of its own: with the version of one, the change would be made in that one alone.
#[tokio::test(start_paused = true)]
async fn a_version_is_not_expected_of_several_buckets() {
    let (_, store, _) = with_job().await;
    let control = Control::of_stores(vec![Arc::clone(&store), store]).unwrap();
    for change in [control.pause_all(), control.resume_all()] {
        let refused = change.expect(0).await.unwrap_err();
        assert!(matches!(
            refused,
            Error::Argument {
                argument: "expect",
                ..
            }
        ));
    }
}

/// Its nodes are gone, its ledger and its catalog as well: what operators wanted comes back with other nodes.
#[tokio::test(start_paused = true)]
async fn of_a_job_that_only_has_a_past_pause_the_ledger_is_empty() {
    let (_, store, control) = with_job().await;
    let ControlRequest { mut seen, .. } = repeated(7);
    for (subject, directive) in &mut seen {
        *subject = "left".to_owned();
        directive.end_pause(5, false);
    }
    let request = ControlRequest {
        seen,
        ..ControlRequest::default()
    };
    store.control(&control.caller, &request).await.unwrap();
    let jobs = control.jobs().await.unwrap();
    assert!(jobs.iter().any(|job| job.job == "left"), "{jobs:?}");
    assert_eq!(control.history("left", 1).await.unwrap(), []);
    assert!(control.history("right", 1).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_resume_says_that_all_jobs_are_paused() {
    let (_, _, control) = with_job().await;
    assert!(!control.resume("work").await.unwrap().all_paused);
    assert!(!control.pause_all().await.unwrap().all_paused, "of itself");
    for resume in [control.resume("work"), control.resume("work").expect(0)] {
        let dry = resume.clone().dry_run().await.unwrap();
        let resumed = resume.await.unwrap();
        assert!(
            dry.all_paused && resumed.all_paused && resumed.already,
            "{resumed:?}"
        );
    }
    control.resume_all().await.unwrap();
    assert!(!control.resume("work").await.unwrap().all_paused);
}

/// What is in force now, and who asked for it.
#[tokio::test(start_paused = true)]
async fn a_conflict_says_what_it_is_now() {
    let (clock, store, control) = with_job().await;
    let conflict = async || {
        let conflict = control.resume("work").expect(77).await.unwrap_err();
        conflict.to_string()
    };
    let text = conflict().await;
    assert!(
        text.contains("nobody has asked for anything of `work`"),
        "{text}"
    );
    let pause = control.pause("work").by("ann").note("db migration");
    let paused = pause.lasting(DAY).await.unwrap();
    let text = conflict().await;
    let expected = "`work` is paused, by ann (\"db migration\"); its version is ";
    assert!(text.contains(expected), "{text}");
    let directives = control.read(control.reader("work")).await.unwrap();
    let mut directive = directives.body.directives.get("work").unwrap().clone();
    directive.by = "bob".to_owned();
    directive.note = String::new();
    directive.schedule = Some(ScheduleOverride {
        base: ScheduleId(1),
        text: "0 30 * * * *".to_owned(),
        zone: "Europe/Berlin".to_owned(),
        since_ms: 1,
        by: "bob".to_owned(),
    });
    let change = DirectiveChange {
        subject: "work".to_owned(),
        seen: paused.version,
        directive,
        action: "reschedule".to_owned(),
    };
    let request = ControlRequest {
        change: Some(change),
        ..ControlRequest::default()
    };
    store.control(&control.caller, &request).await.unwrap();
    // Its end has passed.
    clock.advance(2 * DAY);
    let text = conflict().await;
    let expected = "`work` is not paused, and is to have the schedule `0 30 * * * *` in Europe/Berlin, by bob; ";
    assert!(
        text.contains(expected) && text.contains("last change, by bob. "),
        "{text}"
    );
}
