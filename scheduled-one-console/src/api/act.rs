//! What programs may do. A request may have `Idempotency-Key` (the id of a requested run) and `If-Match` (the version
//! of a directive).

use axum::extract::Path;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode, header};
use scheduled_one_control::{Action, BackfillOnly, CancelledRun, ChangeDirective, Changed, Error};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{answer, etag};
use crate::act::{instant, on_busy, wanted_backfill};
use crate::app::permit;
use crate::failure::{Failure, failed};
use crate::gate::Visitor;
use crate::page::BackfillWish;
use crate::plan::all_ms;
use crate::text::rfc3339;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What bodies may have; each action takes some of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wish {
    note: String,
    shard: Option<u32>,
    until: String,
    catch_up: bool,
    params: Option<Value>,
    scheduled_at: String,
    on_busy: String,
    schedule: String,
    tz: String,
    from: String,
    to: String,
    only: String,
    /// Nothing is changed: the answer says what would be.
    dry_run: bool,
}

fn wish(body: Result<Bytes, BytesRejection>) -> Result<Wish, Failure> {
    let body = body.map_err(|rejection| Failure::Body {
        status: rejection.status(),
        text: rejection.body_text(),
    })?;
    if body.is_empty() {
        return Ok(Wish::default());
    }
    serde_json::from_slice(&body).map_err(|error| Failure::Input {
        field: "body",
        message: error.to_string(),
    })
}

/// `POST /api/v1/jobs/{job}:pause`, `:resume`, `:run`, `:reschedule`, `:reset`, `:backfill`, `:stop-backfill`
pub(crate) async fn act(
    Extension(visitor): Extension<Visitor>,
    Path(job_and_verb): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let (job, verb) = job_and_verb.rsplit_once(':').unwrap_or((&job_and_verb, ""));
    let by = &visitor.user.name;
    let acted = async {
        match verb {
            "pause" => {
                permit(&visitor, Action::Pause, job)?;
                let wish = wish(body)?;
                let pause = visitor.control.pause(job).note(wish.note).by(by);
                let pause = match instant("until", &wish.until)? {
                    Some(until) => pause.until(until),
                    None => pause,
                };
                change(pause, &headers).await
            }
            "resume" => {
                permit(&visitor, Action::Pause, job)?;
                let wish = wish(body)?;
                let resume = visitor.control.resume(job).note(wish.note).by(by);
                let resume = if wish.catch_up {
                    resume.catch_up()
                } else {
                    resume
                };
                change(resume, &headers).await
            }
            "run" => {
                permit(&visitor, Action::Run, job)?;
                run(&visitor, by, job, wish(body)?, &headers).await
            }
            "reschedule" => {
                permit(&visitor, Action::Reschedule, job)?;
                let wish = wish(body)?;
                let change = visitor.control.reschedule(job, wish.schedule.trim());
                reschedule(change, &wish, by, &headers).await
            }
            "reset" => {
                permit(&visitor, Action::Reschedule, job)?;
                let wish = wish(body)?;
                reschedule(visitor.control.reset(job), &wish, by, &headers).await
            }
            "backfill" => {
                permit(&visitor, Action::Backfill, job)?;
                backfill(&visitor, job, wish(body)?, &headers).await
            }
            "stop-backfill" => {
                permit(&visitor, Action::Backfill, job)?;
                stop_backfill(&visitor, job, &wish(body)?.note, &headers).await
            }
            _ => Err(Failure::NoPage),
        }
    };
    answer(acted.await)
}

/// The schedule that is in force then, or would be, with its next ticks.
async fn reschedule(
    change: ChangeDirective,
    wish: &Wish,
    by: &str,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let expected = if_match(headers)?;
    let change = match wish.tz.trim() {
        "" => change,
        tz => change.tz(tz),
    };
    let change = change.note(&wish.note).by(by);
    let change = match expected {
        Some(version) => change.expect(version),
        None => change,
    };
    let made = async {
        let preview = change.clone().preview().await?;
        let already = preview.already;
        let version = match wish.dry_run {
            true => preview.version,
            false => change.await?.version,
        };
        let next = all_ms(&preview.next).into_iter().map(rfc3339);
        let body = json!({
            "schedule": preview.schedule,
            "next": next.collect::<Vec<_>>(),
            "version": version,
            "already": already,
        });
        Ok((etag(version), Json(body)).into_response())
    };
    precondition(made.await, expected)
}

/// An error if the job has another version than the caller expects. The directive of a backfill is another one than
/// that of its job, so this is looked at before, and not in the same step.
async fn check_version(visitor: &Visitor, job: &str, headers: &HeaderMap) -> Result<(), Failure> {
    let Some(expected) = if_match(headers)? else {
        return Ok(());
    };
    match visitor.control.describe(job).await?.version {
        found if found == expected => Ok(()),
        found => Err(Failure::Version {
            job: job.to_owned(),
            found,
            expected,
        }),
    }
}

