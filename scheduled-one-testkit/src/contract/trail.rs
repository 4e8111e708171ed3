//! The trail of a store, compared with that of the model.

use scheduled_one_protocol::{Store, TrailEntry, TrailLine};

use super::Breach;
use super::step::replied;
use super::workload::Workload;

impl Workload {
    /// Compares the newest entries of the trail, and reads those before them.
    pub(super) async fn compare_trail(
        &self,
        store: &dyn Store,
        limit: usize,
    ) -> Result<(), Breach> {
        let expected = self.model.newest_entries(None, 2 * limit);
        let newest = replied(&limit, store.trail(None, limit)).await?;
        let last = newest.last().map(|line| line.id);
        let before = match last {
            Some(last) => replied(&last, store.trail(Some(last), limit)).await?,
            None => Vec::new(),
        };
        let found: Vec<TrailLine> = newest.into_iter().chain(before).collect();
        let are_ordered = found.is_sorted_by(|newer, older| newer.id > older.id);
        Breach::unless_same("the order of the trail", &found, &true, &are_ordered)?;
        let entries = |lines: &[TrailLine]| -> Vec<TrailEntry> {
            lines.iter().map(|line| line.entry.clone()).collect()
        };
        let (expected, found) = (entries(&expected), entries(&found));
        Breach::unless_same("the newest entries of the trail", &limit, &expected, &found)
    }
}
