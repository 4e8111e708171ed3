//! A namespace that is spread over buckets: each job is in one of them, and each tick runs once.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod number;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use scheduled_one_protocol::Bucket;
use scheduled_one_runtime::{
    Error, Job, JobContext, LedgerEntry, Outcome, Scheduler, SchedulerBuilder, State, TickStatus,
};
use test_support::{RedisCluster, RedisServer, wait_until, wait_until_async};

const BOUND: Duration = Duration::from_secs(30);
const BUCKETS: u32 = 4;
const LEASE: Duration = Duration::from_millis(500);
const EVERY: Duration = Duration::from_millis(200);

/// How often each tick of each job was started.
#[derive(Clone, Default)]
struct Starts(Arc<Mutex<BTreeMap<Tick, u32>>>);

/// A job, and its tick.
type Tick = (String, Timestamp);

impl Starts {
    fn of(&self, job: &str) -> usize {
        let starts = self.0.lock().unwrap();
        starts.keys().filter(|(of, _)| of == job).count()
    }

    /// Waits until that many more ticks of each job have started.
    async fn more(&self, jobs: &[String], ticks: usize) {
        let before: Vec<usize> = jobs.iter().map(|job| self.of(job)).collect();
        let what = format!("{ticks} more ticks of each of {jobs:?} have started");
        wait_until_async(&what, BOUND, async || {
            let mut both = jobs.iter().zip(&before);
            both.all(|(job, before)| self.of(job) >= before + ticks)
        })
        .await;
    }

    fn assert_once(&self) {
        let starts = self.0.lock().unwrap();
        let twice: Vec<_> = starts.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "{twice:?}");
    }
}

/// Two jobs in each bucket, by bucket.
fn names() -> Vec<[String; 2]> {
    let in_bucket = |bucket: Bucket| {
        let names = (0..).map(|number| format!("job-{number}"));
        let mut names = names.filter(|name| Bucket::of_job(name, BUCKETS) == bucket);
        [names.next().unwrap(), names.next().unwrap()]
    };
    Bucket::all(BUCKETS).map(in_bucket).collect()
}

fn job(name: &str) -> Job {
    let count = |ctx: JobContext, State(starts): State<Starts>| async move {
        let tick = (ctx.job().to_owned(), ctx.scheduled_at());
        *starts.0.lock().unwrap().entry(tick).or_default() += 1;
    };
    Job::every(name, EVERY, count)
}

fn node(redis: &RedisServer, buckets: u32, starts: &Starts, jobs: &[String]) -> SchedulerBuilder {
    node_of(redis.url(), buckets, starts, jobs)
}

fn node_of(url: String, buckets: u32, starts: &Starts, jobs: &[String]) -> SchedulerBuilder {
    let builder = Scheduler::builder(url)
        .buckets(buckets)
        .lease(LEASE)
        .state(starts.clone());
    jobs.iter()
        .fold(builder, |builder, name| builder.job(job(name)))
}

fn key(bucket: u32, name: &str) -> String {
    match bucket {
        0 => format!("so:{{default}}:{name}"),
        bucket => format!("so:{{default+{bucket:02}}}:{name}"),
    }
}

fn meta(bucket: u32) -> String {
    key(bucket, "meta")
}

/// The number of buckets that is stored in a bucket.
fn stored(redis: &RedisServer, bucket: u32) -> String {
    let answer = redis.command(&["HGET", &meta(bucket), "buckets"]);
    answer.unwrap().trim().to_owned()
}

