//! Findings for the replies of several servers. `INFO` of Redis was recorded; those of Valkey, Dragonfly and KeyDB
//! are written after their sources and documentation.

use std::collections::HashMap;
use std::time::Duration;

use scheduled_one_protocol::Bucket;

use super::*;
use crate::keys::Keys;

const REDIS: &str = include_str!("info/redis-7.0.txt");
const VALKEY: &str = include_str!("info/valkey-8.0.txt");
const DRAGONFLY: &str = include_str!("info/dragonfly-1.27.txt");
const KEYDB: &str = include_str!("info/keydb-6.3.txt");
const LEASE: Duration = Duration::from_secs(5);

/// Severity and text of one check, from `INFO` alone.
fn judged(text: &str, check: &str) -> (Severity, String) {
    let diagnoses = judge_info("host:1", &Info::parse(text), false);
    let finding = diagnoses
        .into_iter()
        .map(|diagnosis| diagnosis.finding)
        .find(|finding| finding.check == check);
    judged_as(finding.unwrap_or_else(|| panic!("no look at {check}")))
}

fn judged_as(finding: Finding) -> (Severity, String) {
    (finding.severity, finding.found)
}

#[track_caller]
fn assert_is((severity, found): (Severity, String), expected: Severity, words: &str) {
    assert_eq!(severity, expected, "{found}");
    assert!(found.contains(words), "{words:?} not in {found:?}");
}

fn settings(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    let owned = pairs.iter().map(|(k, v)| ((*k).into(), (*v).into()));
    owned.collect()
}

#[test]
fn servers_are_distinguished() {
    use Severity::{Info, Ok, Severe, Warning};
    assert_is(judged(REDIS, "server"), Ok, "Redis 7.0.15");
    assert_is(judged(VALKEY, "server"), Ok, "Valkey 8.0.1");
    assert_is(judged(KEYDB, "server"), Info, "KeyDB 6.3.4");
    assert_is(judged(DRAGONFLY, "server"), Warning, "df-v1.27.1");
    let unknown = "redis_version:7.2.0\r\nrole:master";
    assert_is(judged(unknown, "server"), Warning, "not what it is");
    assert_is(judged("a:1", "server"), Severe, "redis_version");
    assert_is(judged("redis_version:6.0.16", "server"), Severe, "6.0.16");
    let loading = REDIS.replace("loading:0", "loading:1");
    assert_is(judged(&loading, "loading"), Severe, "loading");
}

#[test]
fn only_one_primary_will_do() {
    assert_is(judged(REDIS, "role"), Severity::Ok, "primary");
    let several = "several writable copies";
    assert_is(judged(KEYDB, "role"), Severity::Severe, several);
    for word in ["slave", "replica"] {
        let replica = format!("role:{word}\nmaster_host:a\nmaster_port:7");
        assert_is(judged(&replica, "role"), Severity::Severe, "a:7");
    }
    assert_is(judged("x:1", "role"), Severity::Info, "unknown");
    let node = REDIS.replace("cluster_enabled:0", "cluster_enabled:1");
    assert_is(judged(&node, "cluster"), Severity::Warning, "one node");
    assert_is(judged(REDIS, "cluster"), Severity::Ok, "not in cluster");
    let diagnoses = judge_info("host:1", &Info::parse(&node), true);
    let checks = diagnoses.iter().map(|diagnosis| &diagnosis.finding);
    let mut cluster = checks.filter(|finding| finding.check == "cluster");
    assert_eq!(cluster.next().unwrap().severity, Severity::Ok);
}

#[test]
fn a_server_that_evicts_is_refused() {
    assert_is(judged(REDIS, "eviction"), Severity::Ok, "noeviction");
    assert_is(
        judged(VALKEY, "eviction"),
        Severity::Warning,
        "volatile-lru",
    );
    assert_is(judged(DRAGONFLY, "eviction"), Severity::Severe, "eviction");
    let all = REDIS.replace("noeviction", "allkeys-lfu");
    assert_is(judged(&all, "eviction"), Severity::Severe, "allkeys-lfu");
    assert_is(
        judged("cache_mode:cache", "eviction"),
        Severity::Severe,
        "cache",
    );
    assert_is(judged("a:1", "eviction"), Severity::Warning, "not told");
    assert_is(judged(VALKEY, "memory"), Severity::Warning, "96 %");
    assert_is(judged(REDIS, "memory"), Severity::Ok, "no maxmemory");
    assert_is(judged("a:1", "memory"), Severity::Info, "does not tell");
}

