//! Jobs that no living node has: what they left, and how it is removed.

use std::collections::BTreeSet;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use scheduled_one_protocol::message::{
    EARLY_TOLERANCE_MS, Forget, ForgetRequest, Forgotten, MAX_ACTOR_BYTES, MAX_BATCH,
    MAX_NOTE_BYTES, UnitStatus,
};
use scheduled_one_protocol::{
    ALL_JOBS, Backfill, Catalog, DecidingSchedule, Directive, Directives, Store, TickMs, UnitName,
};
use scheduled_one_schedule::name::is_internal;

use crate::ask::ask;
use crate::control::{Control, MAX_SHARDS};
use crate::error::Error;

/// Most slots of a unit.
const MAX_SLOTS: u32 = 32;
/// Most lines of a ledger that are counted.
const MAX_LINES: usize = 100_000;
/// How often a job is looked at again that a node has described meanwhile.
const MAX_TRIES: usize = 3;

/// A job that no living node has, and what is stored of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GoneJob {
    /// Its name.
    pub job: String,
    /// When something was last seen of it, ms since the Unix epoch: a node described it, or a line of its ledger was
    /// written; 0 if neither is stored.
    pub last_seen_ms: i64,
    /// Since when no schedule decides its ticks, because other nodes have noticed that it is gone, ms since the Unix
    /// epoch.
    pub gone_since_ms: Option<i64>,
    /// How many units have watermarks: the job or its shards, slots for runs side by side, lanes for requests.
    pub units: usize,
    /// How many ticks wait in them.
    pub waiting: usize,
    /// How many requests for runs wait in them.
    pub requests: usize,
    /// How many runs are recorded as active; their nodes are dead, or cut off from the store.
    pub running: usize,
    /// How many lines its ledger has; of more than 100,000, these.
    pub ledger_lines: usize,
    /// Whether operators want something of it: a pause, another schedule, a backfill.
    pub has_directive: bool,
}

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
}

impl Control {
    /// The jobs that no living node has and of which something is stored, by name. It costs a few requests for each of
    /// them.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn gone(&self) -> Result<Vec<GoneJob>, Error> {
        let mut gone = Vec::new();
        for store in self.stores() {
            let reply = self.read_catalog(&**store).await?;
            let catalog = reply.body.catalog.unwrap_or_default();
            let directives = reply.body.directives;
            let mut jobs: BTreeSet<&str> = catalog.keys().map(String::as_str).collect();
            jobs.extend(
                directives
                    .iter()
                    .filter(|(_, directive)| !directive.is_empty())
                    .map(|(subject, _)| Backfill::job_of(subject).unwrap_or(subject)),
            );
            jobs.remove(ALL_JOBS);
            for node in self.nodes(&**store).await? {
                jobs.retain(|job| !node.jobs.contains_key(*job));
            }
            for job in jobs.into_iter().filter(|job| !is_internal(job)) {
                let (left, _) = self.left(&**store, job, &catalog, &directives).await?;
                gone.push(left);
            }
        }
        gone.sort_by(|a, b| a.job.cmp(&b.job));
        Ok(gone)
    }

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
    /// [`Error::UnknownJob`]; [`Error::NotGone`] if a living node has it; [`Error::NotYet`] while a run is active, or
    /// the store may have forgotten one; [`Error::Argument`], [`Error::Store`].
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use scheduled_one_control::Control;
    ///
    /// let control = Control::connect("redis://127.0.0.1").open().await?;
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
    /// at its own time; later ones run when they are due, although they may have run while the clock was ahead. What
    /// waited then is dropped. The trail says who asked for it; ledgers have no line of it, because no tick is decided.
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

    /// What is stored of a job, and its units.
    async fn left(
        &self,
        store: &dyn Store,
        job: &str,
        catalog: &Catalog,
        directives: &Directives,
    ) -> Result<(GoneJob, Vec<(UnitName, UnitStatus)>), Error> {
        let shards: Vec<UnitName> = (0..MAX_SHARDS)
            .map(|shard| UnitName::new(job, shard))
            .collect();
        let mut found = self.stored_units(store, &shards).await?;
        let of_shard = |unit: &UnitName| {
            let (lane, unit) = (unit.lane(), unit.clone());
            let slots = (1..=MAX_SLOTS).map(move |slot| unit.with_slot(slot));
            slots.chain([lane])
        };
        let others: Vec<UnitName> = match found.is_empty() {
            true => of_shard(&UnitName::new(job, 0)).collect(),
            false => found.iter().flat_map(|(unit, _)| of_shard(unit)).collect(),
        };
        found.extend(self.stored_units(store, &others).await?);
        let lines = ask(|| store.ledger(job, MAX_LINES)).await?;
        let described_ms = catalog.get(job).map_or(0, |entry| entry.last_ms);
        let newest_ms = lines.first().map_or(0, |line| line.ended_at_ms);
        let waiting_in = |is_lane: bool| {
            let units = found.iter().filter(|(unit, _)| unit.is_lane() == is_lane);
            units.map(|(_, status)| status.waiting.len()).sum()
        };
        let own = [directives.get(job), directives.get(&Backfill::subject(job))];
        let mut decides = found
            .iter()
            .filter_map(|(_, status)| status.decides.as_ref());
        let left = GoneJob {
            job: job.to_owned(),
            last_seen_ms: described_ms.max(newest_ms),
            gone_since_ms: decides.find_map(DecidingSchedule::gone_since_ms),
            units: found.len(),
            waiting: waiting_in(false),
            requests: waiting_in(true),
            running: found.iter().filter(|(_, it)| it.running.is_some()).count(),
            ledger_lines: lines.len(),
            has_directive: own.into_iter().flatten().any(|it| !it.is_empty()),
        };
        Ok((left, found))
    }

    /// Those of these units of which something is stored.
    async fn stored_units(
        &self,
        store: &dyn Store,
        units: &[UnitName],
    ) -> Result<Vec<(UnitName, UnitStatus)>, Error> {
        let mut found = Vec::new();
        for batch in units.chunks(MAX_BATCH) {
            let statuses = ask(|| store.inspect(&self.caller, batch)).await?.body;
            let of_units = batch.iter().cloned().zip(statuses);
            found.extend(of_units.filter(|(_, status)| *status != UnitStatus::default()));
        }
        Ok(found)
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
        Ok(self.look().await?.left)
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
        let store = control.store(job);
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
        let ahead = found
            .iter()
            .filter(|(_, status)| decided_ms(status) > now_ms + EARLY_TOLERANCE_MS);
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
        })
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
            Forgotten::Quarantined(until_ms) => format!(
                "the store lost its memory, and may have forgotten a run, for {} s more",
                (until_ms - found.now_ms).max(0) / 1_000 + 1
            ),
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
        let store = self.control.store(&self.job);
        let reply = ask(|| store.forget(&self.control.caller, &request)).await?;
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
        Ok(self.0.look().await?.ahead)
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
