//! The handle to one bucket: the records of [`Records`], in tables.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use scheduled_one_protocol::fields::{LINE, blank_line};
use scheduled_one_protocol::machine::Now;
use scheduled_one_protocol::machine::damage::Damage;
use scheduled_one_protocol::memory::BucketState;
use scheduled_one_protocol::{
    Answer, BoxFuture, Bucket, Decide, DiagnosticContext, Finding, LedgerRecord, PreflightError,
    Records, Report, Store, StoreError, Survey, TrailId, TrailLine, Wanted,
};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::address::{Address, check_namespace};
use crate::changes::Changes;
use crate::classify::{Failure, Stage, failure};
use crate::connect_error::ConnectError;
use crate::connections::{Checkout, Connections};
use crate::identity::Identity;
use crate::load::{Loaded, sound_records};
use crate::rows::read;
use crate::statements::{Statements, TRIM_LINES};
use crate::step::{MetaLock, Step};
use crate::tls;
use crate::upkeep::Upkeep;
use crate::{classify, doctor, preflight, schema, trail};

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
    bucket: String,
    pub(crate) connections: Connections,
}

/// What all handles of a namespace share.
pub(crate) struct Shared {
    pub(crate) address: Address,
    namespace: String,
    pub(crate) statements: Statements,
    /// The tables were seen.
    is_prepared: AtomicBool,
    /// The server does not show its timeline.
    is_by_start: AtomicBool,
    /// The user may only read.
    pub(crate) reads: AtomicBool,
    /// The user has fewer rights than a scheduler: what it may not do concerns that request, and not all.
    pub(crate) is_limited: AtomicBool,
    upkeep: Arc<Upkeep>,
}

