//! Operators of test clusters: they pause and resume jobs, ask for runs and cancel runs, and what they did is noted for
//! the checker.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use scheduled_one_protocol::ScheduleId;
use scheduled_one_runtime::clock::{Clock, SystemClock};
use scheduled_one_runtime::control::{CancelledRun, Control, Error, OnBusy, RunHandle, RunState};
use scheduled_one_testkit::checker::{CancelRequested, Directed, LedgerLine, Requested};

use crate::audit::{OPERATOR, ledger_line};

/// A connection of somebody who operates a cluster.
#[derive(Debug)]
pub struct Operator {
    control: Control,
    runtime: tokio::runtime::Runtime,
}

/// How many lines of a ledger are read: more than a round writes.
const LEDGER_LINES: usize = 10_000;

/// Which schedule decides the ticks of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deciding {
    /// Its identity.
    pub id: ScheduleId,
    /// It has no tick up to this instant, ms since the Unix epoch.
    pub since_ms: i64,
}

/// All that operators did in a cluster.
#[derive(Clone, Debug, Default)]
pub struct Operated {
    /// Changes of directives.
    pub directives: Vec<Directed>,
    /// Requests for runs.
    pub requests: Vec<Requested>,
    /// Cancels.
    pub cancels: Vec<CancelRequested>,
}

fn now_us() -> u64 {
    SystemClock.boottime().as_micros() as u64
}

impl Operator {
    /// Connects to the store of the cluster.
    ///
    /// # Errors
    ///
    /// The store cannot be reached.
    pub fn connect(url: &str) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let connected = runtime.block_on(async { Control::connect(url).await });
        Ok(Operator {
            control: connected.map_err(io::Error::other)?,
            runtime,
        })
    }

    /// Pauses a job, or ends its pause.
    ///
    /// # Errors
    ///
    /// No reply came, or the job is unknown: the change may be made or not.
    pub fn direct(&self, job: &str, pauses: bool) -> Result<Directed, Error> {
        let asked_us = now_us();
        let change = match pauses {
            true => self.control.pause(job),
            false => self.control.resume(job),
        };
        let changed = self.runtime.block_on(async { change.by(OPERATOR).await })?;
        Ok(Directed {
            subject: job.to_owned(),
            version: changed.version,
            pauses,
            asked_us,
            replied_us: now_us(),
        })
    }

    /// Asks for a run of a job, which waits while the job is busy.
    ///
    /// # Errors
    ///
    /// No reply came: the store may have taken the request.
    pub fn run(&self, job: &str, id: &str) -> Result<RunHandle, Error> {
        let run = self.control.run(job).id(id).by(OPERATOR);
        let run = run.on_busy(OnBusy::Wait);
        self.runtime.block_on(async { run.await })
    }

    /// Whether the request waits or runs.
    ///
    /// # Errors
    ///
    /// No reply came.
    pub fn is_open(&self, handle: &RunHandle) -> Result<bool, Error> {
        let states = self.runtime.block_on(handle.states())?;
        let is_open = |it: &RunState| matches!(it, RunState::Waiting | RunState::Running { .. });
        Ok(states.iter().any(is_open))
    }

    /// The schedule that decides a job, or its first shard; `None` before the first.
    ///
    /// # Errors
    ///
    /// No reply came, or the job is unknown.
    pub fn decides(&self, job: &str) -> Result<Option<Deciding>, Error> {
        let described = self.runtime.block_on(self.control.describe(job))?;
        let status = described.status;
        Ok(status.decides.map(|decides| Deciding {
            id: decides.id,
            since_ms: decides
                .since_ms
                .max(status.marks.first_seen_ms.unwrap_or(0)),
        }))
    }

    /// The ledger of a job, the oldest line first.
    ///
    /// # Errors
    ///
    /// No reply came.
    pub fn ledger(&self, job: &str) -> Result<Vec<LedgerLine>, Error> {
        let history = self.control.history(job, LEDGER_LINES);
        let lines = match self.runtime.block_on(history) {
            // Only a release that is gone had the job, and the store has lost its memory since.
            Err(Error::UnknownJob { .. }) => Vec::new(),
            lines => lines?,
        };
        Ok(lines.iter().rev().map(ledger_line).collect())
    }

    /// Forgets a job that no node has.
    ///
    /// # Errors
    ///
    /// A node has it, or may have it; or no reply came.
    pub fn forget(&self, job: &str) -> Result<(), Error> {
        let forget = self.control.forget(job).by(OPERATOR);
        self.runtime.block_on(async { forget.await }).map(drop)
    }

    /// Cancels a run; whether there was one.
    ///
    /// # Errors
    ///
    /// No reply came.
    pub fn cancel(&self, job: &str, (shard, token): (u32, u64)) -> Result<bool, Error> {
        let cancel = self.control.cancel(job, token).shard(shard).by(OPERATOR);
        let cancelled = self.runtime.block_on(async { cancel.await })?;
        Ok(cancelled == CancelledRun::Cancelling)
    }
}