fn keys(redis: &RedisServer, pattern: &str) -> Vec<String> {
    let keys = redis.command(&["KEYS", pattern]).unwrap();
    keys.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_tick_of_jobs_in_all_buckets_runs_once() {
    let redis = RedisServer::start().unwrap();
    let starts = Starts::default();
    let jobs = names().concat();
    let first = node(&redis, BUCKETS, &starts, &jobs).start().await.unwrap();
    let second = node(&redis, BUCKETS, &starts, &jobs).start().await.unwrap();
    starts.more(&jobs, 10).await;

    for bucket in 0..BUCKETS {
        assert_eq!(stored(&redis, bucket), BUCKETS.to_string());
        for name in &jobs {
            let there = !keys(&redis, &key(bucket, &format!("*:{name}"))).is_empty();
            let belongs = Bucket::of_job(name, BUCKETS).index() == bucket;
            assert_eq!(there, belongs, "{name} in bucket {bucket}");
        }
    }
    assert_eq!(first.jobs().len(), jobs.len());
    for name in &jobs {
        // Both read what either wrote, and each tick of the account ran.
        let ledger = second.ledger(name, 1000).await.unwrap();
        assert!(ledger.iter().any(|line| line.outcome == Outcome::Ok));
        let to = ledger[0].tick + SignedDuration::from_millis(1);
        let audit = first.audit(name, Timestamp::UNIX_EPOCH..to).await.unwrap();
        let statuses: Vec<TickStatus> = audit.iter().map(|tick| tick.status).collect();
        let ok = statuses
            .iter()
            .filter(|status| **status == TickStatus::Decided(Outcome::Ok));
        assert!(ok.count() >= 9, "{name}: {statuses:?}");
        let decided =
            |status: &TickStatus| matches!(status, TickStatus::Decided(_) | TickStatus::Running);
        assert!(statuses.iter().all(decided), "{name}: {statuses:?}");
    }
    let unknown = first.ledger("nobody", 1).await;
    assert!(matches!(unknown, Err(Error::UnknownJob { .. })));

    assert!(first.shutdown(BOUND).await.recorded);
    starts.more(&jobs, 3).await;
    assert!(second.shutdown(BOUND).await.recorded);
    for bucket in 0..BUCKETS {
        for set in ["nodes", "leases"] {
            let left = redis.command(&["ZCARD", &key(bucket, set)]).unwrap();
            assert_eq!(left.trim(), "0", "{set} of bucket {bucket}");
        }
    }
    starts.assert_once();
}

/// A node sends heartbeats to the buckets of its jobs, and to the first bucket, which stores the number of buckets.
/// The ledgers of jobs in other buckets can be read all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_in_the_buckets_of_its_jobs_and_in_the_first() {
    let redis = RedisServer::start().unwrap();
    let starts = Starts::default();
    let [third, fourth] = [2, 3].map(|bucket: usize| [names()[bucket][0].clone()]);
    let one = node(&redis, BUCKETS, &starts, &third)
        .start()
        .await
        .unwrap();
    assert_eq!(keys(&redis, "so:{default+01}:*"), [""; 0]);
    assert_eq!(keys(&redis, "so:{default+03}:*"), [""; 0]);
    assert_eq!(stored(&redis, 0), "4");
    assert_eq!(stored(&redis, 2), "4");

    let other = node(&redis, BUCKETS, &starts, &fourth)
        .start()
        .await
        .unwrap();
    starts.more(&fourth, 1).await;
    wait_until_async("the ledger has the line", BOUND, async || {
        one.ledger(&fourth[0], 10)
            .await
            .is_ok_and(|it| !it.is_empty())
    })
    .await;
    // Flushed, nobody has a job in the first bucket: it is written all the same.
    redis.flush().unwrap();
    wait_until("the number is back", BOUND, || stored(&redis, 0) == "4");
    drop((one, other));
}

