//! Each call of a handle with rights, with and without the right that it needs.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use scheduled_one_protocol::clock::{Clock, ManualClock};
use scheduled_one_protocol::machine::CONTROL_VERSION;
use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_protocol::message::{
    Caller, Heartbeat, JobList, LowerBounds, Occasion, Register,
};
use scheduled_one_protocol::{BoxFuture, JobDescriptor, UnitName};
use scheduled_one_schedule::{Schedule, Zone};

use super::*;
use crate::backfill::BackfillOnly;
use crate::jobs::JobSummary;

const DAY: Duration = Duration::from_secs(86_400);

/// Two jobs that a node has described and registered: one in a group.
async fn world() -> Control {
    let clock = ManualClock::new();
    let store = MemoryStore::new(Arc::new(clock.clone()));
    let node = Caller {
        node: "node-a".to_owned(),
        name: "node-a".to_owned(),
        quarantine_ms: 0,
        margin_ms: 0,
        ledger_limit: 9,
        buckets: 1,
    };
    let schedule = Schedule::cron("0 0 0 * * *", Zone::utc()).unwrap();
    let identity = schedule.identity().to_string();
    let described = |name: &str, group: &str| {
        let mut job = JobDescriptor::default();
        job.say("identity", identity.as_str());
        job.say("cron", "0 0 0 * * *");
        job.say("group", group);
        (name.to_owned(), job.to_text())
    };
    let request = ControlRequest {
        described: vec![described("nightly", "billing"), described("other", "stock")],
        ..ControlRequest::default()
    };
    store.control(&node, &request).await.unwrap();
    let now_ms = clock.wall().as_millis() as i64;
    let register = |job: &str| Register {
        unit: UnitName::new(job, 0),
        first_seen_ms: now_ms,
        lease_ms: 1_000,
        schedule: None,
        generation: 0,
        occasion: Occasion::Start {
            valid_until_ms: now_ms + 1_000,
        },
        decides: None,
        bounds: LowerBounds::default(),
        next_due_ms: None,
        requests: Vec::new(),
    };
    let units = ["nightly", "other"].map(register);
    store.register(&node, &units).await.unwrap();
    let says = format!("{}{CONTROL_VERSION}", JobList::PROTOCOL);
    let entries = ["nightly", "other"].map(|job| format!("{job}={identity}"));
    let list = JobList::new([entries[0].as_str(), entries[1].as_str(), &says]);
    let heartbeat = Heartbeat {
        jobs: list.digest(),
        job_list: Some(list),
        ..Heartbeat::alive()
    };
    store.heartbeat(&node, heartbeat).await.unwrap();
    Control::of_stores(vec![Arc::new(store)]).unwrap()
}

fn now() -> SystemTime {
    UNIX_EPOCH + ManualClock::new().wall()
}

type Called = BoxFuture<'static, Result<(), Error>>;

