//! Checkpoints: a row for each unit whose runs leave something. Only steps that concern one load it.

use scheduled_one_protocol::StoreError;
use scheduled_one_protocol::fields::CHECKPOINT;
use scheduled_one_protocol::message::Checkpoint;
use tokio_postgres::{Client, Error};

use crate::classify::{Failure, Stage, failure};
use crate::rows::{Column, read};
use crate::step::Step;

impl Step<'_> {
    /// The checkpoint that is wanted, if one is stored.
    pub(crate) async fn checkpoint(&self, client: &Client) -> Result<Option<Checkpoint>, Failure> {
        let Some(unit) = &self.wanted.checkpoint else {
            return Ok(None);
        };
        let failed = |error: Error| failure(&error, Stage::Load);
        let units = Column::texts([unit.as_str()]);
        let rows = self.execute(client, &self.statements.checkpoint, Some(vec![&units]));
        let rows = rows.await.map_err(failed)?;
        let found = rows.first();
        let found = found.map(|row| read(CHECKPOINT, row, 0, Checkpoint::default()));
        let found = found.transpose().map_err(failed)?;
        found
            .transpose()
            .map_err(|damage| Failure::Fatal(StoreError::damaged_checkpoint(unit, &damage)))
    }
}
