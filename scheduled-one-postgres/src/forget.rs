//! Removes what is stored of a job.

use tokio_postgres::{Client, Error};

use crate::rows::Column;
use crate::step::Step;

/// The statements. Those of the job come first: who lacks a right learns of it before the other rows are looked for.
pub(crate) fn statements(table: impl Fn(&str) -> String) -> [String; 6] {
    let keys = [
        ("job", "name"),
        ("ledger", "job"),
        ("unit", "name"),
        ("request", "lane"),
        ("asked", "unit"),
        ("checkpoint", "unit"),
    ];
    keys.map(|(name, key)| {
        let table = table(name);
        format!("DELETE FROM {table} WHERE bucket = $1 AND {key} = ANY($2)")
    })
}

/// The statements that grant a scheduler's user what it lacks to forget jobs.
pub(crate) fn grants(schema: &str, user: &str) -> String {
    let tables = ["unit", "job", "checkpoint"];
    let grants =
        tables.map(|table| format!("GRANT DELETE ON \"{schema}\".{table} TO \"{user}\";\n"));
    grants.concat()
}

impl Step<'_> {
    /// Removes the catalog entry and the ledger of a job, and what is stored of these units of it.
    pub(crate) async fn forget(
        &self,
        client: &Client,
        forgotten: &Option<[Column; 2]>,
    ) -> Result<(), Error> {
        let Some([job, units]) = forgotten else {
            return Ok(());
        };
        let (of_job, of_units) = self.statements.forget.split_at(2);
        for statement in of_job {
            self.execute(client, statement, Some(vec![job])).await?;
        }
        for statement in of_units {
            self.execute(client, statement, Some(vec![units])).await?;
        }
        Ok(())
    }
}
