//! The disk of the machine: while it takes long to flush, a store that flushes before it replies refuses requests, and
//! nobody made that fault.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use scheduled_one_runtime::clock::{Clock, SystemClock};
use scheduled_one_testkit::checker::{FaultKind, FaultWindow};

/// A flush that takes so long is noted: a request waits for a second at most, and several may wait for each other.
const LONG: Duration = Duration::from_millis(300);
/// How long the watch rests between two flushes.
const EVERY: Duration = Duration::from_millis(50);

/// Flushes a small file again and again, until it is dropped.
#[derive(Debug)]
pub struct DiskWatch {
    stalls: Arc<Mutex<Vec<FaultWindow>>>,
    /// Disconnected to end the thread.
    lives: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl DiskWatch {
    /// Watches the disk of this folder.
    ///
    /// # Errors
    ///
    /// No file can be made there.
    pub fn start(folder: &Path) -> io::Result<Self> {
        let mut file = File::create(folder.join("disk-watch"))?;
        let stalls = Arc::new(Mutex::new(Vec::new()));
        let (lives, ends) = channel();
        let noted = Arc::clone(&stalls);
        let thread = thread::spawn(move || {
            while ends.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let from_us = now_us();
                // A disk that is full for everybody shows elsewhere.
                let _ = file.write_all(&[0; 512]).and_then(|()| file.sync_data());
                let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
                noted.extend(stall(from_us, now_us()));
            }
        });
        Ok(DiskWatch {
            stalls,
            lives: Some(lives),
            thread: Some(thread),
        })
    }

    /// The times at which the disk took long so far.
    pub fn stalls(&self) -> Vec<FaultWindow> {
        let stalls = self.stalls.lock().unwrap_or_else(PoisonError::into_inner);
        stalls.clone()
    }
}

impl Drop for DiskWatch {
    fn drop(&mut self) {
        drop(self.lives.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// By the boot clock, which all processes share.
fn now_us() -> u64 {
    SystemClock.boottime().as_micros() as u64
}

/// What a flush shows that took this time, if it was long.
fn stall(from_us: u64, to_us: u64) -> Option<FaultWindow> {
    let took = Duration::from_micros(to_us.saturating_sub(from_us));
    (took >= LONG).then(|| FaultWindow {
        what: format!("the disk of this machine took {took:.1?} for a flush"),
        kind: FaultKind::Other,
        node: None,
        from_us,
        to_us,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_long_flush_is_noted() {
        let long_us = LONG.as_micros() as u64;
        assert_eq!(stall(7, 6 + long_us), None);
        let stall = stall(7, 7 + long_us).expect("noted");
        assert_eq!((stall.from_us, stall.to_us), (7, 7 + long_us));
        assert!(stall.what.contains("300.0ms"), "{}", stall.what);
    }

    #[test]
    fn the_watch_flushes_until_it_is_dropped() {
        let folder = tempfile::tempdir().expect("a folder");
        let watch = DiskWatch::start(folder.path()).expect("a file");
        let file = folder.path().join("disk-watch");
        let size = || std::fs::metadata(&file).expect("the file").len();
        test_support::wait_until("it flushes again", Duration::from_secs(60), || size() > 512);
        assert!(watch.stalls().iter().all(|it| it.to_us <= now_us()));
        drop(watch);
    }
}