/// The name of a call, the right that it needs, and the call.
type Call = (&'static str, Action, Called);

fn called<T>(call: impl Future<Output = Result<T, Error>> + Send + 'static) -> Called {
    Box::pin(async move { call.await.map(drop) })
}

/// Everything that changes something of `nightly`.
fn changes(control: &Control) -> Vec<Call> {
    let backfill = || {
        let backfill = control.backfill("nightly", now() - 10 * DAY..now());
        backfill.only(BackfillOnly::Never)
    };
    let (one, two, dry) = (control.clone(), control.clone(), backfill());
    let of_backfill = |name, call| (name, Action::Backfill, call);
    let pause = |name, call: crate::change::ChangeDirective| {
        (name, Action::Pause, called(call.into_future()))
    };
    let reschedule = control.reschedule("nightly", "0 0 4 * * *");
    let preview = reschedule.clone().preview();
    vec![
        pause("pause", control.pause("nightly")),
        pause("resume", control.resume("nightly")),
        pause("skip missed", control.resume("nightly").skip_missed()),
        pause("pause the group", control.pause_group("billing")),
        pause("resume the group", control.resume_group("billing")),
        pause("pause all", control.pause_all()),
        pause("resume all", control.resume_all()),
        (
            "run",
            Action::Run,
            called(control.run("nightly").into_future()),
        ),
        (
            "rerun",
            Action::Run,
            called(control.rerun("nightly", now()).into_future()),
        ),
        (
            "cancel",
            Action::Cancel,
            called(control.cancel("nightly", 1).into_future()),
        ),
        ("preview", Action::Reschedule, called(preview)),
        (
            "reschedule",
            Action::Reschedule,
            called(reschedule.into_future()),
        ),
        (
            "reset",
            Action::Reschedule,
            called(control.reset("nightly").into_future()),
        ),
        of_backfill("dry run", called(async move { dry.dry_run().await })),
        of_backfill("backfill", called(backfill().into_future())),
        of_backfill(
            "pause it",
            called(async move { one.pause_backfill("nightly", true, "").await }),
        ),
        of_backfill(
            "stop it",
            called(async move { two.stop_backfill("nightly", "", "").await }),
        ),
        (
            "forget",
            Action::Forget,
            called(control.forget("nightly").into_future()),
        ),
        (
            "take back",
            Action::Forget,
            called(control.take_back("nightly").into_future()),
        ),
    ]
}

/// Everything that shows something of `nightly`.
fn looks(control: &Control) -> Vec<(&'static str, Called)> {
    macro_rules! look {
        ($name:literal, $control:ident => $call:expr) => {{
            let $control = control.clone();
            ($name, called(async move { $call.await }))
        }};
    }
    let names = vec!["nightly".to_owned()];
    vec![
        look!("describe", it => it.describe("nightly")),
        look!("glance", it => it.glance(&names)),
        look!("open runs", it => it.open_runs("nightly")),
        look!("active runs", it => it.active_runs("nightly")),
        look!("ledger", it => it.ledger("nightly", 9)),
        look!("history", it => it.history("nightly", 9)),
        look!("audit", it => it.audit("nightly", now() - DAY..now())),
        look!("unaccounted", it => {
            let job = JobSummary {
                job: "nightly".to_owned(),
                ..JobSummary::default()
            };
            async move { it.unaccounted(&job, DAY, DAY).await }
        }),
        look!("next", it => it.next("nightly", 9)),
        look!("matching", it => it.matching("nightly", now() - DAY..now())),
        look!("backfill state", it => it.backfill_state("nightly")),
    ]
}

fn all_but(action: Action) -> Rights {
    let others = Action::ALL.into_iter().filter(|it| *it != action);
    others.fold(Rights::none(), Rights::allow)
}

#[track_caller]
fn assert_forbidden<T: std::fmt::Debug>(result: Result<T, Error>, wanted: Action, name: &str) {
    match result {
        Err(error @ Error::Forbidden { action, .. }) if action == wanted => {
            let text = error.to_string();
            assert!(text.contains(&format!("right to {wanted} ")), "{text}");
            assert_eq!(error.kind(), crate::ErrorKind::Refused);
        }
        other => panic!("{name}: {other:?}"),
    }
}

#[tokio::test]
async fn each_change_needs_its_right_and_nothing_is_changed_without() {
    let control = world().await;
    let count = changes(&control).len();
    for index in 0..count {
        let (name, action, _) = changes(&control).swap_remove(index);
        let without = control.with_rights(all_but(action));
        let (_, _, call) = changes(&without).swap_remove(index);
        assert_forbidden(call.await, action, name);
    }
    assert_eq!(control.trail().await.unwrap().entries, []);
    assert_eq!(control.describe("nightly").await.unwrap().version, 0);
    for index in 0..count {
        let (name, action, _) = changes(&control).swap_remove(index);
        let with = control.with_rights(Rights::none().allow(action));
        let (_, _, call) = changes(&with).swap_remove(index);
        let result = call.await;
        // A node has the job.
        let is_kept = action == Action::Forget && matches!(result, Err(Error::NotGone { .. }));
        assert!(result.is_ok() || is_kept, "{name}: {result:?}");
    }
    assert!(control.trail().await.unwrap().entries.len() > 5);
}

#[tokio::test]
async fn who_may_not_see_a_job_sees_nothing_of_it() {
    let control = world().await;
    let sees = Rights::none().allow_for_job("nightly", Action::View);
    for rights in [
        all_but(Action::View),
        Rights::none().allow_for_job("other", Action::View),
    ] {
        for (name, look) in looks(&control.with_rights(rights.clone())) {
            assert_forbidden(look.await, Action::View, name);
        }
    }
    for (name, look) in looks(&control.with_rights(sees)) {
        let result = look.await;
        assert!(result.is_ok(), "{name}: {result:?}");
    }
    let blind = control.with_rights(all_but(Action::View));
    assert_eq!(blind.jobs().await.unwrap(), []);
    assert_forbidden(blind.trail().await, Action::View, "trail");
    assert_forbidden(blind.alerts().await, Action::View, "alerts");
    assert_forbidden(blind.living_nodes().await, Action::View, "nodes");
    assert_forbidden(blind.buckets().await, Action::View, "buckets");
}

#[tokio::test]
async fn lists_have_what_may_be_seen() {
    let control = world().await;
    control.pause("other").by("bob").await.unwrap();
    control.pause("nightly").by("bob").await.unwrap();
    control.pause_all().by("bob").await.unwrap();
    for rights in [
        Rights::none().allow_for_job("nightly", Action::View),
        Rights::none().allow_for_group("billing", Action::View),
    ] {
        let ann = control.with_rights(rights);
        let jobs = ann.jobs().await.unwrap();
        let jobs: Vec<&str> = jobs.iter().map(|job| job.job.as_str()).collect();
        assert_eq!(jobs, ["nightly"]);
        assert!(ann.group("stock").await.is_err());
        let nodes = ann.living_nodes().await.unwrap();
        assert!(nodes[0].jobs.iter().eq(["nightly"]), "{nodes:?}");
        let trail = ann.trail().limit(2).await.unwrap().entries;
        let subjects: Vec<&str> = trail.iter().map(|entry| entry.subject.as_str()).collect();
        assert_eq!(subjects, ["nightly", ALL_JOBS]);
        let report = ann.doctor().await;
        assert!(
            report.to_string().contains("right to view with all jobs"),
            "{report}"
        );
    }
}

#[tokio::test]
async fn a_wrong_name_is_not_answered_with_names_that_may_not_be_seen() {
    let control = world().await;
    let all = control.run("othe").await.unwrap_err().to_string();
    assert!(all.contains("did you mean other"), "{all}");
    let ann = Rights::none()
        .allow(Action::Run)
        .allow_for_job("nightly", Action::View);
    let ann = control.with_rights(ann);
    let some = ann.run("othe").await.unwrap_err().to_string();
    assert!(!some.contains("did you mean"), "{some}");
}

#[tokio::test]
async fn rights_with_a_group_are_for_the_jobs_that_are_in_it_now() {
    let control = world().await;
    let ann = Rights::none().allow_for_group("billing", Action::Pause);
    let ann = control.with_rights(ann);
    ann.pause("nightly").await.unwrap();
    assert_forbidden(ann.pause("other").await, Action::Pause, "another group");
    assert_forbidden(ann.pause("nosuch").await, Action::Pause, "no job");
    ann.resume_group("billing").await.unwrap();
    assert_forbidden(
        ann.pause_group("stock").await,
        Action::Pause,
        "the other group",
    );
    assert_forbidden(ann.pause_all().await, Action::Pause, "all");
}

#[tokio::test]
async fn a_group_is_changed_as_a_whole_or_not_at_all() {
    let control = world().await;
    let mut job = JobDescriptor::default();
    job.say("group", "billing");
    let described = ControlRequest {
        described: vec![("zoo".to_owned(), job.to_text())],
        ..ControlRequest::default()
    };
    let store = control.store_of("zoo");
    store.control(&control.caller, &described).await.unwrap();
    let ann = Rights::none().allow_for_job("nightly", Action::Pause);
    let ann = control.with_rights(ann);
    assert_forbidden(
        ann.pause_group("billing").await,
        Action::Pause,
        "one of two",
    );
    assert_eq!(control.describe("nightly").await.unwrap().pauses, []);
}

#[tokio::test]
async fn a_right_with_a_job_of_that_name_is_no_right_with_all() {
    let control = world().await;
    let ann = Rights::none().allow_for_job(ALL_JOBS, Action::Pause);
    let ann = control.with_rights(ann.allow_for_group(ALL_JOBS, Action::Pause));
    assert_forbidden(ann.pause_all().await, Action::Pause, "all");
}

#[tokio::test]
async fn a_restricted_handle_is_not_widened() {
    let control = world().await;
    let ann = control.with_rights(Rights::read_only());
    let wider = ann.with_rights(Rights::all());
    assert_forbidden(wider.pause("nightly").await, Action::Pause, "pause");
    assert!(wider.describe("nightly").await.is_ok());
    let none = ann.with_rights(Rights::none());
    assert_forbidden(none.describe("nightly").await, Action::View, "describe");
    assert!(
        control.pause("nightly").await.is_ok(),
        "the first is as it was"
    );
}
