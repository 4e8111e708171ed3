//! A scheduler with many jobs on a real Redis.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::time::Duration;

use deadpool_redis::redis::{self, aio::MultiplexedConnection};
use jiff::Timestamp;
use scheduled_one_runtime::{Error, Job, JobContext, Scheduler, Scope};
use test_support::{RedisServer, wait_until_async};

use crate::BOUND;

const VICTIMS: usize = 100;
const GOOD: [&str; 4] = ["good-0", "good-1", "good-each", "good-long"];
const EVERY: Duration = Duration::from_millis(500);

/// Ticks that ran, by job, in their order.
type Runs = Arc<Mutex<BTreeMap<String, Vec<i64>>>>;

pub(crate) struct World {
    namespace: &'static str,
    redis: RedisServer,
    pub(crate) raw: MultiplexedConnection,
    scheduler: Scheduler,
    victims: Vec<String>,
    runs: Runs,
}

static PANICS: AtomicUsize = AtomicUsize::new(0);
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// The log of the process, and its panics.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            usual(panic);
        }));
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_ansi(false)
            .with_writer(|| Log)
            .init();
    });
}

struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn log() -> String {
    String::from_utf8_lossy(&LOG.lock().unwrap()).into_owned()
}

fn job(name: &str, runs: &Runs, takes: Duration) -> Job {
    let runs = Arc::clone(runs);
    Job::every(name, EVERY, move |ctx: JobContext| {
        let runs = Arc::clone(&runs);
        async move {
            let tick_ms = ctx.scheduled_at().as_millisecond();
            let job = ctx.job().to_owned();
            runs.lock().unwrap().entry(job).or_default().push(tick_ms);
            tokio::time::sleep(takes).await; // what is damaged is a run that goes on
        }
    })
}

impl World {
    pub(crate) async fn start(namespace: &'static str) -> World {
        listen();
        let redis = RedisServer::start().unwrap();
        let client = redis::Client::open(redis.url()).unwrap();
        // Its own limit of half a second is short on a busy machine.
        let patient = redis::AsyncConnectionConfig::new().set_response_timeout(None);
        let raw = client
            .get_multiplexed_async_connection_with_config(&patient)
            .await
            .unwrap();
        let runs = Runs::default();
        let victims: Vec<String> = (0..VICTIMS).map(|n| format!("bad-{n:03}")).collect();
        let mut builder = Scheduler::builder(redis.url())
            .namespace(namespace)
            .lease(Duration::from_secs(1));
        for (number, name) in victims.iter().enumerate() {
            let takes = Duration::from_millis(if number % 2 == 0 { 400 } else { 0 });
            let scope = if number % 8 == 3 {
                Scope::EveryNode
            } else {
                Scope::One
            };
            builder = builder.job(job(name, &runs, takes).scope(scope));
        }
        for name in GOOD {
            let takes = Duration::from_millis(if name == "good-long" { 450 } else { 0 });
            let scope = if name == "good-each" {
                Scope::EveryNode
            } else {
                Scope::One
            };
            builder = builder.job(job(name, &runs, takes).scope(scope));
        }
        let scheduler = builder.start().await.unwrap();
        let world = World {
            namespace,
            redis,
            raw,
            scheduler,
            victims,
            runs,
        };
        let all = world.victims.clone();
        world.go_on(&all).await;
        world
    }

    pub(crate) fn key(&self, key: &str) -> String {
        format!("so:{{{}}}:{key}", self.namespace)
    }

    pub(crate) fn victims(&self) -> &[String] {
        &self.victims
    }

    /// How often each job ran.
    pub(crate) fn runs(&self) -> BTreeMap<String, usize> {
        let runs = self.runs.lock().unwrap();
        runs.iter()
            .map(|(job, ticks)| (job.clone(), ticks.len()))
            .collect()
    }

    fn ran(&self, job: &str) -> usize {
        self.runs.lock().unwrap().get(job).map_or(0, Vec::len)
    }

    /// Each of these jobs runs twice more: once it may have been about to.
    pub(crate) async fn go_on<N: AsRef<str>>(&self, jobs: &[N]) {
        let before = self.runs();
        for job in jobs.iter().map(AsRef::as_ref) {
            let ran = before.get(job).copied().unwrap_or_default();
            let what = format!("{job} runs, after: {:?}", last_lines_of(job));
            wait_until_async(&what, BOUND, async || self.ran(job) >= ran + 2).await;
        }
    }

