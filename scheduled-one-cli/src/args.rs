//! The arguments of the command.

mod alerts;
#[cfg(feature = "console")]
mod console;
pub(crate) mod forget;
pub(crate) mod reschedule;
mod schema;
mod ticks;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use jiff::Timestamp;
use scheduled_one_control::OnBusy;
use scheduled_one_protocol::Outcome;

use crate::args::forget::Forget;
use crate::args::reschedule::{Reschedule, Reset};
use crate::exit;

pub(crate) use alerts::Alerts;
#[cfg(feature = "console")]
pub(crate) use console::Console;
pub(crate) use schema::Schema;
pub(crate) use ticks::{Audit, Backfill, Next, Trail};

/// Looks at the jobs of scheduled-one and controls them.
#[derive(Debug, Parser)]
#[command(
    name = "scheduled-one",
    version,
    arg_required_else_help = true,
    after_help = exit::HELP,
    max_term_width = 100
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Options of all commands")]
pub(crate) struct Global {
    /// The context of ~/.config/scheduled-one/config.toml that says which store; else SCHEDULED_ONE_CONTEXT, else the
    /// `current` one of that file
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// The store, as the schedulers name it, such as redis://host or sqlite:///path; else SCHEDULED_ONE_URL, else
    /// REDIS_URL, else that of the context. A password belongs into one of these variables or into a file
    /// (?password_file=/path): here it shows in `ps`
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The namespace of the schedulers; else SCHEDULED_ONE_NAMESPACE, else `default`
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// Who asks, for ledgers and notes; else user@host
    #[arg(long, global = true, value_name = "WHO")]
    pub(crate) by: Option<String>,
    /// What is written
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    /// Asks no question
    #[arg(short, long, global = true)]
    pub(crate) yes: bool,
    /// Changes although nodes of older releases live, which would ignore it: they stop then
    #[arg(long, global = true)]
    pub(crate) force: bool,
    /// No colours; so does the variable NO_COLOR
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// How long to wait, for the store (else 10s, which is the most) and with --wait for the outcome (else 10m)
    #[arg(long, global = true, value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
}

/// What is written to the standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// The same with more columns, and nothing cut
    Wide,
    /// One document, with a version
    Json,
    /// One JSON object a line
    Jsonl,
    /// Names alone, one a line
    Name,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists the jobs
    Jobs(Jobs),
    /// Shows what there is to know of a job
    Job {
        /// The job
        name: String,
    },
    /// Shows the next ticks of a job, or those of a range, by its schedule
    Next(Next),
    /// Shows the newest lines of a job's ledger
    History(History),
    /// Shows each tick of a range with what became of it
    Audit(Audit),
    /// Asks for a run of a job, now
    Run(Run),
    /// Asks for another run of a tick
    Rerun(Rerun),
    /// Cancels one run, and no other
    Cancel(Cancel),
    /// Pauses jobs: nothing of their schedules starts
    Pause(Pause),
    /// Ends pauses
    Resume(Resume),
    /// Gives a job another schedule, until its code has another one
    Reschedule(Reschedule),
    /// Gives a job the schedule of its code back
    Reset(Reset),
    /// Removes what is stored of jobs that no living node has
    Forget(Forget),
    /// Runs ticks of the past once more
    Backfill(Backfill),
    /// Shows who asked for what
    Trail(Trail),
    /// Shows what alerts fire, and tries a channel
    #[command(subcommand)]
    Alerts(Alerts),
    /// Lists the living nodes
    Nodes,
    /// Diagnoses the store
    Doctor,
    /// Follows the ledgers of all jobs, until Ctrl-C
    Tail(Tail),
    /// Writes the completions of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Serves the web console on this machine, until Ctrl-C
    #[cfg(feature = "console")]
    Console(Console),
    /// Shows the tables of PostgreSQL, as SQL
    Schema(Schema),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Jobs {
    /// Only jobs that are paused, that no node has, whose nodes have different schedules, or whose newest outcome is
    /// neither ok nor skipped
    #[arg(long)]
    pub(crate) problems: bool,
    /// What jobs left that no living node has; `forget` removes it
    #[arg(long, conflicts_with_all = ["problems", "group"])]
    pub(crate) gone: bool,
    /// Only the jobs that are in this group now
    #[arg(short, long, value_name = "NAME")]
    pub(crate) group: Option<String>,
    /// Draws the table anew every two seconds, until Ctrl-C
    #[arg(short, long, conflicts_with = "gone")]
    pub(crate) watch: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct History {
    /// The job
    pub(crate) name: String,
    /// How many lines
    #[arg(short = 'n', long, default_value_t = 20, value_name = "NUMBER")]
    pub(crate) lines: usize,
    /// Only lines with this outcome, of the newest 10,000
    #[arg(long, value_parser = outcome)]
    pub(crate) outcome: Option<Outcome>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// The job
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) request: Request,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Rerun {
    /// The job
    pub(crate) name: String,
    /// The tick, as `history -o name` shows it, such as 2026-01-05T09:00:00Z
    #[arg(value_parser = ticks::instant)]
    pub(crate) tick: Timestamp,
    #[command(flatten)]
    pub(crate) request: Request,
}

/// What `run` and `rerun` have in common.
#[derive(Debug, clap::Args)]
pub(crate) struct Request {
    /// A parameter of the run; the value is JSON if it can be, else a text. May be repeated
    #[arg(long = "param", value_name = "KEY=VALUE", value_parser = parameter)]
    pub(crate) params: Vec<(String, serde_json::Value)>,
    /// The parameters, as a file of JSON; - for the standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) params_file: Option<PathBuf>,
    /// The id of the request: of a job, no id starts twice [default: random]
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// What becomes of it while a run of the schedule is active [default: what the job says]
    #[arg(long, value_enum)]
    pub(crate) overlap: Option<Overlap>,
    /// What for
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) note: String,
    /// Only this shard, from 0 [default: all]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) shard: Option<u32>,
    /// Waits for the outcome: exit status 0 if it is ok, 1 if not, 6 if it does not come in time
    #[arg(long)]
    pub(crate) wait: bool,
    /// Says what would happen, and changes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Overlap {
    /// It waits for that run
    Queue,
    /// It ends at once, as skipped
    Skip,
    /// That run is cancelled
    Cancel,
    /// It starts at the same time
    Allow,
}

