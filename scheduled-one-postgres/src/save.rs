//! The second half of a step: save, commit.

use std::collections::BTreeMap;
use std::iter::once;

use tokio::time::Instant;
use tokio_postgres::{Client, Error, Row};

use crate::changes::Changes;
use crate::classify::{Failure, Stage, failure};
use crate::commit;
use crate::rows::Column;
use crate::step::Step;

impl Step<'_> {
    /// The second half. Also without changes the transaction is committed: a synchronous standby may lack what it saw,
    /// if the server was restarted while a commit waited for that; the locks of this transaction are written to the
    /// log behind it, so this commit waits for both. Returns the newest line of each ledger that
    /// has a new one, if the changes want it.
    pub(crate) async fn save(
        &self,
        client: &Client,
        changes: &Changes,
        deadline: Instant,
    ) -> Result<BTreeMap<String, i64>, Failure> {
        let failed = |stage| move |error: Error| failure(&error, stage);
        if changes.is_nothing() {
            let committed = client.batch_execute("COMMIT").await;
            committed.map_err(failed(Stage::Commit))?;
            return Ok(BTreeMap::new());
        }
        let texts = self.statements;
        let meta = changes
            .meta
            .as_ref()
            .map(|columns| columns.iter().collect());
        let gone = changes.gone_nodes.as_ref().map(|nodes| vec![nodes]);
        let gone_lists = changes.gone_lists.as_ref().map(|lists| vec![lists]);
        let lists = changes.job_lists.as_ref();
        let lists = lists.map(|lists| lists.iter().collect());
        // Rare, and not sent along with the others: each statement waits for the one before.
        let requests = self.save_requests(client, &changes.requests).await;
        requests.map_err(failed(Stage::Save))?;
        let updated = changes.updated.as_ref();
        let update = updated.map_or("", |updated| &updated.statement);
        let updated = updated.map(|updated| once(&updated.tids).chain(&updated.columns).collect());
        let lines = changes.lines.as_ref();
        let append = lines.map_or("", |lines| &lines.statement);
        let lines = lines.map(|lines| once(&lines.jobs).chain(&lines.columns).collect());
        let catalog = all(&changes.catalog);
        let catalog = self.execute(client, &texts.save_catalog, catalog).await;
        catalog.map_err(failed(Stage::Save))?;
        let left = all(&changes.checkpoint);
        let left = self.execute(client, &texts.save_checkpoint, left).await;
        left.map_err(failed(Stage::Save))?;
        let forgotten = self.forget(client, &changes.forgotten).await;
        forgotten.map_err(failed(Stage::Save))?;
        let (one, two, three, four, five, six, seven, lines, committed) = tokio::join!(
            biased;
            self.execute(client, &texts.save_meta, meta),
            self.execute(client, update, updated),
            self.execute(client, &texts.insert_units, all(&changes.inserted)),
            self.execute(client, &texts.delete_nodes, gone),
            self.execute(client, &texts.save_nodes, all(&changes.nodes)),
            self.execute(client, &texts.delete_lists, gone_lists),
            self.execute(client, &texts.save_lists, lists),
            self.execute(client, append, lines),
            commit_unless(!changes.statements.is_empty(), client),
        );
        for saved in [one, two, three, four, five, six, seven] {
            saved.map_err(failed(Stage::Save))?;
        }
        let lines = lines.map_err(failed(Stage::Save))?;
        if !changes.statements.is_empty() {
            commit::execute(client, &changes.statements, deadline).await?;
            let committed = client.batch_execute("COMMIT").await;
            committed.map_err(|error| commit::failure_of_commit(&error))?;
        }
        committed.map_err(failed(Stage::Commit))?;
        let newest = lines.iter().map(pair).collect::<Result<_, _>>();
        newest.map_err(failed(Stage::Commit))
    }
}

/// Sends the commit right behind what is saved, unless something comes in between.
async fn commit_unless(something_follows: bool, client: &Client) -> Result<(), Error> {
    match something_follows {
        true => Ok(()),
        false => client.batch_execute("COMMIT").await,
    }
}

/// Names and columns in one list.
fn all(columns: &Option<(Column, Vec<Column>)>) -> Option<Vec<&Column>> {
    let (first, others) = columns.as_ref()?;
    Some(once(first).chain(others).collect())
}

/// A name and a number.
fn pair(row: &Row) -> Result<(String, i64), Error> {
    Ok((row.try_get(0)?, row.try_get(1)?))
}