#[test]
fn persistence_is_a_row_of_the_table() {
    let look = |text: &str, pairs: &[(&str, &str)]| {
        judged_as(persistence(&Info::parse(text), Some(&settings(pairs))))
    };
    let blind = |text: &str| judged_as(persistence(&Info::parse(text), None));
    let fsync = |how| look(VALKEY, &[("appendfsync", how)]);
    assert_is(fsync("always"), Severity::Ok, "survives a crash");
    assert_is(fsync("everysec"), Severity::Info, "last second or two");
    assert_is(fsync("no"), Severity::Info, "often 30 s");
    assert_is(blind(VALKEY), Severity::Info, "CONFIG GET is not allowed");
    assert_is(
        look(REDIS, &[("save", "")]),
        Severity::Warning,
        "forgets everything",
    );
    assert_is(
        look(REDIS, &[("save", "3600 1")]),
        Severity::Info,
        "save 3600 1",
    );
    assert_is(blind(REDIS), Severity::Info, "cannot be seen");
    assert_is(blind(DRAGONFLY), Severity::Info, "does not tell");
    for status in ["rdb_last_bgsave_status", "aof_last_write_status"] {
        let failed = REDIS.replace(&format!("{status}:ok"), &format!("{status}:err"));
        assert_is(blind(&failed), Severity::Warning, "MISCONF");
    }
}

#[test]
fn replicas_without_waiting_writes_are_a_warning() {
    let blind = |text: &str| judged_as(replicas(&Info::parse(text), None, Expected::default()));
    assert_is(blind(REDIS), Severity::Ok, "none connected");
    assert_is(blind(VALKEY), Severity::Warning, "2 connected");
    let good = format!("{VALKEY}\nmin_slaves_good_slaves:2");
    assert_is(blind(&good), Severity::Ok, "cannot be seen");
    let settings = settings(&[
        ("min-replicas-to-write", "1"),
        ("min-replicas-max-lag", "2"),
    ]);
    let seen = judged_as(replicas(
        &Info::parse(&good),
        Some(&settings),
        Expected::default(),
    ));
    assert_is(seen, Severity::Ok, "min-replicas-max-lag 2");
    let slow = good.replace("lag=1,", "lag=31,");
    assert_is(blind(&slow), Severity::Warning, "31 s behind");
    let expected = |text: &str, failover, waited_for| {
        let expected = Expected {
            failover,
            waited_for,
        };
        judged_as(replicas(&Info::parse(text), None, expected))
    };
    let lonely = expected(REDIS, true, 0);
    assert_is(lonely, Severity::Warning, "nothing to fail over to");
    let waits = expected(VALKEY, true, 3);
    assert_is(waits, Severity::Warning, "no run starts");
    assert_is(expected(VALKEY, true, 2), Severity::Ok, "waits for 2");
    // The lag that Dragonfly reports is not in seconds.
    let dragonfly = format!("{DRAGONFLY}\nmin_slaves_good_slaves:1");
    assert_is(blind(&dragonfly), Severity::Ok, "1 connected");
}

#[test]
fn a_lease_is_compared_with_the_failover() {
    let sentinel = |seconds| Deployment::Sentinel {
        name: "main".into(),
        timing: Some(FailoverTiming {
            down_after: Duration::from_secs(seconds),
            failover_timeout: Duration::from_secs(180),
        }),
    };
    let stock = judged_as(failover(&sentinel(30), LEASE));
    assert_is(stock, Severity::Warning, "a lease of 5s dies");
    assert_is(
        judged_as(failover(&sentinel(1), LEASE)),
        Severity::Ok,
        "survive 3s",
    );
    let remedy = failover(&sentinel(30), LEASE).remedy;
    assert!(
        remedy.contains("SENTINEL SET main down-after-milliseconds 1000"),
        "{remedy}"
    );
    // The advised lease is long enough.
    let long = Duration::from_secs(54);
    assert!(remedy.contains("54s"), "{remedy}");
    assert_is(
        judged_as(failover(&sentinel(30), long)),
        Severity::Ok,
        "survive 32.4s",
    );
    let cluster = |seconds: Option<u64>| Deployment::Cluster {
        node_timeout: seconds.map(Duration::from_secs),
    };
    let stock = judged_as(failover(&cluster(Some(15)), LEASE));
    assert_is(stock, Severity::Warning, "cluster-node-timeout");
    let blind = judged_as(failover(&cluster(None), LEASE));
    assert_is(blind, Severity::Info, "usually it is 15 s");
    let silent = Deployment::Sentinel {
        name: "main".into(),
        timing: None,
    };
    let blind = judged_as(failover(&silent, LEASE));
    assert_is(blind, Severity::Info, "+sentinel|master");
    let single = judged_as(failover(&Deployment::Standalone, LEASE));
    assert_is(single, Severity::Info, "runs survive 3s");
}

