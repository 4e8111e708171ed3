//! Jobs of a crate in which `scheduled_one_runtime` is no name of anything.

use renamed::{JobContext, scheduled_one};

/// With a path.
#[scheduled_one(every = "10s", crate = renamed)]
pub async fn by_path(_ctx: JobContext) {}

/// With a path in quotes.
#[scheduled_one(every = "10s", crate = "::renamed")]
pub async fn in_quotes() {}
