//! The benchmarks. Each figure has a reference that is measured in the same run on the same machine, so that ratios can
//! be compared between machines.
//!
//! `cargo xtask bench` measures, in release; `cargo run -p scheduled-one-benches -- --smoke` only
//! shows that everything still builds and runs, and asserts no time.
//!
//! Each measurement runs in a child process of its own (this program, started again) with a Redis server of its own:
//! first ours, then the reference.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool talks to its user there"
)]

// The options, and how a measurement runs.
mod child;
mod options;
mod process;
mod task;

// One file a figure, and the reference of most figures.
mod claims;
mod console;
mod crowd;
mod day;
mod downtime;
mod hanging;
mod idle;
mod lateness;
mod many;
mod measurements;
mod memory;
mod metrics;
mod peer;
mod replicas;
mod sql;

// The parts that figures and references share.
mod dormant;
mod footprint;
mod gate;
mod ticks;

// The report.
mod curves;
mod machine;
mod report;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use options::{Options, Scale};
use report::Row;

/// A figure, by the name that `--only` takes.
struct Figure {
    name: &'static str,
    what: &'static str,
    measure: fn(&Scale) -> Result<Vec<Row>>,
}

/// In the order they are measured.
const FIGURES: [Figure; 26] = [
    Figure {
        name: "lateness",
        what: "how long after its tick a function starts; 1,000 jobs due each second",
        measure: lateness::of_thousand,
    },
    Figure {
        name: "burst",
        what: "the same, 10,000 jobs due in the same second",
        measure: lateness::of_ten_thousand,
    },
    Figure {
        name: "postgres",
        what: "lateness on PostgreSQL, next to Redis",
        measure: lateness::on_postgres,
    },
    Figure {
        name: "sqlite",
        what: "lateness on a file of SQLite, next to Redis; 200 jobs due each second",
        measure: lateness::on_sqlite,
    },
    Figure {
        name: "sqlite-processes",
        what: "the same with five processes",
        measure: replicas::on_sqlite,
    },
    Figure {
        name: "postgres-claims",
        what: "claims and outcomes per second on PostgreSQL, next to plain updates",
        measure: sql::measure,
    },
    Figure {
        name: "postgres-nodes",
        what: "five nodes on one PostgreSQL against one",
        measure: sql::five_nodes,
    },
    Figure {
        name: "postgres-day",
        what: "what the ticks of a day leave in the tables",
        measure: day::measure,
    },
    Figure {
        name: "replicas",
        what: "lateness and the work of Redis, by number of nodes",
        measure: replicas::measure,
    },
    Figure {
        name: "balance",
        what: "how evenly nodes share the runs",
        measure: replicas::balance,
    },
    Figure {
        name: "kill",
        what: "how late ticks are whose node was killed",
        measure: replicas::after_a_kill,
    },
    Figure {
        name: "hang",
        what: "how late ticks are whose node hangs",
        measure: hanging::after_a_hang,
    },
    Figure {
        name: "mixed-builds",
        what: "how late ticks are of a job that only some nodes have",
        measure: hanging::mixed_builds,
    },
    Figure {
        name: "buckets",
        what: "what buckets bring on a Redis Cluster",
        measure: many::buckets,
    },
    Figure {
        name: "start",
        what: "how long a start on Redis takes",
        measure: many::start,
    },
    Figure {
        name: "failover",
        what: "how soon many jobs run again after the store has lost everything",
        measure: many::failover,
    },
    Figure {
        name: "crowd",
        what: "a thousand nodes in virtual time: restarted, a third dead, half cut off",
        measure: crowd::measure,
    },
    Figure {
        name: "crowd-of-programs",
        what: "the same with 100,000 jobs of 100 programs; only if it is named",
        measure: crowd::of_programs,
    },
    Figure {
        name: "downtime",
        what: "how soon jobs are on time again after hours without a node",
        measure: downtime::measure,
    },
    Figure {
        name: "claims",
        what: "claims per second of the Redis store",
        measure: claims::measure,
    },
    Figure {
        name: "control",
        what: "what control costs claims while nobody uses it",
        measure: claims::cost_of_control,
    },
    Figure {
        name: "metrics",
        what: "what the instruments cost: a burst with and without them",
        measure: metrics::measure,
    },
    Figure {
        name: "memory",
        what: "memory of a registered job",
        measure: memory::measure,
    },
    Figure {
        name: "console",
        what: "first byte of the page of jobs, with 10,000 and 100,000 jobs next to 50",
        measure: console::measure,
    },
    Figure {
        name: "idle",
        what: "what a node costs of whose jobs none is due",
        measure: idle::measure,
    },
    Figure {
        name: "postgres-idle",
        what: "the same on PostgreSQL",
        measure: idle::on_postgres,
    },
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.split_first() {
        Some((first, rest)) if first == child::FLAG => measurements::serve(rest),
        _ => run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("benches: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<()> {
    let names = FIGURES.map(|figure| (figure.name, figure.what));
    let Some(options) = Options::parse(args, &names)? else {
        return Ok(());
    };
    if test_support::find_redis_server().is_none() {
        // Says what was looked for, and what to do.
        test_support::RedisServer::start().context("the benches need a redis-server")?;
        bail!("the benches need a redis-server");
    }
    if cfg!(debug_assertions) && !options.smoke {
        eprintln!("This is a debug build: measure with `cargo xtask bench`.");
    }
    let machine = machine::describe()?;
    let mut rows = Vec::new();
    for figure in FIGURES.iter().filter(|figure| options.wants(figure.name)) {
        eprintln!("{}: {} …", figure.name, figure.what);
        let measured = (figure.measure)(&options.scale);
        rows.extend(measured.with_context(|| format!("the figure {}", figure.name))?);
    }
    let report = report::markdown(&rows, &machine, &options);
    println!("{report}");
    if options.write {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/RESULTS.md");
        std::fs::write(file, report).with_context(|| format!("write {file}"))?;
    }
    Ok(())
}
