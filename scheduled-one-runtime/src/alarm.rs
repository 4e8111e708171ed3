//! Wakes runs at the instant at which their ticks are due.
//!
//! Tokio's timers are for timeouts: they have a resolution of a millisecond, and are rounded up. Nearly every run
//! waits for its tick, and half a thousand jobs start within a millisecond. So a thread of the scheduler waits for the
//! next of these instants, with the resolution of the operating system, and wakes all runs of that instant at once.
//!
//! The thread is none of the executor's. Each task that it wakes goes to the queue that all workers share, and wakes a
//! worker. For many runs that is right. With few, in more processes than the machine has cores, that worker takes the
//! core from the thread, and so on with each task: then the thread wakes one task, which wakes the runs on its worker.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use crate::user_code;
use scheduled_one_protocol::clock::Clock;

/// Runs of one tick have computed their instants one after the other, from an estimate of the store's clock whose error
/// grows meanwhile. They share an instant of this grid, and wait so much longer at most.
const GRID_NS: u64 = 50_000;

/// So many tasks are for one worker, at most.
const FEW: usize = 32;

/// Longest wait of the thread. The clock that it waits with stands still while the machine is suspended.
const LONGEST: Duration = Duration::from_secs(1);

/// Wakes runs. The thread ends when all clones are dropped.
#[derive(Clone, Debug)]
pub(crate) struct Alarm {
    clock: Arc<dyn Clock>,
    /// `None` if the clock wakes who waits: it is virtual, or there is no thread.
    thread: Option<Arc<Thread>>,
}

/// Ends the thread when it is dropped.
#[derive(Debug)]
struct Thread {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// There is an earlier instant, or the thread is to end.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Who waits, by the instant of the boot clock.
    tasks: BTreeMap<Duration, Vec<Waker>>,
    ends: bool,
}

impl Alarm {
    /// Starts the thread, and the task that it wakes. Without a thread, as with a virtual clock, the clock wakes those
    /// who wait.
    pub(crate) fn start(clock: &Arc<dyn Clock>) -> Self {
        let shared = Arc::new(Shared::default());
        let of_thread = (Arc::clone(&shared), Arc::clone(clock));
        let spawn = || {
            let thread = std::thread::Builder::new().name("scheduled-one-alarm".to_owned());
            let (shared, clock) = of_thread;
            let (few, of_task) = mpsc::unbounded_channel();
            let is_started = thread
                .spawn(move || shared.wake_each(&*clock, &few))
                .is_ok();
            if is_started {
                tokio::spawn(wake_few(of_task));
            }
            is_started
        };
        Alarm {
            clock: Arc::clone(clock),
            thread: (!clock.is_virtual() && spawn()).then(|| Arc::new(Thread { shared })),
        }
    }

    /// Completes when the boot clock has advanced by so much.
    ///
    /// Cancel safe: a wait that is dropped wakes its task once for nothing.
    pub(crate) async fn sleep(&self, time: Duration) {
        let Some(thread) = &self.thread else {
            return self.clock.sleep(time).await;
        };
        let wait = Wait {
            shared: &thread.shared,
            clock: &*self.clock,
            until: on_grid(self.clock.boottime() + time),
            known: None,
        };
        wait.await;
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.shared.waiting().ends = true;
        self.shared.changed.notify_one();
    }
}

/// Wakes the tasks of each instant, as one of the executor's tasks. Ends when the thread has.
async fn wake_few(mut few: UnboundedReceiver<Vec<Waker>>) {
    while let Some(tasks) = few.recv().await {
        wake(tasks);
    }
}

/// Wakes tasks of the executor on which the scheduler was started.
fn wake(tasks: Vec<Waker>) {
    for task in tasks {
        user_code::ignore(|| task.wake());
    }
}

