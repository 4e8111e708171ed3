//! What an evaluation needs: where ledgers and facts come from, and where the state is kept.

use scheduled_one_protocol::{BoxFuture, LedgerRecord};

use crate::facts::Facts;

/// An error of a source or a keeper.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Where ledgers and facts come from.
pub trait Source: Send + Sync {
    /// What is the case now. The ledgers are read after this, so that a run that ends in between is not late.
    fn facts(&self) -> BoxFuture<'_, Result<Facts, SourceError>>;

    /// The newest lines of a job's ledger, newest first, at most `limit`.
    fn ledger<'a>(
        &'a self,
        job: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<LedgerRecord>, SourceError>>;
}

/// Where the state is kept, so that another node can go on with it.
pub trait Keeper: Send + Sync {
    /// The state as JSON, or `None` if there is none yet.
    fn load(&self) -> BoxFuture<'_, Result<Option<String>, SourceError>>;

    /// Keeps a state. It is an error if another node has gone on: if the state that is kept has not the revision
    /// `before` (0 for none), or, with a fencing token, if another run was granted.
    fn save<'a>(&'a self, json: &'a str, before: u64) -> BoxFuture<'a, Result<(), SourceError>>;
}
