//! The findings of the doctor on real servers, healthy and misconfigured.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod startup;

use std::time::{Duration, Instant};

use scheduled_one_runtime::{Job, Report, Scheduler, Severity, doctor};
use test_support::{RedisCluster, RedisOptions, RedisServer, Sentinel};

const SECRET: &str = "hunter2secret";

/// Generous: a replica connects at once, or after its second.
const PATIENCE: Duration = Duration::from_secs(20);

fn started(args: &[&str]) -> RedisServer {
    RedisOptions::default()
        .args(args.iter().copied())
        .start()
        .unwrap()
}

#[track_caller]
fn assert_finds(report: &Report, check: &str, severity: Severity, words: &str) {
    let finding = report
        .finding(check)
        .unwrap_or_else(|| panic!("no look at {check}:\n{report}"));
    assert_eq!(finding.severity, severity, "{check} of:\n{report}");
    let text = format!("{} {}", finding.found, finding.remedy);
    assert!(text.contains(words), "{words:?} not in {text:?}");
    assert_eq!(
        report.is_usable(),
        !report
            .findings
            .iter()
            .any(|it| it.severity == Severity::Severe)
    );
}

/// Repeats the examination until the report satisfies `says_so`: some changes take Redis a moment.
async fn until(url: &str, says_so: impl Fn(&Report) -> bool) -> Report {
    let started = Instant::now();
    loop {
        let report = doctor(url).await;
        if says_so(&report) {
            return report;
        }
        assert!(started.elapsed() < PATIENCE, "still:\n{report}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_plain_redis_is_usable_and_forgets() {
    let redis = RedisServer::start().unwrap();
    let report = doctor(redis.url()).await;
    assert!(report.is_usable(), "{report}");
    for (check, words) in [
        ("server", "Redis "),
        ("role", "primary"),
        ("eviction", "noeviction"),
        ("rights", "user default"),
        ("scripts", "a restart is noticed"),
        ("writes", "takes writes"),
        ("replicas", "none connected"),
        ("cluster", "not in cluster mode"),
        ("clock", "wall clock"),
        ("marks", "0 units"),
    ] {
        assert_finds(&report, check, Severity::Ok, words);
    }
    assert_finds(&report, "persistence", Severity::Warning, "appendonly yes");
    assert_finds(&report, "namespace", Severity::Info, "does not know it");
    assert!(report.finding("round_trip").is_some(), "{report}");
    assert!(report.store.ends_with(", namespace default"), "{report}");
    assert_eq!(redis.command(&["DBSIZE"]).unwrap(), "0");
}

#[tokio::test]
async fn eviction() {
    let cache = started(&["--maxmemory-policy", "allkeys-lru"]);
    let report = doctor(cache.url()).await;
    assert_finds(&report, "eviction", Severity::Severe, "allkeys-lru");
    // The rest is looked at all the same.
    assert_finds(&report, "rights", Severity::Ok, "default");
    assert!(report.to_string().starts_with("redis://127.0.0.1:"));
    assert_eq!(report.findings[0].check, "eviction");
    assert!(
        report.findings[0]
            .remedy
            .starts_with("set it to noeviction")
    );

    let managed = started(&["--maxmemory-policy", "volatile-lru", "--maxmemory", "1"]);
    let report = doctor(managed.url()).await;
    assert_finds(&report, "eviction", Severity::Warning, "volatile-lru");
    assert_finds(&report, "memory", Severity::Warning, "maxmemory");
}

#[tokio::test]
async fn a_full_redis_takes_no_writes() {
    let full = started(&["--maxmemory", "1"]);
    let report = doctor(full.url()).await;
    assert_finds(&report, "writes", Severity::Severe, "OOM");
    assert_finds(&report, "writes", Severity::Severe, "raise maxmemory");
    let job = Job::every("tick", Duration::from_secs(3600), || async {});
    let refused = Scheduler::builder(full.url()).job(job).start().await;
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("takes no writes now (OOM"), "{error}");
    assert!(
        error.ends_with("raise maxmemory, or free memory there"),
        "{error}"
    );
}

#[tokio::test]
async fn persistence() {
    let always = started(&["--appendonly", "yes", "--appendfsync", "always"]);
    let report = doctor(always.url()).await;
    assert_finds(&report, "persistence", Severity::Ok, "always");
    let usual = started(&["--appendonly", "yes"]);
    let report = doctor(usual.url()).await;
    assert_finds(&report, "persistence", Severity::Info, "everysec");
    let snapshots = started(&["--save", "3600", "1"]);
    let report = doctor(snapshots.url()).await;
    assert_finds(&report, "persistence", Severity::Info, "save 3600 1");
}

#[tokio::test]
async fn a_snapshot_that_failed_stops_writes() {
    let folder = tempfile::tempdir().unwrap();
    let redis = RedisServer::options()
        .args(["--save", "3600", "1"])
        .data_dir(folder.path())
        .start()
        .unwrap();
    // A folder has the name of the file, so writing it must fail, for root too.
    std::fs::create_dir(folder.path().join("dump.rdb")).unwrap();
    redis.command(&["BGSAVE"]).unwrap();
    let has_failed = |report: &Report| {
        let persistence = report.finding("persistence");
        persistence.is_some_and(|it| it.severity == Severity::Warning)
    };
    let report = until(&redis.url(), has_failed).await;
    assert_finds(&report, "writes", Severity::Severe, "MISCONF");
    assert_finds(&report, "writes", Severity::Severe, "log of Redis");
    assert_finds(&report, "persistence", Severity::Warning, "log of Redis");
}

#[tokio::test]
async fn replicas_and_their_primary() {
    let primary = RedisServer::start().unwrap();
    let port = primary.port().to_string();
    let replica = started(&["--replicaof", "127.0.0.1", &port]);
    let report = doctor(replica.url()).await;
    assert_finds(
        &report,
        "role",
        Severity::Severe,
        &format!("127.0.0.1:{port}"),
    );

    let url = primary.url();
    let has_replica = |report: &Report| {
        let replicas = report.finding("replicas");
        replicas.is_some_and(|it| it.found.contains("1 connected"))
    };
    let report = until(&url, has_replica).await;
    assert_finds(
        &report,
        "replicas",
        Severity::Warning,
        "min-replicas-to-write 1",
    );
    for (setting, value) in [
        ("min-replicas-to-write", "1"),
        ("min-replicas-max-lag", "5"),
    ] {
        primary.command(&["CONFIG", "SET", setting, value]).unwrap();
    }
    let report = until(&url, |report| {
        let replicas = report.finding("replicas");
        replicas.is_some_and(|it| it.found.contains("1 of them up to date"))
    })
    .await;
    assert_finds(&report, "replicas", Severity::Ok, "min-replicas-max-lag 5");
    replica.kill().unwrap();
    let report = until(&url, |report| !report.is_usable()).await;
    assert_finds(&report, "writes", Severity::Severe, "NOREPLICAS");
    assert_finds(&report, "writes", Severity::Severe, "connect the replicas");
}

#[tokio::test]
async fn rights() {
    let redis = RedisServer::start().unwrap();
    let url = format!("redis://ann:{SECRET}@127.0.0.1:{}", redis.port());
    let rule = scheduled_one_redis::RedisStore::acl_rule("default");
    let set_user = |more: &[&str]| {
        let password = format!(">{SECRET}");
        let mut command = vec!["ACL", "SETUSER", "ann", "reset", "on", &password];
        command.extend(rule.split(' ').chain(more.iter().copied()));
        redis.command(&command).unwrap();
    };
    set_user(&[]);
    let report = doctor(&url).await;
    assert_finds(&report, "rights", Severity::Ok, "user ann");
    // What it may not see, it says, and nothing fails for it.
    assert!(report.is_usable(), "{report}");
    let blind = "CONFIG GET is not allowed";
    assert_finds(&report, "persistence", Severity::Info, blind);

    set_user(&["-hset", "-info"]);
    let report = doctor(&url).await;
    assert_finds(&report, "rights", Severity::Severe, "missing: +info +hset");
    assert_finds(&report, "scripts", Severity::Info, "could not be tried");
    assert_finds(&report, "clock", Severity::Ok, "wall clock");
    let wrong = format!("redis://ann:x{SECRET}@127.0.0.1:{}", redis.port());
    let report_of_wrong = doctor(&wrong).await;
    assert_finds(&report_of_wrong, "login", Severity::Severe, "user ann");
    for report in [
        report,
        report_of_wrong,
        doctor(format!("redis://{SECRET}/x@a")).await,
    ] {
        let texts = format!("{report} {report:?}");
        assert!(!texts.contains(SECRET), "{texts}");
    }
}

#[tokio::test]
async fn nobody_there_and_nonsense() {
    let redis = RedisServer::start().unwrap();
    redis.kill().unwrap();
    let report = doctor(redis.url()).await;
    assert_finds(&report, "reachable", Severity::Severe, "is it running");
    assert_finds(
        &doctor("nonsense").await,
        "url",
        Severity::Severe,
        "redis://",
    );
    let report = Scheduler::builder("memory://").namespace("{a}").doctor();
    assert_finds(&report.await, "settings", Severity::Severe, "namespace");
    let report = doctor("memory://").await;
    assert_finds(&report, "embedded", Severity::Warning, "one process");
    assert!(report.is_usable(), "{report}");
}

#[tokio::test]
async fn a_namespace_and_its_marks() {
    let redis = RedisServer::start().unwrap();
    let job = || Job::every("tick", Duration::from_secs(3600), || async {});
    let builder = || Scheduler::builder(redis.url()).namespace("shop").job(job());
    let scheduler = builder().start().await.unwrap();
    let report = scheduler.doctor().await;
    assert_finds(&report, "namespace", Severity::Ok, "protocol version 1");
    assert_finds(&report, "marks", Severity::Ok, "1 units");
    let ahead = "4102444800000"; // 2100
    redis
        .command(&["HSET", "so:{shop}:job:tick", "hwm", ahead])
        .unwrap();
    for report in [scheduler.doctor().await, builder().doctor().await] {
        assert_finds(&report, "marks", Severity::Warning, "so:{shop}:job:tick");
    }
    redis
        .command(&["HSET", "so:{shop}:meta", "ver", "3"])
        .unwrap();
    let report = builder().doctor().await;
    assert_finds(&report, "namespace", Severity::Severe, "version 3");
}

#[tokio::test]
async fn a_lease_and_the_sentinels() {
    let stock = Duration::from_secs(30);
    let redis = Sentinel::options().down_after(stock).start().unwrap();
    let report = doctor(redis.url()).await;
    let set = "SENTINEL SET mymaster down-after-milliseconds 1000";
    assert_finds(&report, "failover", Severity::Warning, set);
    assert_finds(&report, "failover", Severity::Warning, "a lease of 5s dies");
    let long = Scheduler::builder(redis.url()).lease(Duration::from_secs(60));
    let report = long.doctor().await;
    assert_finds(&report, "failover", Severity::Ok, "survive 36s");
    assert_finds(&report, "replicas", Severity::Warning, "connected");
    assert!(report.store.starts_with("redis+sentinel://"), "{report}");
}

#[tokio::test]
async fn a_cluster_and_one_node_of_it() {
    let cluster = RedisCluster::start().unwrap();
    let report = doctor(cluster.url()).await;
    assert!(report.is_usable(), "{report}");
    assert_finds(&report, "cluster", Severity::Ok, "it is followed");
    let told = report.finding("failover").unwrap();
    assert!(told.found.contains("cluster-node-timeout"), "{report}");
    let long = Scheduler::builder(cluster.url()).lease(Duration::from_secs(600));
    assert_finds(
        &long.doctor().await,
        "failover",
        Severity::Ok,
        "survive 360s",
    );
    let owner = cluster.owner_of("so:{default}:meta").unwrap();
    let report = doctor(owner.url()).await;
    assert_finds(&report, "cluster", Severity::Warning, "redis+cluster://");
}
