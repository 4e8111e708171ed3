//! A wall clock that a test can move while a process runs.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use crate::preload;

/// The library; its head says how it works.
const SOURCE: &str = include_str!("clock_shim.c");

/// The environment variable in which the library finds the offset.
const OFFSET_FILE: &str = "CLOCK_SHIM_OFFSET_FILE";

/// Moves the wall clock (`CLOCK_REALTIME`) of the processes that are started with it, and of them
/// only, while they run. Monotonic and boot clocks go right. Linux only; needs `cc`, as Rust does.
///
/// ```
/// # use std::time::Duration;
/// let clock = test_support::ClockShim::new()?;
/// let redis = test_support::RedisServer::options().clock_shim(&clock).start()?;
/// clock.forward(Duration::from_secs(3600))?; // TIME jumps by an hour
/// # drop(redis);
/// # std::io::Result::Ok(())
/// ```
///
/// Clones share one clock. Servers keep theirs alive, so that they can be restarted; other processes
/// that are started with [`env`](Self::env) must be started while a clone lives.
#[derive(Clone, Debug)]
pub struct ClockShim(Arc<Shim>);

#[derive(Debug)]
struct Shim {
    dir: TempDir,
    offset_file: File,
    offset_us: Mutex<i64>,
}

impl ClockShim {
    /// Compiles the library. The clock goes right until it is moved.
    ///
    /// # Errors
    ///
    /// There is no `cc`, or it fails, or this is not Linux.
    pub fn new() -> io::Result<Self> {
        let dir = preload::compile("clock_shim", SOURCE)?;
        let offset_file = preload::file(&dir, "offset")?;
        let shim = Self(Arc::new(Shim {
            dir,
            offset_file,
            offset_us: Mutex::new(0),
        }));
        shim.set_us(0)?;
        Ok(shim)
    }

    /// The environment variables of a process whose clock this is to be.
    #[must_use]
    pub fn env(&self) -> [(OsString, OsString); 2] {
        let file = |name: &str| self.0.dir.path().join(name).into_os_string();
        [
            ("LD_PRELOAD".into(), file("clock_shim.so")),
            (OFFSET_FILE.into(), file("offset")),
        ]
    }

    /// By how much the clock is ahead, in microseconds.
    #[must_use]
    pub fn offset_us(&self) -> i64 {
        *self
            .0
            .offset_us
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the clock ahead of the right time by so many microseconds, behind it if negative.
    ///
    /// # Errors
    ///
    /// The offset cannot be written.
    pub fn set_us(&self, offset_us: i64) -> io::Result<()> {
        self.change(|_| offset_us)
    }

    /// Moves the clock forward from where it is.
    ///
    /// # Errors
    ///
    /// As [`set_us`](Self::set_us).
    pub fn forward(&self, by: Duration) -> io::Result<()> {
        self.change(|offset_us| offset_us.saturating_add(micros(by)))
    }

    /// Moves the clock back from where it is.
    ///
    /// # Errors
    ///
    /// As [`set_us`](Self::set_us).
    pub fn back(&self, by: Duration) -> io::Result<()> {
        self.change(|offset_us| offset_us.saturating_sub(micros(by)))
    }

    fn change(&self, new: impl FnOnce(i64) -> i64) -> io::Result<()> {
        let mut offset_us = self
            .0
            .offset_us
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let new = new(*offset_us);
        // One aligned word: a process that reads meanwhile sees the old one or the new one.
        self.0.offset_file.write_all_at(&new.to_ne_bytes(), 0)?;
        *offset_us = new;
        Ok(())
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