/// A failure of one bucket affects the jobs of that bucket only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_in_trouble_holds_up_no_other() {
    let redis = RedisServer::start().unwrap();
    let starts = Starts::default();
    let names = names();
    let jobs = names.concat();
    let one = node(&redis, BUCKETS, &starts, &jobs).start().await.unwrap();
    starts.more(&jobs, 2).await;

    let troubled = names[2].clone();
    let well: Vec<String> = [&names[0][..], &names[1], &names[3]].concat();
    let only_the_others_go_on = async || {
        starts.more(&well, 3).await; // what was under way is through
        let before = troubled.each_ref().map(|job| starts.of(job));
        starts.more(&well, 10).await;
        let after = troubled.each_ref().map(|job| starts.of(job));
        assert_eq!(before, after);
    };
    // It forgot everything, and is replaced again and again: one quarantine follows the other.
    let forget = "return redis.call('DEL', unpack(redis.call('KEYS', ARGV[1])))";
    let bucket = "so:{default+02}:*";
    redis.command(&["EVAL", forget, "0", bucket]).unwrap();
    wait_until("the number is back", BOUND, || stored(&redis, 2) == "4");
    let replaced_for_ever = async {
        loop {
            redis
                .command(&["HSET", &meta(2), "rid", "another:one"])
                .unwrap();
            tokio::time::sleep(LEASE / 2).await;
        }
    };
    tokio::select! {
        () = only_the_others_go_on() => {}
        () = replaced_for_ever => {}
    }
    starts.more(&jobs, 2).await;

    // Its store cannot be used at all.
    redis.command(&["HSET", &meta(2), "ver", "7"]).unwrap();
    only_the_others_go_on().await;
    redis.command(&["HSET", &meta(2), "ver", "1"]).unwrap();
    starts.more(&jobs, 2).await;
    assert!(one.shutdown(BOUND).await.recorded);
    starts.assert_once();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_ends_the_runs_of_all_buckets() {
    let redis = RedisServer::start().unwrap();
    let jobs = names().concat();
    let builder = Scheduler::builder(redis.url())
        .buckets(BUCKETS)
        .lease(LEASE);
    let endless = |name: &String| {
        Job::every(name, EVERY, |ctx: JobContext| async move {
            ctx.cancelled().await;
        })
    };
    let builder = jobs.iter().fold(builder, |it, name| it.job(endless(name)));
    let scheduler = builder.start().await.unwrap();
    // One watchdog renews them all, for longer than their leases.
    wait_until("each run was renewed eight times", BOUND, || {
        jobs.iter().all(|name| {
            let bucket = Bucket::of_job(name, BUCKETS).index();
            let record = key(bucket, &format!("job:{name}"));
            let seq = redis.command(&["HGET", &record, "seq"]).unwrap();
            seq.trim().parse::<u32>().is_ok_and(|seq| seq > 8)
        })
    });
    let shutdown = scheduler.shutdown(Duration::ZERO).await;
    assert_eq!((shutdown.finished, shutdown.cancelled), (0, jobs.len()));
    assert!(shutdown.recorded);
    assert_eq!(scheduler.running(), 0);
    for name in &jobs {
        let ledger = scheduler.ledger(name, 100).await.unwrap();
        let cancelled = |line: &LedgerEntry| line.outcome == Outcome::Cancelled;
        assert!(ledger.iter().any(cancelled), "{name}: {ledger:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_serves_each_bucket_where_its_slot_is() {
    let cluster = RedisCluster::start().unwrap();
    let starts = Starts::default();
    let jobs = names().concat();
    let node = |buckets| node_of(cluster.url(), buckets, &starts, &jobs);
    let first = node(BUCKETS).start().await.unwrap();
    let second = node(BUCKETS).start().await.unwrap();
    let error = node(1).start().await.unwrap_err();
    assert!(error.to_string().contains('4'), "{error}");
    starts.more(&jobs, 5).await;
    let owner = |bucket| cluster.owner_of(&meta(bucket)).unwrap();
    let owners: BTreeSet<u16> = (0..BUCKETS).map(|bucket| owner(bucket).port()).collect();
    assert!(
        owners.len() > 1,
        "all buckets are on one server: {owners:?}"
    );
    // Those that were on it move, with their jobs; nothing runs twice.
    let old = owner(1);
    old.kill().unwrap();
    cluster.wait_for_failover(&meta(1), old).unwrap();
    starts.more(&jobs, 5).await;
    first.shutdown(BOUND).await;
    second.shutdown(BOUND).await;
    starts.assert_once();
}
