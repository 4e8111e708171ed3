//! Requests for runs: now, or another run of a tick.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::{SystemTime, UNIX_EPOCH};

use scheduled_one_protocol::message::{Ask, Asked, Cause, OnBusy, Request};
use scheduled_one_protocol::{TickMs, UnitName};
use serde::Serialize;
use serde::de::IgnoredAny;

use crate::ask::ask_and_count;
use crate::control::Control;
use crate::error::Error;
use crate::handle::{RequestedRun, RunHandle};
use crate::rights::Action;

/// A request for one run of a job, of each of its shards; awaiting it makes the request. When it has returned, the
/// request is in the store and starts within about a second, if its job is free.
///
/// Cancel safety: if the future is dropped, the request may be made or not. Asking again *with the same id* is safe.
#[derive(Clone)]
#[must_use = "nothing happens until it is awaited"]
pub struct RunJob {
    control: Control,
    job: String,
    shard: Option<u32>,
    id: Option<String>,
    cause: Cause,
    by: String,
    note: String,
    logical: Option<SystemTime>,
    on_busy: Option<OnBusy>,
    parameters: Result<String, String>,
    /// Also while older nodes live.
    pub(crate) is_forced: bool,
}

impl Control {
    /// Asks for a run of a job, now. It is no tick of the schedule and changes none; it starts also while the job is
    /// paused.
    ///
    /// While a run of the schedule is active, the job's `overlap` says what becomes of it, unless
    /// [`on_busy`](RunJob::on_busy) does: with `skip`, the request ends at once as skipped. Requests for one job start
    /// one after the other. In a quarantine they are accepted, and wait; so they do while no living node runs the job
    /// ([`has_node`](RunHandle::has_node)).
    ///
    /// Of a job with shards, it is a request for each shard, with an entry in the trail and an id of its own: the store
    /// keeps the newest 10,000 of both, so one run of 1,024 shards takes a tenth of that.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`]; [`Error::Argument`]: an argument cannot be used, or each node runs the job by itself
    /// (`scope = every_node`); [`Error::TooMany`] requests wait, perhaps of some shards only, and the
    /// others have the request; [`Error::Store`].
    pub fn run(&self, job: impl Into<String>) -> RunJob {
        RunJob {
            control: self.clone(),
            job: job.into(),
            shard: None,
            id: None,
            cause: Cause::Manual,
            by: String::new(),
            note: String::new(),
            logical: None,
            on_busy: None,
            parameters: Ok(String::new()),
            is_forced: false,
        }
    }

    /// Asks for another run of a tick: the function sees the same `scheduled_at`.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn rerun(&self, job: impl Into<String>, tick: impl Into<SystemTime>) -> RunJob {
        RunJob {
            cause: Cause::Rerun,
            logical: Some(tick.into()),
            ..self.run(job)
        }
    }
}

impl fmt::Debug for RunJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No parameters: they may be secret.
        f.debug_struct("RunJob")
            .field("job", &self.job)
            .field("shard", &self.shard)
            .field("id", &self.id)
            .field("cause", &self.cause)
            .finish_non_exhaustive()
    }
}

impl RunJob {
    /// The id of the request: of a job, no id starts twice, however often it is asked for. 1 to 128 printable ASCII
    /// characters without spaces. Default: a random one, so that asking again is another request.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Who asks for it, at most 128 bytes; the ledger has it.
    pub fn by(mut self, by: impl Into<String>) -> Self {
        self.by = by.into();
        self
    }

    /// What for, at most 1,024 bytes.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// What becomes of it while the job is busy. Default: what the job's `overlap` says.
    pub fn on_busy(mut self, on_busy: OnBusy) -> Self {
        self.on_busy = Some(on_busy);
        self
    }

    /// Only this shard, from 0. Default: each shard.
    pub fn shard(mut self, shard: u32) -> Self {
        self.shard = Some(shard);
        self
    }

    /// The instant that the run is for: its `scheduled_at`. Default: when the store takes the request.
    pub fn scheduled_at(mut self, instant: impl Into<SystemTime>) -> Self {
        self.logical = Some(instant.into());
        self
    }

    /// What the function takes as `Params<T>`; as JSON at most 64 KiB.
    pub fn params(mut self, params: &impl Serialize) -> Self {
        self.parameters = serde_json::to_string(params).map_err(|error| error.to_string());
        self
    }

    /// The same, as a text in JSON.
    pub fn params_json(mut self, json: impl Into<String>) -> Self {
        let json = json.into();
        let checked = serde_json::from_str::<IgnoredAny>(&json);
        self.parameters = checked.map(|_| json).map_err(|error| error.to_string());
        self
    }

