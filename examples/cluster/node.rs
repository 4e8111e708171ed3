//! A node: a process of its own with a scheduler and three jobs, which are watched from inside.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::process::Signal;
use scheduled_one_runtime::clock::{Clock as _, SystemClock};
use scheduled_one_runtime::{JobContext, Scheduler, scheduled_one};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::sleep;

use crate::LEASE;
use crate::report::{Line, Report, Sighting, What};

/// The jobs below, and the seconds between their ticks.
pub(crate) const JOBS: [(&str, i64); 3] = [("fast", 1), ("slow", 2), ("long", 2)];
/// How long runs may take to finish when the node stops.
const GRACE: Duration = Duration::from_secs(1);

/// Short, each second.
#[scheduled_one(every = "1s", name = "fast")]
async fn fast(ctx: JobContext) {
    watched(ctx, sleep(Duration::from_millis(20))).await;
}

/// Takes longer than its interval: the tick in between is skipped.
#[scheduled_one(every = "2s", name = "slow")]
async fn slow(ctx: JobContext) {
    watched(ctx, sleep(Duration::from_millis(2_500))).await;
}

/// Outlives several leases: long enough to be interrupted.
#[scheduled_one(every = "2s", name = "long")]
async fn long(ctx: JobContext) {
    let steps = async {
        for _ in 0..30 {
            sleep(Duration::from_millis(300)).await;
        }
    };
    watched(ctx, steps).await;
}

/// Runs a node until the order of the parent to stop.
pub(crate) async fn run(name: &str, url: &str, namespace: &str) -> anyhow::Result<()> {
    die_with_parent()?;
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::ERROR)
        .with_writer(std::io::stderr)
        .init();
    let scheduler = Scheduler::builder(url)
        .namespace(namespace)
        .node_name(name)
        .lease(LEASE)
        .start()
        .await?;
    let next_s = next_second(&scheduler);
    Report::Up { next_s }.send();

    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    if orders.next_line().await?.is_none() {
        std::process::exit(1); // the parent is gone
    }
    let next_s = next_second(&scheduler);
    Report::Stopping { next_s }.send();
    scheduler.shutdown(GRACE).await;
    send_ledger(&scheduler).await?;
    Report::Stopped.send();
    Ok(())
}

/// A stopped process does not see that its parent is gone; on Linux the kernel ends it.
fn die_with_parent() -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(())
}

/// The next whole second, by the clock of the cluster: the next tick of the job that has them all.
fn next_second(scheduler: &Scheduler) -> i64 {
    let jobs = scheduler.jobs().into_iter();
    let ticks = jobs.filter_map(|job| job.next_ticks.first().copied());
    ticks.min().map_or(0, |tick| tick.as_second())
}

async fn send_ledger(scheduler: &Scheduler) -> anyhow::Result<()> {
    for (job, _) in JOBS {
        for line in scheduler.ledger(job, 1_000).await? {
            let line = Line {
                job: job.to_owned(),
                first_tick_s: line.tick.as_second(),
                last_tick_s: line.last_tick.as_second(),
                outcome: line.outcome,
                retried: line.retried,
            };
            Report::Ledger(line).send();
        }
    }
    Ok(())
}

/// Reports each poll of a future to the parent, so that it can be held against what is promised.
struct Watched<F> {
    ctx: JobContext,
    future: Pin<Box<F>>,
    last: Option<What>,
}

fn watched<F: Future>(ctx: JobContext, future: F) -> Watched<F> {
    Watched {
        ctx,
        future: Box::pin(future),
        last: None,
    }
}

impl<F> Watched<F> {
    fn report(&mut self, what: What) {
        self.last = Some(what);
        let sighting = Sighting {
            what,
            job: self.ctx.job().to_owned(),
            tick_s: self.ctx.scheduled_at().as_second(),
            attempt: self.ctx.attempt(),
            token: self.ctx.fencing_token(),
            at_us: SystemClock.boottime().as_micros() as u64,
        };
        Report::Seen(sighting).send();
    }
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let first = self.last.is_none();
        self.report(if first { What::Starts } else { What::Polled });
        let poll = self.future.as_mut().poll(cx);
        if poll.is_ready() {
            self.report(What::Ends);
        }
        poll
    }
}

impl<F> Drop for Watched<F> {
    fn drop(&mut self) {
        if self.last != Some(What::Ends) {
            self.report(What::Dropped);
        }
    }
}
