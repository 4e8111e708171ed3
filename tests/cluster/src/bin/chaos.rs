//! Runs a plan of faults against real nodes and real stores; see `--help`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a command-line tool"
)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cluster_tests::chaos::deployment::Kind;
use cluster_tests::chaos::world::Programs;
use cluster_tests::chaos::{self, Limits, faults, plan, report};

const HELP: &str = "\
Runs faults against five nodes on real deployments of a store and checks what they did.

  --short        each family of faults once, side by side; two minutes
  --minutes M    random rounds for at least so long [5]
  --seed S       which plan: the same seed is the same plan [random; 1 with --short]
  --only FAULT   no other fault than this
  --on KIND      no other deployment than this; may be repeated
  --stop-at-first  begins no other round when a rule was broken
  --list         names the faults
  --table FILE   writes the table of results to a file, too
";

struct Options {
    short: bool,
    minutes: f64,
    seed: Option<u64>,
    only: Option<String>,
    on: Vec<Kind>,
    stop_at_first: bool,
    table: Option<PathBuf>,
}

fn main() -> ExitCode {
    match options() {
        Ok(Some(options)) => run(&options),
        Ok(None) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn options() -> Result<Option<Options>, String> {
    let mut options = Options {
        short: false,
        minutes: 5.0,
        seed: None,
        only: None,
        on: Vec::new(),
        stop_at_first: false,
        table: None,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        let number = |text: String| format!("{arg} is not a number: {text}");
        match arg.as_str() {
            "--short" => options.short = true,
            "--stop-at-first" => options.stop_at_first = true,
            "--minutes" => {
                let text = value()?;
                options.minutes = text.parse().map_err(|_| number(text))?;
            }
            "--seed" => {
                let text = value()?;
                options.seed = Some(text.parse().map_err(|_| number(text))?);
            }
            "--only" => options.only = Some(known_fault(value()?)?),
            "--on" => options.on.push(known_kind(&value()?)?),
            "--table" => options.table = Some(value()?.into()),
            "--list" => {
                list();
                return Ok(None);
            }
            "--help" => {
                println!("{HELP}");
                return Ok(None);
            }
            _ => return Err(format!("unknown option {arg}")),
        }
    }
    Ok(Some(options))
}

fn known_fault(name: String) -> Result<String, String> {
    match faults::all().iter().any(|fault| fault.name == name) {
        true => Ok(name),
        false => Err(format!("unknown fault {name}; --list names them")),
    }
}

fn known_kind(name: &str) -> Result<Kind, String> {
    let found = Kind::ALL.into_iter().find(|kind| kind.name() == name);
    found.ok_or_else(|| {
        let names = Kind::ALL.map(Kind::name).join(", ");
        format!("unknown deployment {name}; there are {names}")
    })
}

fn list() {
    for fault in faults::all() {
        let on: Vec<&str> = fault.on.iter().map(|kind| kind.name()).collect();
        println!("{:<28} {:<27} {}", fault.name, fault.family, on.join(", "));
    }
}

fn run(options: &Options) -> ExitCode {
    let seed = options
        .seed
        .unwrap_or(if options.short { 1 } else { now() });
    println!("seed {seed}");
    let lanes = match options.short {
        true => plan::short(seed),
        false => plan::random(seed, options.only.as_deref(), &options.on),
    };
    let limits = Limits {
        time: Duration::from_secs_f64(options.minutes * 60.0),
        stop_at_first: options.stop_at_first,
    };
    let summary = chaos::run(lanes, limits, &programs(), &|line| println!("{line}"));
    let table = report::table(&summary.rows);
    println!("\n{table}");
    if let Some(path) = &options.table
        && let Err(error) = std::fs::write(path, &table)
    {
        eprintln!("{}: {error}", path.display());
    }
    println!(
        "seed {seed}: {} rounds, {} faults, {} runs; {} violations, {} rounds broke off",
        summary.rounds,
        summary.rows.len(),
        summary.rows.iter().map(|row| row.ticks).sum::<usize>(),
        summary.violations,
        summary.broke_off
    );
    match summary.violations + summary.broke_off {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_millis() as u64
}

/// The programs of nodes, sink and operators, which are in the folder of this program.
fn programs() -> Programs {
    let exe = std::env::current_exe().unwrap_or_default();
    Programs {
        node: exe.with_file_name("node"),
        sink: exe.with_file_name("sink"),
        operator: exe.with_file_name("operator"),
    }
}
