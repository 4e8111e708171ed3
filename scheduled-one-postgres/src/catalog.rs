//! The catalog: a row for each job. Only steps that concern it load it, and most of them a few entries.

use scheduled_one_protocol::fields::CATALOG;
use scheduled_one_protocol::{Catalog, CatalogEntry};
use tokio_postgres::{Client, Error, Row};

use crate::rows::{Column, read};
use crate::step::Step;

impl Step<'_> {
    /// The rows of all jobs, or of those that are wanted.
    pub(crate) async fn catalog(&self, client: &Client) -> Result<Vec<Row>, Error> {
        let (texts, wanted) = (self.statements, &self.wanted.entries);
        let jobs = Column::texts(wanted.iter().map(String::as_str));
        let (statement, columns) = match self.wanted.catalog {
            true => (&texts.catalog, Some(Vec::new())),
            false => (&texts.entries, (!wanted.is_empty()).then(|| vec![&jobs])),
        };
        self.execute(client, statement, columns).await
    }
}

/// Entries by job. What somebody edited counts as missing: the next node with the job writes it again.
pub(crate) fn catalog_of(rows: &[Row]) -> Result<Catalog, Error> {
    let mut catalog = Catalog::new();
    for row in rows {
        if let Ok(entry) = read(CATALOG, row, 1, CatalogEntry::default())? {
            catalog.insert(row.try_get(0)?, entry);
        }
    }
    Ok(catalog)
}
