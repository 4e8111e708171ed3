//! Cancels one run, named by its fencing token.

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use scheduled_one_protocol::message::{
    Cancel, Cancelled, MAX_ACTOR_BYTES, MAX_BATCH, MAX_NOTE_BYTES,
};
use scheduled_one_protocol::{FencingToken, LedgerRecord, UnitName};

use crate::ask::ask;
use crate::control::Control;
use crate::error::Error;
use crate::handle::is_end;
use crate::rights::Action;

/// Lines of a ledger that are looked at.
const LINES: usize = 10_000;
/// Most slots of a job.
const MAX_SLOTS: u32 = 32;

/// The cancelling of a run; awaiting it sends it.
///
/// Cancel safety: if the future is dropped, the run may be cancelled or not. Asking again is safe.
#[derive(Clone, Debug)]
#[must_use = "nothing happens until it is awaited"]
pub struct CancelRun {
    control: Control,
    job: String,
    token: u64,
    by: String,
    note: String,
}

/// The answer to a cancel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancelledRun {
    /// The node of the run learns of it with the next renewal of the lease: within a fifth of the lease, and 5 s at
    /// most. Then the function is signalled, and dropped after another fifth, and 5 s at most.
    Cancelling,
    /// There is no such run now.
    Gone {
        /// The line of its outcome, if the ledger has it.
        outcome: Option<Box<LedgerRecord>>,
    },
}

impl Control {
    /// Cancels the run of a job that has this fencing token, and no other: not the one that follows it. The ledger says
    /// `cancelled`, with `by ann: wrong input; returned`.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`], [`Error::Argument`], [`Error::Store`].
    pub fn cancel(&self, job: impl Into<String>, token: u64) -> CancelRun {
        CancelRun {
            control: self.clone(),
            job: job.into(),
            token,
            by: String::new(),
            note: String::new(),
        }
    }
}

impl CancelRun {
    /// Who asks for it, at most 128 bytes.
    pub fn by(mut self, by: impl Into<String>) -> Self {
        self.by = by.into();
        self
    }

    /// Why, at most 1,024 bytes.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    fn check(&self) -> Result<(), Error> {
        let long = |argument, most: usize| Error::Argument {
            argument,
            message: format!("longer than {most} bytes"),
        };
        if self.by.len() > MAX_ACTOR_BYTES {
            return Err(long("by", MAX_ACTOR_BYTES));
        }
        if self.note.len() > MAX_NOTE_BYTES {
            return Err(long("note", MAX_NOTE_BYTES));
        }
        Ok(())
    }

    async fn make(self) -> Result<CancelledRun, Error> {
        self.check()?;
        let authorized = self.control.authorize(Action::Cancel, &self.job).await?;
        let shards = self.control.shards(&self.job).await?;
        let places = (0..shards.max(1)).flat_map(|shard| {
            let unit = UnitName::new(&self.job, shard);
            let lane = unit.lane();
            (0..=MAX_SLOTS)
                .map(move |slot| unit.with_slot(slot))
                .chain([lane])
        });
        let token = FencingToken(self.token);
        let cancels: Vec<Cancel> = places
            .map(|unit| Cancel {
                unit,
                token,
                by: self.by.clone(),
                note: self.note.clone(),
            })
            .collect();
        // A token names one run, wherever it is.
        for batch in cancels.chunks(MAX_BATCH) {
            let reply = ask(|| authorized.cancel(batch)).await?;
            if reply.body.contains(&Cancelled::Cancelling) {
                return Ok(CancelledRun::Cancelling);
            }
        }
        let lines = ask(|| authorized.reader().ledger(&self.job, LINES)).await?;
        let ended = lines
            .into_iter()
            .find(|line| is_end(line) && line.token == Some(token));
        Ok(CancelledRun::Gone {
            outcome: ended.map(Box::new),
        })
    }
}

impl IntoFuture for CancelRun {
    type Output = Result<CancelledRun, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.make())
    }
}