async fn stop_backfill(
    visitor: &Visitor,
    job: &str,
    note: &str,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    check_version(visitor, job, headers).await?;
    let stop = visitor.control.stop_backfill(job, &visitor.user.name, note);
    Ok(Json(json!({ "stopped": stop.await? })).into_response())
}

async fn backfill(
    visitor: &Visitor,
    job: &str,
    wish: Wish,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    check_version(visitor, job, headers).await?;
    let backfill = BackfillWish {
        from: wish.from,
        to: wish.to,
        only: match wish.only.is_empty() {
            true => BackfillOnly::default().as_str().to_owned(),
            false => wish.only,
        },
        note: wish.note,
        go: String::new(),
    };
    let backfill = wanted_backfill(visitor, job, &backfill)?;
    let (status, plan) = match wish.dry_run {
        true => (StatusCode::OK, backfill.dry_run().await?),
        false => (StatusCode::ACCEPTED, backfill.await?),
    };
    let ticks = plan.ticks.iter().map(|(tick, shard)| {
        let tick = all_ms(&[*tick]).into_iter().map(rfc3339).next();
        json!({ "tick": tick, "shard": shard })
    });
    let body = json!({ "ticks": ticks.collect::<Vec<_>>(), "version": plan.version });
    Ok((status, Json(body)).into_response())
}

/// A conflict with the version that the caller expects is a precondition that does not hold.
fn precondition(made: Result<Response, Error>, expected: Option<u64>) -> Result<Response, Failure> {
    match made {
        Ok(response) => Ok(response),
        Err(conflict @ Error::Conflict { .. }) if expected.is_some() => {
            let mut response = failed(&conflict.into());
            *response.status_mut() = StatusCode::PRECONDITION_FAILED;
            Ok(response)
        }
        Err(error) => Err(error.into()),
    }
}

async fn change(change: ChangeDirective, headers: &HeaderMap) -> Result<Response, Failure> {
    let expected = if_match(headers)?;
    let change = match expected {
        Some(version) => change.expect(version),
        None => change,
    };
    let made = change.await.map(
        |Changed {
             version, already, ..
         }| {
            let body = json!({ "version": version, "already": already });
            (etag(version), Json(body)).into_response()
        },
    );
    precondition(made, expected)
}

/// The version that a change expects.
fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Failure> {
    let Some(value) = headers.get(header::IF_MATCH) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    match (text, text.trim_matches('"').parse()) {
        ("*", _) => Ok(None),
        (_, Ok(version)) => Ok(Some(version)),
        (_, Err(_)) => Err(Failure::Input {
            field: "If-Match",
            message: "give one version, such as \"7\": the `ETag` of the job".to_owned(),
        }),
    }
}

async fn run(
    visitor: &Visitor,
    by: &str,
    job: &str,
    wish: Wish,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let mut run = visitor.control.run(job).note(wish.note).by(by);
    if let Some(id) = headers.get(IDEMPOTENCY_KEY) {
        run = run.id(id.to_str().unwrap_or_default());
    }
    if let Some(params) = &wish.params {
        run = run.params(params);
    }
    if let Some(instant) = instant("scheduled_at", &wish.scheduled_at)? {
        run = run.scheduled_at(instant);
    }
    if let Some(on_busy) = on_busy(&wish.on_busy)? {
        run = run.on_busy(on_busy);
    }
    let handle = run.await?;
    let body = json!({ "id": handle.id(), "already": handle.already() });
    Ok((StatusCode::ACCEPTED, Json(body)).into_response())
}

/// `POST /api/v1/jobs/{job}/runs/{token}:cancel`
pub(crate) async fn cancel(
    Extension(visitor): Extension<Visitor>,
    Path((job, token_and_verb)): Path<(String, String)>,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let cancelled = async {
        let token = token_and_verb
            .strip_suffix(":cancel")
            .and_then(|token| token.parse().ok());
        let token = token.ok_or(Failure::NoPage)?;
        permit(&visitor, Action::Cancel, &job)?;
        let wish = wish(body)?;
        let cancel = visitor.control.cancel(&job, token).note(wish.note);
        let cancel = match wish.shard {
            Some(shard) => cancel.shard(shard),
            None => cancel,
        };
        match cancel.by(&visitor.user.name).await? {
            CancelledRun::Cancelling => {
                Ok((StatusCode::ACCEPTED, Json(json!({ "cancelling": true }))).into_response())
            }
            _ => Err(Failure::Gone { token }),
        }
    };
    answer(cancelled.await)
}