impl Operated {
    /// Somebody is about to ask for a run.
    pub fn asks(&mut self, job: &str, id: &str) {
        self.requests.push(Requested {
            job: job.to_owned(),
            id: id.to_owned(),
            asked_us: now_us(),
            ..Requested::default()
        });
    }

    /// The store has taken the request.
    pub fn asked(&mut self, id: &str) {
        let of_id = self.requests.iter_mut().filter(|it| it.id == id);
        of_id.for_each(|request| request.acknowledged = true);
    }

    /// A change was made; one that was made before, by a request without a reply, is known already.
    pub fn directed(&mut self, directed: Directed) {
        let same = |it: &Directed| it.subject == directed.subject && it.version == directed.version;
        if !self.directives.iter().any(same) {
            self.directives.push(directed);
        }
    }

    /// Somebody is about to cancel a run.
    pub fn cancels(&mut self, job: &str, (shard, token): (u32, u64)) {
        self.cancels.push(CancelRequested {
            job: job.to_owned(),
            shard,
            token,
            asked_us: now_us(),
        });
    }

    /// What an operator did that is a process of its own, and may have been killed.
    ///
    /// # Errors
    ///
    /// The log cannot be read, or has something else.
    pub fn read(&mut self, log: &Path) -> io::Result<()> {
        let text = std::fs::read_to_string(log)?;
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        for line in text[..whole].lines() {
            let read = self.read_line(line);
            read.ok_or_else(|| io::Error::other(format!("no line of an operator: {line:?}")))?;
        }
        Ok(())
    }

    fn read_line(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["asks", job, id, at_us] => self.requests.push(Requested {
                job: job.to_owned(),
                id: id.to_owned(),
                asked_us: at_us.parse().ok()?,
                ..Requested::default()
            }),
            ["asked", id] => self.asked(id),
            // Made or not: until there is a reply, it may have ended the pause.
            ["resumes", job, at_us] => {
                let of_job = self.directives.iter().filter(|it| it.subject == job);
                let newest = of_job.map(|it| it.version).max().unwrap_or(0);
                self.directives.push(Directed {
                    subject: job.to_owned(),
                    version: newest + 1,
                    pauses: false,
                    asked_us: at_us.parse().ok()?,
                    replied_us: u64::MAX,
                });
            }
            ["directed", job, version, pauses, asked_us, replied_us] => {
                self.directives
                    .retain(|it| it.subject != job || it.replied_us < u64::MAX);
                self.directed(Directed {
                    subject: job.to_owned(),
                    version: version.parse().ok()?,
                    pauses: pauses.parse().ok()?,
                    asked_us: asked_us.parse().ok()?,
                    replied_us: replied_us.parse().ok()?,
                });
            }
            _ => return None,
        }
        Some(())
    }
}

/// How long an operator thinks: faster ones ask for more runs than there is time for.
const THINKS: Duration = Duration::from_millis(50);

/// Asks for runs of a job, pauses it and resumes it, in a loop, with a line in the log before and after each of them.
/// Ends with its process.
///
/// # Errors
///
/// The store cannot be reached, or the log cannot be written.
pub fn operate(url: &str, job: &str, id: &str, mut log: &File) -> io::Result<()> {
    let operator = Operator::connect(url)?;
    for number in 0.. {
        let id = format!("{id}-{number}");
        log.write_all(format!("asks {job} {id} {}\n", now_us()).as_bytes())?;
        if operator.run(job, &id).is_ok() {
            log.write_all(format!("asked {id}\n").as_bytes())?;
        }
        for pauses in [true, false] {
            std::thread::sleep(THINKS);
            if !pauses {
                log.write_all(format!("resumes {job} {}\n", now_us()).as_bytes())?;
            }
            let Ok(directed) = operator.direct(job, pauses) else {
                continue;
            };
            let Directed {
                version,
                asked_us,
                replied_us,
                ..
            } = directed;
            let line = format!("directed {job} {version} {pauses} {asked_us} {replied_us}\n");
            log.write_all(line.as_bytes())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_of_an_operator_that_was_killed_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("operator");
        let lines = "asks medium k-0 10\nasked k-0\ndirected medium 7 true 20 21\n\
                     resumes medium 30\nasks medium k-1 40\nresumes med";
        std::fs::write(&path, lines).expect("a file");
        let mut operated = Operated::default();
        operated.read(&path).expect("a log");
        let acknowledged: Vec<bool> = operated.requests.iter().map(|it| it.acknowledged).collect();
        assert_eq!(acknowledged, [true, false]);
        let versions: Vec<u64> = operated.directives.iter().map(|it| it.version).collect();
        assert_eq!(versions, [7, 8], "the resume may have been made");
        operated
            .read_line("directed medium 9 false 30 31")
            .expect("a line");
        let versions: Vec<u64> = operated.directives.iter().map(|it| it.version).collect();
        assert_eq!(versions, [7, 9]);
        assert!(operated.read_line("paused").is_none());
    }
}
