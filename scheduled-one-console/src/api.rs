//! The same for programs: JSON under `api/v1`. A request that changes something may have `Idempotency-Key` (the id of
//! a requested run) and `If-Match` (the version of a directive).

use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use scheduled_one_control::{
    CancelledRun, ChangeDirective, Changed, Error, JobDescription, OpenRun,
};
use scheduled_one_protocol::LedgerRecord;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::act::{instant, on_busy};
use crate::app::{App, Shared, permit};
use crate::failure::{Failure, failed};
use crate::gate::Visitor;
use crate::plan::Plan;
use crate::rights::Action;
use crate::text::rfc3339;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Most jobs of an answer.
const MAX_JOBS: usize = 1_000;
/// Lines of the ledger of a job.
const LINES: usize = 50;
/// Next ticks of a job.
const TICKS: usize = 10;

fn answer(result: Result<Response, Failure>) -> Response {
    result.unwrap_or_else(|failure| failed(&failure))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Search {
    q: String,
    after: String,
    limit: Option<usize>,
}

/// `GET /api/v1/openapi.json`
pub(crate) async fn description_of_all() -> Response {
    let json = HeaderValue::from_static("application/json");
    (
        [(header::CONTENT_TYPE, json)],
        include_str!("../openapi.json"),
    )
        .into_response()
}

/// `GET /api/v1/jobs`
pub(crate) async fn jobs(
    State(app): Shared,
    Extension(visitor): Extension<Visitor>,
    Query(search): Query<Search>,
) -> Response {
    let listed = async {
        let mut jobs = app.visible_jobs(&visitor).await?;
        let wanted = search.q.to_lowercase();
        jobs.retain(|job| job.job > search.after && job.job.to_lowercase().contains(&wanted));
        let limit = search.limit.unwrap_or(MAX_JOBS).clamp(1, MAX_JOBS);
        let more = jobs.len() > limit;
        jobs.truncate(limit);
        let next = jobs.last().filter(|_| more).map(|job| job.job.clone());
        let one = |job: &scheduled_one_control::JobSummary| {
            let schedules: Vec<String> = job.schedules.iter().map(ToString::to_string).collect();
            let cataloged = job.cataloged.as_ref();
            json!({
                "name": job.job,
                "paused": job.is_paused,
                "nodes": job.nodes,
                "schedules": schedules,
                "schedule": cataloged.map(|job| &job.schedule),
                "group": cataloged.and_then(|job| job.group.as_ref()),
            })
        };
        let jobs: Vec<Value> = jobs.iter().map(one).collect();
        Ok(Json(json!({ "jobs": jobs, "next": next })).into_response())
    };
    answer(listed.await)
}

/// `GET /api/v1/jobs/{job}`
pub(crate) async fn job(
    State(app): Shared,
    Extension(visitor): Extension<Visitor>,
    Path(job): Path<String>,
) -> Response {
    let described = async {
        permit(&visitor, Action::View, &job)?;
        let described = app.control.describe(&job).await?;
        let open = app.control.open_runs(&job).await?;
        let lines = app.control.ledger(&job, LINES).await?;
        let version = described.version;
        let body = description(&app, &described, &open, &lines);
        Ok((etag(version), Json(body)).into_response())
    };
    answer(described.await)
}

fn etag(version: u64) -> [(HeaderName, String); 1] {
    [(header::ETAG, format!("\"{version}\""))]
}

fn description(app: &App, of: &JobDescription, open: &[OpenRun], lines: &[LedgerRecord]) -> Value {
    let pauses = of.pauses.iter().map(|pause| {
        json!({
            "of_all": pause.of_all,
            "since": rfc3339(pause.pause.since_ms),
            "until": pause.pause.until_ms.map(rfc3339),
            "note": pause.note,
            "by": pause.by,
            "version": pause.version,
        })
    });
    let nodes = of
        .nodes
        .iter()
        .map(|(schedule, nodes)| json!({ "schedule": schedule.to_string(), "nodes": nodes }));
    let open = open.iter().map(|run| {
        json!({
            "shard": run.shard,
            "tick": rfc3339(run.tick.ms()),
            "token": run.token.map(|token| token.get()),
            "requested": run.is_requested,
        })
    });
    let cataloged = of.cataloged.as_ref();
    let plan = Plan::of(&of.job, cataloged, app.now_ms(), TICKS);
    json!({
        "name": of.job,
        "version": of.version,
        "schedule": cataloged.map(|job| &job.schedule),
        "description": cataloged.and_then(|job| job.description.as_ref()),
        "group": cataloged.and_then(|job| job.group.as_ref()),
        "next": plan.ticks().iter().copied().map(rfc3339).collect::<Vec<_>>(),
        "pauses": pauses.collect::<Vec<_>>(),
        "nodes": nodes.collect::<Vec<_>>(),
        "open_runs": open.collect::<Vec<_>>(),
        "ledger": lines.iter().map(line).collect::<Vec<_>>(),
    })
}

fn line(line: &LedgerRecord) -> Value {
    json!({
        "shard": line.unit.shard(),
        "tick": rfc3339(line.tick.ms()),
        "last_tick": rfc3339(line.last_tick.ms()),
        "count": line.count,
        "outcome": line.outcome.as_str(),
        "retried": line.retried,
        "reason": line.reason,
        "error": line.error,
        "node": line.node,
        "token": line.token.map(|token| token.get()),
        "attempt": line.attempt,
        "fired_at": line.fired_at_ms.map(rfc3339),
        "ended_at": rfc3339(line.ended_at_ms),
        "cause": line.cause.map(|cause| cause.as_str()),
        "by": line.actor,
        "request": line.request,
    })
}

/// What bodies may have; each action takes some of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wish {
    note: String,
    until: String,
    catch_up: bool,
    params: Option<Value>,
    scheduled_at: String,
    on_busy: String,
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

/// `POST /api/v1/jobs/{job}:pause`, `:resume`, `:run`
pub(crate) async fn act(
    State(app): Shared,
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
                let pause = app.control.pause(job).note(wish.note).by(by);
                let pause = match instant("until", &wish.until)? {
                    Some(until) => pause.until(until),
                    None => pause,
                };
                change(pause, &headers).await
            }
            "resume" => {
                permit(&visitor, Action::Pause, job)?;
                let wish = wish(body)?;
                let resume = app.control.resume(job).note(wish.note).by(by);
                let resume = if wish.catch_up {
                    resume.catch_up()
                } else {
                    resume
                };
                change(resume, &headers).await
            }
            "run" => {
                permit(&visitor, Action::Run, job)?;
                run(&app, by, job, wish(body)?, &headers).await
            }
            _ => Err(Failure::NoPage),
        }
    };
    answer(acted.await)
}

async fn change(change: ChangeDirective, headers: &HeaderMap) -> Result<Response, Failure> {
    let expected = if_match(headers)?;
    let change = match expected {
        Some(version) => change.expect(version),
        None => change,
    };
    match change.await {
        Ok(Changed {
            version, already, ..
        }) => Ok((
            etag(version),
            Json(json!({ "version": version, "already": already })),
        )
            .into_response()),
        Err(conflict @ Error::Conflict { .. }) if expected.is_some() => {
            let mut response = failed(&conflict.into());
            *response.status_mut() = StatusCode::PRECONDITION_FAILED;
            Ok(response)
        }
        Err(error) => Err(error.into()),
    }
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
    app: &App,
    by: &str,
    job: &str,
    wish: Wish,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let mut run = app.control.run(job).note(wish.note).by(by);
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
    State(app): Shared,
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
        let cancel = app.control.cancel(&job, token).note(wish(body)?.note);
        match cancel.by(&visitor.user.name).await? {
            CancelledRun::Cancelling => {
                Ok((StatusCode::ACCEPTED, Json(json!({ "cancelling": true }))).into_response())
            }
            _ => Err(Failure::Gone { token }),
        }
    };
    answer(cancelled.await)
}
