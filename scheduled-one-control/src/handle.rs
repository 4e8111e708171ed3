//! What became of a request, and of a run.

use std::time::{Duration, SystemTime};

use scheduled_one_protocol::{LedgerRecord, Outcome, TickMs, UnitName};

use crate::ask::ask;
use crate::catalog::instant;
use crate::control::Control;
use crate::error::Error;

/// Lines of a ledger that are looked at.
const LINES: usize = 10_000;
/// Between two looks: short at first, because most runs are.
const LOOKS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// A request that was made, of one job, or of each of its shards.
#[derive(Clone, Debug)]
pub struct RunHandle {
    control: Control,
    job: String,
    id: String,
    runs: Vec<RequestedRun>,
    already: bool,
    quarantined_until_ms: Option<i64>,
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

impl RunHandle {
    pub(crate) fn new(
        control: Control,
        job: String,
        id: String,
        runs: Vec<RequestedRun>,
        already: bool,
        quarantined_until_ms: Option<i64>,
    ) -> Self {
        RunHandle {
            control,
            job,
            id,
            runs,
            already,
            quarantined_until_ms,
        }
    }

    /// The id of the request.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The store lost its memory shortly before it took the request, or the namespace is new: when the longest wait is
    /// over that this causes. Until then the request may wait, although nothing else is in its way.
    pub fn quarantined_until(&self) -> Option<SystemTime> {
        self.quarantined_until_ms.map(instant)
    }

    /// Whether this id was asked for before: then nothing was added.
    pub fn already(&self) -> bool {
        self.already
    }

    /// What became of it, for each shard that was asked for.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn states(&self) -> Result<Vec<RunState>, Error> {
        let store = self.control.reader(&self.job);
        let lanes: Vec<UnitName> = self.runs.iter().map(|run| run.unit.lane()).collect();
        // The lanes first: a run that ends in between is in the ledger by then.
        let mut lanes_now = Vec::with_capacity(lanes.len());
        for batch in lanes.chunks(scheduled_one_protocol::message::MAX_BATCH) {
            lanes_now.extend(
                ask(|| store.inspect(&self.control.caller, batch))
                    .await?
                    .body,
            );
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
                let ended = ended.map_or(RunState::Unknown, |line| RunState::Ended(Box::new(line)));
                state.get_or_insert(ended);
            }
        }
        Ok(states.into_iter().flatten().collect())
    }

    /// Waits for the outcome, of each shard that was asked for.
    ///
    /// # Errors
    ///
    /// [`Error::NotFinished`] after `timeout`: the request goes on, and this can be called again. [`Error::Unknown`]:
    /// the store has forgotten it. [`Error::Store`].
    pub async fn finished(&self, timeout: Duration) -> Result<Vec<LedgerRecord>, Error> {
        let mut state = "waits";
        let looks = async {
            let (mut wait, longest) = LOOKS;
            loop {
                let mut ended = Vec::with_capacity(self.runs.len());
                for it in self.states().await? {
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
            Err(_) => Err(Error::NotFinished {
                id: self.id.clone(),
                state,
            }),
        }
    }
}
