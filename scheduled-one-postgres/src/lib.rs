//! The PostgreSQL store of scheduled-one. No other crate knows PostgreSQL.
//!
#![doc = include_str!("../docs/postgres.md")]

// The pure machine of the protocol decides; this crate loads records in a transaction and saves them. The modules are
// listed in reading order.

// Where PostgreSQL is and how to log in.
mod address;
mod connect_error;
mod encryption;
mod parameters;
mod password;
mod percent;
mod settings;
mod tls;

// The connections, and the tables.
mod bounded;
mod catalog;
mod changes;
mod checkpoint;
mod connections;
mod for_control;
mod forget;
mod hosts;
mod identity;
mod limited;
mod listening;
mod news;
mod outside;
mod pooled;
mod requests;
mod rows;
mod schema;
mod tables;
mod tid;

// One atomic step: begin, lock, load, decide, save, commit; and the heartbeat of an idle node, which is one statement.
mod beat;
mod classify;
mod commit;
mod ledger;
mod load;
mod locks;
mod save;
mod seen;
mod shared;
mod statements;
mod step;
mod trail;
mod units;
mod upkeep;

// The examination of a server, at start and by the doctor.
mod doctor;
mod preflight;

mod store;

pub use crate::connect_error::ConnectError;
pub use crate::limited::{grant_operator, grant_viewer};
pub use crate::schema::schema;
pub use crate::store::{ANSWER_TIMEOUT, PostgresStore};
