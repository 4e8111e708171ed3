//! The waits between two attempts of a run.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::active_run::ActiveRun;
use crate::attempt::Attempt;
use crate::event;
use crate::guard::Guard;
use crate::lease::CancelReason;
use crate::retry::{EndedAttempt, random_of, wait_before_retry};
use crate::run::{NewRun, Runner};
use crate::run_result::RunResult;
use scheduled_one_protocol::{Outcome, TickMs};

impl Runner {
    /// The wait before another attempt; `None` if there is none.
    pub(crate) fn wait_before_retry(
        &self,
        new: &NewRun,
        run: &ActiveRun,
        result: &RunResult,
        tries: u32,
        began: Duration,
    ) -> Option<Duration> {
        let is_final = result.outcome == Outcome::Ok;
        if is_final || self.stopping.borrow().is_some() || run.lease.cancelled().is_some() {
            return None;
        }
        let id = run.id();
        let ended = EndedAttempt {
            outcome: result.outcome,
            // A request may have waited for long: no tick takes its place for that.
            tick: match id.origin {
                Some(_) => TickMs(id.granted_at_ms),
                None => id.tick,
            },
            tries,
            elapsed: self.clock.boottime().saturating_sub(began),
            now_ms: self.cluster.now_ms(),
            random: random_of(&id),
            alone_until_ms: match &id.origin {
                Some(origin) if origin.beside => i64::MAX,
                _ => new.job.metrics.paused_until_ms(),
            },
        };
        wait_before_retry(&new.job.rules, &new.job.schedule(), &ended)
    }

    /// Waits before another attempt. Returns false if there is none, because the
    /// run was cancelled or the scheduler stops.
    pub(crate) async fn back_off(&self, run: &ActiveRun, tries: u32, wait: Duration) -> bool {
        event::retry(run.unit(), tries, wait);
        let control = Attempt::new(Arc::clone(&run.lease));
        let mut stopping = self.stopping.subscribe();
        tokio::select! {
            biased;
            () = control.wait_cancelled() => false,
            _ = stopping.wait_for(Option::is_some) => false,
            () = self.clock.sleep(wait) => control.cancelled().is_none(),
        }
    }

    /// Waits until the store has recorded an attempt, as long as the run is not
    /// cancelled. Returns the end of the run if no other attempt may follow.
    pub(crate) async fn wait_recorded(
        &self,
        run: &ActiveRun,
        acknowledged: Option<oneshot::Receiver<bool>>,
    ) -> Option<RunResult> {
        let acknowledged = acknowledged?;
        let control = Attempt::new(Arc::clone(&run.lease));
        let refused = control.clone();
        let recorded = Box::pin(async move {
            if !acknowledged.await.unwrap_or(false) {
                // Another run may have its place: no further attempt, even
                // where a run may continue without its lease.
                refused.cancel(CancelReason::LeaseLost);
            }
            Ok(())
        });
        let result = Guard::of_wait(recorded, control).await;
        (result.outcome != Outcome::Ok).then_some(result)
    }
}