    /// Whether it could be asked for: whether its arguments can be used, and the job takes requests. Nothing is
    /// changed.
    ///
    /// # Errors
    ///
    /// As those of [`Control::run`], but for too many that wait.
    pub async fn dry_run(&self) -> Result<(), Error> {
        self.control.check_right(Action::Run, &self.job).await?;
        self.units().await?;
        self.request()?;
        if !self.is_forced {
            let store = self.control.reader(&self.job);
            self.control.check_older_nodes(store).await?;
        }
        Ok(())
    }

    /// The units that are to run.
    async fn units(&self) -> Result<Vec<UnitName>, Error> {
        let shards = self.control.shards(&self.job).await?.max(1);
        let unit = |shard| UnitName::new(&self.job, shard);
        match self.shard {
            None => Ok((0..shards).map(unit).collect()),
            Some(shard) if shard < shards => Ok(vec![unit(shard)]),
            Some(shard) => Err(Error::Argument {
                argument: "shard",
                message: format!(
                    "{} has {shards} shards, from 0: there is no shard {shard}",
                    self.job
                ),
            }),
        }
    }

    async fn make(self) -> Result<RunHandle, Error> {
        let authorized = self.control.authorize(Action::Run, &self.job).await?;
        let units = self.units().await?;
        let request = self.request()?;
        // Each shard has the id: ids are those of a unit, and the number of shards may change before it is asked again.
        let asks: Vec<Ask> = units
            .into_iter()
            .map(|unit| Ask {
                unit,
                request: request.clone(),
            })
            .collect();
        if !self.is_forced {
            self.control.check_older_nodes(authorized.reader()).await?;
        }
        let mut runs = Vec::with_capacity(asks.len());
        let (mut already, mut quarantined_until_ms) = (true, None);
        let mut full = Vec::new();
        for batch in asks.chunks(scheduled_one_protocol::message::MAX_BATCH) {
            let (reply, is_first) = ask_and_count(|| authorized.ask(batch)).await;
            let reply = reply?;
            let until_ms = reply.head.quarantine_until_ms;
            let is_quarantined = (reply.head.now_us / 1_000) < until_ms.max(0) as u64;
            quarantined_until_ms = is_quarantined.then_some(until_ms);
            for (wanted, asked) in batch.iter().zip(reply.body) {
                let tick = match asked {
                    Asked::Queued { tick } => {
                        already = false;
                        tick
                    }
                    Asked::Known { tick } => {
                        // Else a copy of this very request may have been carried out, whose reply was lost.
                        already &= is_first;
                        tick
                    }
                    // The other shards are asked all the same: whoever asks again knows which are left.
                    Asked::Full => {
                        full.push(wanted.unit.shard());
                        continue;
                    }
                };
                runs.push(RequestedRun {
                    unit: wanted.unit.clone(),
                    id: wanted.request.id.clone(),
                    tick,
                });
            }
        }
        if !full.is_empty() {
            return Err(Error::TooMany {
                job: self.job,
                id: request.id,
                full,
                taken: runs.iter().map(|run| run.unit.shard()).collect(),
            });
        }
        let has_node = self.control.is_run_somewhere(&self.job).await;
        Ok(RunHandle {
            // Where the request is taken, a look that fails is no error.
            has_node: has_node.unwrap_or(true),
            control: self.control,
            job: self.job,
            id: request.id,
            runs,
            already,
            quarantined_until_ms,
        })
    }

    /// The request, the same for each shard.
    fn request(&self) -> Result<Request, Error> {
        let refuse = |argument, message| Error::Argument { argument, message };
        let logical = match self
            .logical
            .map(|instant| instant.duration_since(UNIX_EPOCH))
        {
            None => None,
            Some(Ok(since)) => Some(TickMs(
                i64::try_from(since.as_millis()).unwrap_or(i64::MAX), // which is refused
            )),
            Some(Err(_)) => {
                let message = "an instant before 1970-01-01; no schedule has one".to_owned();
                return Err(refuse("scheduled_at", message));
            }
        };
        let parameters = self.parameters.clone();
        let parameters = parameters.map_err(|why| refuse("params", format!("no JSON: {why}")))?;
        let id = match &self.id {
            Some(id) => id.clone(),
            None => format!("{}-{:016x}", self.cause, random()?),
        };
        let request = Request {
            id,
            cause: self.cause,
            actor: self.by.clone(),
            note: self.note.clone(),
            logical,
            on_busy: self.on_busy,
            parameters,
        };
        request.check().map_err(|message| refuse("run", message))?;
        Ok(request)
    }
}

fn random() -> Result<u64, Error> {
    getrandom::u64().map_err(|error| Error::Argument {
        argument: "id",
        message: format!("give one: the operating system gives no random numbers: {error}"),
    })
}

impl IntoFuture for RunJob {
    type Output = Result<RunHandle, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.make())
    }
}
