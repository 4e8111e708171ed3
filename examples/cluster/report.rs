//! What a node tells the parent process, a line each on its standard output.

use std::io::Write as _;

use scheduled_one_runtime::Outcome;

/// One line. Times of the boot clock can be compared between processes; ticks are Unix seconds.
#[derive(Clone, Debug)]
pub(crate) enum Report {
    /// The node is up. The next whole second, by the clock of the cluster.
    Up { next_s: i64 },
    /// The node is about to stop. The next whole second, by the clock of the cluster.
    Stopping { next_s: i64 },
    /// A job function, seen from inside.
    Seen(Sighting),
    /// A line of the ledger, sent when the node has stopped.
    Ledger(Line),
    /// That was all.
    Stopped,
}

/// Something happened to a run.
#[derive(Clone, Debug)]
pub(crate) struct Sighting {
    pub(crate) what: What,
    pub(crate) job: String,
    pub(crate) tick_s: i64,
    pub(crate) attempt: u32,
    pub(crate) token: u64,
    /// When, by the boot clock, in microseconds.
    pub(crate) at_us: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The function is polled for the first time.
    Starts,
    /// It is polled again.
    Polled,
    /// It has returned.
    Ends,
    /// It was dropped before it returned.
    Dropped,
}

#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) job: String,
    pub(crate) first_tick_s: i64,
    pub(crate) last_tick_s: i64,
    pub(crate) outcome: Outcome,
    /// Another attempt follows.
    pub(crate) retried: bool,
}

impl Report {
    /// Writes the line. If nobody reads any more, the parent is gone, and so is this process.
    pub(crate) fn send(&self) {
        let line = match self {
            Report::Up { next_s } => format!("up {next_s}"),
            Report::Stopping { next_s } => format!("stopping {next_s}"),
            Report::Seen(it) => {
                let (what, tick_s, attempt) = (it.what.word(), it.tick_s, it.attempt);
                format!(
                    "{what} {} {tick_s} {attempt} {} {}",
                    it.job, it.token, it.at_us
                )
            }
            Report::Ledger(it) => {
                let (first, last) = (it.first_tick_s, it.last_tick_s);
                format!(
                    "ledger {} {first} {last} {} {}",
                    it.job, it.outcome, it.retried
                )
            }
            Report::Stopped => "stopped".to_owned(),
        };
        if writeln!(std::io::stdout(), "{line}").is_err() {
            std::process::exit(1);
        }
    }

    /// Reads a line; None if it is something else.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        match *words.as_slice() {
            ["up", next_s] => Some(Report::Up {
                next_s: next_s.parse().ok()?,
            }),
            ["stopping", next_s] => Some(Report::Stopping {
                next_s: next_s.parse().ok()?,
            }),
            ["ledger", job, first, last, outcome, retried] => Some(Report::Ledger(Line {
                job: job.to_owned(),
                first_tick_s: first.parse().ok()?,
                last_tick_s: last.parse().ok()?,
                outcome: Outcome::from_word(outcome)?,
                retried: retried.parse().ok()?,
            })),
            ["stopped"] => Some(Report::Stopped),
            [what, job, tick, attempt, token, at] => Some(Report::Seen(Sighting {
                what: What::from_word(what)?,
                job: job.to_owned(),
                tick_s: tick.parse().ok()?,
                attempt: attempt.parse().ok()?,
                token: token.parse().ok()?,
                at_us: at.parse().ok()?,
            })),
            _ => None,
        }
    }
}

impl What {
    const ALL: [What; 4] = [What::Starts, What::Polled, What::Ends, What::Dropped];

    pub(crate) fn word(self) -> &'static str {
        match self {
            What::Starts => "starts",
            What::Polled => "polled",
            What::Ends => "ends",
            What::Dropped => "dropped",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|what| what.word() == word)
    }
}
