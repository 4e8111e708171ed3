//! The end of a scheduler, step by step. All steps together end within the grace.
//!
//! ```text
//! stop                                     cancel       drop        end
//!  |------------------------------------------|-----------|-----------|
//!   claims have replies, runs may continue      runs may    outcomes are
//!                                               return      recorded, nodes leave
//! ```

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::event;
use crate::join_all::join_all;
use crate::lease::CancelReason;
use crate::metrics::labels::Op;
use crate::run::Stopping;
use crate::scheduler::bucket_worker::BucketWorker;
use crate::scheduler::{Scheduler, ShutdownReport};
use scheduled_one_protocol::BoxFuture;
use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::message::Heartbeat;

/// A shorter grace counts as this one for all but the runs: outcomes could not be recorded.
const LEAST_GRACE: Duration = Duration::from_secs(1);
/// Time for cancelled runs and their outcomes if the grace is over before the runs are cancelled, because the process
/// was suspended or too busy.
const LATE: Duration = Duration::from_millis(200);
/// Longest wait for the replies to pending claims.
pub(super) const DRAIN_PATIENCE: Duration = Duration::from_secs(2);
/// Longest wait for outcomes to be recorded when the scheduler stops.
const RECORD_PATIENCE: Duration = Duration::from_secs(2);
/// Longest wait for signs to monitors to be sent.
#[cfg(feature = "alerts")]
const SIGNS_PATIENCE: Duration = Duration::from_secs(5);
/// Longest wait for a node to end, and for the store to note that it leaves.
const LEAVE_PATIENCE: Duration = Duration::from_millis(500);

/// How far a shutdown has come. Its future may be dropped; then the next call continues from there.
pub(super) struct ShutdownState {
    /// The tasks of each worker, in the order of the workers.
    tasks: Vec<WorkerTasks>,
    /// How many runs had ended before the shutdown began.
    ended_before: Option<usize>,
    /// How many runs ended within the grace, and how many did not, once the grace is over.
    counted: Option<(usize, usize)>,
    /// Whether the store recorded all outcomes, once the shutdown is complete.
    recorded: Option<bool>,
}

impl ShutdownState {
    pub(super) fn new(tasks: Vec<WorkerTasks>) -> Self {
        ShutdownState {
            tasks,
            ended_before: None,
            counted: None,
            recorded: None,
        }
    }
}

impl Scheduler {
    /// Shuts down within `grace`. Runs may stay active for as much of it as is left to them, or until `cut_short`
    /// completes.
    pub(super) async fn stop_within(
        &self,
        grace: Duration,
        cut_short: impl Future<Output = ()>,
    ) -> ShutdownReport {
        let began = self.clock.boottime();
        let end = began.saturating_add(grace.max(LEAST_GRACE));

        // 1. Nothing new starts, and no attempt is followed by another one.
        self.stop(DRAIN_PATIENCE.min((end - began) / 4));
        let mut state = tokio::select! {
            biased;
            state = self.shutdown.lock() => state,
            // Another call shuts down, and has longer.
            () = sleep_until(&*self.clock, end) => return ShutdownReport::default(),
        };
        if let Some(recorded) = state.recorded {
            return ShutdownReport {
                recorded,
                ..ShutdownReport::default()
            };
        }
        let ended = || self.active_runs.count_ended();
        let ended_before = *state.ended_before.get_or_insert_with(ended);

        // 2. Pending claims have their replies. From now on no run starts.
        for tasks in &mut state.tasks {
            before(&*self.clock, end, tasks.wait_drained()).await;
        }

        // 3. Runs end within the grace.
        if state.counted.is_none() {
            let left = end.saturating_sub(self.clock.boottime());
            let reserved = Reserved::of(left, self.active_runs.longest_cancel_budget());
            let run_until =
                (end - reserved.record - reserved.cancel).min(began.saturating_add(grace));
            tokio::select! {
                biased;
                () = self.active_runs.wait_idle() => {}
                () = cut_short => {}
                () = sleep_until(&*self.clock, run_until) => {}
            }
        }

        // 4. The other runs are cancelled.
        let now = self.clock.boottime();
        let end = end.max(now + LATE);
        let finished = ended() - ended_before;
        let (still_active, drop_by, idle_by) = self.cancel_runs(now, end);
        let (finished, cancelled) = *state.counted.get_or_insert((finished, still_active));
        let is_idle = before(&*self.clock, idle_by, self.active_runs.wait_idle()).await;
        debug_assert!(drop_by <= idle_by && idle_by <= end);

        // 5. Outcomes are recorded, and the nodes leave.
        let workers = self.workers.iter().zip(&mut state.tasks);
        let leaving =
            workers.map(|(worker, tasks)| Box::pin(worker.leave(tasks, end)) as BoxFuture<'_, _>);
        let ((), left) = tokio::join!(self.end_signs(end), join_all(leaving));
        let recorded = left.into_iter().all(|recorded| recorded);
        // A run that blocks its thread has no outcome to record.
        let recorded = recorded && is_idle;
        state.recorded = Some(recorded);
        event::stopped(finished, cancelled);
        ShutdownReport {
            finished,
            cancelled,
            recorded,
        }
    }

    /// Waits until monitors outside have the signs of all runs, as far as the grace allows.
    #[cfg(feature = "alerts")]
    async fn end_signs(&self, end: Duration) {
        if let Some(monitoring) = &self.monitoring {
            let soon = (self.clock.boottime() + SIGNS_PATIENCE).min(end);
            before(&*self.clock, soon, monitoring.wait_sent()).await;
            monitoring.end();
        }
    }

    #[cfg(not(feature = "alerts"))]
    async fn end_signs(&self, _end: Duration) {}

    /// Nothing new starts from now on. The replies to pending claims are awaited so long.
    pub(super) fn stop(&self, patience: Duration) {
        let drain_until = self.clock.boottime() + patience;
        self.stopping.send_if_modified(|stopping| {
            let first = stopping.is_none();
            stopping.get_or_insert(Stopping { drain_until });
            first
        });
    }

    /// Cancels all runs. Returns how many there are, when the last of them is dropped, and how long to wait for that.
    fn cancel_runs(&self, now: Duration, end: Duration) -> (usize, Duration, Duration) {
        let budget = self.active_runs.longest_cancel_budget();
        let record = Reserved::of(end - now, budget).record;
        let drop_by = (now + budget).min(end - record);
        let active = self
            .active_runs
            .cancel_all_by(CancelReason::Shutdown, drop_by);
        // A job that blocks its thread cannot be dropped.
        let idle_by = (drop_by + RECORD_PATIENCE).min(end - record / 2);
        (active, drop_by, idle_by)
    }
}

/// What is kept of a grace for its last steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reserved {
    /// For cancelled runs to return.
    cancel: Duration,
    /// For the outcomes to be recorded, and the nodes to leave.
    record: Duration,
}

