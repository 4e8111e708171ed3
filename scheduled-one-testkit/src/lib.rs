//! Tests of what the protocol of [`scheduled-one`](https://docs.rs/scheduled-one-runtime) promises.
//!
//! - [`checker`] compares a history of a cluster, as tests and operators record it, with the rules S1 to S6, E1 and L.
//!   It is pure: a history in, violations out.
//! - [`contract`] compares a store with the protocol: whoever writes a [`Store`](scheduled_one_protocol::Store) runs it.
//! - [`ForgetfulStore`] and [`TokioClock`] are for simulations: a store that loses its memory, and virtual time.
//!
//! Users who test their own jobs need `scheduled_one_runtime::testing` instead.

mod clock;
mod store;

pub mod checker;
pub mod contract;

pub use clock::TokioClock;
pub use store::{ForgetfulStore, Snapshot};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
