//! A run that outlives many leases, stops at the signal, and cannot overwrite its successor.
//!
//! ```sh
//! cargo run --example long_job   # ends by itself after about 14 s; nothing to install
//! ```
//!
//! The job takes 8 s, its lease is 1 s: the lease is renewed while the run goes on, and its deadline
//! moves ahead. If the process died, the lease would end within the second, and the next tick would
//! run elsewhere.
//!
//! A lock can never promise that an old run does not write *after* its lease: the process may have
//! been suspended just before it wrote. So each run gets a fencing token higher than all before, and
//! the resource, here [`Sink`], refuses a token lower than the highest it has seen.

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

mod sink;

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Context as _;
use scheduled_one_runtime::{JobContext, Scheduler, State, scheduled_one};
use tokio::time::{sleep, timeout};

use sink::Sink;

const STEPS: u32 = 16;
const STEP_TAKES: Duration = Duration::from_millis(500);

/// Exports something, in steps.
///
/// The scheduler signals a run when its lease could not be renewed, and when it shuts down.
/// A fifth of the lease later it drops the run at its next `.await`; this one ends in good order.
#[scheduled_one(every = "2s", lease = "1s", name = "export")]
async fn export(ctx: JobContext, State(sink): State<Sink>) -> anyhow::Result<()> {
    let token = ctx.fencing_token();
    say(&format!(
        "run for tick {} begins, token {token}",
        ctx.scheduled_at().strftime("%T")
    ));
    if sink.is_empty() {
        // A mistake that is easily made: a task of its own, which nobody tells that the run is over.
        tokio::spawn(straggler(sink.clone(), token));
    }
    for step in 1..=STEPS {
        tokio::select! {
            () = sleep(STEP_TAKES) => {} // the work
            () = ctx.cancelled() => {
                say(&format!("signalled to stop: step {step} is given up, the {} before are saved", step - 1));
                return Ok(());
            }
        }
        sink.write(token, &format!("step {step}"))?;
        let deadline = ctx.deadline().strftime("%T%.3f");
        say(&format!(
            "step {step:>2} of {STEPS} written; lease proven until {deadline}"
        ));
    }
    say("run is through");
    Ok(())
}

/// Writes when the run it belongs to is long over. Code that does not await, such as a thread, cannot
/// be stopped from outside; it should look at `ctx.is_cancelled()`, and this one does not.
async fn straggler(sink: Sink, token: u64) {
    sink.wait_for_newer(token).await;
    say(&format!(
        "a straggler of the first run writes, with its token {token} …"
    ));
    match sink.write(token, "old data") {
        Ok(()) => say("… and has overwritten newer data!"),
        Err(refused) => say(&format!("… {refused}")),
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_ansi(std::io::stdout().is_terminal())
        .init();
    let sink = Sink::default();
    let scheduler = Scheduler::builder("memory://")
        .state(sink.clone())
        .start()
        .await?;

    // The first run: 8 leases long. Then a second begins.
    let both_ran = timeout(Duration::from_secs(20), sink.wait_for_runs(2));
    both_ran.await.context("no second run within 20 s")?;
    sleep(STEP_TAKES * 3).await;

    say("the service is asked to stop; runs have 200 ms to finish by themselves");
    let stopped = scheduler.shutdown(Duration::from_millis(200)).await;
    say(&format!(
        "stopped: {} finished, {} cancelled",
        stopped.finished, stopped.cancelled
    ));

    println!("\nThe ledger:");
    for line in scheduler.ledger("export", 10).await?.iter().rev() {
        let took = line
            .took()
            .map_or(String::new(), |took| format!("took {took:.1?}  "));
        let tick = line.tick.strftime("%T");
        println!(
            "  {tick}  {:<9}  {took}{}",
            line.outcome.as_str(),
            line.reason
        );
    }
    println!("\nThe sink:");
    for (token, text) in sink.content() {
        println!("  {token}  {text}");
    }
    Ok(())
}

fn say(text: &str) {
    println!(
        "{}  {text}",
        scheduled_one_runtime::jiff::Timestamp::now().strftime("%T%.3f")
    );
}
