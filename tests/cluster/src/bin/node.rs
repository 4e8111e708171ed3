//! A node of a test cluster: runs the jobs that its environment lists, and logs their starts and ends. The process ends
//! at SIGTERM, or when its parent is gone.

use std::fmt;
use std::fs::{self, File};
use std::io::BufRead;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cluster_tests::audit;
use cluster_tests::hanging::HangingStore;
use cluster_tests::job::{JobSpec, Witness};
use cluster_tests::node::{NodeSpec, Order, Placement};
use scheduled_one_runtime::alerts::{Alerts, Rules, Webhook};
use scheduled_one_runtime::clock::{Clock, SystemClock};
use scheduled_one_runtime::jiff::Timestamp;
use scheduled_one_runtime::{Error, Scheduler, SchedulerBuilder};
use tokio::sync::mpsc;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

/// The program that all nodes are: what a release of it has dropped, and no node has, is gone after a while.
const APPLICATION: &str = "cluster-tests";

/// How many lines a ledger keeps: more than a round of chaos writes.
const LEDGER_LINES: usize = 10_000;

/// Time of one audit, in ms: an audit returns at most 10,000 ticks of a job, and clocks that jump make many.
const AUDIT_MS: usize = 1_800_000;

/// How long it may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(2);

/// Threads of its runtime; an order can block them all.
const THREADS: usize = 2;

/// Log lines carry the boot clock, as the events of jobs do: wall clocks are
/// among what is made wrong.
struct Boot;

impl FormatTime for Boot {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", SystemClock.boottime().as_micros())
    }
}

/// Reads orders. A test that dies leaves no nodes behind: they hold a pipe to it.
fn orders() -> mpsc::UnboundedReceiver<Order> {
    let (tell, told) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let order = Order::from_line(&line).expect("an order");
            let _ = tell.send(order);
        }
        std::process::exit(3);
    });
    told
}

async fn obey(scheduler: Arc<Scheduler>, jobs: Vec<JobSpec>, hangs: Arc<AtomicBool>, order: Order) {
    match order {
        Order::Hang => hangs.store(true, Ordering::Relaxed),
        Order::Block(time) => {
            for _ in 0..THREADS {
                tokio::spawn(async move { std::thread::sleep(time) });
            }
        }
        Order::Audit {
            from_ms,
            to_ms,
            path,
        } => {
            let text = match audit(&scheduler, &jobs, from_ms, to_ms).await {
                Ok(text) => text,
                Err(error) => format!("error: {error}\n"),
            };
            // Whole or not at all, for who waits for it.
            let draft = path.with_extension("draft");
            fs::write(&draft, text).expect("a file");
            fs::rename(&draft, &path).expect("a file");
        }
    }
}

/// What became of the ticks of all jobs but local ones.
async fn audit(
    scheduler: &Scheduler,
    jobs: &[JobSpec],
    from_ms: i64,
    to_ms: i64,
) -> Result<String, Error> {
    let instant = |ms| Timestamp::from_millisecond(ms).expect("an instant");
    let mut text = String::new();
    for job in jobs.iter().filter(|job| !job.on_every_node()) {
        let mut ticks = Vec::new();
        for from_ms in (from_ms..to_ms).step_by(AUDIT_MS) {
            let to_ms = to_ms.min(from_ms + AUDIT_MS as i64);
            let range = instant(from_ms)..instant(to_ms);
            ticks.extend(scheduler.audit(&job.name, range).await?);
        }
        let ledger = scheduler.ledger(&job.name, LEDGER_LINES).await?;
        text += &audit::to_text(&job.name, &ticks, &ledger, from_ms..to_ms);
    }
    Ok(text)
}

/// Rules over all jobs, evaluated every second; the path of a message says which node sent it.
fn alerts(hook: SocketAddr, name: &str) -> Alerts {
    let rules = Rules::default().group_within(Duration::ZERO);
    let channel = Webhook::new(format!("http://{hook}/{name}"));
    Alerts::new(rules)
        .every(Duration::from_secs(1))
        .notify(channel)
}

fn placed(mut builder: SchedulerBuilder, placement: &Placement) -> SchedulerBuilder {
    for label in &placement.labels {
        builder = builder.label(label);
    }
    if let Some(runs) = placement.max_running {
        builder = builder.max_running(runs);
    }
    match &placement.max_running_of {
        Some((group, runs)) => builder.max_running_of(group, *runs),
        None => builder,
    }
}

async fn run(spec: NodeSpec) -> Result<(), Error> {
    let log = File::options()
        .append(true)
        .open(&spec.log)
        .expect("the log is there");
    let mut builder = Scheduler::builder(&spec.store_url)
        .node_name(&spec.name)
        .application(APPLICATION)
        .lease(spec.lease)
        .ledger_limit(LEDGER_LINES)
        .state(Witness {
            log: Arc::new(log),
            sink: spec.sink,
        });
    let hangs = Arc::new(AtomicBool::new(false));
    if spec.can_hang {
        let (url, password_file) = (&spec.store_url, spec.password_file.as_deref());
        let store = HangingStore::open(url, password_file, spec.replicas, Arc::clone(&hangs));
        builder = builder.store(store.await.expect("a store"));
    } else {
        if let Some(path) = &spec.password_file {
            builder = builder.password_file(path);
        }
        if spec.replicas > 0 {
            builder = builder.replicas(spec.replicas);
        }
    }
    builder = placed(builder, &spec.placement);
    for spec in &spec.jobs {
        builder = builder.job(spec.to_job());
    }
    if let Some(hook) = spec.hook {
        builder = builder.alerts(alerts(hook, &spec.name));
    }
    let scheduler = Arc::new(builder.start().await?);
    let mut orders = orders();
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(Error::Signal)?;
    loop {
        tokio::select! {
            Some(order) = orders.recv() => {
                tokio::spawn(obey(Arc::clone(&scheduler), spec.jobs.clone(), Arc::clone(&hangs), order));
            }
            _ = terminate.recv() => break,
        }
    }
    scheduler.shutdown(GRACE).await;
    Ok(())
}

fn main() -> Result<(), Error> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_timer(Boot)
        .with_max_level(tracing_subscriber::filter::LevelFilter::INFO)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .expect("a runtime");
    let result = runtime.block_on(run(NodeSpec::from_env()));
    // Not joined: blocked threads may be among those of the runtime.
    runtime.shutdown_background();
    result
}
