//! A resource that checks fencing tokens: the idea of Martin Kleppmann, "How to do distributed
//! locking" (2016).
//!
//! In a database the check is part of the statement that writes, such as
//! `UPDATE … SET …, token = $1 WHERE id = $2 AND token <= $1`.

use std::sync::Arc;

use anyhow::ensure;
use tokio::sync::watch;

/// Remembers the highest token it has seen, and refuses lower ones. Clones are handles on the same.
#[derive(Clone, Default)]
pub(crate) struct Sink {
    /// What was written, with the token it was written under; in a `watch`, to be waited for.
    written: Arc<watch::Sender<Vec<(u64, String)>>>,
}

impl Sink {
    /// Checks the token and writes, in one step.
    pub(crate) fn write(&self, token: u64, text: &str) -> anyhow::Result<()> {
        let mut highest = 0;
        self.written.send_if_modified(|written| {
            highest = written.last().map_or(0, |(token, _)| *token);
            let accepted = token >= highest;
            if accepted {
                written.push((token, text.to_owned()));
            }
            accepted
        });
        ensure!(
            token >= highest,
            "the sink refuses it: it has seen the higher token {highest}"
        );
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.written.borrow().is_empty()
    }

    /// The last line written under each token.
    pub(crate) fn content(&self) -> Vec<(u64, String)> {
        let written = self.written.borrow();
        let by_token: std::collections::BTreeMap<_, _> = written.iter().cloned().collect();
        by_token.into_iter().collect()
    }

    /// Completes when this many runs have written.
    pub(crate) async fn wait_for_runs(&self, runs: usize) {
        let mut written = self.written.subscribe();
        let many = |written: &Vec<(u64, String)>| {
            written.chunk_by(|one, next| one.0 == next.0).count() >= runs
        };
        let _ = written.wait_for(many).await;
    }

    /// Completes when something was written under a higher token.
    pub(crate) async fn wait_for_newer(&self, token: u64) {
        let mut written = self.written.subscribe();
        let newer = |written: &Vec<(u64, String)>| written.iter().any(|(other, _)| *other > token);
        let _ = written.wait_for(newer).await;
    }
}
