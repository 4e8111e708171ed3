//! The web console of scheduled-one.

pub mod access;

mod host;
mod rights;
mod same_origin;

pub use rights::{Action, Rights};
