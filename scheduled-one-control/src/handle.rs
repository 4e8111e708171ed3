//! What became of a request, and of a run.

use std::time::{Duration, SystemTime};

use scheduled_one_protocol::message::{Head, MAX_BATCH};
use scheduled_one_protocol::{LedgerRecord, Outcome, TickMs, UnitName};

use crate::ask::ask;
use crate::catalog::instant;
use crate::change::REPEATED_AFTER_MS;
use crate::control::Control;
use crate::error::Error;
use crate::error_kind::ErrorKind;

/// Lines of a ledger that are looked at.
const LINES: usize = 10_000;
/// Between two looks: short at first, because most runs are.
const LOOKS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// A request that was made, of one job, or of each of its shards.
#[derive(Clone, Debug)]
pub struct RunHandle {
    pub(crate) control: Control,
    pub(crate) job: String,
    pub(crate) id: String,
    pub(crate) runs: Vec<RequestedRun>,
    pub(crate) already: bool,
    pub(crate) quarantined_until_ms: Option<i64>,
    pub(crate) has_node: bool,
}

/// The request of one shard.
#[derive(Clone, Debug)]
pub(crate) struct RequestedRun {
    pub(crate) unit: UnitName,
    pub(crate) id: String,
    pub(crate) tick: TickMs,
}

/// What became of the request of one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunState {
    /// It waits: for a node, for the run before it, or for the end of a quarantine.
    Waiting,
    /// It runs.
    Running {
        /// The fencing token of the run, which [`Control::cancel`] takes.
        token: u64,
    },
    /// It has ended, with this line of the ledger.
    Ended(Box<LedgerRecord>),
    /// The store knows nothing of it any more: it lost its memory, or the ledger keeps no line that old.
    Unknown,
}

/// The line that has the outcome of a run: neither of an attempt that another one followed, nor a note.
pub(crate) fn is_end(line: &LedgerRecord) -> bool {
    !line.retried && line.outcome != Outcome::FinishedWithoutLease
}

/// Whether the store may not have learned again what goes on: in a quarantine, which outlasts the longest lease, and
/// for as long again.
fn is_learning(head: &Head) -> bool {
    let (from_ms, until_ms) = (head.quarantine_from_ms, head.quarantine_until_ms);
    let length_ms = until_ms.saturating_sub(from_ms).max(REPEATED_AFTER_MS);
    let learned_ms = until_ms.max(from_ms).saturating_add(length_ms);
    from_ms > 0 && (head.now_us / 1_000) < learned_ms.max(0).unsigned_abs()
}

impl RunHandle {
    /// The id of the request.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The store lost its memory shortly before it took the request, or the namespace is new: when the longest wait is
    /// over that this causes. Until then the request may wait, although nothing else is in its way.
    pub fn quarantined_until(&self) -> Option<SystemTime> {
        self.quarantined_until_ms.map(instant)
    }

    /// Whether this id was asked for before: then nothing was added. False as well if a reply was lost: whether the id
    /// was asked for before that is not known then.
    pub fn already(&self) -> bool {
        self.already
    }

    /// Whether a living node ran the job when the request was taken: if none did, as of a job that each node disables,
    /// the request waits until one does.
    pub fn has_node(&self) -> bool {
        self.has_node
    }

    /// What became of it, for each shard that was asked for. After a loss of memory, the store learns runs that go on
    /// from their nodes: for as long as it may, one that it does not know counts as waiting.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn states(&self) -> Result<Vec<RunState>, Error> {
        let store = self.control.reader(&self.job);
        let lanes: Vec<UnitName> = self.runs.iter().map(|run| run.unit.lane()).collect();
        // The lanes first: a run that ends in between is in the ledger by then.
        let mut lanes_now = Vec::with_capacity(lanes.len());
        let mut may_come_back = false;
        for batch in lanes.chunks(MAX_BATCH) {
            let reply = ask(|| store.inspect(&self.control.caller, batch)).await?;
            may_come_back |= is_learning(&reply.head);
            lanes_now.extend(reply.body);
        }
        let open = |run: &RequestedRun, at: usize| {
            let lane = lanes_now.get(at)?;
            if lane.running == Some(run.tick) {
                let token = lane.token.map_or(0, |token| token.get());
                return Some(RunState::Running { token });
            }
            lane.waiting
                .contains(&run.tick)
                .then_some(RunState::Waiting)
        };
        let mut states: Vec<Option<RunState>> = self
            .runs
            .iter()
            .enumerate()
            .map(|(at, run)| open(run, at))
            .collect();
        if states.iter().any(Option::is_none) {
            let lines = ask(|| store.ledger(&self.job, LINES)).await?;
            for (state, run) in states.iter_mut().zip(&self.runs) {
                let of_run = |line: &&LedgerRecord| {
                    is_end(line) && line.request == run.id && line.unit == run.unit
                };
                let ended = lines.iter().find(of_run).cloned();
                let ended = match (ended, may_come_back) {
                    (Some(line), _) => RunState::Ended(Box::new(line)),
                    (None, true) => RunState::Waiting,
                    (None, false) => RunState::Unknown,
                };
                state.get_or_insert(ended);
            }
        }
        Ok(states.into_iter().flatten().collect())
    }

    /// Waits for the outcome, of each shard that was asked for, also while the store is away.
    ///
    /// # Errors
    ///
    /// [`Error::NotFinished`] after `timeout`: the request goes on, and this can be called again. [`Error::Unknown`]:
    /// the store has forgotten it. [`Error::Store`]: the store refuses, or is away after `timeout`.
    pub async fn finished(&self, timeout: Duration) -> Result<Vec<LedgerRecord>, Error> {
        let mut state = "waits";
        let mut away = None;
        let looks = async {
            let (mut wait, longest) = LOOKS;
            loop {
                let mut ended = Vec::with_capacity(self.runs.len());
                let states = match self.states().await {
                    Ok(states) => {
                        away = None;
                        states
                    }
                    Err(error) if error.kind() == ErrorKind::Away => {
                        away = Some(error);
                        Vec::new()
                    }
                    Err(error) => return Err(error),
                };
                for it in states {
                    match it {
                        RunState::Ended(line) => ended.push(*line),
                        RunState::Unknown => {
                            return Err(Error::Unknown {
                                id: self.id.clone(),
                            });
                        }
                        RunState::Waiting => state = "waits",
                        RunState::Running { .. } => state = "runs",
                    }
                }
                if ended.len() == self.runs.len() {
                    return Ok(ended);
                }
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(longest);
            }
        };
        match tokio::time::timeout(timeout, looks).await {
            Ok(ended) => ended,
            Err(_) => Err(away.unwrap_or_else(|| Error::NotFinished {
                id: self.id.clone(),
                state,
            })),
        }
    }
}

#[cfg(test)]
mod tests;
