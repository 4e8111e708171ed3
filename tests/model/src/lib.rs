//! An exhaustive check of the protocol within small bounds.
//!
//! The store is the real state machine, `scheduled_one_protocol::machine`; the nodes are
//! modelled after the real ones. The search covers every order of events, with every fault that a [`Config`] allows at
//! every point. `docs/protocol.md` lists what is modelled and what is not.

#![allow(clippy::print_stdout)] // the report

mod check;
mod config;
mod history;
mod names;
mod node;
pub mod object;
mod properties;
mod server;
mod show;
mod world;

pub use check::{check, check_until_found, found};
pub use config::{Config, EPOCH_MS, Faults, Guards, LEASE_MS, Leaves, MARGIN_MS, QUARTER_MS};
pub use history::{FirstPoll, History, Loss, Wanted};
pub use names::{
    C1, E1, E2, KNOWN, L, NEW, ONE, S1, S2, S3, S4, S5, S7, S8, S9, VALID, WANTED, WHOLE,
};
pub use node::{
    Asked, AskedTake, Duty, Ended, News, Node, OfLane, Phase, Run, Seen, deadline, true_deadline,
};
pub use server::{Body, Lane, Line, Memory, Request, Server, identity};
pub use world::{Action, Message, World};