    /// Waits until the jobs without a damaged key run, and have recorded outcomes.
    pub(crate) async fn the_others_go_on(&self) {
        let newest = async |job| {
            let lines = self.scheduler.ledger(job, 1).await.unwrap_or_default();
            lines.first().map(|line| line.tick)
        };
        let mut before = Vec::new();
        for job in GOOD {
            before.push(newest(job).await);
        }
        self.go_on(&GOOD).await;
        for (job, before) in GOOD.into_iter().zip(before) {
            let what = format!("{job} is recorded, after: {:?}", last_lines_of(job));
            wait_until_async(&what, BOUND, async || newest(job).await > before).await;
        }
    }

    async fn audit(&self, job: &str) -> Result<(), Error> {
        let all = Timestamp::UNIX_EPOCH..Timestamp::MAX;
        self.scheduler.audit(job, all).await.map(drop)
    }

    /// None if it runs on, or else its error.
    pub(crate) async fn heals_or_says_why(
        &self,
        job: &str,
        before: &BTreeMap<String, usize>,
    ) -> Option<String> {
        let mut error = None;
        let what = format!("{job} runs or says why not");
        wait_until_async(&what, BOUND, async || {
            error = self.audit(job).await.err().map(|error| error.to_string());
            error.is_some() || self.ran(job) >= before[job] + 3
        })
        .await;
        error
    }

    /// The error names the key and the way out, and the ledger has no other.
    pub(crate) fn is_clear(&self, job: &str, error: &str) {
        let keys = ["job", "log"].map(|kind| self.key(&format!("{kind}:{job}")));
        let names = keys.iter().any(|key| error.contains(key));
        assert!(names && error.contains("delete"), "{job}: {error}");
        assert!(
            error.len() < 600 && !error.contains(['\n', '\0']),
            "{error:?}"
        );
    }

    pub(crate) async fn delete_keys_of(&mut self, jobs: &[String]) {
        let mut delete = redis::cmd("DEL");
        for job in jobs {
            delete.arg(self.key(&format!("job:{job}")));
            delete.arg(self.key(&format!("log:{job}")));
        }
        let () = delete.query_async(&mut self.raw).await.unwrap();
    }

    pub(crate) async fn command(&mut self, command: &str, key: &str, args: &[&[u8]]) {
        let mut command = redis::cmd(command);
        command.arg(self.key(key)).arg(args);
        let _: redis::Value = command.query_async(&mut self.raw).await.unwrap();
    }

    /// Every job has an error with these words.
    pub(crate) async fn all_say(&self, words: &str) {
        for job in ["good-0", "good-long", "bad-000"] {
            let error = self.audit(job).await.unwrap_err().to_string();
            assert!(error.contains(words), "{job}: {error}");
        }
    }

    pub(crate) async fn log_says(&self, event: &str, words: &str) {
        let says = || {
            log()
                .lines()
                .any(|line| line.contains(event) && line.contains(words))
        };
        wait_until_async(&format!("the log says {event}"), BOUND, async || says()).await;
    }

    /// No panic, no tick twice; the log tells of refusals, and not too often.
    pub(crate) async fn end(self, refusals: RangeInclusive<usize>) {
        let stopped = self.scheduler.shutdown(Duration::from_secs(5)).await;
        assert!(stopped.recorded);
        assert_eq!(PANICS.load(Ordering::SeqCst), 0);
        for (job, ticks) in &*self.runs.lock().unwrap() {
            let different: HashSet<&i64> = ticks.iter().collect();
            assert_eq!(different.len(), ticks.len(), "{job} ran a tick twice");
        }
        let log = log();
        assert!(!log.contains("unexpectedly"), "{log}");
        let prefix = self.key("");
        let is_one = |line: &&str| line.contains("refuse") && line.contains(&prefix);
        let said = log.lines().filter(is_one).count();
        assert!(refusals.contains(&said), "{said}");
        drop(self.redis);
    }
}

/// The end of what the log says of a job.
fn last_lines_of(job: &str) -> Vec<String> {
    let log = log();
    let lines = log.lines().filter(|line| line.contains(job));
    let mut last: Vec<String> = lines.rev().take(3).map(str::to_owned).collect();
    last.reverse();
    last
}
