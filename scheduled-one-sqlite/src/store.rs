//! The handle to one bucket: the records of [`Records`], in a file.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::machine::Now;
use scheduled_one_protocol::memory::BucketState;
use scheduled_one_protocol::message::UNCLAIMED_MS;
use scheduled_one_protocol::{
    Answer, BoxFuture, Bucket, Decide, DiagnosticContext, Finding, LedgerRecord, PreflightError,
    Records, Report, Severity, Store, StoreError, Survey, TrailId, TrailLine, Wanted, WorkingSet,
};
use scheduled_one_schedule::name::check_name;
use tokio::sync::oneshot;

use crate::classify::{Stage, store_error};
use crate::connection::File;
use crate::doctor;
use crate::handle::Handle;
use crate::open_error::OpenError;
use crate::place::path_of;
use crate::statements::{Failure, Rows};
use crate::step::{Step, current};

/// How long a transaction waits for its decision. The decision takes microseconds; a Tokio runtime that is blocked for
/// longer must not keep the other processes waiting.
const DECISION_LIMIT: Duration = Duration::from_millis(500);

/// A namespace in a file, or one bucket of it.
///
/// Each handle has a connection of its own, on a thread of its own: calls of SQLite block. Dropping the last clone of a
/// handle waits for a second at most until its file is closed.
///
/// The operations of the protocol are the methods of [`Store`].
///
/// # Limits
///
/// A call waits for a second at most: for earlier calls of this handle, and for the write lock; one that opens the file
/// waits for three. A request has at most
/// [`MAX_BATCH`](scheduled_one_protocol::message::MAX_BATCH) items.
///
/// # Cancel safety
///
/// Dropping the future of a call is safe. The request may have been carried out; a repetition with the same nonce is
/// recognized.
#[derive(Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

struct Shared {
    place: Arc<Place>,
    handle: Handle,
}

/// Which rows of which file.
struct Place {
    path: PathBuf,
    namespace: String,
    /// The bucket's tag, which is in the key of each row.
    bucket: String,
    clock: Arc<dyn Clock>,
}

impl SqliteStore {
    /// The store of a URL such as `sqlite:///var/lib/jobs.db`. The file is opened, or made, by the first request;
    /// [`preflight`](Store::preflight) is one.
    ///
    /// `clock` is the clock of the machine, which all processes share.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// use scheduled_one_protocol::Store;
    /// use scheduled_one_protocol::clock::SystemClock;
    /// use scheduled_one_sqlite::{OpenError, SqliteStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// let url = format!("sqlite://{}/jobs.db", folder.path().display());
    /// let store = SqliteStore::new(&url, "default", Arc::new(SystemClock))?;
    /// assert!(Store::preflight(&store).await?.is_empty());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The URL or the namespace cannot be used.
    pub fn new(url: &str, namespace: &str, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let path = path_of(url)?;
        if check_name(namespace).is_err() {
            return Err(OpenError::BadNamespace(namespace.to_owned()));
        }
        Ok(Self::handle(path, namespace, Bucket::WHOLE, clock))
    }

    fn handle(path: PathBuf, namespace: &str, bucket: Bucket, clock: Arc<dyn Clock>) -> Self {
        SqliteStore {
            shared: Arc::new(Shared {
                place: Arc::new(Place {
                    path,
                    namespace: namespace.to_owned(),
                    bucket: bucket.tag(namespace),
                    clock,
                }),
                handle: Handle::default(),
            }),
        }
    }

