//! The web console of scheduled-one: see and steer scheduled jobs, mounted in your service.
//!
#![doc = include_str!("../README.md")]

// The way of a request: service → gate (host, access, origin, headers) → routes → what is shown or done → pages.
mod console;
mod routes;
mod service;

pub mod access;
mod gate;
mod host;
mod rights;
mod same_origin;

mod act;
mod api;
mod app;
mod facts;
mod failure;
mod live;
mod show;

mod assets;
mod page;
mod text;

pub use console::Console;
pub use facts::JobFacts;
pub use rights::{Action, Rights};
pub use service::{Body, ConsoleService};
