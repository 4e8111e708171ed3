//! The catalog: a row for each job. Only steps that concern it load and save it.

use scheduled_one_protocol::fields::CATALOG;
use scheduled_one_protocol::{Catalog, CatalogEntry, WorkingSet};
use tokio_postgres::{Client, Error};

use crate::rows::{Column, columns, read};
use crate::step::Step;

/// The entries that are not as before: their jobs, and a column for each field.
pub(crate) fn changes(before: &Catalog, set: &WorkingSet) -> Option<(Column, Vec<Column>)> {
    let new = set.catalog.iter();
    let (jobs, entries): (Vec<&str>, Vec<&CatalogEntry>) = new
        .filter(|(job, entry)| before.get(*job) != Some(entry))
        .map(|(job, entry)| (job.as_str(), entry))
        .unzip();
    (!jobs.is_empty()).then(|| (Column::texts(jobs), columns(CATALOG, &entries)))
}

impl Step<'_> {
    /// All jobs, if they are wanted. What somebody edited counts as missing: the next node with the job writes it
    /// again.
    pub(crate) async fn catalog(&self, client: &Client) -> Result<Catalog, Error> {
        let wanted = self.wanted.catalog.then(Vec::new);
        let rows = self.execute(client, &self.statements.catalog, wanted);
        let mut catalog = Catalog::new();
        for row in &rows.await? {
            if let Ok(entry) = read(CATALOG, row, 1, CatalogEntry::default())? {
                catalog.insert(row.try_get(0)?, entry);
            }
        }
        Ok(catalog)
    }
}