    /// Calls a function with the open file on the thread of this handle.
    async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Place, &mut Option<File>) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let Shared { place, handle } = &*self.shared;
        let here = Arc::clone(place);
        handle
            .call(&place.path, move |file| call(&here, file))
            .await
    }

    /// Calls a function with the rows of the bucket, without a write lock.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Rows<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        let read = |place: &Place, file: &mut Option<File>| {
            let open = current(file, &place.path)?;
            let rows = Rows {
                connection: &open.connection,
                bucket: &place.bucket,
            };
            read(&rows).map_err(|failure| match failure {
                Failure::Sqlite(error) => store_error(&error, &place.path, Stage::Before),
                Failure::Damaged(error) => error,
            })
        };
        self.call(read).await?
    }

    async fn step(
        &self,
        wanted: Wanted,
        ledger_limit: usize,
        mut decide: Decide<'_>,
    ) -> Result<(), StoreError> {
        let (loaded, to_decide) = oneshot::channel::<WorkingSet>();
        let (decided, to_save) = mpsc::sync_channel::<WorkingSet>(1);
        let mut loaded = Some(loaded);
        let step = self.call(move |place, file| {
            let step = Step {
                path: &place.path,
                bucket: &place.bucket,
                clock: &*place.clock,
                wanted: &wanted,
                ledger_limit,
            };
            let mut is_late = false;
            let result = step.run(file, &mut |set| {
                loaded.take()?.send(set).ok()?;
                let decision = to_save.recv_timeout(DECISION_LIMIT);
                is_late = matches!(decision, Err(mpsc::RecvTimeoutError::Timeout));
                decision.ok()
            });
            match is_late {
                false => result,
                true => Err(StoreError::Unavailable(format!(
                    "this program's Tokio runtime did not reply within {DECISION_LIMIT:?}: a job blocks its threads; \
                     move the blocking part into tokio::task::spawn_blocking"
                ))),
            }
        });
        let decide = async move {
            // No set comes if loading failed: the step returns that error.
            let Ok(mut set) = to_decide.await else {
                return Ok(());
            };
            decide(&mut set)?;
            // The step does not wait any more if it is late, and returns that error.
            let _ = decided.send(set);
            Ok(())
        };
        let (saved, decision) = tokio::join!(step, decide);
        decision.and(saved?)
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { path, bucket, .. } = &*self.shared.place;
        write!(f, "sqlite://{}, namespace {bucket}", path.display())
    }
}

impl Records for SqliteStore {
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
            let unclaimed_ms = now.ms() - UNCLAIMED_MS;
            let records = self
                .read(move |rows| Ok(rows.active_records(unclaimed_ms)?))
                .await?;
            Ok(BucketState::of_records(records).survey(now))
        })
    }

    fn ledger<'a>(&'a self, job: &'a str, limit: usize) -> Answer<'a, Vec<LedgerRecord>> {
        let job = job.to_owned();
        Box::pin(self.read(move |rows| rows.lines(&job, limit)))
    }

    fn trail(&self, before: Option<TrailId>, limit: usize) -> Answer<'_, Vec<TrailLine>> {
        Box::pin(self.read(move |rows| rows.trail(before, limit)))
    }

    fn commits_statements(&self) -> bool {
        true
    }

    fn open(&self, bucket: Bucket) -> Arc<dyn Store> {
        let Place {
            path,
            namespace,
            clock,
            ..
        } = &*self.shared.place;
        let clock = Arc::clone(clock);
        Arc::new(Self::handle(path.clone(), namespace, bucket, clock))
    }

    fn preflight(&self) -> BoxFuture<'_, Result<Vec<Finding>, PreflightError>> {
        Box::pin(async move {
            let opened = self.call(checked);
            match opened.await {
                Ok(Ok(findings)) => Ok(findings),
                Ok(Err(error)) => Err(error.into()),
                Err(error) => Err(PreflightError {
                    finding: Finding::new(Severity::Severe, "file", error.to_string(), ""),
                    cause: error.into(),
                }),
            }
        })
    }

    fn diagnose<'a>(&'a self, needs: &'a DiagnosticContext) -> BoxFuture<'a, Report> {
        Box::pin(async move {
            let needs = needs.clone();
            let findings = self.call(move |place, file| {
                doctor::diagnose(file, &place.path, &place.bucket, &needs)
            });
            let findings = findings.await.unwrap_or_else(|error| {
                vec![Finding::new(
                    Severity::Severe,
                    "file",
                    error.to_string(),
                    "",
                )]
            });
            Report::new(format!("{self:?}"), findings)
        })
    }
}

/// Opens the file. Returns what an operator should see although jobs run.
fn checked(place: &Place, file: &mut Option<File>) -> Result<Vec<Finding>, OpenError> {
    current(file, &place.path)?;
    let space = doctor::space(&place.path);
    Ok([space]
        .into_iter()
        .filter(|finding| finding.severity >= Severity::Warning)
        .collect())
}