impl From<Overlap> for OnBusy {
    fn from(overlap: Overlap) -> Self {
        match overlap {
            Overlap::Queue => OnBusy::Wait,
            Overlap::Skip => OnBusy::Skip,
            Overlap::Cancel => OnBusy::Cancel,
            Overlap::Allow => OnBusy::Allow,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Cancel {
    /// The job
    pub(crate) name: String,
    /// The fencing token of the run, as `job` shows it
    pub(crate) token: u64,
    /// The shard of the run, from 0: runs of several shards that started at once may have one token
    #[arg(long, value_name = "NUMBER")]
    pub(crate) shard: Option<u32>,
    /// Why
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) note: String,
    /// Says what would happen, and changes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Which jobs are changed, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Change {
    /// The jobs
    #[arg(required_unless_present_any = ["all", "group"])]
    pub(crate) names: Vec<String>,
    /// All jobs of the namespace, those that are added later included
    #[arg(long, conflicts_with_all = ["names", "group"])]
    pub(crate) all: bool,
    /// The jobs that are in this group now
    #[arg(short, long, value_name = "NAME")]
    pub(crate) group: Option<String>,
    /// Why
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) note: String,
    /// Only if the directive of the job still has this version, as `job` shows it; 0 if there is none
    #[arg(long, value_name = "VERSION", conflicts_with = "all")]
    pub(crate) expect: Option<u64>,
    /// Says what would happen, and changes nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Pause {
    #[command(flatten)]
    pub(crate) change: Change,
    /// When the pause ends by itself, such as 2026-01-05T09:00:00Z or 2026-01-05
    #[arg(long, value_name = "INSTANT", value_parser = ticks::instant)]
    pub(crate) until: Option<Timestamp>,
    /// After how long the pause ends by itself, such as 2h
    #[arg(long = "for", value_name = "DURATION", conflicts_with = "until", value_parser = duration)]
    pub(crate) length: Option<Duration>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    pub(crate) change: Change,
    /// Ticks of the pause count as those of a time without nodes: `misfire` says what becomes of them
    #[arg(long, conflicts_with = "skip_missed")]
    pub(crate) catch_up: bool,
    /// Also the ticks that were missed before the pause are skipped: this ends a catch-up for good
    #[arg(long)]
    pub(crate) skip_missed: bool,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Tail {
    /// Only these jobs [default: all]
    pub(crate) names: Vec<String>,
    /// Only the jobs that are in this group when `tail` starts
    #[arg(short, long, value_name = "NAME")]
    pub(crate) group: Option<String>,
    /// How many older lines are shown first
    #[arg(short = 'n', long, default_value_t = 10, value_name = "NUMBER")]
    pub(crate) lines: usize,
}

fn duration(text: &str) -> Result<Duration, String> {
    scheduled_one_schedule::parse_duration(text).map_err(|error| match error.help() {
        Some(help) => format!("{error}; {help}"),
        None => error.to_string(),
    })
}

fn outcome(word: &str) -> Result<Outcome, String> {
    Outcome::from_word(word).ok_or_else(|| {
        let words: Vec<&str> = Outcome::ALL.into_iter().map(Outcome::as_str).collect();
        format!("outcomes are {}", words.join(", "))
    })
}

/// `key=value`; the value is JSON if it can be, else a text.
fn parameter(text: &str) -> Result<(String, serde_json::Value), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => {
            let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
            Ok((key.to_owned(), value))
        }
        _ => Err("write key=value, such as customer=42".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn values_of_parameters_are_json_if_they_can_be() {
        let cases = [
            ("a=42", json!(42)),
            ("a=true", json!(true)),
            ("a={\"b\":[1]}", json!({"b": [1]})),
            ("a=x y", json!("x y")),
            ("a=", json!("")),
            ("a=b=c", json!("b=c")),
        ];
        for (text, value) in cases {
            assert_eq!(parameter(text), Ok(("a".to_owned(), value)), "{text}");
        }
        assert!(parameter("=1").is_err());
        assert!(parameter("a").is_err());
    }
}
