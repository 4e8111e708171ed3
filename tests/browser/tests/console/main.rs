//! The console in a real browser: what people do there, and what it looks like.

mod act;
mod world;
