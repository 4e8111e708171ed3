//! The console through its service, without a network: a scheduler on the embedded store, in virtual time; and on a
//! Redis whose keys are edited.

mod world;

mod act;
mod alerts;
mod all_jobs;
mod api;
mod cluster;
mod damaged;
mod events;
mod gate;
mod hostile;
mod openapi;
mod pages;
mod rights;
mod run_log;
mod slow;
mod ticks;
