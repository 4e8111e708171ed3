//! The catalog: a row for each job.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, params, params_from_iter};
use scheduled_one_protocol::fields::CATALOG;
use scheduled_one_protocol::machine::damage::Damage;
use scheduled_one_protocol::{Catalog, CatalogEntry};

use crate::rows::{names, parameters, read, replaced, values};
use crate::statements::Rows;

impl Rows<'_> {
    /// All jobs. What somebody edited counts as missing: the next node with the job writes it again.
    pub(crate) fn catalog(&self) -> rusqlite::Result<Catalog> {
        let select = format!("SELECT name, {} FROM job WHERE bucket = ?1", names(CATALOG));
        let mut select = self.connection.prepare(&select)?;
        let entries = select.query_map([self.bucket], |row| {
            Ok((row.get(0)?, read(CATALOG, row, 1, CatalogEntry::default())?))
        })?;
        let sound = |(job, entry): (String, Result<CatalogEntry, Damage>)| Some((job, entry.ok()?));
        entries
            .filter_map(|row| row.map(sound).transpose())
            .collect()
    }

    /// The entries of these jobs.
    pub(crate) fn entries(&self, jobs: &BTreeSet<String>) -> rusqlite::Result<Catalog> {
        let mut catalog = Catalog::new();
        if jobs.is_empty() {
            return Ok(catalog);
        }
        let select = format!(
            "SELECT {} FROM job WHERE bucket = ?1 AND name = ?2",
            names(CATALOG)
        );
        let mut select = self.connection.prepare(&select)?;
        for job in jobs {
            let found = select
                .query_row(params![self.bucket, job], |row| {
                    read(CATALOG, row, 0, CatalogEntry::default())
                })
                .optional()?;
            if let Some(Ok(entry)) = found {
                catalog.insert(job.clone(), entry);
            }
        }
        Ok(catalog)
    }

    /// Saves the entries that are not as before.
    pub(crate) fn save_catalog(&self, before: &Catalog, catalog: &Catalog) -> rusqlite::Result<()> {
        let upsert = format!(
            "INSERT INTO job (bucket, name, {}) VALUES (?1, ?2, {}) ON CONFLICT DO UPDATE SET {}",
            names(CATALOG),
            parameters(CATALOG, 2),
            replaced(CATALOG)
        );
        for (job, entry) in catalog {
            if before.get(job) != Some(entry) {
                let key = [self.bucket.to_owned().into(), job.clone().into()];
                let row = key.into_iter().chain(values(CATALOG, entry));
                self.connection.execute(&upsert, params_from_iter(row))?;
            }
        }
        Ok(())
    }
}
