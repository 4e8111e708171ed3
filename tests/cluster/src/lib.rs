//! Tests with real Redis and real node processes: a cluster of nodes whose
//! jobs log every start, poll and end, faults, and a checker that reads the
//! merged logs.
//!
//! In the order of a test: [`cluster`] starts `node` processes (`src/bin`) and
//! does things to them, [`log`] is what their jobs write, [`checker`] holds the
//! merged logs against the invariants.

pub mod checker;
pub mod cluster;
pub mod log;
