//! Stands for a pool of connections to a database: cheap to clone, shared by handlers and jobs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Clones are handles on the same data.
#[derive(Clone)]
pub(crate) struct Db {
    tables: Arc<Mutex<Tables>>,
}

#[derive(Default)]
struct Tables {
    /// Visits that no rollup has counted yet.
    fresh: u64,
    /// Visits that are counted.
    total: u64,
}

impl Db {
    pub(crate) fn connect() -> Self {
        let tables = Arc::default();
        Db { tables }
    }

    pub(crate) async fn add_visit(&self) {
        self.tables().fresh += 1;
    }

    /// Counts the visits since the last time; returns how many they were.
    pub(crate) async fn roll_up(&self) -> anyhow::Result<u64> {
        let mut tables = self.tables();
        let fresh = std::mem::take(&mut tables.fresh);
        tables.total += fresh;
        Ok(fresh)
    }

    /// Counted visits, and those that are not counted yet.
    pub(crate) async fn visits(&self) -> anyhow::Result<(u64, u64)> {
        let tables = self.tables();
        Ok((tables.total, tables.fresh))
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
