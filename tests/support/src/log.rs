//! A log in memory, for what a program logs, and who gets the events of one thread.

use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tracing::subscriber::{DefaultGuard, NoSubscriber};
use tracing::{Dispatch, Subscriber};

/// Gives the spans and events of this thread to a subscriber, as long as the guard lives.
///
/// `tracing::subscriber::set_default` alone is not enough where other tests run in the same process. As long as the
/// process has one subscriber, `tracing` asks only that of the thread which first reaches an event or a span; a thread
/// without one switches it off for all. With a second subscriber alive, `tracing` asks all of them.
pub fn subscribe(subscriber: impl Subscriber + Send + Sync) -> DefaultGuard {
    static SECOND: OnceLock<Dispatch> = OnceLock::new();
    SECOND.get_or_init(|| Dispatch::new(NoSubscriber::new()));
    tracing::subscriber::set_default(subscriber)
}

/// A log that a test reads. Clones share it, so one of them can be the writer of a subscriber.
///
/// ```
/// use std::io::Write;
///
/// let log = test_support::Log::default();
/// writeln!(log.clone(), "two words")?;
/// assert_eq!(log.lines_with("words"), ["two words"]);
/// # std::io::Result::Ok(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// All that was logged so far.
    pub fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The lines that contain a text, in their order.
    pub fn lines_with(&self, text: &str) -> Vec<String> {
        let all = self.text();
        let lines = all.lines().filter(|line| line.contains(text));
        lines.map(str::to_owned).collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
