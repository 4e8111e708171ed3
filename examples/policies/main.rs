//! Each policy of `#[scheduled_one]`, happening, and what the ledger then says of it:
//!
//! ```sh
//! cargo run --example policies   # nothing to install; ends by itself after about 15 s
//! ```
//!
//! Each scene has jobs with attributes, some nodes, an embedded store of its own, and something that
//! happens to them: runs that take too long, nodes that are down or die, a process that is paused.
//! All scenes run at the same time, in real time, and are printed one after another. Each ends with the ledger and
//! with statements about it (✓). A statement that is not true (✗) makes the exit code non-zero.
//!
//! What exactly each policy does is in `docs/policies.md`.

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

mod attempts;
mod kit;
mod lease_lost;
mod misfire;
mod node_loss;
mod overlap;
mod placement;
mod scene;
mod switches;

use std::panic;
use std::process::ExitCode;

use tracing_subscriber::filter::EnvFilter;

use scene::Scene;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    if std::env::var_os("RUST_LOG").is_some() {
        let filter = EnvFilter::from_default_env();
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr) // not among what the scenes tell each other
            .init();
    }
    hush_intended_panics();
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => play_all().await,
        // Two scenes need a process of their own: this program again.
        ["switches"] => finish(&[switches::play().await?]),
        ["lease_lost"] => finish(&[lease_lost::play().await?]),
        _ => anyhow::bail!("usage: cargo run --example policies"),
    }
}

async fn play_all() -> anyhow::Result<ExitCode> {
    println!("All scenes go at once, in real time: about 15 s.");
    let overlap = tokio::spawn(overlap::play());
    let misfire = tokio::spawn(misfire::play());
    let node_loss = tokio::spawn(node_loss::play());
    let lease_lost = tokio::spawn(lease_lost::direct());
    let attempts = tokio::spawn(attempts::play());
    let placement = tokio::spawn(placement::play());
    let switches = tokio::spawn(switches::direct());
    let mut good = true;
    for scene in [
        overlap, misfire, node_loss, lease_lost, attempts, placement, switches,
    ] {
        let scene = scene.await??;
        print!("{scene}");
        good &= scene.good();
    }
    print!("{}", misfire::audit().await?);
    match good {
        true => println!("\nEvery statement is true."),
        false => {
            println!("\nSomething happened otherwise (✗): please report it, with the output above.")
        }
    }
    Ok(ExitCode::from(u8::from(!good)))
}

fn finish(scenes: &[Scene]) -> anyhow::Result<ExitCode> {
    for scene in scenes {
        print!("{scene}");
    }
    let good = scenes.iter().all(Scene::good);
    Ok(ExitCode::from(u8::from(!good)))
}

/// What the panics of this example say.
const INTENDED: &str = "index out of range";

/// They are in the ledger; Rust would print them once more, in between.
fn hush_intended_panics() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let text = info.payload().downcast_ref::<String>();
        if text.is_none_or(|text| text != INTENDED) {
            print(info);
        }
    }));
}
