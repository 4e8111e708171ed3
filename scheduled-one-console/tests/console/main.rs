//! The console through its service, without a network: a scheduler on the embedded store, in virtual time.

mod world;

mod act;
mod api;
mod events;
mod gate;
mod hostile;
mod pages;
mod rights;
