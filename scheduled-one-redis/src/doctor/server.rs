//! The kind of the server, and settings that every store depends on.

use crate::connect_error::ConnectError;
use crate::doctor::facts::Info;
use crate::doctor::{Check, Diagnosis, Finding, Severity};

/// Oldest version of Redis with the commands of the scripts: `XADD NOMKSTREAM`, `LIMIT` and exact trimming.
const OLDEST: (u32, u32) = (6, 2);

/// Share of `maxmemory` in use from which a warning is due, in percent.
const NEARLY_FULL: u64 = 90;

/// Servers that implement the protocol of Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerKind {
    Redis,
    Valkey,
    KeyDb,
    Dragonfly,
    Unknown,
}

/// The kind of the server, from fields that only one kind has.
pub(super) fn kind(info: &Info) -> ServerKind {
    let executable = info.get("executable").unwrap_or_default();
    if info.is("server_name", "valkey") || info.get("valkey_version").is_some() {
        ServerKind::Valkey
    } else if info.get("dragonfly_version").is_some() {
        ServerKind::Dragonfly
    } else if info.get("mvcc_depth").is_some() || executable.ends_with("keydb-server") {
        ServerKind::KeyDb
    } else if info.get("redis_build_id").is_some() {
        ServerKind::Redis
    } else {
        ServerKind::Unknown
    }
}

/// Kind and version. Severe if the server is too old, still loads its data, or is no Redis.
pub(super) fn kind_and_version(address: &str, info: &Info) -> Vec<Diagnosis> {
    let place = address.to_owned();
    let Some(version) = info.get("redis_version") else {
        let why = "its INFO has no redis_version".to_owned();
        let error = ConnectError::NotRedis { place, why };
        return vec![Diagnosis::refused(Check::Server, error)];
    };
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    let major_minor = (parts.next().flatten(), parts.next().flatten());
    if let (Some(major), Some(minor)) = major_minor
        && (major, minor) < OLDEST
    {
        let version = version.to_owned();
        let error = ConnectError::TooOld { place, version };
        return vec![Diagnosis::refused(Check::Server, error)];
    }
    let mut diagnoses = vec![described(kind(info), version, info).into()];
    if info.is("loading", "1") {
        let why = "it is still loading its data".to_owned();
        diagnoses.push(Diagnosis::refused(
            Check::Loading,
            ConnectError::NotNow { place, why },
        ));
    }
    diagnoses
}

/// The finding for a kind of server.
fn described(kind: ServerKind, version: &str, info: &Info) -> Finding {
    let own = |name| info.get(name).unwrap_or("of an unknown version");
    match kind {
        ServerKind::Redis => Finding::ok(Check::Server.name(), format!("Redis {version}")),
        ServerKind::Valkey => Finding::ok(
            Check::Server.name(),
            format!(
                "Valkey {}, compatible with Redis {version}",
                own("valkey_version")
            ),
        ),
        ServerKind::KeyDb => Finding::new(
            Severity::Info,
            Check::Server.name(),
            format!("KeyDB {version}: not among the servers that the tests run with"),
            "",
        ),
        ServerKind::Dragonfly => Finding::new(
            Severity::Warning,
            Check::Server.name(),
            format!(
                "Dragonfly {}, compatible with Redis {version}: not among the servers that the \
                 tests run with, and its scripts run on another Lua",
                own("dragonfly_version")
            ),
            "try your jobs on it before you depend on it, or use Redis or Valkey",
        ),
        ServerKind::Unknown => Finding::new(
            Severity::Warning,
            Check::Server.name(),
            format!(
                "it says that it is compatible with Redis {version}, and not what it is: not \
                 among the servers that the tests run with"
            ),
            "if it is Redis or Valkey behind a service that hides this, there is nothing to do; \
             else try your jobs on it before you depend on it",
        ),
    }
}

