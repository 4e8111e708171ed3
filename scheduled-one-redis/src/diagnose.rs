//! The examination of a store by the doctor: the preflight, then settings, clocks and high-water marks.

use std::collections::HashMap;
use std::time::Duration;

use deadpool_redis::redis::{Pipeline, Value, cmd, from_redis_value};
use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::message::MAX_BATCH;
use scheduled_one_protocol::{DiagnosticContext, UnitName};
use scheduled_one_protocol::{Finding, Severity};
use tokio::time::{Instant, timeout_at};

use crate::classify::RedisFailure;
use crate::connection::Connection;
use crate::doctor::{self, ClockFacts, Deployment, HighWaterMark, Info};
use crate::keys::Keys;
use crate::preflight::{self, Examination, Subject};
use crate::topology::Topology;
use crate::url::Address;

/// Longest time of the examination after the preflight.
const TIME_LIMIT: Duration = Duration::from_secs(3);

/// Number of `TIME` requests.
const SAMPLES: usize = 10;

/// Most units whose high-water marks are read.
const MAX_UNITS: usize = 4 * MAX_BATCH;

/// Settings of the server that the findings depend on.
const SETTINGS: [&str; 5] = [
    "appendfsync",
    "save",
    "min-replicas-to-write",
    "min-replicas-max-lag",
    "cluster-node-timeout",
];

/// Examines the store and returns all findings.
pub(crate) async fn diagnose(subject: &Subject<'_>, needs: &DiagnosticContext) -> Vec<Finding> {
    let Subject {
        address,
        connection,
        keys,
        ..
    } = *subject;
    let examination = preflight::examine(subject).await;
    let may_continue = examination.may_continue();
    let Examination { info, diagnoses } = examination;
    let mut findings: Vec<Finding> = diagnoses
        .into_iter()
        .map(|diagnosis| diagnosis.finding)
        .collect();
    if !may_continue {
        return findings;
    }
    let deadline = Instant::now() + TIME_LIMIT;
    let settings = settings(connection, deadline).await;
    if let Some(info) = &info {
        findings.push(doctor::persistence(info, settings.as_ref()));
        findings.push(doctor::replicas(info, settings.as_ref(), address.expects()));
        let deployment = deployment(connection, address, info, settings.as_ref(), deadline).await;
        findings.push(doctor::failover(&deployment, needs.shortest_lease));
    }
    match clocks(connection, &*needs.clock, deadline).await {
        Ok((facts, now_ms)) => {
            // A clock of Redis that is behind is another finding, and no reason to take decisions back.
            let latest_ms = now_ms + facts.offset_ms.max(0);
            findings.push(doctor::clock(&facts));
            findings.push(doctor::round_trip(&facts, needs.shortest_lease));
            findings.push(
                match marks(connection, keys, &needs.units, deadline).await {
                    Ok(marks) => doctor::marks(keys, &marks, latest_ms),
                    Err(failure) => not_examined("marks", &failure),
                },
            );
        }
        Err(failure) => findings.push(not_examined("clock", &failure)),
    }
    findings
}

fn not_examined(check: &'static str, failure: &RedisFailure) -> Finding {
    let found = format!("could not be looked at: {}", failure.error);
    Finding::new(Severity::Info, check, found, "")
}

/// Reads the settings; `None` if none can be read.
async fn settings(connection: &Connection, deadline: Instant) -> Option<HashMap<String, String>> {
    let mut pipeline = Pipeline::new();
    for name in SETTINGS {
        pipeline.cmd("CONFIG").arg("GET").arg(name);
    }
    pipeline.ignore_errors();
    let replies = connection
        .send_all("CONFIG GET", &pipeline, deadline)
        .await
        .ok()?;
    let readable: HashMap<String, String> = replies
        .into_iter()
        .filter_map(|reply| from_redis_value::<HashMap<String, String>>(reply.ok()?).ok())
        .flatten()
        .collect();
    (!readable.is_empty()).then_some(readable)
}

/// Determines how a failed primary is replaced.
async fn deployment(
    connection: &Connection,
    address: &Address,
    info: &Info,
    settings: Option<&HashMap<String, String>>,
    deadline: Instant,
) -> Deployment {
    if let Topology::Sentinel { master, .. } = &address.topology {
        let timing = timeout_at(deadline, connection.failover_timing()).await;
        return Deployment::Sentinel {
            name: master.clone(),
            timing: timing.ok().flatten(),
        };
    }
    match info.get("cluster_enabled") {
        Some("1") => Deployment::Cluster {
            node_timeout: settings
                .and_then(|settings| settings.get("cluster-node-timeout")?.parse().ok())
                .map(Duration::from_millis),
        },
        _ => Deployment::Standalone,
    }
}

/// Samples the clock of Redis. Returns the facts, and the time there at the last reply in milliseconds. The quickest
/// reply bounds the offset best.
async fn clocks(
    connection: &Connection,
    clock: &dyn Clock,
    deadline: Instant,
) -> Result<(ClockFacts, i64), RedisFailure> {
    let mut round_trips = Vec::with_capacity(SAMPLES);
    let (mut best, mut offset_ms, mut now_ms) = (Duration::MAX, 0, 0);
    for _ in 0..SAMPLES {
        let sent = clock.boottime();
        let reply = connection.send("TIME", &cmd("TIME"), deadline).await?;
        let took = clock.boottime().saturating_sub(sent);
        let wall_ms = clock.wall().saturating_sub(took / 2).as_millis() as i64;
        let (seconds, micros) = from_redis_value::<(i64, i64)>(reply).unwrap_or_default();
        now_ms = seconds * 1000 + micros / 1000;
        if took < best {
            (best, offset_ms) = (took, wall_ms - now_ms);
        }
        round_trips.push(took);
    }
    let facts = ClockFacts {
        offset_ms,
        round_trips,
    };
    Ok((facts, now_ms))
}

/// Reads the high-water mark of each unit.
async fn marks(
    connection: &Connection,
    keys: &Keys,
    units: &[UnitName],
    deadline: Instant,
) -> Result<Vec<HighWaterMark>, RedisFailure> {
    let units = &units[..units.len().min(MAX_UNITS)];
    let mut marks = Vec::with_capacity(units.len());
    for batch in units.chunks(MAX_BATCH) {
        let mut pipeline = Pipeline::new();
        for unit in batch {
            pipeline
                .cmd("HMGET")
                .arg(keys.job(unit.as_str()))
                .arg("hwm");
        }
        pipeline.ignore_errors();
        let replies = connection.send_all("HMGET", &pipeline, deadline).await?;
        marks.extend(
            batch
                .iter()
                .zip(replies)
                .map(|(unit, reply)| HighWaterMark {
                    key: keys.job(unit.as_str()),
                    hwm_ms: reply.ok().and_then(mark),
                }),
        );
    }
    Ok(marks)
}

/// Reads a high-water mark. A unit without one is decided up to 0.
fn mark(reply: Value) -> Option<i64> {
    let Value::Array(mut fields) = reply else {
        return None;
    };
    match fields.pop() {
        Some(Value::BulkString(text)) => Some(String::from_utf8_lossy(&text).parse().unwrap_or(0)),
        _ => Some(0),
    }
}
