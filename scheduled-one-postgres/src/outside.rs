//! What a handle does outside of steps: one statement that only reads, and ledgers that are trimmed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use scheduled_one_protocol::{LedgerRecord, StoreError};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::bounded;
use crate::classify::{Failure, Stage, failure};
use crate::ledger::TRIM_LINES;
use crate::store::{ANSWER_TIMEOUT, PostgresStore, no_reply};
use crate::upkeep;

impl PostgresStore {
    /// Trims ledgers in the background: the reply does not wait, and a failure is made up for by the next time. Lines
    /// that others add meanwhile do not count: their nodes may have another limit.
    pub(crate) fn trim(&self, lines: &[LedgerRecord], newest: BTreeMap<String, i64>, limit: usize) {
        let due = self.shared.upkeep.count(lines, newest, limit);
        if due.is_empty() {
            return;
        }
        let (shared, bucket) = (Arc::clone(&self.shared), self.bucket.clone());
        let connections = self.connections.clone();
        tokio::spawn(async move {
            let deadline = Instant::now() + ANSWER_TIMEOUT;
            let Ok(checkout) = connections.get(deadline).await else {
                return;
            };
            for some in due.chunks(upkeep::at_once(limit)) {
                let statement = &shared.statements.trim;
                let trimmed = upkeep::trim(&checkout, statement, &bucket, some, limit);
                match timeout_at(deadline, trimmed).await {
                    Ok(Ok(deleted)) if deleted < TRIM_LINES => {}
                    Ok(Ok(_)) => some.iter().for_each(|(job, _)| shared.upkeep.again(job)),
                    _ => return,
                }
            }
            checkout.give_back();
        });
    }

    /// One statement that only reads.
    pub(crate) async fn read(
        &self,
        statement: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, StoreError> {
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        let checkout = self.connection(deadline).await?;
        let reply = bounded::query(&checkout, statement, parameters);
        let reply = timeout_at(deadline, reply).await;
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
                checkout.give_back();
                Err(failure.into_error())
            }
            Err(_) => {
                self.connections.leave(checkout);
                Err(no_reply("it was only asked to read"))
            }
        }
    }
}