/// Only the one primary can be a store.
pub(super) fn role(address: &str, info: &Info) -> Diagnosis {
    let place = address.to_owned();
    match info.get("role") {
        // Dragonfly has the newer word.
        Some("slave" | "replica") => {
            let host = info.get("master_host").unwrap_or("?");
            let primary = format!("{host}:{}", info.get("master_port").unwrap_or("?"));
            Diagnosis::refused(Check::Role, ConnectError::Replica { place, primary })
        }
        Some("active-replica") => {
            let why = "it is one of several writable copies (KeyDB active-replica), which would \
                       each decide by themselves and run ticks twice; name a Redis with one primary"
                .to_owned();
            Diagnosis::refused(Check::Role, ConnectError::Refused { place, why })
        }
        Some("master") => Finding::ok(Check::Role.name(), "it is a primary").into(),
        other => Finding::new(
            Severity::Info,
            Check::Role.name(),
            format!(
                "INFO does not say that it is a primary (role {})",
                other.unwrap_or("unknown")
            ),
            "",
        )
        .into(),
    }
}

/// A server that evicts keys without an expiry is no store.
pub(super) fn eviction(address: &str, info: &Info) -> Diagnosis {
    match info.get("maxmemory_policy") {
        // The second is Dragonfly in cache mode.
        Some(policy) if policy.starts_with("allkeys") || policy == "eviction" => {
            Diagnosis::refused(
                Check::Eviction,
                ConnectError::Evicts {
                    place: address.to_owned(),
                    policy: policy.to_owned(),
                },
            )
        }
        // Older versions of Dragonfly have this field instead.
        None if info.is("cache_mode", "cache") => Diagnosis::refused(
            Check::Eviction,
            ConnectError::Evicts {
                place: address.to_owned(),
                policy: "eviction (cache_mode)".to_owned(),
            },
        ),
        Some("noeviction") => {
            Finding::ok(Check::Eviction.name(), "noeviction: nothing is forgotten").into()
        }
        Some(policy) if policy.starts_with("volatile") => Finding::new(
            Severity::Warning,
            Check::Eviction.name(),
            format!(
                "maxmemory-policy is {policy}: the scheduler's keys have no expiry, so they stay; \
                 but this Redis is a cache, and when nothing is left to evict, it refuses the \
                 scheduler's writes, and jobs stand still"
            ),
            "a Redis of its own with noeviction; or watch its memory",
        )
        .into(),
        other => Finding::new(
            Severity::Warning,
            Check::Eviction.name(),
            format!(
                "maxmemory-policy is {}: whether it would forget which ticks have run is not known",
                other.unwrap_or("not told")
            ),
            "make sure that it never evicts keys without an expiry",
        )
        .into(),
    }
}

/// Warns of memory that is nearly full.
pub(super) fn memory(info: &Info) -> Finding {
    let (Some(used), Some(most)) = (
        info.number::<u64>("used_memory"),
        info.number::<u64>("maxmemory"),
    ) else {
        let found = "INFO does not tell how full it is";
        return Finding::new(Severity::Info, "memory", found, "");
    };
    if most == 0 {
        return Finding::ok("memory", format!("{} used, no maxmemory", mebibytes(used)));
    }
    let percent = u128::from(used) * 100 / u128::from(most);
    let found = format!(
        "{} of {} used, {percent} %",
        mebibytes(used),
        mebibytes(most)
    );
    if percent < u128::from(NEARLY_FULL) {
        return Finding::ok("memory", found);
    }
    Finding::new(
        Severity::Warning,
        "memory",
        format!("{found}: when it is full, it refuses writes, and jobs stand still"),
        "raise maxmemory, or find out what fills it; a job takes a small hash and at most \
         ledger_limit lines of about 150 bytes",
    )
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / 1_048_576.0)
}

/// `followed`: the URL names a cluster.
pub(super) fn cluster_mode(info: &Info, followed: bool) -> Finding {
    if !info.is("cluster_enabled", "1") {
        return Finding::ok("cluster", "not in cluster mode");
    }
    if followed {
        let found = "the node of a Redis Cluster that owns the namespace; it is followed";
        return Finding::ok("cluster", found);
    }
    Finding::new(
        Severity::Warning,
        "cluster",
        "it is one node of a Redis Cluster, and the URL names that node alone: when the \
         namespace's slot moves, or the node fails over, the scheduler does not follow",
        "name the cluster: redis+cluster://host,host",
    )
}
