//! A node tells the store what it saw decided, when it starts and whenever the
//! store may have forgotten.

use scheduled_one_protocol::message::{Enroll, Marks, Started};

use super::Node;
use crate::config::Config;
use crate::server::Request;

impl Node {
    /// At once when the store may have forgotten; again when no answer came.
    pub(super) fn enroll_due(&self, config: &Config, now: i64) -> Option<Request> {
        let waits = self
            .enrolling
            .as_ref()
            .is_some_and(|(tried, _)| now <= *tried);
        let due = self.enrolls(config) && !waits;
        due.then(|| Request::Enroll(self.enroll(config)))
    }

    fn enrolls(&self, config: &Config) -> bool {
        match &self.enrolled_for {
            None => true,
            Some(_) if !config.guards.enrolls_again => false,
            Some(told_to) => *told_to != self.memory(),
        }
    }

    /// As `View::memory`.
    pub(super) fn memory(&self) -> (String, i64) {
        (self.serving.clone(), self.quarantine_until_ms)
    }

    fn enroll(&self, config: &Config) -> Enroll {
        let floors = self.told_floors(config);
        let runs = self.runs.iter().map(|run| Started {
            tick_ms: run.id.tick_ms,
            attempt: run.id.attempt,
        });
        Enroll {
            unit: "job".to_owned(),
            first_seen_ms: self.floors.born_ms,
            floor_hwm_ms: floors.hwm_ms,
            floor_token: floors.token,
            // Of attempts that were made since the grant, only the runs know.
            floor_started: match config.guards.floors {
                true => runs.fold(floors.started, Started::max),
                false => floors.started,
            },
        }
    }

    /// What it tells of what it saw.
    pub(super) fn told_floors(&self, config: &Config) -> Marks {
        match config.guards.floors {
            true => self.floors,
            false => Marks::default(),
        }
    }

    /// The answer comes: what others told counts here, too.
    pub(super) fn enrolled(&mut self, marks: Marks, sent: i64) {
        let waited = self.enrolling.take_if(|(tried, _)| *tried == sent);
        if let Some((_, told_to)) = waited {
            self.enrolled_for = Some(told_to);
            self.learn(marks);
        }
    }

    /// Marks only rise.
    pub(super) fn learn(&mut self, marks: Marks) {
        self.floors.hwm_ms = self.floors.hwm_ms.max(marks.hwm_ms);
        self.floors.token = self.floors.token.max(marks.token);
        self.floors.started = self.floors.started.max(marks.started);
        if marks.born_ms > 0 {
            self.floors.born_ms = marks.born_ms;
        }
    }
}
