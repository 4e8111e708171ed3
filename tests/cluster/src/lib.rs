//! Tests with real Redis and real node processes: nodes whose jobs log every
//! start, poll and end, faults, and the checker of the test kit, which reads the merged logs.
//!
//! What a node is: [`node`] starts and signals its process (`src/bin/node.rs`),
//! [`job`] is what it runs, [`log`] what its jobs note, [`sink`] what they
//! write to, [`audit`] what a node says became of ticks. The checker compares the merged logs with the rules. On
//! these, [`cluster`] is the world of single tests (`tests/`), and [`chaos`]
//! that of `cargo xtask chaos`: every fault we can make, by a seeded plan.

use std::time::Duration;

pub mod audit;
pub mod chaos;
pub mod cluster;
pub mod hanging;
pub mod job;
pub mod log;
pub mod node;
pub mod operator;
pub mod sink;

/// Longest wait for anything: generous, the machines are slow and noisy.
pub const BOUND: Duration = Duration::from_secs(180);
