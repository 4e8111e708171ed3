//! What jobs left that no living node has is removed; or what a clock that was ahead has decided of them.

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use scheduled_one_protocol::message::{
    EARLY_TOLERANCE_MS, Forget, ForgetRequest, Forgotten, MAX_ACTOR_BYTES, MAX_NOTE_BYTES,
    UnitStatus,
};
use scheduled_one_protocol::{Backfill, Directive, TickMs, UnitName};

use crate::ask::ask;
use crate::control::Control;
use crate::error::Error;
use crate::gone::GoneJob;
use crate::rights::Action;

/// How often a job is looked at again that a node has described meanwhile.
const MAX_TRIES: usize = 3;

/// What became of a job that was to be forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForgottenJob {
    /// What was stored of it.
    pub left: GoneJob,
    /// Somebody else has forgotten it at the same time.
    pub already: bool,
}

/// A job that is to be forgotten; awaiting it removes what is stored of it.
///
/// Cancel safety: if the future is dropped, the job may be forgotten or not. Asking again is safe.
#[derive(Clone, Debug)]
#[must_use = "nothing happens until it is awaited"]
pub struct ForgetJob {
    control: Control,
    job: String,
    by: String,
    note: String,
    what: Forget,
}

/// What was found of a job.
struct Found {
    left: GoneJob,
    units: Vec<UnitName>,
    described_ms: i64,
    now_ms: i64,
    /// Units that are decided ahead of the store's clock.
    ahead: u32,
    /// How long the store may have forgotten runs, ms.
    quarantined_ms: i64,
}

fn quarantined(left_ms: i64) -> String {
    let left_s = left_ms.max(0) / 1_000 + 1;
    format!(
        "the store is new or lost its memory, and may have forgotten a run, for {left_s} s more"
    )
}

impl Control {
    /// Forgets a job that no living node has: removes its catalog entry, its watermarks, what waits in it, its ledger
    /// and its checkpoints, and empties its directives; the trail says who asked for it. Should a node have a job of
    /// that name later, it is a new one: its ticks begin when it is registered, and none from before is run.
    ///
    /// The store looks at its nodes in the step that removes: a job that a node starts with at the same time is not
    /// forgotten, or is registered anew after that.
    ///
    /// It needs the rights of a scheduler: an operator deletes no ledger.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`]; [`Error::UnknownJob`]; [`Error::NotGone`] if a living node has it; [`Error::NotYet`] while
    /// a run is active, or the store may have forgotten one; [`Error::Argument`], [`Error::Store`].
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use scheduled_one_control::Control;
    ///
    /// let control = Control::connect("redis://127.0.0.1").await?;
    /// for gone in control.gone().await? {
    ///     println!("{}: {} lines", gone.job, gone.ledger_lines);
    /// }
    /// control.forget("old-report").by("ann").note("dropped in release 8").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn forget(&self, job: impl Into<String>) -> ForgetJob {
        ForgetJob {
            control: self.clone(),
            job: job.into(),
            by: String::new(),
            note: String::new(),
            what: Forget::Everything,
        }
    }

    /// Takes back what a clock of the store that was ahead has decided of a job: its watermarks come back to now, where
    /// they are further ahead than a claim may be, 150 ms. Ticks up to now stay decided, so none starts a second time
    /// at its own time; later ones run when they are due, although they may have run while the clock was ahead. Ticks
    /// that waited then are dropped; requests that wait or run are kept. The trail says who asked for it; ledgers have
    /// no line of it, because no tick is decided.
    ///
    /// Stop the nodes that have the job first: they would raise the watermarks again.
    ///
    /// # Errors
    ///
    /// As those of [`forget`](Self::forget). A run that a clock that was ahead has granted is none that is in the way.
    pub fn take_back(&self, job: impl Into<String>) -> TakeBack {
        TakeBack(ForgetJob {
            what: Forget::MarksAhead,
            ..self.forget(job)
        })
    }
}

impl ForgetJob {
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

    /// What would be removed. Nothing is changed.
    ///
    /// # Errors
    ///
    /// As those of [`Control::forget`].
    pub async fn preview(self) -> Result<GoneJob, Error> {
        self.check()?;
        Ok(self.preview_found().await?.left)
    }

    fn check(&self) -> Result<(), Error> {
        let texts = [
            ("by", &self.by, MAX_ACTOR_BYTES),
            ("note", &self.note, MAX_NOTE_BYTES),
        ];
        for (argument, text, most) in texts {
            if text.len() > most || text.contains('\0') {
                return Err(Error::Argument {
                    argument,
                    message: format!("longer than {most} bytes, or with a zero character"),
                });
            }
        }
        Ok(())
    }

