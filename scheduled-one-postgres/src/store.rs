//! The handle to one bucket: the records of [`Records`], in tables.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use scheduled_one_protocol::fields::{LINE, blank_line};
use scheduled_one_protocol::machine::Now;
use scheduled_one_protocol::machine::damage::Damage;
use scheduled_one_protocol::memory::BucketState;
use scheduled_one_protocol::{
    Access, Answer, BoxFuture, Bucket, Decide, DiagnosticContext, Finding, LedgerRecord,
    PreflightError, Records, Report, Store, StoreError, Survey, TrailId, TrailLine, Wanted,
};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::address::{Address, check_namespace};
use crate::beat::Idle;
use crate::changes::Changes;
use crate::classify::{Failure, Stage, failure};
use crate::connect_error::ConnectError;
use crate::connections::{Checkout, Connections};
use crate::identity::Identity;
use crate::listening::Listening;
use crate::load::{Loaded, sound_records};
use crate::rows::read;
use crate::seen::Seen;
use crate::shared::Shared;
use crate::statements::Statements;
use crate::step::{MetaLock, Step};
use crate::tls;
use crate::{classify, doctor, news, preflight, schema, trail};

/// Longest time that a call waits for its reply, connecting and repeating included.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// How often a step is made, if other transactions are in its way again and again.
const ATTEMPTS: u32 = 8;

/// A namespace in PostgreSQL, or one bucket of it.
///
/// The connections of a handle live in the Tokio runtime that uses the handle first. Another runtime needs another
/// handle, from [`Store::open`].
///
/// The operations of the protocol are the methods of [`Store`].
///
/// # Limits
///
/// A call waits for [`ANSWER_TIMEOUT`] at most. A request has at most
/// [`MAX_BATCH`](scheduled_one_protocol::message::MAX_BATCH) items. A handle has at most eight connections.
///
/// # Cancel safety
///
/// Dropping the future of a call is safe. The request may have been carried out; a repetition with the same nonce is
/// recognized.
pub struct PostgresStore {
    pub(crate) shared: Arc<Shared>,
    /// The bucket's tag.
    pub(crate) bucket: String,
    pub(crate) connections: Connections,
    pub(crate) idle: Idle,
}

impl PostgresStore {
    /// The store of a URL in the form of libpq, such as `postgres://user:password@host/database`. Reads the files of
    /// certificates, and sends nothing yet; [`preflight`](Store::preflight) connects and makes the tables.
    ///
    /// ```
    /// use scheduled_one_postgres::{ConnectError, PostgresStore};
    ///
    /// let store = PostgresStore::new("postgres://jobs:secret@db.example/app?schema=jobs", "billing")?;
    /// assert_eq!(format!("{store:?}"), "postgres://db.example:5432/app, schema jobs, namespace billing");
    /// # Ok::<(), ConnectError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The URL, the namespace, or a file that the URL names cannot be used.
    pub fn new(url: &str, namespace: &str) -> Result<Self, ConnectError> {
        check_namespace(namespace)?;
        let address = Address::new(url, &|name| std::env::var(name).ok())?;
        let tls = tls::load(&address.encryption)?;
        let channel = news::channel(&address.schema, namespace);
        let shared = Shared {
            statements: Statements::new(&address.schema, &channel),
            channel,
            listening: Listening::default(),
            address,
            namespace: namespace.to_owned(),
            is_prepared: AtomicBool::new(false),
            is_by_start: AtomicBool::new(false),
            reads: AtomicBool::new(false),
            is_for_control: AtomicBool::new(false),
            seen: Seen::default(),
            is_limited: AtomicBool::new(false),
            upkeep: Arc::default(),
        };
        Ok(PostgresStore {
            bucket: Bucket::WHOLE.tag(namespace),
            connections: Connections::new(&shared.address, tls),
            idle: Idle::default(),
            shared: Arc::new(shared),
        })
    }

    /// A connection to a server with tables.
    pub(crate) async fn connection(&self, deadline: Instant) -> Result<Checkout, StoreError> {
        let checkout = self.connections.get(deadline).await?;
        if !self.shared.is_prepared.load(Ordering::Acquire) {
            match timeout_at(deadline, self.prepare(&checkout)).await {
                Ok(prepared) => prepared?,
                Err(_) => return Err(no_reply("the tables are not made")),
            }
            self.shared.is_prepared.store(true, Ordering::Release);
        }
        Ok(checkout)
    }

    /// Makes the tables, in the place of a scheduler; who runs no jobs only looks whether they are there.
    async fn prepare(&self, client: &Client) -> Result<(), ConnectError> {
        let address = &self.shared.address;
        match self.shared.is_for_control.load(Ordering::Relaxed) {
            true => schema::lacking(client, address).await?.refuse(address),
            false => schema::prepare(client, address).await,
        }
    }

