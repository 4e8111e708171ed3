//! A look at a Redis that nobody waits for: what a start looks at, and besides
//! the settings, the clocks and the marks. Writes nothing.

use std::collections::HashMap;
use std::time::Duration;

use deadpool_redis::redis::{Pipeline, Value, cmd, from_redis_value};
use tokio::time::{Instant, timeout_at};

use crate::connection::Link;
use crate::doctor::{self, ClockFacts, Deployment, Info, Mark};
use crate::fault::Fault;
use crate::keys::Keys;
use crate::preflight::{self, Looked};
use crate::url::Address;
use crate::way::Way;
use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::message::MAX_BATCH;
use scheduled_one_protocol::{Finding, Severity};
use scheduled_one_protocol::{JobNeeds, UnitName};

/// Bound of all questions behind those of a start.
const BOUND: Duration = Duration::from_secs(3);

/// How often the time is asked for.
const SAMPLES: usize = 10;

/// How many units are looked at.
const MAX_UNITS: usize = 4 * MAX_BATCH;

const SETTINGS: [&str; 5] = [
    "appendfsync",
    "save",
    "min-replicas-to-write",
    "min-replicas-max-lag",
    "cluster-node-timeout",
];

/// All that can be found.
pub(crate) async fn examine(
    link: &Link,
    address: &Address,
    keys: &Keys,
    needs: &JobNeeds,
) -> Vec<Finding> {
    let looked = preflight::look(link, address, keys).await;
    let goes_on = looked.may_go_on();
    let Looked { info, verdicts } = looked;
    let mut findings: Vec<Finding> = verdicts
        .into_iter()
        .map(|verdict| verdict.finding)
        .collect();
    if !goes_on {
        return findings;
    }
    let deadline = Instant::now() + BOUND;
    let settings = settings(link, deadline).await;
    if let Some(info) = &info {
        findings.push(doctor::persistence(info, settings.as_ref()));
        findings.push(doctor::replicas(info, settings.as_ref(), address.expects()));
        let deployment = deployment(link, address, info, settings.as_ref(), deadline).await;
        findings.push(doctor::failover(&deployment, needs.shortest_lease));
    }
    match clocks(link, &*needs.clock, deadline).await {
        Ok((facts, now_ms)) => {
            findings.push(doctor::clock(&facts));
            findings.push(doctor::round_trip(&facts, needs.shortest_lease));
            findings.push(match marks(link, keys, &needs.units, deadline).await {
                Ok(marks) => doctor::marks(&marks, now_ms),
                Err(fault) => not_seen("marks", &fault),
            });
        }
        Err(fault) => findings.push(not_seen("clock", &fault)),
    }
    findings
}

fn not_seen(check: &'static str, fault: &Fault) -> Finding {
    let found = format!("could not be looked at: {}", fault.error);
    Finding::new(Severity::Info, check, found, "")
}

/// The settings that may be asked for; `None` if there are none of them.
async fn settings(link: &Link, deadline: Instant) -> Option<HashMap<String, String>> {
    let mut pipeline = Pipeline::new();
    for name in SETTINGS {
        pipeline.cmd("CONFIG").arg("GET").arg(name);
    }
    pipeline.ignore_errors();
    let answers = link
        .send_all("CONFIG GET", &pipeline, deadline)
        .await
        .ok()?;
    let told: HashMap<String, String> = answers
        .into_iter()
        .filter_map(|answer| from_redis_value::<HashMap<String, String>>(answer.ok()?).ok())
        .flatten()
        .collect();
    (!told.is_empty()).then_some(told)
}

/// Who takes over when this server is gone.
async fn deployment(
    link: &Link,
    address: &Address,
    info: &Info,
    settings: Option<&HashMap<String, String>>,
    deadline: Instant,
) -> Deployment {
    if let Way::Sentinel { master, .. } = &address.way {
        let asked = timeout_at(deadline, link.watch()).await;
        return Deployment::Sentinel {
            name: master.clone(),
            watch: asked.ok().flatten(),
        };
    }
    match info.get("cluster_enabled") {
        Some("1") => Deployment::Cluster {
            node_timeout: settings
                .and_then(|settings| settings.get("cluster-node-timeout")?.parse().ok())
                .map(Duration::from_millis),
        },
        _ => Deployment::Single,
    }
}

/// Asks for the time, and says what time it was there at the last answer. The
/// quickest answer is the one that tells the offset best.
async fn clocks(
    link: &Link,
    clock: &dyn Clock,
    deadline: Instant,
) -> Result<(ClockFacts, i64), Fault> {
    let mut round_trips = Vec::with_capacity(SAMPLES);
    let (mut best, mut offset_ms, mut now_ms) = (Duration::MAX, 0, 0);
    for _ in 0..SAMPLES {
        let sent = clock.boottime();
        let answer = link.send("TIME", &cmd("TIME"), deadline).await?;
        let took = clock.boottime().saturating_sub(sent);
        let wall_ms = clock.wall().saturating_sub(took / 2).as_millis() as i64;
        let (seconds, micros) = from_redis_value::<(i64, i64)>(answer).unwrap_or_default();
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

/// The newest tick decided of each unit.
async fn marks(
    link: &Link,
    keys: &Keys,
    units: &[UnitName],
    deadline: Instant,
) -> Result<Vec<Mark>, Fault> {
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
        let answers = link.send_all("HMGET", &pipeline, deadline).await?;
        marks.extend(batch.iter().zip(answers).map(|(unit, answer)| Mark {
            key: keys.job(unit.as_str()),
            hwm_ms: answer.ok().and_then(mark),
        }));
    }
    Ok(marks)
}

/// A unit without a mark is decided up to 0.
fn mark(answer: Value) -> Option<i64> {
    let Value::Array(mut fields) = answer else {
        return None;
    };
    match fields.pop() {
        Some(Value::BulkString(text)) => Some(String::from_utf8_lossy(&text).parse().unwrap_or(0)),
        _ => Some(0),
    }
}
