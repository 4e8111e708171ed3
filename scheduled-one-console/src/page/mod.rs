//! The pages, as functions from what they show to HTML. Text is escaped by the templates; nothing here is marked as
//! HTML that comes from a job, an error or the store.

mod layout;
pub(crate) mod parts;

pub(crate) use layout::{Layout, Section};
