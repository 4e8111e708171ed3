//! The pages, as functions from what they show to HTML. Text is escaped by the templates; nothing here is marked as
//! HTML that comes from a job, an error or the store.

mod cluster;
mod control_card;
mod error;
mod health;
mod job;
mod jobs;
mod layout;
mod ledger;
pub(crate) mod parts;
mod run;

pub(crate) use cluster::cluster;
pub(crate) use error::error;
pub(crate) use health::Health;
pub(crate) use job::{JobPage, job};
pub(crate) use jobs::{JobsPage, Row, Search, jobs};
pub(crate) use layout::{Layout, Section};
pub(crate) use run::{RunPage, run};
