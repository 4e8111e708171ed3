//! What one can do with jobs from outside of them, happening:
//!
//! ```sh
//! cargo run --example control   # nothing to install; ends by itself after about half a minute
//! ```
//!
//! Two nodes share an embedded store. Each row begins with what `ann` asks for, ends with statements about what came of
//! it (✓), and leaves the cluster as it found it. A statement that is not true (✗) makes the exit code non-zero.
//!
//! A service with a store that processes share does the same from another process: with `Control::connect(url)`, or
//! with the command `scheduled-one` (docs/cli.md).

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

mod changes;
mod history;
mod requests;
mod schedules;
mod world;

use std::process::ExitCode;

use world::{Row, World};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let mut world = World::start().await?;
    // In this order: each row is one thing that an operator can do.
    let mut rows: Vec<Row> = vec![
        requests::pause_and_resume(&world).await?,
        requests::pause_group(&world).await?,
        requests::pause_all(&world).await?,
        requests::run(&world).await?,
        requests::rerun(&world).await?,
        requests::cancel(&world).await?,
        requests::manual(&world).await?,
        history::next(&world).await?,
        changes::reschedule(&world).await?,
        schedules::windows_and_calendars().await?,
        history::backfill(&mut world).await?,
        history::stop_backfill(&world).await?,
        history::describe(&world).await?,
    ];
    rows.extend(changes::pause_after_and_forget(&world).await?);
    rows.push(schedules::take_back().await?);
    rows.push(history::trail(&world).await?);
    for row in &rows {
        print!("{row}");
    }
    world.stop().await;
    let good = rows.iter().all(Row::is_good);
    match good {
        true => println!("\nEvery statement is true."),
        false => {
            println!("\nSomething happened otherwise (✗): please report it, with the output above.")
        }
    }
    Ok(ExitCode::from(u8::from(!good)))
}
