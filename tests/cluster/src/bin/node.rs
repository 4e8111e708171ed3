//! A node of a test cluster: runs the jobs it is told by its environment and
//! logs what they do. Ends when told to (SIGTERM), or when its parent is gone.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use cluster_tests::cluster::{JobSpec, NodeSpec};
use cluster_tests::log::{Event, Kind};
use scheduled_one_runtime::clock::{Clock, SystemClock};
use scheduled_one_runtime::{Job, JobContext, Misfire, OnNodeLoss, Overlap, Scheduler, State};

/// How often a job that runs for a while shows that it is polled.
const POLL_EVERY: Duration = Duration::from_millis(10);

#[derive(Clone)]
struct Log(Arc<File>);

impl Log {
    fn write(&self, kind: Kind, ctx: &JobContext) {
        let event = Event {
            kind,
            boot_us: SystemClock.boottime().as_micros() as u64,
            node: ctx.node().to_owned(),
            job: ctx.job().to_owned(),
            shard: ctx.shard().0,
            missed: ctx.missed(),
            tick_ms: ctx.scheduled_at().timestamp_millis(),
            attempt: ctx.attempt(),
            token: ctx.fencing_token(),
        };
        // One call a line: lines of several processes do not mix.
        (&*self.0)
            .write_all(format!("{event}\n").as_bytes())
            .expect("the log can be written");
    }
}

async fn work(ctx: JobContext, State(log): State<Log>, runs_for: Duration) {
    log.write(Kind::Start, &ctx);
    let until = SystemClock.boottime() + runs_for;
    while SystemClock.boottime() < until {
        tokio::time::sleep(POLL_EVERY).await;
        log.write(Kind::Poll, &ctx);
    }
    log.write(Kind::End, &ctx);
}

fn job(spec: &JobSpec) -> Job {
    let runs_for = spec.runs_for;
    let job = Job::every(&spec.name, spec.every, move |ctx, log| {
        work(ctx, log, runs_for)
    });
    spec.policies
        .iter()
        .fold(job, |job, text| policy(job, text))
}

/// Adds a policy such as `overlap=allow:2`.
fn policy(job: Job, text: &str) -> Job {
    let (key, value) = text.split_once('=').expect("key=value");
    let (word, number) = value.split_once(':').unwrap_or((value, value));
    let number = number.parse::<u64>().unwrap_or_default();
    match (key, word) {
        ("overlap", "queue_one") => job.overlap(Overlap::QueueOne),
        ("overlap", "queue_all") => job.overlap(Overlap::QueueAll(number as u32)),
        ("overlap", "cancel_running") => job.overlap(Overlap::CancelRunning),
        ("overlap", "allow") => job.overlap(Overlap::Allow(number as u32)),
        ("misfire", "run_once") => job.misfire(Misfire::RunOnce),
        ("misfire", "run_all") => job.misfire(Misfire::RunAll),
        ("rerun", _) => job.on_node_loss(OnNodeLoss::Rerun(number as u32)),
        ("shards", _) => job.shards(number as u32),
        ("start_deadline_ms", _) => job.start_deadline(Duration::from_millis(number)),
        _ => panic!("unknown policy {text}"),
    }
}

/// A test that dies leaves no nodes behind: they hold a pipe to it.
fn end_with_the_parent() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(3);
    });
}

#[tokio::main]
async fn main() -> Result<(), scheduled_one_runtime::Error> {
    end_with_the_parent();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_max_level(tracing_subscriber::filter::LevelFilter::INFO)
        .init();
    let spec = NodeSpec::from_env();
    let log = File::options()
        .append(true)
        .open(&spec.log)
        .expect("the log is there");
    let mut builder = Scheduler::builder(&spec.redis_url)
        .node_name(&spec.name)
        .lease(spec.lease)
        .shutdown_grace(Duration::from_secs(1))
        .state(Log(Arc::new(log)));
    for spec in &spec.jobs {
        builder = builder.job(job(spec));
    }
    builder.start().await?.run_until_signal().await
}
