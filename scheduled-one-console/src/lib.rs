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
mod same_origin;

mod act;
mod api;
mod app;
mod failure;
mod live;
mod plan;
mod run_logs;
mod show;

mod assets;
mod page;
mod text;

pub use console::Console;
pub use run_logs::RunLogs;
pub use scheduled_one_control::{Action, Rights};
pub use service::{Body, ConsoleService};
