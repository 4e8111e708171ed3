//! The SQLite store of scheduled-one. No other crate knows SQLite.
//!
#![doc = include_str!("../docs/sqlite.md")]

// The pure machine of the protocol decides; this crate loads records in a transaction and saves them. The modules are
// listed in reading order.

// Where the file is, and why it cannot be used.
mod open_error;
mod place;

// The file: its connection, its tables, its rows.
mod catalog;
mod checkpoint;
mod connection;
mod deadline;
mod entry;
mod file_system;
mod files;
mod forget;
mod open_lock;
mod requests;
mod rows;
mod schema;
mod statements;

// One atomic step, on the thread of its handle.
mod classify;
mod commit;
mod handle;
mod step;

// The examination at start and by the doctor.
mod doctor;

mod store;
mod trail;

pub use crate::open_error::OpenError;
pub use crate::place::exists;
pub use crate::store::SqliteStore;
