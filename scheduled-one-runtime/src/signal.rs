//! A value that tasks may wait for. It does what `tokio::sync::watch` does for one value and few who wait, in a tenth
//! of the memory: each run has several, of which nearly none is ever waited for.

use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A value whose changes wake all who wait for one.
#[derive(Debug, Default)]
pub(crate) struct Signal<T> {
    value: Mutex<T>,
    changed: Notify,
}

impl<T> Signal<T> {
    pub(crate) fn new(value: T) -> Self {
        Signal {
            value: Mutex::new(value),
            changed: Notify::new(),
        }
    }

    fn value(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the value.
    pub(crate) fn read<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(&self.value())
    }

    /// Changes the value; `change` returns whether it did. That wakes tasks, which may be of the program: the value is
    /// not locked meanwhile.
    pub(crate) fn change(&self, change: impl FnOnce(&mut T) -> bool) {
        let changed = change(&mut self.value());
        if changed {
            self.changed.notify_waiters();
        }
    }

    /// Completes when the value is as wanted, at once if it is.
    ///
    /// Cancel safe: nothing is taken from the value.
    pub(crate) async fn wait_for(&self, wanted: impl Fn(&T) -> bool) {
        loop {
            // It is woken by each change after this line, whenever it is polled first.
            let changed = self.changed.notified();
            if self.read(&wanted) {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_change_wakes_all_who_wait_for_it_and_no_one_else() {
        let signal = Arc::new(Signal::new(0));
        let wait = |wanted: i32| {
            let signal = Arc::clone(&signal);
            tokio::spawn(async move { signal.wait_for(|value| *value == wanted).await })
        };
        let (first, second, third) = (wait(2), wait(2), wait(3));
        tokio::task::yield_now().await;
        signal.change(|value| {
            *value = 2;
            true
        });
        first.await.expect("woken");
        second.await.expect("woken");
        assert!(!third.is_finished());
        signal.change(|value| {
            *value = 3;
            true
        });
        third.await.expect("woken");
    }

    #[tokio::test]
    async fn a_wait_completes_after_a_change_that_came_between_two_polls() {
        let signal = Signal::new(false);
        let mut wait = std::pin::pin!(signal.wait_for(|value| *value));
        assert!(poll_once(wait.as_mut()).await.is_none());
        signal.change(|value| {
            *value = true;
            true
        });
        assert!(poll_once(wait.as_mut()).await.is_some());
    }

    /// Polls once.
    async fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        let mut future = Some(future);
        std::future::poll_fn(|cx| {
            let polled = future.take().map(|future| future.poll(cx));
            std::task::Poll::Ready(match polled {
                Some(std::task::Poll::Ready(output)) => Some(output),
                _ => None,
            })
        })
        .await
    }
}
