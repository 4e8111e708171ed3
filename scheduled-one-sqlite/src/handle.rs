//! A thread with an open file, and the calls that wait for it.
//!
//! Calls of SQLite block. Tokio's threads for blocking calls are shared with the program: one that blocks all of them
//! would keep leases from being renewed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, Sender, SyncSender, TrySendError, channel, sync_channel,
};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{io, thread};

use scheduled_one_protocol::StoreError;
use scheduled_one_protocol::clock::{Clock, SystemClock};
use tokio::sync::oneshot;

use crate::connection::{File, OPEN_LIMIT};
use crate::deadline;

/// How long a call waits in all: for those before it, and for the write lock.
pub(crate) const CALL_LIMIT: Duration = Duration::from_secs(1);

/// How often an idle handle looks whether its file is still there: another process needs it closed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long dropping a handle waits until its file is closed.
const END_LIMIT: Duration = Duration::from_secs(1);

/// Most calls that wait. A node has a few at a time.
const MOST_CALLS: usize = 1_024;

type Call = Box<dyn FnOnce(&mut Option<File>) + Send>;

/// Starts its thread with the first call, and ends it when it is dropped.
#[derive(Default)]
pub(crate) struct Handle {
    running: Mutex<Option<Running>>,
}

struct Running {
    calls: SyncSender<Call>,
    /// Disconnected when the file is closed.
    ended: Receiver<()>,
}

impl Handle {
    /// Calls a function with the open file, or `None` if it is not open. A call that waits too long is not made.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        path: &Path,
        call: impl FnOnce(&mut Option<File>) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let begun = SystemClock.boottime();
        let (reply, replied) = oneshot::channel();
        let late = format!(
            "{} is busy: requests of this program wait for each other for more than {CALL_LIMIT:?}, because other \
             processes hold the write lock for long, or the disk is slow",
            path.display()
        );
        self.send(Box::new(move |file| {
            if reply.is_closed() {
                return; // nobody waits for it
            }
            let limit = match file {
                Some(_) => CALL_LIMIT,
                None => OPEN_LIMIT,
            };
            deadline::set(begun + limit);
            let _ = reply.send(match deadline::is_over() {
                true => Err(StoreError::Unavailable(late)),
                false => Ok(call(file)),
            });
        }))?;
        replied.await.unwrap_or_else(|_| {
            let why = "the call of SQLite did not end: it panicked";
            Err(StoreError::Unknown(why.to_owned()))
        })
    }

    fn send(&self, call: Call) -> Result<(), StoreError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let thread = match running.take() {
            Some(thread) => thread,
            None => start().map_err(|error| {
                let why = format!("no thread for SQLite can be started: {error}");
                StoreError::Unavailable(why)
            })?,
        };
        let sent = thread.calls.try_send(call);
        *running = Some(thread);
        sent.map_err(|error| {
            let why = match error {
                TrySendError::Full(_) => {
                    format!("{MOST_CALLS} requests wait for SQLite already")
                }
                TrySendError::Disconnected(_) => "the thread for SQLite has ended".to_owned(),
            };
            StoreError::Unavailable(why)
        })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let running = self
            .running
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(Running { calls, ended }) = running.take() {
            drop(calls);
            // A program that ends behind this leaves no log.
            let _ = ended.recv_timeout(END_LIMIT);
        }
    }
}

fn start() -> io::Result<Running> {
    let (calls, to_make) = sync_channel(MOST_CALLS);
    let (ends, ended) = channel();
    let thread = thread::Builder::new().name("scheduled-one sqlite".to_owned());
    thread.spawn(move || serve(&to_make, ends))?;
    Ok(Running { calls, ended })
}

/// Makes one call after the other. Returns when the handle is gone.
fn serve(calls: &Receiver<Call>, ends: Sender<()>) {
    let mut file = None;
    loop {
        let call = match &file {
            None => calls.recv().map_err(RecvTimeoutError::from),
            Some(_) => calls.recv_timeout(LOOK_EVERY),
        };
        match call {
            Ok(call) => {
                let made = catch_unwind(AssertUnwindSafe(|| call(&mut file)));
                if made.is_err() {
                    file = None; // with its transaction
                }
            }
            Err(RecvTimeoutError::Timeout) => {
                if !file.as_ref().is_some_and(File::is_current) {
                    file = None;
                }
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    drop(file);
    drop(ends);
}