    async fn step(
        &self,
        wanted: Wanted,
        ledger_limit: usize,
        mut decide: Decide<'_>,
    ) -> Result<(), StoreError> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let reads = self.shared.reads.load(Ordering::Relaxed);
        if let Some(beat) = wanted.beat.as_ref().filter(|_| !reads)
            && self.beat(beat, &mut decide, deadline).await?
        {
            return Ok(());
        }
        let changes_meta = wanted.nodes || wanted.directives == Access::Changes;
        let mut meta = match changes_meta && !reads {
            // Steps that want the nodes come one after the other, and directives are in the row of the bucket.
            true => MetaLock::Lock,
            false => MetaLock::Read,
        };
        let mut attempt = 1;
        loop {
            let step = Step {
                statements: &self.shared.statements,
                bucket: &self.bucket,
                wanted: &wanted,
                identity: self.shared.identity(),
                meta,
                reads,
            };
            let error = match self
                .attempt(&step, ledger_limit, &mut decide, deadline)
                .await
            {
                Ok(Made::Saved | Made::Nothing) => return Ok(()),
                Ok(Made::Wants(lock)) => {
                    meta = lock;
                    continue;
                }
                Err(Failure::Repeat(error)) => error,
                Err(Failure::NoTables(error)) => {
                    self.shared.is_prepared.store(false, Ordering::Release);
                    error
                }
                Err(Failure::Identity(error)) if step.identity == Identity::Timeline => {
                    self.shared.is_by_start.store(true, Ordering::Relaxed);
                    error
                }
                Err(Failure::Denied(denied)) if self.shared.is_limited.load(Ordering::Relaxed) => {
                    return Err(classify::takes_more(&self.shared.address, &denied));
                }
                Err(failure) => return Err(failure.into_error()),
            };
            if attempt == ATTEMPTS || Instant::now() >= deadline {
                return Err(error);
            }
            attempt += 1;
        }
    }

    /// One attempt at a step, on a connection of its own, which stays unless it is in the middle of something.
    async fn attempt(
        &self,
        step: &Step<'_>,
        ledger_limit: usize,
        decide: &mut Decide<'_>,
        deadline: Instant,
    ) -> Result<Made, Failure> {
        let checkout = self.connection(deadline).await.map_err(Failure::Fatal)?;
        let made = self
            .attempt_on(&checkout, step, ledger_limit, decide, deadline)
            .await;
        match made {
            Ok(Made::Saved) => checkout.give_back(),
            Err(Failure::Leave(_)) => self.connections.leave(checkout),
            // After an error of the server, all of its replies are there.
            Ok(Made::Nothing | Made::Wants(_)) | Err(_) => checkout.roll_back(deadline).await,
        }
        made
    }

    /// Each half has the time that is left.
    async fn attempt_on(
        &self,
        checkout: &Checkout,
        step: &Step<'_>,
        ledger_limit: usize,
        decide: &mut Decide<'_>,
        deadline: Instant,
    ) -> Result<Made, Failure> {
        let late = |_| Failure::Leave(no_reply("nothing was sent that could change something"));
        let seen = self.shared.seen.before(&self.bucket);
        let loaded = timeout_at(deadline, step.load(checkout))
            .await
            .map_err(late)??;
        let mut before = match loaded {
            Loaded::Set(before) => before,
            Loaded::NoMeta => return Ok(Made::Wants(MetaLock::Make)),
        };
        let server = before.server.clone();
        before.set.serving = match self.shared.is_for_control.load(Ordering::Relaxed) {
            // Who is no node may see less of the server than nodes do, and notices no loss in their place.
            true => before.stored().to_owned(),
            false => {
                let history = self.shared.seen.history(&seen, &server, before.stored());
                history.map_err(Failure::Leave)?
            }
        };
        decide(&mut before.set).map_err(Failure::Fatal)?;
        if step.reads {
            return match before.is_asked_for() {
                false => Ok(Made::Nothing),
                true => Err(Failure::Fatal(classify::changes_nothing(
                    &self.shared.address,
                ))),
            };
        }
        let trims = self.shared.upkeep.is_due(&before.set.lines, ledger_limit);
        let changes = Changes::of(&before, step.statements, trims);
        if changes.has_meta() && step.meta == MetaLock::Read {
            return Ok(Made::Wants(MetaLock::Lock));
        }
        let unknown = |_| {
            Failure::Leave(StoreError::Unknown(format!(
                "PostgreSQL did not reply to a commit within {ANSWER_TIMEOUT:?}; does it wait for a standby?"
            )))
        };
        let saved = timeout_at(deadline, step.save(checkout, &changes, deadline)).await;
        let newest = saved.map_err(unknown)?.map_err(|failure| match failure {
            Failure::Denied(denied) if before.set.forgotten.is_some() => {
                Failure::Fatal(classify::may_not_forget(&self.shared.address, &denied))
            }
            other => other,
        })?;
        self.shared.seen.committed(&self.bucket, &seen, server);
        if let Some(beat) = &step.wanted.beat {
            self.idle.committed(beat, &before);
        }
        self.trim(&before.set.lines, newest, ledger_limit);
        Ok(Made::Saved)
    }
}

