//! The catalog: a row for each job. Only steps that concern it load it.

use scheduled_one_protocol::fields::CATALOG;
use scheduled_one_protocol::{Catalog, CatalogEntry};
use tokio_postgres::{Client, Error};

use crate::rows::read;
use crate::step::Step;

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