impl Reserved {
    /// Of what is `left` of a grace, with runs that may take `budget` to return.
    fn of(left: Duration, budget: Duration) -> Self {
        let record = RECORD_PATIENCE.min(left / 4);
        Reserved {
            cancel: budget.min((left - record) / 2),
            record,
        }
    }
}

/// Sleeps until an instant of the boot clock.
async fn sleep_until(clock: &dyn Clock, at: Duration) {
    clock.sleep(at.saturating_sub(clock.boottime())).await;
}

/// Waits for the future until an instant of the boot clock. Returns whether it completed.
async fn before(clock: &dyn Clock, at: Duration, future: impl Future<Output = ()>) -> bool {
    tokio::select! {
        biased;
        () = future => true,
        () = sleep_until(clock, at) => false,
    }
}

/// The tasks of a worker. Each step of their end can be dropped half-way and
/// begun again.
pub(super) struct WorkerTasks {
    node: JoinHandle<()>,
    outcomes: JoinHandle<()>,
    drained: watch::Receiver<bool>,
    leave: watch::Sender<bool>,
    /// Whether the store recorded all outcomes, once that is known.
    recorded: Option<bool>,
}

impl WorkerTasks {
    pub(super) fn new(
        node: JoinHandle<()>,
        outcomes: JoinHandle<()>,
        drained: watch::Receiver<bool>,
        leave: watch::Sender<bool>,
    ) -> Self {
        WorkerTasks {
            node,
            outcomes,
            drained,
            leave,
            recorded: None,
        }
    }

    /// Waits, a bounded time, for the replies to pending claims.
    async fn wait_drained(&mut self) {
        // Fails if the task is gone: then no claim is pending either.
        let _ = self.drained.wait_for(|drained| *drained).await;
    }
}

impl BucketWorker {
    /// Waits until all outcomes are recorded, and leaves, by the instant `end`. Returns whether they are recorded.
    async fn leave(&self, tasks: &mut WorkerTasks, end: Duration) -> bool {
        self.runner.reporter.close();
        let recorded = match tasks.recorded {
            Some(recorded) => recorded,
            None => self.wait_recorded(tasks, end).await,
        };
        tasks.recorded = Some(recorded);
        let clock = &*self.runner.clock;
        let soon = || (clock.boottime() + LEAVE_PATIENCE).min(end);
        tasks.leave.send_replace(true);
        if !before(clock, soon(), wait_ended(&mut tasks.node)).await {
            tasks.node.abort();
        }
        let leaving = self.client.request(Op::Heartbeat, |store, caller| {
            store.heartbeat(caller, Heartbeat::leaving())
        });
        before(clock, soon(), async { drop(leaving.await) }).await;
        recorded
    }

    async fn wait_recorded(&self, tasks: &mut WorkerTasks, end: Duration) -> bool {
        let clock = &*self.runner.clock;
        let now = clock.boottime();
        let leave = LEAVE_PATIENCE.min(end.saturating_sub(now) / 4);
        let patience_ends = (now + RECORD_PATIENCE).min(end - leave);
        let recorded = before(clock, patience_ends, wait_ended(&mut tasks.outcomes)).await;
        if !recorded {
            tasks.outcomes.abort();
            event::unrecorded_at_stop();
        }
        recorded
    }
}

/// Waits for the end of a task, also when that was awaited before.
async fn wait_ended(task: &mut JoinHandle<()>) {
    if !task.is_finished() {
        let _ = task.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_steps_of_a_shutdown_fit_into_its_grace() {
        let ms = Duration::from_millis;
        let reserved = |grace, budget| {
            let Reserved { cancel, record } = Reserved::of(ms(grace), ms(budget));
            assert!(cancel + record <= ms(grace));
            (cancel.as_millis(), record.as_millis())
        };
        // The default grace, with the default lease and with the longest budget.
        assert_eq!(reserved(25_000, 1_000), (1_000, 2_000));
        assert_eq!(reserved(25_000, 5_000), (5_000, 2_000));
        // Runs have at least half of what is left, and outcomes a quarter.
        assert_eq!(reserved(10_000, 5_000), (4_000, 2_000));
        assert_eq!(reserved(4_000, 5_000), (1_500, 1_000));
        assert_eq!(reserved(200, 5_000), (75, 50));
        assert_eq!(reserved(0, 5_000), (0, 0));
    }
}
