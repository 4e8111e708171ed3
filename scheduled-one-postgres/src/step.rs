//! What a step of the store needs to know, and one statement of it.

use std::iter::once;

use scheduled_one_protocol::Wanted;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row};

use crate::identity::Identity;
use crate::rows::Column;
use crate::statements::Statements;

/// What a step needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<'a> {
    pub(crate) statements: &'a Statements,
    /// The bucket's tag.
    pub(crate) bucket: &'a str,
    pub(crate) wanted: &'a Wanted,
    pub(crate) identity: Identity,
    pub(crate) meta: MetaLock,
    /// The user may only read: nothing is locked, and nothing is saved.
    pub(crate) reads: bool,
}

/// How a step treats the row of the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MetaLock {
    /// It is read: nearly all steps leave it as it is.
    Read,
    /// It is locked.
    Lock,
    /// It is made if it is missing, and locked.
    Make,
}

impl Step<'_> {
    /// One statement of the second half, if it has anything to do.
    pub(crate) async fn execute(
        &self,
        client: &Client,
        statement: &str,
        columns: Option<Vec<&Column>>,
    ) -> Result<Vec<Row>, Error> {
        let Some(columns) = columns else {
            return Ok(Vec::new());
        };
        let bucket = (&self.bucket as &(dyn ToSql + Sync), Type::TEXT);
        let columns = columns.into_iter().map(Column::parameter);
        let parameters: Vec<_> = once(bucket).chain(columns).collect();
        client.query_typed(statement, &parameters).await
    }
}