#[test]
fn clocks_and_round_trips() {
    let facts = |offset_ms, rtt_ms| ClockFacts {
        offset_ms,
        round_trips: vec![Duration::from_millis(rtt_ms); 10],
    };
    assert_is(
        judged_as(clock(&facts(-1_000, 1))),
        Severity::Ok,
        "-1000 ms",
    );
    assert_is(
        judged_as(clock(&facts(1_001, 1))),
        Severity::Warning,
        "1001 ms",
    );
    assert_is(
        judged_as(round_trip(&facts(0, 500), LEASE)),
        Severity::Ok,
        "500.0 ms",
    );
    let slow = judged_as(round_trip(&facts(0, 501), LEASE));
    assert_is(slow, Severity::Warning, "a tenth");
}

#[test]
fn marks_of_a_wild_clock_are_named() {
    let now_ms = 1_800_000_000_000;
    let mark = |hwm_ms| HighWaterMark {
        key: "so:{a}:job:b".into(),
        hwm_ms,
    };
    let keys = Keys::new("a", Bucket::WHOLE);
    let marks = |found: &[HighWaterMark]| marks(&keys, found, now_ms);
    let near = [mark(Some(0)), mark(Some(now_ms + 60_000))];
    assert_is(judged_as(marks(&near)), Severity::Ok, "2 units");
    let wild = marks(&[mark(Some(1)), mark(Some(now_ms + 3_600_000))]);
    let (words, command) = wild.remedy.split_once(":\nEVAL '").unwrap();
    assert!(words.contains("stop all nodes"), "{words}");
    // It can be pasted into a shell and into `redis-cli`, and is the same in a log.
    let (script, arguments) = command.split_once('\'').unwrap();
    let expected = " 2 so:{a}:due so:{a}:leases 1800000000000 31622400000";
    assert_eq!(arguments, expected);
    assert!(!script.contains(['"', '\\', '\n']), "{script}");
    assert_is(judged_as(wild), Severity::Warning, "job:b (3600 s ahead)");
    let broken = judged_as(marks(&[mark(None)]));
    assert_is(broken, Severity::Warning, "hold something else");
}

fn facts() -> Facts {
    Facts {
        address: "host:1".into(),
        user: "ann".into(),
        missing: Vec::new(),
        rule: "~x +y".into(),
        script: ScriptResult::Serving("a:b".into()),
        buckets: 4,
        stored: Stored::Nothing,
        write_refused: None,
    }
}

#[test]
fn a_namespace_has_one_number_of_buckets() {
    let judged = |version, buckets| {
        let mut facts = facts();
        facts.stored = Stored::Known { version, buckets };
        judged_as(namespace(&facts).finding)
    };
    assert_is(judged(1, Some(4)), Severity::Ok, "protocol version 1");
    assert_is(judged(1, None), Severity::Ok, "protocol version 1");
    assert_is(judged(0, Some(4)), Severity::Info, "does not know it");
    let ours = "this service says 4";
    assert_is(judged(1, Some(1)), Severity::Severe, ours);
    assert_is(judged(0, Some(0)), Severity::Severe, ours);
    // The scripts check the version first, too.
    assert_is(judged(3, Some(1)), Severity::Severe, "version 3");
}

#[test]
fn refused_writes_have_a_remedy_other_than_waiting() {
    for (code, remedy) in [
        ("MISCONF", "log of Redis"),
        ("OOM", "raise maxmemory"),
        ("NOREPLICAS", "lower min-replicas-to-write"),
    ] {
        let mut facts = facts();
        facts.write_refused = Some(format!("{code} because"));
        let Diagnosis {
            finding, refusal, ..
        } = writes(&facts);
        assert!(finding.remedy.contains(remedy), "{finding:?}");
        let error = refusal.unwrap().to_string();
        assert!(error.ends_with(&finding.remedy), "{error}");
        assert_is(judged_as(finding), Severity::Severe, code);
    }
}

#[test]
fn a_start_takes_the_first_severe_finding_or_all_warnings() {
    assert_eq!(start_result(judge_probes(&facts())), Ok(Vec::new()));
    let mut bad = facts();
    bad.write_refused = Some("OOM".into());
    bad.script = ScriptResult::Nameless;
    let error = start_result(judge_probes(&bad)).unwrap_err();
    assert!(error.to_string().contains("run_id"), "{error}");
    bad.missing = vec!["+hset".into()];
    let error = start_result(judge_probes(&bad)).unwrap_err();
    assert!(error.to_string().contains("+hset"), "{error}");
    let warnings = start_result(judge_info("host:1", &Info::parse(VALKEY), false)).unwrap();
    let checks: Vec<&str> = warnings.iter().map(|finding| finding.check).collect();
    assert_eq!(checks, ["eviction", "memory"]);
}