impl Shared {
    pub(crate) fn identity(&self) -> Identity {
        match self.is_by_start.load(Ordering::Relaxed) {
            false => Identity::Timeline,
            true => Identity::Start,
        }
    }
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
        let shared = Shared {
            statements: Statements::new(&address.schema),
            address,
            namespace: namespace.to_owned(),
            is_prepared: AtomicBool::new(false),
            is_by_start: AtomicBool::new(false),
            reads: AtomicBool::new(false),
            is_limited: AtomicBool::new(false),
            upkeep: Arc::default(),
        };
        Ok(PostgresStore {
            bucket: Bucket::WHOLE.tag(namespace),
            connections: Connections::new(&shared.address, tls),
            shared: Arc::new(shared),
        })
    }

    /// A connection to a server with tables.
    async fn connection(&self, deadline: Instant) -> Result<Checkout, StoreError> {
        let checkout = self.connections.get(deadline).await?;
        if !self.shared.is_prepared.load(Ordering::Acquire) {
            let prepare = schema::prepare(&checkout, &self.shared.address);
            match timeout_at(deadline, prepare).await {
                Ok(prepared) => prepared?,
                Err(_) => return Err(no_reply("the tables are not made")),
            }
            self.shared.is_prepared.store(true, Ordering::Release);
        }
        Ok(checkout)
    }

    async fn step(
        &self,
        wanted: Wanted,
        ledger_limit: usize,
        mut decide: Decide<'_>,
    ) -> Result<(), StoreError> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let reads = self.shared.reads.load(Ordering::Relaxed);
        let mut meta = match wanted.nodes && !reads {
            // Steps that want the nodes come one after the other.
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
                Ok(Made::Done) => return Ok(()),
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
                Err(Failure::Identity(error) | Failure::Denied(error) | Failure::Fatal(error)) => {
                    return Err(error);
                }
            };
            if attempt == ATTEMPTS || Instant::now() >= deadline {
                return Err(error);
            }
            attempt += 1;
        }
    }

    /// One attempt at a step. Each half has the time that is left.
    async fn attempt(
        &self,
        step: &Step<'_>,
        ledger_limit: usize,
        decide: &mut Decide<'_>,
        deadline: Instant,
    ) -> Result<Made, Failure> {
        let checkout = self.connection(deadline).await.map_err(Failure::Fatal)?;
        let late = |_| Failure::Fatal(no_reply("nothing was sent that could change something"));
        let loaded = timeout_at(deadline, step.load(&checkout))
            .await
            .map_err(late)??;
        let mut before = match loaded {
            Loaded::Set(before) => before,
            Loaded::NoMeta => return Ok(Made::Wants(MetaLock::Make)),
        };
        if let Err(refused) = decide(&mut before.set) {
            checkout.roll_back(deadline).await;
            return Err(Failure::Fatal(refused));
        }
        if step.reads {
            checkout.roll_back(deadline).await;
            return match before.is_asked_for() {
                false => Ok(Made::Done),
                true => Err(Failure::Fatal(classify::changes_nothing(
                    &self.shared.address,
                ))),
            };
        }
        let changes = Changes::of(&before, step.statements);
        if changes.has_meta() && step.meta == MetaLock::Read {
            return Ok(Made::Wants(MetaLock::Lock));
        }
        let unknown = |_| {
            Failure::Fatal(StoreError::Unknown(format!(
                "PostgreSQL did not reply to a commit within {ANSWER_TIMEOUT:?}; does it wait for a standby?"
            )))
        };
        let saved = timeout_at(deadline, step.save(&checkout, &changes)).await;
        let newest = saved.map_err(unknown)?.map_err(|failure| match failure {
            Failure::Denied(denied) if before.set.forgotten.is_some() => {
                Failure::Fatal(classify::may_not_forget(&self.shared.address, &denied))
            }
            other => other,
        })?;
        checkout.give_back();
        self.trim(&before.set.lines, newest, ledger_limit);
        Ok(Made::Done)
    }

    /// Trims ledgers in the background: the reply does not wait, and a failure is made up for by the next time. Lines
    /// that others add meanwhile do not count: their nodes may have another limit.
    fn trim(&self, lines: &[LedgerRecord], newest: BTreeMap<String, i64>, limit: usize) {
        let jobs = self.shared.upkeep.count(lines, limit);
        if jobs.is_empty() {
            return;
        }
        let (shared, bucket) = (Arc::clone(&self.shared), self.bucket.clone());
        let connections = self.connections.clone();
        tokio::spawn(async move {
            let deadline = Instant::now() + ANSWER_TIMEOUT;
            let Ok(checkout) = connections.get(deadline).await else {
                return;
            };
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            for (job, newest) in newest.iter().filter(|(job, _)| jobs.contains(*job)) {
                let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
                    (&bucket, Type::TEXT),
                    (job, Type::TEXT),
                    (&limit, Type::INT8),
                    (newest, Type::INT8),
                ];
                let trimmed = checkout.execute_typed(&shared.statements.trim, &parameters);
                match timeout_at(deadline, trimmed).await {
                    Ok(Ok(deleted)) if deleted < TRIM_LINES.into() => {}
                    Ok(Ok(_)) => shared.upkeep.again(job),
                    _ => return,
                }
            }
            checkout.give_back();
        });
    }

    /// One statement that only reads.
    async fn read(
        &self,
        statement: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, StoreError> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let checkout = self.connection(deadline).await?;
        let reply = timeout_at(deadline, checkout.query_typed(statement, parameters)).await;
        match reply {
            Ok(Ok(rows)) => {
                checkout.give_back();
                Ok(rows)
            }
            Ok(Err(error)) => {
                let failure = failure(&error, Stage::Load);
                if let Failure::NoTables(_) = failure {
                    self.shared.is_prepared.store(false, Ordering::Release);
                }
                Err(failure.into_error())
            }
            Err(_) => Err(no_reply("it was only asked to read")),
        }
    }
}

/// What became of an attempt.
enum Made {
    Done,
    /// Nothing was saved: the row of the bucket has to be locked first.
    Wants(MetaLock),
}

fn no_reply(what: &str) -> StoreError {
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

    fn open(&self, bucket: Bucket) -> Arc<dyn Store> {
        Arc::new(PostgresStore {
            bucket: bucket.tag(&self.shared.namespace),
            connections: self.connections.another(),
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
