//! The forms: each changes something once, and leads back to the page with a notice.

mod schedule;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Extension;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use scheduled_one_control::{
    Action, BackfillJob, BackfillOnly, CancelledRun, ChangeDirective, OnBusy, RunJob,
};
use scheduled_one_protocol::ALL_JOBS;
use serde::Deserialize;

use crate::app::{App, Shared, Shown, permit};
use crate::failure::Failure;
use crate::gate::Visitor;
use crate::page::{self, BackfillWish, Section};
use crate::plan::zone_of;
use crate::text::{encoded, millis};

pub(crate) use schedule::{reschedule, reset};

/// The fields of all forms; each form has some of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Fields {
    note: String,
    until: String,
    version: Option<u64>,
    catch_up: String,
    id: String,
    params: String,
    on_busy: String,
    shard: Option<u32>,
}

type Sent = Result<Form<Fields>, FormRejection>;

fn form<T>(sent: Result<Form<T>, FormRejection>) -> Result<T, Failure> {
    match sent {
        Ok(Form(fields)) => Ok(fields),
        Err(rejection) => Err(Failure::Body {
            status: rejection.status(),
            text: rejection.body_text(),
        }),
    }
}

/// `POST /jobs/{job}/pause`
pub(crate) async fn pause(
    State(app): Shared,
    Extension(visitor): Extension<Visitor>,
    Path(job): Path<String>,
    sent: Sent,
) -> Response {
    let pause = |fields: &Fields| {
        let pause = visitor.control.pause(&job);
        Ok(match instant("until", &fields.until)? {
            Some(until) => pause.until(until),
            None => pause,
        })
    };
    let done = change(&visitor, &job, sent, pause).await;
    back(
        &app,
        &visitor,
        &job,
        done.map(|already| if already { "paused-already" } else { "paused" }),
    )
}

/// `POST /jobs/{job}/resume`
pub(crate) async fn resume(
    State(app): Shared,
    Extension(visitor): Extension<Visitor>,
    Path(job): Path<String>,
    sent: Sent,
) -> Response {
    let resume = |fields: &Fields| {
        let resume = visitor.control.resume(&job);
        Ok(match fields.catch_up.is_empty() {
            true => resume,
            false => resume.catch_up(),
        })
    };
    let done = change(&visitor, &job, sent, resume).await;
    back(
        &app,
        &visitor,
        &job,
        done.map(|already| {
            if already {
                "resumed-already"
            } else {
                "resumed"
            }
        }),
    )
}

/// Changes a directive in the name of the visitor, if nobody did since the page was loaded. Returns whether it was so
/// already.
async fn change(
    visitor: &Visitor,
    job: &str,
    sent: Sent,
    wanted: impl FnOnce(&Fields) -> Result<ChangeDirective, Failure>,
) -> Result<bool, Failure> {
    permit(visitor, Action::Pause, job)?;
    let fields = form(sent)?;
    let change = wanted(&fields)?.note(fields.note).by(&visitor.user.name);
    let change = match fields.version {
        Some(version) => change.expect(version),
        None => change,
    };
    Ok(change.await?.already)
}

/// `POST /jobs/{job}/run`
pub(crate) async fn run(
    State(app): Shared,
    Extension(visitor): Extension<Visitor>,
    Path(job): Path<String>,
    sent: Sent,
) -> Response {
    let run = || Ok(visitor.control.run(&job));
    let done = ask_for(&visitor, &job, sent, run).await;
    back(&app, &visitor, &job, done)
}

/// `POST /jobs/{job}/ticks/{tick}/rerun`
pub(crate) async fn rerun(
    State(app): Shared,
    Extension(visitor): Extension<Visitor>,
    Path((job, tick)): Path<(String, i64)>,
    sent: Sent,
) -> Response {
    let rerun = || {
        let since = u64::try_from(tick).ok().map(Duration::from_millis);
        let tick = since.and_then(|since| UNIX_EPOCH.checked_add(since));
        Ok(visitor.control.rerun(&job, tick.ok_or(Failure::NoPage)?))
    };
    let done = ask_for(&visitor, &job, sent, rerun).await;
    back(&app, &visitor, &job, done)
}

/// Asks for a run in the name of the visitor; a form that is sent twice asks once.
async fn ask_for(
    visitor: &Visitor,
    job: &str,
    sent: Sent,
    wanted: impl FnOnce() -> Result<RunJob, Failure>,
) -> Result<&'static str, Failure> {
    permit(visitor, Action::Run, job)?;
    let fields = form(sent)?;
    let mut run = wanted()?.note(fields.note).by(&visitor.user.name);
    if !fields.id.is_empty() {
        run = run.id(fields.id);
    }
    if !fields.params.trim().is_empty() {
        run = run.params_json(fields.params.trim());
    }
    if let Some(on_busy) = on_busy(&fields.on_busy)? {
        run = run.on_busy(on_busy);
    }
    let handle = run.await?;
    Ok(match handle.already() {
        true => "asked-already",
        false => "asked",
    })
}

