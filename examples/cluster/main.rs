//! Five processes, one Redis, and what happens when processes are killed and paused in mid-run.
//!
//! ```sh
//! cargo run --example cluster   # ends by itself after about 40 s
//! ```
//!
//! It starts a `redis-server` of its own on a free port (`apt install redis-server` or
//! `brew install redis`), or uses the one of `REDIS_URL`, in a namespace of its own.
//!
//! The parent process starts five nodes: this program again, each with a scheduler and the jobs of
//! `node.rs`. The nodes report each poll of each job function; the parent shows what they report,
//! kills one and pauses another in the middle of a run, and holds the reports against what is
//! promised: see `verdict.rs`. If anything is violated, the exit code is not 0.

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

mod node;
mod processes;
mod report;
mod screen;
mod verdict;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use test_support::RedisServer;
use tokio::signal::unix::{SignalKind, signal};

use processes::{Cluster, name};
use report::{Report, What};
use screen::tell;

/// The lease of all jobs: how long a job stands still after its node died.
pub(crate) const LEASE: Duration = Duration::from_secs(2);
/// How long things that must happen may take to happen.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.as_slice() {
        [] => {}
        [role, name, url, namespace] if role == "node" => {
            node::run(name, url, namespace).await?;
            return Ok(ExitCode::SUCCESS);
        }
        _ => anyhow::bail!("usage: cargo run --example cluster"),
    }
    // Whichever branch ends first, the other is dropped, and with it the nodes and Redis.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        good = parent() => match good? {
            true => Ok(ExitCode::SUCCESS),
            false => Ok(ExitCode::FAILURE),
        },
        _ = interrupt.recv() => Ok(ExitCode::from(130)),
        _ = terminate.recv() => Ok(ExitCode::from(143)),
    }
}

/// Runs the story and judges it; true if all promises were kept.
async fn parent() -> anyhow::Result<bool> {
    let (_server, url) = redis()?;
    let namespace = format!(
        "cluster-{}",
        scheduled_one_runtime::jiff::Timestamp::now().strftime("%F-%H%M%S")
    );
    println!(
        "\nThe jobs: `fast` is due each second; `slow` every 2 s and takes 2.5 s; `long` every 2 s \
         and takes 9 s.\nThe lease is {LEASE:?}."
    );
    screen::head();
    let mut cluster = Cluster::start(&url, &namespace).await?;
    story(&mut cluster).await?;
    let good = cluster.evidence.judge();
    match good {
        true => println!("\nAll promises were kept."),
        false => println!("\nA promise was BROKEN: please report it, with the output above."),
    }
    Ok(good)
}

async fn story(cluster: &mut Cluster) -> anyhow::Result<()> {
    tell("this namespace is new to Redis: nothing starts for a lease and a second");
    let victim = cluster.watch_until(PATIENCE, starts_long).await?;
    cluster.watch(LEASE + Duration::from_secs(1)).await;

    tell(&format!(
        "{} is killed in the middle of `long`",
        name(victim)
    ));
    cluster.kill(victim).await?;
    let sleeper = cluster.watch_until(PATIENCE, starts_long).await?;
    let (dead, heir) = (name(victim), name(sleeper));
    tell(&format!(
        "the lease of {dead} has ended: its run is recorded as lost, and {heir} runs the next tick"
    ));
    cluster.watch(LEASE + Duration::from_secs(1)).await;

    tell(&format!(
        "{heir} is paused for two leases in the middle of `long`"
    ));
    cluster.pause(sleeper)?;
    cluster.watch(LEASE * 2).await;
    tell(&format!(
        "{heir} wakes up in the middle of `long`, which is not its own any more"
    ));
    cluster.resume(sleeper)?;
    cluster.watch(Duration::from_secs(2)).await;

    tell(&format!("{dead} is started again"));
    cluster.restart(victim).await?;
    cluster.watch(Duration::from_secs(12)).await;

    tell("the nodes are stopped, one after the other");
    cluster.stop().await
}

fn starts_long(report: &Report) -> bool {
    matches!(report, Report::Seen(seen) if seen.job == "long" && seen.what == What::Starts)
}

/// The Redis to use; one that is started here is stopped when the first value is dropped.
fn redis() -> anyhow::Result<(Option<RedisServer>, String)> {
    if let Some(url) = std::env::var("REDIS_URL")
        .ok()
        .filter(|url| !url.trim().is_empty())
    {
        println!("Using the Redis of REDIS_URL.");
        return Ok((None, url));
    }
    let server = RedisServer::start().context(
        "this example needs a redis-server: `apt install redis-server`, `brew install redis`, or \
         set REDIS_URL to one that runs",
    )?;
    println!("Started a redis-server on port {}.", server.port());
    let url = server.url();
    Ok((Some(server), url))
}
