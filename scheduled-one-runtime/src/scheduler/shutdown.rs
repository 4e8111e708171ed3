//! The end of a scheduler, step by step.

use std::future::Future;

use super::member::{RECORD_PATIENCE, Tasks, all};
use super::{Scheduler, ShutdownReport};
use crate::event;
use crate::lease::Cancel;
use scheduled_one_protocol::BoxFuture;

/// How far a shutdown has come. Its future may be dropped: then the next one goes
/// on from there.
pub(super) struct Ending {
    /// Those of the members.
    tasks: Vec<Tasks>,
    /// How many runs had ended before it began.
    ended_before: Option<usize>,
    /// How many ended within the grace, and how many did not, when that is over.
    counted: Option<(usize, usize)>,
    /// Whether the store learned all outcomes, when it is over.
    recorded: Option<bool>,
}

impl Ending {
    pub(super) fn of(tasks: Vec<Tasks>) -> Self {
        Ending {
            tasks,
            ended_before: None,
            counted: None,
            recorded: None,
        }
    }
}

impl Scheduler {
    /// Shuts down; runs may go on until `grace` completes.
    pub(super) async fn stop_after(&self, grace: impl Future<Output = ()>) -> ShutdownReport {
        self.stop.send_replace(true);
        self.stopping.send_replace(true);
        let mut end = self.end.lock().await;
        if let Some(recorded) = end.recorded {
            return ShutdownReport {
                recorded,
                ..ShutdownReport::default()
            };
        }
        let ended_before = *end.ended_before.get_or_insert_with(|| self.going.ended());
        for of_member in &mut end.tasks {
            of_member.claimed().await;
        }
        if end.counted.is_none() {
            tokio::select! {
                biased;
                () = self.going.none() => {}
                () = grace => {}
            }
        }
        let finished = self.going.ended() - ended_before;
        let (still_going, budget) = self.going.cancel_all(Cancel::Shutdown);
        let (finished, cancelled) = *end.counted.get_or_insert((finished, still_going));
        tokio::select! {
            biased;
            () = self.going.none() => {}
            // A job that blocks its thread cannot be dropped.
            () = self.clock.sleep(budget + RECORD_PATIENCE) => {}
        }
        let members = self.members.iter().zip(&mut end.tasks);
        let leaving = members.map(|(it, tasks)| Box::pin(it.leave(tasks)) as BoxFuture<'_, _>);
        let recorded = all(leaving).await.into_iter().all(|told| told);
        end.recorded = Some(recorded);
        event::stopped(finished, cancelled);
        ShutdownReport {
            finished,
            cancelled,
            recorded,
        }
    }
}
