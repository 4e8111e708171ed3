//! The first minute with scheduled-one, nothing to install:
//!
//! ```sh
//! cargo run --example quickstart                  # until Ctrl-C
//! cargo run --example quickstart -- --seconds 20  # ends by itself
//! STORE_URL=redis://127.0.0.1/ cargo run --example quickstart
//! ```
//!
//! Three replicas of a service, A, B and C, share one store and have the same five jobs. Here they
//! live in one process, to be seen side by side; usually each is a process on a machine of its own.
//! The table has a row for each tick: which replica ran it, and what came of it.
//!
//! The dots are counted by the job functions themselves, see `jobs.rs`, and the outcome is what the
//! ledger in the store says: a tick that ran twice would show two dots.

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

mod accounts;
mod jobs;
mod table;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use scheduled_one_runtime::Scheduler;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::{EnvFilter, LevelFilter, filter_fn};
use tracing_subscriber::prelude::*;

use accounts::Accounts;
use jobs::Starts;
use table::Table;

/// The names of the replicas.
const REPLICAS: [&str; 3] = ["A", "B", "C"];
/// How long runs that are under way may take to finish when we stop.
const GRACE: Duration = Duration::from_secs(5);
/// How often the table looks for new lines in the ledger.
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let seconds = seconds_asked_for()?;
    show_warnings();
    jobs::hush_intended_panics();

    // This is all there is to it: one scheduler in each replica.
    let (url, namespace) = store();
    let starts = Starts::default();
    let mut replicas = Vec::new();
    for name in REPLICAS {
        let replica = Scheduler::builder(&url)
            .namespace(&namespace)
            .node_name(name)
            .state(starts.clone()) // for the jobs that take a `State<Starts>`
            .start()
            .await?;
        replicas.push(replica);
    }

    // The rest shows what happens.
    let mut accounts = Accounts::open(&replicas[0]);
    let mut table = Table::new(starts);
    tell_of_quarantine(&url, &namespace);
    table.print_head(&replicas[0]);
    let mut stop = std::pin::pin!(asked_to_stop(seconds));
    loop {
        table.print_news(&replicas[0]).await;
        tokio::select! {
            reason = &mut stop => break println!("\n{}: no new ticks, runs may finish …", reason?),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    accounts.close(&replicas[0]);
    let stopped = tokio::join!(
        replicas[0].shutdown(GRACE),
        replicas[1].shutdown(GRACE),
        replicas[2].shutdown(GRACE),
    );
    table.print_news(&replicas[0]).await;
    let finished = stopped.0.finished + stopped.1.finished + stopped.2.finished;
    println!("all replicas have stopped; runs that were under way and have finished: {finished}\n");

    if accounts.settle(&table) {
        Ok(ExitCode::SUCCESS)
    } else {
        Ok(ExitCode::FAILURE)
    }
}

/// The store that the replicas share, and the namespace in it. They share this process, so they may share its embedded
/// store. A service with a replica in each process takes `Scheduler::builder_from_env`, which has no such default.
fn store() -> (String, String) {
    let given = std::env::var("STORE_URL")
        .ok()
        .filter(|url| !url.trim().is_empty());
    let Some(url) = given else {
        return ("memory://quickstart".to_owned(), "default".to_owned());
    };
    // A namespace without a past: its ledger begins empty. What is stored of it stays there.
    let namespace = format!(
        "quickstart-{}",
        scheduled_one_runtime::jiff::Timestamp::now().strftime("%F-%H%M%S")
    );
    (url, namespace)
}

/// Why nothing happens at first. In memory nothing can have been forgotten, so it starts at once.
fn tell_of_quarantine(url: &str, namespace: &str) {
    if !url.starts_with("memory:") {
        println!(
            "Please wait 6 s. The namespace {namespace} is new to this store, which looks as if\n\
             the store had lost it: a run could still be going somewhere. So nothing starts for one lease\n\
             and a second, and ticks that come due meanwhile are recorded as missed.\n"
        );
    }
}

/// The value of `--seconds`, if it was given.
fn seconds_asked_for() -> anyhow::Result<Option<u64>> {
    let mut args = std::env::args().skip(1);
    match (args.next().as_deref(), args.next(), args.next()) {
        (None, ..) => Ok(None),
        (Some("--seconds"), Some(seconds), None) => {
            let seconds = seconds.parse().context("--seconds takes a whole number")?;
            Ok(Some(seconds))
        }
        _ => anyhow::bail!("usage: cargo run --example quickstart [-- --seconds N]"),
    }
}

/// Completes with the reason to stop: Ctrl-C, SIGTERM, or `--seconds` have passed.
async fn asked_to_stop(seconds: Option<u64>) -> anyhow::Result<String> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let time_is_up = async {
        match seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = interrupt.recv() => Ok("Ctrl-C".to_owned()),
        _ = terminate.recv() => Ok("SIGTERM".to_owned()),
        () = time_is_up => Ok("time is up".to_owned()),
    }
}

/// Shows what the scheduler warns of; `RUST_LOG=scheduled_one=debug` shows each step it takes.
fn show_warnings() {
    let asked_for_more = std::env::var_os("RUST_LOG").is_some();
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::WARN.into())
        .from_env_lossy();
    // Failed and missed ticks are in the table already; a service would want to read these, too.
    let not_in_table = filter_fn(move |event| {
        let about = |field| event.fields().field(field).is_some();
        asked_for_more || !(about("outcome") || about("count"))
    });
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(lines.with_filter(filter).with_filter(not_in_table))
        .init();
}