/// The first instant of the grid that is not before this one.
fn on_grid(at: Duration) -> Duration {
    let ns = at.as_nanos() as u64;
    Duration::from_nanos(ns.next_multiple_of(GRID_NS))
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The task is woken at this instant.
    fn add(&self, until: Duration, task: Waker) {
        let mut waiting = self.waiting();
        let first = waiting.tasks.first_key_value();
        let is_sooner = first.is_none_or(|(first, _)| until < *first);
        waiting.tasks.entry(until).or_default().push(task);
        drop(waiting);
        if is_sooner {
            self.changed.notify_one();
        }
    }

    /// Wakes the tasks of each instant, until there is nobody left who could wait.
    fn wake_each(&self, clock: &dyn Clock, few: &UnboundedSender<Vec<Waker>>) {
        let mut waiting = self.waiting();
        while !waiting.ends {
            let first = waiting.tasks.first_key_value();
            let left = first.map(|(first, _)| first.saturating_sub(clock.boottime()));
            waiting = match left {
                None => self
                    .changed
                    .wait(waiting)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => {
                    let first = waiting.tasks.pop_first();
                    drop(waiting);
                    let tasks = first.map(|(_, tasks)| tasks).unwrap_or_default();
                    match tasks.len() {
                        2..=FEW => {
                            // Without a receiver the executor has ended, and its tasks with it.
                            let _ = few.send(tasks);
                        }
                        _ => wake(tasks),
                    }
                    self.waiting()
                }
                Some(left) => {
                    let waited = self.changed.wait_timeout(waiting, left.min(LONGEST));
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

/// The future of [`Alarm::sleep`].
struct Wait<'a> {
    shared: &'a Shared,
    clock: &'a dyn Clock,
    until: Duration,
    /// The task that will be woken.
    known: Option<Waker>,
}

impl Future for Wait<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.clock.boottime() >= self.until {
            return Poll::Ready(());
        }
        let task = cx.waker();
        let is_known = self
            .known
            .as_ref()
            .is_some_and(|known| known.will_wake(task));
        if !is_known {
            self.known = Some(task.clone());
            self.shared.add(self.until, task.clone());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use scheduled_one_protocol::clock::{ManualClock, SystemClock};

    use super::*;

    fn alarm() -> Alarm {
        Alarm::start(&(Arc::new(SystemClock) as Arc<dyn Clock>))
    }

    #[tokio::test]
    async fn each_waits_as_long_as_it_wanted_in_whatever_order() {
        let (alarm, began) = (alarm(), SystemClock.boottime());
        let waits = [30_u64, 5, 20, 5, 0].map(|ms| {
            let alarm = alarm.clone();
            tokio::spawn(async move {
                alarm.sleep(Duration::from_millis(ms)).await;
                (Duration::from_millis(ms), SystemClock.boottime())
            })
        });
        for wait in waits {
            let (wanted, at) = wait.await.expect("woken");
            assert!(at >= began + wanted, "{wanted:?} took {:?}", at - began);
        }
    }

    /// Few of one instant are woken by a task, and one or many by the thread.
    #[tokio::test]
    async fn all_of_one_instant_are_woken() {
        let alarm = alarm();
        for number in [1, FEW, FEW + 1] {
            let until = SystemClock.boottime() + Duration::from_millis(20);
            let waits = (0..number).map(|_| {
                let alarm = alarm.clone();
                tokio::spawn(async move {
                    alarm
                        .sleep(until.saturating_sub(SystemClock.boottime()))
                        .await;
                    SystemClock.boottime()
                })
            });
            for wait in waits.collect::<Vec<_>>() {
                let woken = tokio::time::timeout(LONGEST * 60, wait).await;
                assert!(woken.expect("woken").expect("no panic") >= until);
            }
        }
    }

    #[tokio::test]
    async fn a_task_that_is_polled_by_another_one_is_woken_there() {
        let alarm = alarm();
        let mut sleep = Box::pin(async move { alarm.sleep(Duration::from_millis(20)).await });
        // The first poll is not from the task that waits later.
        let first = sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(first.is_pending());
        tokio::spawn(sleep).await.expect("woken");
    }

    #[tokio::test]
    async fn a_virtual_clock_wakes_by_itself() {
        let clock = ManualClock::new();
        let alarm = Alarm::start(&(Arc::new(clock.clone()) as Arc<dyn Clock>));
        assert!(alarm.thread.is_none());
        let wait = tokio::spawn(async move { alarm.sleep(Duration::from_secs(60)).await });
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(60));
        wait.await.expect("woken");
    }

    #[tokio::test]
    async fn the_thread_ends_with_the_last_clone() {
        let alarm = alarm();
        let shared = Arc::clone(&alarm.thread.as_ref().expect("a thread").shared);
        let clone = alarm.clone();
        drop(alarm);
        clone.sleep(Duration::from_millis(1)).await;
        drop(clone);
        // The thread holds the other reference.
        while Arc::strong_count(&shared) > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[test]
    fn instants_are_rounded_up_to_the_grid() {
        let on = |ns| on_grid(Duration::from_nanos(ns)).as_nanos() as u64;
        assert_eq!(
            [on(0), on(1), on(GRID_NS), on(GRID_NS + 1)],
            [0, GRID_NS, GRID_NS, 2 * GRID_NS]
        );
    }
}
