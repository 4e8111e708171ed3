//! Cancels one run, named by its fencing token.

use std::collections::BTreeSet;
use std::future::{Future, IntoFuture};
use std::ops::Range;
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
    shard: Option<u32>,
    by: String,
    note: String,
}

/// The answer to a cancel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancelledRun {
    /// The node of the run learns of it by the next renewal of the lease, 5.5 s at most. Then the function is
    /// signalled, and dropped a fifth of the lease later, 5 s at most.
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
    /// [`Error::UnknownJob`]; [`Error::ManyRuns`] if runs of several shards have the token, and no
    /// [`shard`](CancelRun::shard) was named; [`Error::Argument`], [`Error::Store`].
    pub fn cancel(&self, job: impl Into<String>, token: u64) -> CancelRun {
        CancelRun {
            control: self.clone(),
            job: job.into(),
            token,
            shard: None,
            by: String::new(),
            note: String::new(),
        }
    }
}

impl CancelRun {
    /// Of which shard the run is, from 0. Each shard has tokens of its own, and runs of several shards that were
    /// granted at the same instant may have the same one. Default: the one that has such a run.
    pub fn shard(mut self, shard: u32) -> Self {
        self.shard = Some(shard);
        self
    }

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

    /// What it would do now: whether the run goes on. Nothing is changed.
    ///
    /// # Errors
    ///
    /// As those of [`Control::cancel`].
    pub async fn dry_run(&self) -> Result<CancelledRun, Error> {
        self.check()?;
        self.control.check_right(Action::Cancel, &self.job).await?;
        let shards = self.shards().await?;
        match self.active(shards).await?.is_empty() {
            false => Ok(CancelledRun::Cancelling),
            true => self.gone().await,
        }
    }

    async fn make(self) -> Result<CancelledRun, Error> {
        self.check()?;
        let authorized = self.control.authorize(Action::Cancel, &self.job).await?;
        let shards = self.shards().await?;
        let first = shards.start;
        let active = self.active(shards).await?;
        // If nothing goes on, who may not cancel is refused all the same, and a run that the store is about to learn
        // again from its node may be there by now; of one shard, so that it is one run.
        let units = match active.is_empty() {
            true => self.places(first..first + 1),
            false => active,
        };
        let cancels: Vec<Cancel> = units
            .into_iter()
            .map(|unit| Cancel {
                unit,
                token: FencingToken(self.token),
                by: self.by.clone(),
                note: self.note.clone(),
            })
            .collect();
        let reply = ask(|| authorized.cancel(&cancels)).await?;
        match reply.body.contains(&Cancelled::Cancelling) {
            true => Ok(CancelledRun::Cancelling),
            false => self.gone().await,
        }
    }

    /// There is no such run now: its end, if the ledger has it.
    async fn gone(&self) -> Result<CancelledRun, Error> {
        let store = self.control.reader(&self.job);
        let lines = ask(|| store.ledger(&self.job, LINES)).await?;
        let is_of_run = |line: &LedgerRecord| {
            let is_of_shard = self.shard.is_none_or(|shard| shard == line.unit.shard());
            line.token == Some(FencingToken(self.token)) && is_of_shard
        };
        let mut lines = lines.into_iter();
        let ended = lines.find(|line| is_end(line) && is_of_run(line));
        Ok(CancelledRun::Gone {
            outcome: ended.map(Box::new),
        })
    }

    /// The shards in which the run may be.
    async fn shards(&self) -> Result<Range<u32>, Error> {
        let shards = self.control.shards(&self.job).await?.max(1);
        match self.shard {
            None => Ok(0..shards),
            Some(shard) if shard < shards => Ok(shard..shard + 1),
            Some(shard) => Err(Error::Argument {
                argument: "shard",
                message: format!("{shard}; {} has {shards}, and they count from 0", self.job),
            }),
        }
    }

    /// Where runs of these shards may be.
    fn places(&self, shards: Range<u32>) -> Vec<UnitName> {
        let of_shard = |shard| {
            let unit = UnitName::new(&self.job, shard);
            let lane = unit.lane();
            let slots = (0..=MAX_SLOTS).map(move |slot| unit.with_slot(slot));
            slots.chain([lane])
        };
        shards.flat_map(of_shard).collect()
    }

    /// Where a run with this token goes on: in units, slots or lanes of one of these shards.
    ///
    /// # Errors
    ///
    /// In several of them.
    async fn active(&self, shards: Range<u32>) -> Result<Vec<UnitName>, Error> {
        let (store, token) = (self.control.reader(&self.job), FencingToken(self.token));
        let mut active = Vec::new();
        for batch in self.places(shards).chunks(MAX_BATCH) {
            let reply = ask(|| store.inspect(&self.control.caller, batch)).await?;
            let runs = batch.iter().zip(reply.body);
            let of_token =
                runs.filter(|(_, unit)| unit.running.is_some() && unit.token == Some(token));
            active.extend(of_token.map(|(unit, _)| unit.clone()));
        }
        let shards: BTreeSet<u32> = active.iter().map(UnitName::shard).collect();
        match shards.len() {
            0 | 1 => Ok(active),
            _ => Err(Error::ManyRuns {
                job: self.job.clone(),
                token: self.token,
                shards: shards.into_iter().collect(),
            }),
        }
    }
}

impl IntoFuture for CancelRun {
    type Output = Result<CancelledRun, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.make())
    }
}

#[cfg(test)]
mod tests;
