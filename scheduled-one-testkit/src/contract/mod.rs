//! Compares a [`Store`] with the protocol: random requests go to the store and to the pure machine, and replies, units
//! and ledgers have to be equal.
//!
//! Whoever writes a store runs [`check`] on it in a test. The suite needs an empty namespace and nothing else: the
//! machine works with the clock, the identity and the quarantine that the head of each reply shows.
//!
//! ```
//! # use std::sync::Arc;
//! use scheduled_one_protocol::clock::SystemClock;
//! use scheduled_one_protocol::memory::MemoryStore;
//! use scheduled_one_protocol::{BoxFuture, Store};
//! use scheduled_one_testkit::contract::{self, Options, Subject};
//!
//! struct Memory;
//!
//! impl Subject for Memory {
//!     fn open(&mut self) -> BoxFuture<'_, Arc<dyn Store>> {
//!         Box::pin(async { Arc::new(MemoryStore::new(Arc::new(SystemClock))) as Arc<dyn Store> })
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let options = Options {
//!     operations: 1_000,
//!     ..Options::default()
//! };
//! let report = contract::check(&mut Memory, options).await.expect("the store keeps the contract");
//! assert!(report.operations >= 1_000);
//! # }
//! ```

mod asks;
mod behaviours;
mod checkpoints;
mod commit;
mod compare;
mod directives;
mod due_ticks;
mod forgets;
mod in_turn;
mod of_ends;
mod of_heartbeats;
mod of_lanes;
mod race;
mod requests;
mod schedules;
mod step;
mod trail;
mod way_back;
mod workload;

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::sync::Arc;

use scheduled_one_protocol::memory::BucketState;
use scheduled_one_protocol::message::{Caller, Heartbeat};
use scheduled_one_protocol::{BoxFuture, Bucket, Store};

pub use behaviours::BEHAVIOURS;
pub use commit::{Program, check_blame, check_commit, check_each};
pub use in_turn::{check_in_turn, check_last_tick};
pub use requests::{JOBS, units};
pub use way_back::{WayBack, check_way_back};
pub use workload::{Random, Workload};

/// How many requests go by between two comparisons of everything.
const BETWEEN_COMPARISONS: u64 = 4;
/// One request in so many has the greatest batch.
const FULL_BATCH_ONE_IN: u64 = 500;
/// One request in so many finds a store that lost its memory.
const MEMORY_LOSS_ONE_IN: u64 = 250;

/// The store that is checked.
pub trait Subject: Send {
    /// Opens a bucket of a namespace that was never used.
    fn open(&mut self) -> BoxFuture<'_, Arc<dyn Store>>;

    /// Deletes everything that is stored in that bucket, as a crash without persistence does. False if the test cannot
    /// do that; then some behaviours never happen.
    fn lose_memory(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async { false })
    }
}

/// What [`check`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Items of requests, at least.
    pub operations: u64,
    /// Items of requests, at most, until each of the [`BEHAVIOURS`] has happened: that also depends on the speed of
    /// the store. Fewer than `operations` count as so many.
    pub most_operations: u64,
    /// Which requests: the same seed gives the same, as far as the store's clock allows.
    pub seed: u64,
}

impl Default for Options {
    /// 20,000 operations, whatever happens.
    fn default() -> Self {
        Options {
            operations: 20_000,
            most_operations: 0,
            seed: 1,
        }
    }
}

/// What a store did that keeps the contract.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Items of requests whose answers were compared.
    pub operations: u64,
    /// Claims that were sent at the same time as others of their tick.
    pub raced: u64,
    /// How often which behaviour happened, by name.
    pub seen: BTreeMap<String, u64>,
    loses_memory: bool,
}

impl Report {
    /// The [`BEHAVIOURS`] that did not happen, and of which the report says nothing: with more operations they do.
    /// Those of a memory loss are not expected of a subject that cannot lose it.
    pub fn missing(&self) -> Vec<&'static str> {
        behaviours::missing(&self.seen, self.loses_memory)
    }
}

/// A reply that breaks the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// What is wrong.
    pub what: String,
    /// The request.
    pub request: String,
    /// What the protocol says.
    pub expected: String,
    /// What the store replied.
    pub found: String,
}

impl Breach {
    fn new(what: &str, request: &dyn Debug, expected: &dyn Debug, found: &dyn Debug) -> Self {
        Breach {
            what: what.to_owned(),
            request: format!("{request:#?}"),
            expected: format!("{expected:#?}"),
            found: format!("{found:#?}"),
        }
    }

    fn unless_same<T: Debug + PartialEq>(
        what: &str,
        request: &dyn Debug,
        expected: &T,
        found: &T,
    ) -> Result<(), Self> {
        match expected == found {
            true => Ok(()),
            false => Err(Self::new(what, request, expected, found)),
        }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, request) = (&self.what, &self.request);
        let (expected, found) = (&self.expected, &self.found);
        write!(
            f,
            "{what}, after {request}\nexpected {expected}\nfound {found}"
        )
    }
}

impl std::error::Error for Breach {}

/// Compares a store with the protocol, with one request at a time; and then sees that of several claims of one tick at
/// the same time one is granted. For the latter, the more threads Tokio's runtime has, the better.
///
/// # Errors
///
/// The first reply that breaks the contract, or an error in place of a reply.
pub async fn check(subject: &mut dyn Subject, options: Options) -> Result<Report, Breach> {
    let store = subject.open().await;
    let mut workload = first_contact(&*store, options.seed).await?;
    workload.full_batch_one_in = FULL_BATCH_ONE_IN;
    let mut report = Report::default();
    let mut requests = 0_u64;
    // A second handle has to show the same bucket.
    let handles = [Arc::clone(&store), store.open(Bucket::WHOLE)];
    while report.operations < options.operations
        || report.operations < options.most_operations
            && !behaviours::missing(workload.seen(), report.loses_memory).is_empty()
    {
        if workload.random.one_in(MEMORY_LOSS_ONE_IN) && subject.lose_memory().await {
            workload.model = BucketState::default();
            report.loses_memory = true;
        }
        let handle = Arc::clone(workload.random.pick(&handles));
        report.operations += workload.step(&*handle).await?;
        requests += 1;
        if requests.is_multiple_of(BETWEEN_COMPARISONS) {
            workload.compare(&*handle).await?;
        }
    }
    workload.compare(&*store).await?;
    report.raced = race::run(&store, workload.model.meta.buckets).await?;
    report.seen = workload.seen().clone();
    Ok(report)
}

/// The workload of a store whose clock, and whose idea of its own newness, its first reply shows.
async fn first_contact(store: &dyn Store, seed: u64) -> Result<Workload, Breach> {
    let mut workload = Workload::new(seed, 0);
    let caller: Caller = workload.caller();
    let reply = store.heartbeat(&caller, Heartbeat::leaving()).await;
    let head = reply
        .map_err(|error| Breach::new("no reply", &Heartbeat::leaving(), &"a reply", &error))?
        .head;
    if head.quarantine_until_ms == 0 {
        // It knows that there is nothing to forget.
        workload.model = BucketState::new(&head.serving);
    }
    let now = workload.enter(&Heartbeat::leaving(), &caller, &head)?;
    workload.decide(&caller, now, |set| {
        set.heartbeat(&caller, &Heartbeat::leaving())
    });
    Ok(workload)
}