/// `POST /jobs/{job}/runs/{token}/cancel`
pub(crate) async fn cancel(
    State(app): Shared,
    Extension(visitor): Extension<Visitor>,
    Path((job, token)): Path<(String, u64)>,
    sent: Sent,
) -> Response {
    let done = async {
        permit(&visitor, Action::Cancel, &job)?;
        let fields = form(sent)?;
        let cancel = visitor.control.cancel(&job, token).note(fields.note);
        let cancel = match fields.shard {
            Some(shard) => cancel.shard(shard),
            None => cancel,
        };
        match cancel.by(&visitor.user.name).await? {
            CancelledRun::Cancelling => Ok("cancelling"),
            _ => Err(Failure::Gone { token }),
        }
    };
    back(&app, &visitor, &job, done.await)
}

/// `POST /jobs/{job}/backfill`: shows the plan, and begins once that was seen.
pub(crate) async fn backfill(
    State(app): Shared,
    Extension(visitor): Extension<Visitor>,
    Path(job): Path<String>,
    sent: Result<Form<BackfillWish>, FormRejection>,
) -> Response {
    let planned = async {
        permit(&visitor, Action::Backfill, &job)?;
        let wish = form(sent)?;
        let backfill = wanted_backfill(&visitor, &job, &wish)?;
        if !wish.go.is_empty() {
            backfill.await?;
            return Ok(None);
        }
        let plan = backfill.dry_run().await?;
        let described = visitor.control.describe(&job).await?;
        let ms = |(tick, _): &(SystemTime, u32)| {
            millis(tick.duration_since(UNIX_EPOCH).unwrap_or_default())
        };
        let mut ticks: Vec<i64> = plan.ticks.iter().map(ms).collect();
        ticks.dedup();
        let zone = zone_of(described.cataloged.as_ref());
        Ok(Some(Shown {
            section: Section::Jobs,
            title: format!("Backfill of {job}"),
            follows: None,
            content: page::backfill_plan(&visitor, &job, &wish, &ticks, &zone),
        }))
    };
    match planned.await {
        Ok(Some(plan)) => app.answer(&visitor, Ok(plan)),
        Ok(None) => back(&app, &visitor, &job, Ok("backfilling")),
        Err(failure) => back(&app, &visitor, &job, Err(failure)),
    }
}

fn backfill_only(word: &str) -> Result<BackfillOnly, Failure> {
    let mut each = BackfillOnly::EACH.into_iter();
    let only = each.find(|only| only.as_str() == word);
    only.ok_or_else(|| Failure::Input {
        field: "only",
        message: format!("{word:?} is none of missed, lost, failed, never and all"),
    })
}

/// The backfill that is wished for, in the name of the visitor.
pub(crate) fn wanted_backfill(
    visitor: &Visitor,
    job: &str,
    wish: &BackfillWish,
) -> Result<BackfillJob, Failure> {
    let bound = |field, text: &str| {
        instant(field, text)?.ok_or_else(|| Failure::Input {
            field,
            message: "a backfill needs both ends of its range".to_owned(),
        })
    };
    let only = backfill_only(&wish.only)?;
    let range = bound("from", &wish.from)?..bound("to", &wish.to)?;
    let backfill = visitor.control.backfill(job, range).only(only);
    Ok(backfill.note(&wish.note).by(&visitor.user.name))
}

/// `POST /jobs/{job}/backfill/stop`
pub(crate) async fn stop_backfill(
    State(app): Shared,
    Extension(visitor): Extension<Visitor>,
    Path(job): Path<String>,
    sent: Sent,
) -> Response {
    let done = async {
        permit(&visitor, Action::Backfill, &job)?;
        let fields = form(sent)?;
        visitor
            .control
            .stop_backfill(&job, &visitor.user.name, &fields.note)
            .await?;
        Ok("ended")
    };
    back(&app, &visitor, &job, done.await)
}

/// An instant, as a field `datetime-local` has it, in UTC; or with an offset, in the form of RFC 3339.
pub(crate) fn instant(field: &'static str, text: &str) -> Result<Option<SystemTime>, Failure> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let in_utc = || {
        TimeZone::UTC
            .to_timestamp(text.parse::<DateTime>().ok()?)
            .ok()
    };
    let instant = text.parse::<Timestamp>().ok().or_else(in_utc);
    let instant = instant.and_then(|instant| instant.try_into().ok());
    instant.map(Some).ok_or_else(|| Failure::Input {
        field,
        message: format!("{text:?} is no instant; write it as 2026-12-24T18:00, in UTC"),
    })
}

/// What becomes of a request while the job is busy; nothing if the job's own policy is to decide.
pub(crate) fn on_busy(word: &str) -> Result<Option<OnBusy>, Failure> {
    match (word, OnBusy::from_word(word)) {
        ("", _) => Ok(None),
        (_, Some(on_busy)) => Ok(Some(on_busy)),
        (_, None) => Err(Failure::Input {
            field: "on_busy",
            message: format!("{word:?} is none of skip, wait, cancel and allow"),
        }),
    }
}

/// To the page of the job with a notice, by GET, so that loading it again sends nothing again.
fn back(app: &App, visitor: &Visitor, job: &str, done: Result<&str, Failure>) -> Response {
    match done {
        // All jobs have no page but that of them.
        Ok(done) if job == ALL_JOBS => {
            Redirect::to(&format!("{}/?done={done}-all", visitor.mount)).into_response()
        }
        Ok(done) => {
            let to = format!("{}/jobs/{}?done={done}", visitor.mount, encoded(job));
            Redirect::to(&to).into_response()
        }
        Err(failure) => app.refuse(visitor, &failure),
    }
}