/// What became of an attempt.
enum Made {
    /// It was committed.
    Saved,
    /// There was nothing to save.
    Nothing,
    /// Nothing was saved: the row of the bucket has to be locked first.
    Wants(MetaLock),
}

pub(crate) fn no_reply(what: &str) -> StoreError {
    let text = format!("PostgreSQL did not reply within {ANSWER_TIMEOUT:?}; {what}");
    StoreError::Unavailable(text)
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = &self.shared.address;
        write!(
            f,
            "postgres://{address}, schema {}, namespace {}",
            address.schema, self.bucket
        )
    }
}

impl Records for PostgresStore {
    fn transact<'a>(
        &'a self,
        wanted: Wanted,
        ledger_limit: usize,
        decide: Decide<'a>,
    ) -> Answer<'a, ()> {
        Box::pin(self.step(wanted, ledger_limit, decide))
    }

    fn survey(&self, now: Now) -> Answer<'_, Survey> {
        Box::pin(async move {
            let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&self.bucket, Type::TEXT)];
            let rows = self
                .read(&self.shared.statements.survey, &parameters)
                .await?;
            Ok(BucketState::of_records(sound_records(&rows)).survey(now))
        })
    }

    fn ledger<'a>(&'a self, job: &'a str, limit: usize) -> Answer<'a, Vec<LedgerRecord>> {
        Box::pin(async move {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let parameters: [(&(dyn ToSql + Sync), Type); 3] = [
                (&self.bucket, Type::TEXT),
                (&job, Type::TEXT),
                (&limit, Type::INT8),
            ];
            let statement = &self.shared.statements.lines;
            let rows = self.read(statement, &parameters).await?;
            let line = |row| match read(LINE, row, 0, blank_line()) {
                Ok(Ok(line)) => Ok(line),
                Ok(Err(Damage { field, value })) => Err(StoreError::Refused(format!(
                    "a line in the ledger of {job} has {value} as {field}: somebody edited it; delete that row"
                ))),
                Err(error) => Err(failure(&error, Stage::Load).into_error()),
            };
            rows.iter().map(line).collect()
        })
    }

    fn trail(&self, before: Option<TrailId>, limit: usize) -> Answer<'_, Vec<TrailLine>> {
        Box::pin(async move {
            let bounds = trail::bounds(before, limit);
            let numbers = bounds
                .each_ref()
                .map(|number| (number as &(dyn ToSql + Sync), Type::INT8));
            let [before, limit] = numbers;
            let parameters = [(&self.bucket as _, Type::TEXT), before, limit];
            trail::lines(
                &self
                    .read(&self.shared.statements.trail, &parameters)
                    .await?,
            )
        })
    }

    fn commits_statements(&self) -> bool {
        true
    }

    fn news(&self, seen: u64) -> BoxFuture<'_, u64> {
        let listening = &self.shared.listening;
        let mut news = listening.news(&self.connections, &self.shared.channel, &self.bucket);
        Box::pin(async move {
            let changed = news.wait_for(|count| *count != seen).await;
            match changed.map(|count| *count) {
                Ok(count) => count,
                Err(_) => std::future::pending().await,
            }
        })
    }

    fn open(&self, bucket: Bucket) -> Arc<dyn Store> {
        Arc::new(PostgresStore {
            bucket: bucket.tag(&self.shared.namespace),
            connections: self.connections.another(),
            idle: Idle::default(),
            shared: Arc::clone(&self.shared),
        })
    }

    fn preflight(&self) -> BoxFuture<'_, Result<Vec<Finding>, PreflightError>> {
        Box::pin(async move { Ok(preflight::check(&self.connections, &self.shared).await?) })
    }

    fn preflight_for_control(&self) -> BoxFuture<'_, Result<(), PreflightError>> {
        Box::pin(async move { self.check_for_control().await.map_err(PreflightError::from) })
    }

    fn diagnose<'a>(&'a self, needs: &'a DiagnosticContext) -> BoxFuture<'a, Report> {
        Box::pin(async move {
            let findings =
                doctor::diagnose(&self.connections, &self.shared, &self.bucket, needs).await;
            Report::new(format!("{self:?}"), findings)
        })
    }
}