    async fn look(&self) -> Result<Found, Error> {
        let ForgetJob { control, job, .. } = self;
        control.check_right(Action::Forget, job).await?;
        let store = control.reader(job);
        let nodes = control.nodes(store).await?.into_iter();
        let with_it = nodes.filter(|node| node.jobs.contains_key(job));
        let nodes: Vec<String> = with_it.map(|node| node.node.name).collect();
        if !nodes.is_empty() {
            return Err(self.not_gone(nodes));
        }
        let reply = control.read_catalog(store).await?;
        let catalog = reply.body.catalog.unwrap_or_default();
        let directives = reply.body.directives;
        let (own, backfill) = (directives.get(job), directives.get(&Backfill::subject(job)));
        let is_wanted = own.into_iter().chain(backfill).any(|it| !it.is_empty());
        if !is_wanted {
            control.check_job(job).await?;
        }
        let (left, found) = control.left(store, job, &catalog, &directives).await?;
        let now_ms = (reply.head.now_us / 1_000) as i64;
        let decided_ms = |status: &UnitStatus| status.marks.decided.map_or(0, TickMs::ms);
        let is_ahead = |(unit, status): &&(UnitName, UnitStatus)| {
            let keeps_requests =
                unit.is_lane() && !(status.waiting.is_empty() && status.running.is_none());
            decided_ms(status) > now_ms + EARLY_TOLERANCE_MS && !keeps_requests
        };
        let ahead = found.iter().filter(is_ahead);
        let ahead = ahead.count() as u32;
        let mut units: Vec<UnitName> = found.into_iter().map(|(unit, _)| unit).collect();
        // Requests and their ids are stored by these, whatever became of the records.
        let whole = UnitName::new(job, 0);
        for unit in [whole.lane(), whole] {
            if !units.contains(&unit) {
                units.push(unit);
            }
        }
        Ok(Found {
            left,
            units,
            described_ms: catalog.get(job).map_or(0, |entry| entry.last_ms),
            now_ms,
            ahead,
            quarantined_ms: (reply.head.quarantine_until_ms - now_ms).max(0),
        })
    }

    /// As the store would refuse it, as far as that shows.
    async fn preview_found(&self) -> Result<Found, Error> {
        let found = self.look().await?;
        match found.quarantined_ms {
            0 => Ok(found),
            left_ms => Err(Error::NotYet {
                job: self.job.clone(),
                why: quarantined(left_ms),
            }),
        }
    }

    fn not_gone(&self, mut nodes: Vec<String>) -> Error {
        nodes.sort();
        Error::NotGone {
            job: self.job.clone(),
            nodes,
        }
    }

    /// Removes; returns what was there, and the answer, which is none that refuses.
    async fn make(&self) -> Result<(GoneJob, Forgotten), Error> {
        self.check()?;
        let (mut answer, mut found) = self.remove().await?;
        for _ in 1..MAX_TRIES {
            if answer != Forgotten::Described {
                break;
            }
            (answer, found) = self.remove().await?;
        }
        let why = match &answer {
            Forgotten::Removed | Forgotten::TakenBack(_) | Forgotten::Unknown => {
                return Ok((found.left, answer));
            }
            Forgotten::Lives(nodes) => return Err(self.not_gone(nodes.clone())),
            Forgotten::Described => "nodes come and go with it now".to_owned(),
            Forgotten::Quarantined(until_ms) => quarantined(until_ms - found.now_ms),
            Forgotten::Running(unit) => format!(
                "the lease of a run in {unit} is not over; its node may only be cut off from the store"
            ),
        };
        Err(Error::NotYet {
            job: self.job.clone(),
            why,
        })
    }

    async fn remove(&self) -> Result<(Forgotten, Found), Error> {
        let found = self.look().await?;
        let request = ForgetRequest {
            job: self.job.clone(),
            units: found.units.clone(),
            described_ms: found.described_ms,
            directive: Directive {
                changed_at_ms: found.now_ms,
                by: self.by.clone(),
                note: self.note.clone(),
                ..Directive::default()
            },
            what: self.what,
        };
        let authorized = self.control.authorize(Action::Forget, &self.job).await?;
        let reply = ask(|| authorized.forget(&request)).await?;
        Ok((reply.body, found))
    }
}

impl IntoFuture for ForgetJob {
    type Output = Result<ForgottenJob, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (left, answer) = self.make().await?;
            Ok(ForgottenJob {
                left,
                already: answer == Forgotten::Unknown,
            })
        })
    }
}

/// Decisions that are to be taken back; awaiting it does that, and returns of how many units, slots and lanes
/// something was ahead.
///
/// Cancel safety: if the future is dropped, they may be taken back or not. Asking again is safe.
#[derive(Clone, Debug)]
#[must_use = "nothing happens until it is awaited"]
pub struct TakeBack(ForgetJob);

impl TakeBack {
    /// Who asks for it, at most 128 bytes.
    pub fn by(self, by: impl Into<String>) -> Self {
        TakeBack(self.0.by(by))
    }

    /// Why, at most 1,024 bytes.
    pub fn note(self, note: impl Into<String>) -> Self {
        TakeBack(self.0.note(note))
    }

    /// Of how many units something would be taken back, runs aside. Nothing is changed.
    ///
    /// # Errors
    ///
    /// As those of [`Control::take_back`].
    pub async fn preview(self) -> Result<u32, Error> {
        self.0.check()?;
        Ok(self.0.preview_found().await?.ahead)
    }
}

impl IntoFuture for TakeBack {
    type Output = Result<u32, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            match self.0.make().await?.1 {
                Forgotten::TakenBack(units) => Ok(units),
                _ => Ok(0),
            }
        })
    }
}
