//! The same for programs: JSON under `api/v1`.

mod act;

use axum::body::to_bytes;
use axum::extract::{Path, Query, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::{HeaderName, HeaderValue, StatusCode, header};
use scheduled_one_control::{Action, JobDescription, UnitRecord};
use scheduled_one_protocol::LedgerRecord;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::permit;
use crate::failure::{Failure, api_error, code_of, failed, is_api};
use crate::gate::Visitor;
use crate::plan::all_ms;
use crate::text::rfc3339;

pub(crate) use act::{act, cancel};

/// Most jobs of an answer.
const MAX_JOBS: usize = 1_000;
/// Lines of the ledger of a job.
const LINES: usize = 50;

fn answer(result: Result<Response, Failure>) -> Response {
    result.unwrap_or_else(|failure| failed(&failure))
}

/// Longest text of a refusal.
const MAX_TEXT: usize = 4_096;

/// The middleware that makes refusals of the router (of a query, a path or a method) what all errors of the API are.
pub(crate) async fn say_in_json(request: Request, next: Next) -> Response {
    let is_api = is_api(request.uri().path());
    let response = next.run(request).await;
    let json = HeaderValue::from_static("application/json");
    let is_json = response.headers().get(header::CONTENT_TYPE) == Some(&json);
    let status = response.status();
    if !is_api || is_json || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let text = to_bytes(body, MAX_TEXT).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let said = match (status, &*text) {
        (StatusCode::METHOD_NOT_ALLOWED, _) => "this address takes other methods: `Allow` has them",
        (_, "") => status.canonical_reason().unwrap_or_default(),
        (_, text) => text,
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, json);
    let body = api_error(code_of(status), said);
    Response::from_parts(parts, body.into())
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
    Extension(visitor): Extension<Visitor>,
    Query(search): Query<Search>,
) -> Response {
    let listed = async {
        let mut jobs = visitor.control.jobs().await?;
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
                "words": cataloged.map(|job| &job.words),
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
    Extension(visitor): Extension<Visitor>,
    Path(job): Path<String>,
) -> Response {
    let described = async {
        permit(&visitor, Action::View, &job)?;
        let described = visitor.control.describe(&job).await?;
        let lines = visitor.control.ledger(&job, LINES).await?;
        let body = description(&described, &lines);
        Ok((etag(described.version), Json(body)).into_response())
    };
    answer(described.await)
}

/// `GET /api/v1/nodes`
pub(crate) async fn nodes(Extension(visitor): Extension<Visitor>) -> Response {
    let listed = async {
        let nodes = visitor.control.living_nodes().await?;
        let nodes = nodes.into_iter().map(|node| {
            json!({
                "name": node.name,
                "identity": node.identity,
                "jobs": node.jobs,
                "versions": node.versions,
                "protocol": node.protocol,
                "labels": node.labels,
                "clock_offset_ms": node.clock_offset_ms,
            })
        });
        Ok(Json(json!({ "nodes": nodes.collect::<Vec<_>>() })).into_response())
    };
    answer(listed.await)
}

fn etag(version: u64) -> [(HeaderName, String); 1] {
    [(header::ETAG, format!("\"{version}\""))]
}

fn description(of: &JobDescription, lines: &[LedgerRecord]) -> Value {
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
    let said = |version: &String| Some(version.clone()).filter(|version| !version.is_empty());
    let versions = of
        .versions
        .iter()
        .map(|(version, nodes)| json!({ "version": said(version), "nodes": nodes }));
    let next = all_ms(of.next.ticks());
    let why_none = next.is_empty().then(|| of.next.to_string());
    let open = of.open_runs().map(|run| {
        json!({
            "shard": run.shard,
            "tick": rfc3339(run.tick.ms()),
            "token": run.token.map(|token| token.get()),
            "requested": run.is_requested,
        })
    });
    let cataloged = of.cataloged.as_ref();
    json!({
        "name": of.job,
        "version": of.version,
        "schedule": cataloged.map(|job| &job.schedule),
        "words": cataloged.map(|job| &job.words),
        "description": cataloged.and_then(|job| job.description.as_ref()),
        "group": cataloged.and_then(|job| job.group.as_ref()),
        "next": next.into_iter().map(rfc3339).collect::<Vec<_>>(),
        "no_next": why_none,
        "pauses": pauses.collect::<Vec<_>>(),
        "nodes": nodes.collect::<Vec<_>>(),
        "versions": versions.collect::<Vec<_>>(),
        "open_runs": open.collect::<Vec<_>>(),
        "shards": of.shards,
        "records": of.records.iter().map(record).collect::<Vec<_>>(),
        "shards_left_out": of.shards_left_out,
        "ledger": lines.iter().map(line).collect::<Vec<_>>(),
    })
}

fn record(UnitRecord { unit, status, .. }: &UnitRecord) -> Value {
    let waiting = status.waiting.iter().map(|tick| rfc3339(tick.ms()));
    json!({
        "unit": unit.as_str(),
        "shard": unit.shard(),
        "slot": unit.slot(),
        "lane": unit.is_lane(),
        "decided_to": status.marks.decided.map(|tick| rfc3339(tick.ms())),
        "running": status.running.map(|tick| rfc3339(tick.ms())),
        "token": status.token.map(|token| token.get()),
        "waiting": waiting.collect::<Vec<_>>(),
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
