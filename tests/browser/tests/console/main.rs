//! The console in a real browser: what people do there, and what it looks like.

mod act;
mod attack;
mod axe;
mod keyboard;
mod live;
mod no_script;
mod pictures;
mod showcase;
mod world;
