//! How the ticks of a job are run: the policy keys, their values, and which of them contradict each other.
//!
//! Each key is one row of the table in `policy/table.rs`. The attribute, the runtime and the documentation
//! take names, forms, bounds and defaults from that table, so the attribute refuses at compile time what the
//! scheduler would refuse at start.
//!
//! ```
//! use std::time::Duration;
//! use scheduled_one_schedule::policy::{Misfire, Policies};
//!
//! let mut policies = Policies::default();
//! policies.catch_up = Some(Duration::from_secs(7200));
//! assert_eq!(policies.contradictions()[0].key, "catch_up");
//!
//! policies.misfire = Some(Misfire::RunAll);
//! assert_eq!(policies.contradictions(), []);
//!
//! // A field is what the job says; the method of its name fills in the default.
//! assert_eq!(policies.start_deadline, None);
//! assert_eq!(policies.start_deadline(), Duration::from_secs(60));
//! ```

// The modules in the order in which a key meets them.

/// The keys that take one word: their types and words.
mod choices;

/// `retry_on` and `backoff`.
mod retry;

/// A value of any key, and how it is written.
mod form;

/// What a row of the table says.
mod key;

/// Labels of nodes.
mod label;

/// The table, and `Policies`, which it makes.
mod table;

/// Bounds, and keys that do not go together.
mod contradiction;

pub use choices::{Misfire, OnLeaseLost, OnNodeLoss, Overlap, Route, Scope};
pub use contradiction::Contradiction;
pub use form::{Form, MAX_DURATION, MAX_LEASE, MIN_LEASE, Meaning, Value, Word};
pub use key::{Need, OnEveryNode, PolicyKey};
pub use label::{ANY_NODE, MAX_LABELS, check_label};
pub use retry::{Backoff, RetryOn};
pub use table::{POLICY_KEYS, Policies};
