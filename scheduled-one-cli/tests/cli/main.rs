//! The command as people and scripts use it: a process, on a store with a scheduler.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod alerts;
mod changes;
mod console;
mod contexts;
mod forget;
mod older;
mod runs;
mod schedules;
mod terminal;
mod texts;
mod ticks;
mod trouble;
mod world;
