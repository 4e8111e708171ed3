//! What a node does beside its ticks: shows that it lives, tells a store that
//! may have forgotten what it saw, and writes off runs that stand still.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::{Answer, Node};
use crate::event;
use crate::link::{Link, View};
use crate::timer::UnitIndex;
use scheduled_one_protocol::Start;
use scheduled_one_protocol::StoreError;
use scheduled_one_protocol::message::{
    Heartbeat, MAX_BATCH, OverdueRun, Register, Watermarks, WrittenOff,
};
use scheduled_one_protocol::{TickMs, UnitName};

/// One call a node and second, however many jobs there are.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// Offsets of the wall clock beyond this are warned of.
const OFFSET_WARNED_MS: i64 = 1_000;

impl Node {
    /// Another store serves than the one the marks were told to, or the same
    /// is in another quarantine because it was flushed: it may have forgotten
    /// what this node saw decided, so it is told, at once and for all units.
    pub(super) fn enroll_if_forgotten(&mut self, view: &View) {
        if !view.up || self.enrolling || view.memory() == self.enrolled_for {
            return;
        }
        self.enrolling = true;
        self.watch.clear();
        let told_to = view.memory();
        // Of attempts that were made since the grant, only the runs know.
        for (unit, started) in self.runner.going.starts() {
            self.learn_started(&unit, started);
        }
        let batches = self.units.registrations(MAX_BATCH);
        let link = Arc::clone(&self.link);
        self.calls.spawn(async move {
            let mut marks = Vec::new();
            for batch in batches {
                let mut tries = 0;
                loop {
                    if let Ok(answer) = enroll_once(&link, &batch, &mut None).await {
                        marks.extend(answer);
                        break;
                    }
                    tries += 1;
                    link.back_off(tries).await;
                }
            }
            Answer::Enrolled(told_to, marks)
        });
    }

    /// Remembers a start of this node's.
    pub(super) fn learn_started(&mut self, unit: &UnitName, started: Start) {
        let Some(index) = self.units.find(unit) else {
            return;
        };
        // The marks are the unit's: a place has its own.
        if unit.slot() == 0 {
            let seen = Watermarks {
                start: Some(started),
                ..Watermarks::default()
            };
            self.units.learn(index, seen);
        }
    }

    pub(super) fn learn_all(&mut self, told_to: (Arc<str>, i64), marks: Vec<Option<Watermarks>>) {
        self.enrolling = false;
        self.enrolled_for = told_to;
        for (index, seen) in marks.into_iter().enumerate() {
            if let Some(seen) = seen {
                self.units.learn(index as UnitIndex, seen);
            }
        }
    }

    pub(super) fn beat_if_due(&mut self, beat: Heartbeat) {
        let now = self.clock.boottime();
        if self.beating || now < self.next_beat {
            return;
        }
        self.beating = true;
        self.next_beat = now + BEAT_EVERY;
        let link = Arc::clone(&self.link);
        self.calls.spawn(async move {
            let mut tries = 0;
            loop {
                let answer = link.ask(|store, caller| store.heartbeat(caller, beat.clone()));
                if let Ok(pulse) = answer.await {
                    return Answer::HeartbeatReply(pulse);
                }
                tries += 1;
                link.back_off(tries).await;
            }
        });
    }

    pub(super) fn write_off_due(&mut self, view: &View) {
        if !view.up || !self.cluster.until(view.quarantine_until_ms).is_zero() {
            return;
        }
        let runs = self.watch.take_due(self.clock.boottime());
        if runs.is_empty() {
            return;
        }
        let link = Arc::clone(&self.link);
        self.calls
            .spawn(async move { Answer::WrittenOff(write_off(&link, runs).await) });
    }

    pub(super) fn warn_of_offset(&mut self) {
        let offset_ms = self.cluster.wall_offset_ms();
        if (offset_ms - self.offset_warned_ms).abs() > OFFSET_WARNED_MS {
            event::clock_offset(self.link.bucket, offset_ms);
            self.offset_warned_ms = offset_ms;
        }
    }
}

/// Tells a batch. What the store refuses for good (a key that somebody edited)
/// must not hold up the others: that has no marks, and its claims will be
/// refused until somebody puts it right.
pub(super) async fn enroll_once(
    link: &Link,
    batch: &[Register],
    refused: &mut Option<StoreError>,
) -> Result<Vec<Option<Watermarks>>, StoreError> {
    let answer = link
        .ask(|store, caller| store.register(caller, batch))
        .await;
    match (answer, batch) {
        (Ok(answer), _) => Ok(answer.body.into_iter().map(Some).collect()),
        (Err(StoreError::Refused(why)), [unit]) => {
            link.refused(&unit.unit, unit.bounds.decided.map_or(0, TickMs::ms), &why);
            *refused = Some(StoreError::Refused(why));
            Ok(vec![None])
        }
        (Err(StoreError::Refused(_)), [_, _, ..]) => {
            let (first, second) = batch.split_at(batch.len() / 2);
            let mut marks = Box::pin(enroll_once(link, first, refused)).await?;
            marks.extend(Box::pin(enroll_once(link, second, refused)).await?);
            Ok(marks)
        }
        (Err(error), _) => Err(error),
    }
}

/// Asks once: without an answer the runs are reported as overdue again.
async fn write_off(link: &Link, mut runs: Vec<OverdueRun>) -> Vec<(OverdueRun, WrittenOff)> {
    let answer = link
        .ask(|store, caller| store.write_off(caller, &runs))
        .await;
    match answer {
        Ok(answer) => runs.into_iter().zip(answer.body).collect(),
        Err(StoreError::Refused(_)) if runs.len() > 1 => {
            let others = runs.split_off(runs.len() / 2);
            let mut done = Box::pin(write_off(link, runs)).await;
            done.extend(Box::pin(write_off(link, others)).await);
            done
        }
        Err(StoreError::Refused(why)) => {
            for run in runs {
                link.refused(&run.unit, 0, &why);
            }
            Vec::new()
        }
        Err(_) => Vec::new(),
    }
}

pub(super) fn written_off(runs: Vec<(OverdueRun, WrittenOff)>, ready: &mut BTreeSet<UnitName>) {
    for (run, written_off) in runs {
        match written_off {
            WrittenOff::Lost => event::written_off(&run.unit),
            WrittenOff::TakenOver => {
                event::taken_over(&run.unit);
                ready.insert(run.unit);
            }
            WrittenOff::Changed | WrittenOff::Quarantined => {}
        }
    }
}
