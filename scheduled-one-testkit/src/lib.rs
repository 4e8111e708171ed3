//! Tests of what the protocol of [`scheduled-one`](https://docs.rs/scheduled-one-runtime) promises.
//!
//! [`checker`] compares a history of a cluster, as tests and operators record it, with the rules S1 to S6, E1 and L.
//! It is pure: a history in, violations out.
//!
//! Users who test their own jobs need `scheduled_one_runtime::testing` instead.

pub mod checker;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
