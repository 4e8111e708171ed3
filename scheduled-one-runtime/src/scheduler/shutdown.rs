//! The end of a scheduler, step by step.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::event;
use crate::join_all::join_all;
use crate::lease::CancelReason;
use crate::scheduler::bucket_worker::BucketWorker;
use crate::scheduler::{Scheduler, ShutdownReport};
use scheduled_one_protocol::BoxFuture;
use scheduled_one_protocol::message::Heartbeat;

/// Longest wait for outcomes to be recorded when the scheduler stops.
const RECORD_PATIENCE: Duration = Duration::from_secs(2);
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
    /// Shuts down. Runs may stay active until `grace` completes.
    pub(super) async fn stop_after(&self, grace: impl Future<Output = ()>) -> ShutdownReport {
        // 1. Nothing new starts, and no attempt is followed by another one.
        self.stopping.send_replace(true);
        let mut state = self.shutdown.lock().await;
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
            tasks.wait_drained().await;
        }

        // 3. Runs end within the grace.
        if state.counted.is_none() {
            tokio::select! {
                biased;
                () = self.active_runs.wait_idle() => {}
                () = grace => {}
            }
        }

        // 4. The other runs are cancelled.
        let finished = ended() - ended_before;
        let (still_active, budget) = self.active_runs.cancel_all(CancelReason::Shutdown);
        let (finished, cancelled) = *state.counted.get_or_insert((finished, still_active));
        tokio::select! {
            biased;
            () = self.active_runs.wait_idle() => {}
            // A job that blocks its thread cannot be dropped.
            () = self.clock.sleep(budget + RECORD_PATIENCE) => {}
        }

        // 5. Outcomes are recorded, and the nodes leave.
        let workers = self.workers.iter().zip(&mut state.tasks);
        let leaving =
            workers.map(|(worker, tasks)| Box::pin(worker.leave(tasks)) as BoxFuture<'_, _>);
        let recorded = join_all(leaving).await.into_iter().all(|recorded| recorded);
        state.recorded = Some(recorded);
        event::stopped(finished, cancelled);
        ShutdownReport {
            finished,
            cancelled,
            recorded,
        }
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
    /// Waits until all outcomes are recorded, and leaves. Returns whether the store recorded them.
    async fn leave(&self, tasks: &mut WorkerTasks) -> bool {
        self.runner.close_reports();
        let recorded = match tasks.recorded {
            Some(recorded) => recorded,
            None => self.wait_recorded(tasks).await,
        };
        tasks.recorded = Some(recorded);
        let clock = &self.runner.clock;
        tasks.leave.send_replace(true);
        tokio::select! {
            biased;
            () = wait_ended(&mut tasks.node) => {}
            () = clock.sleep(LEAVE_PATIENCE) => tasks.node.abort(),
        }
        let leaving = self
            .client
            .request(|store, caller| store.heartbeat(caller, Heartbeat::Leaving));
        tokio::select! {
            biased;
            _ = leaving => {}
            () = clock.sleep(LEAVE_PATIENCE) => {}
        }
        recorded
    }

    async fn wait_recorded(&self, tasks: &mut WorkerTasks) -> bool {
        tokio::select! {
            biased;
            () = wait_ended(&mut tasks.outcomes) => true,
            () = self.runner.clock.sleep(RECORD_PATIENCE) => {
                tasks.outcomes.abort();
                event::unrecorded_at_stop();
                false
            }
        }
    }
}

/// Waits for the end of a task, also when that was awaited before.
async fn wait_ended(task: &mut JoinHandle<()>) {
    if !task.is_finished() {
        let _ = task.await;
    }
}
