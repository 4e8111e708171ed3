//! Random directives: few subjects, and short pauses, so that claims meet all of them.

use scheduled_one_protocol::message::{
    Caller, ControlReply, ControlRequest, DirectiveChange, OnBusy, Reply,
};
use scheduled_one_protocol::{
    ALL_JOBS, Backfill, BackfillRange, Directive, InForce, PastPause, Pause, ScheduleId,
    ScheduleOverride, Store, UnitName, Wanted,
};

use super::requests::JOBS;
use super::step::replied;
use super::workload::{Random, Workload};
use super::{Breach, behaviours};

impl Workload {
    /// What directives say of a unit.
    pub(super) fn in_force(&self, unit: &UnitName) -> InForce {
        self.model.meta.directives.in_force(unit.job(), self.now_ms)
    }

    /// The directives that a claim was planned with: mostly those in force.
    pub(super) fn claimed_control(&mut self, unit: &UnitName) -> u64 {
        let version = self.in_force(unit).version;
        match self.random.range(0, 29) {
            0 => 0,
            1 => version.saturating_sub(1),
            _ => version,
        }
    }

    fn subject(&mut self) -> String {
        match self.random.one_in(6) {
            true => ALL_JOBS.to_owned(),
            false => self.random.pick(&JOBS).to_string(),
        }
    }

    fn directive(&mut self) -> Directive {
        let since_ms = self.now_ms - self.random.range(0, 20);
        let pause = Pause {
            since_ms,
            until_ms: match self.random.one_in(8) {
                true => None,
                false => Some(self.now_ms + self.time_ms(-10, 30)),
            },
        };
        let past = (0..self.random.range(0, 2)).map(|n| PastPause {
            from_ms: n * 10 + 1,
            to_ms: n * 10 + 5,
        });
        Directive {
            version: 0,
            changed_at_ms: self.now_ms,
            by: self.random.pick(&["ann", "", "b c:%"]).to_string(),
            note: self
                .random
                .pick(&["db migration", "", "-", "two\nlines, ä"])
                .to_string(),
            asked_by: self.random.pick(&["carl", "", "d e:%"]).to_string(),
            asked_note: self.random.pick(&["freeze", "", "-"]).to_string(),
            pause: self.random.one_in(2).then_some(pause),
            past: past.collect(),
            backfill: self.random.one_in(4).then(|| Backfill {
                schedule: ScheduleId(8),
                ranges: vec![BackfillRange {
                    shard: 1,
                    ticks: since_ms..since_ms + 1_000,
                    again: 1,
                }],
                newest_first: false,
                at_a_time: 3,
                on_busy: OnBusy::Wait,
                total: 9,
                asked: 4,
                ended: String::new(),
            }),
            schedule: self.random.one_in(4).then(|| ScheduleOverride {
                base: ScheduleId(7),
                text: "0 0 4 * * *".to_owned(),
                zone: "Europe/Berlin".to_owned(),
                since_ms,
                by: "ann".to_owned(),
            }),
        }
    }

    /// A directive that some node saw: what is stored, or an older or a newer one.
    fn seen_directive(&mut self) -> (String, Directive) {
        let subject = self.subject();
        let stored = self.version_of(&subject) as i64;
        let version = match self.random.range(0, 3) {
            0 => stored + self.random.range(1, 2_000),
            1 => stored - 1,
            _ => stored,
        };
        let directive = Directive {
            version: version.max(1) as u64,
            ..self.directive()
        };
        (subject, directive)
    }

    fn version_of(&self, subject: &str) -> u64 {
        let stored = self.model.meta.directives.get(subject);
        stored.map_or(0, |directive| directive.version)
    }

    fn change(&mut self) -> DirectiveChange {
        let subject = self.subject();
        let stored = self.version_of(&subject);
        DirectiveChange {
            seen: match self.random.range(0, 5) {
                0 => stored + 1,
                1 => 0,
                _ => stored,
            },
            directive: self.directive(),
            action: match self.random.one_in(3) {
                true => String::new(),
                false => "pause".to_owned(),
            },
            subject,
        }
    }

    /// Jobs with texts that a node may say of them, sometimes the same one twice.
    fn described(&mut self) -> Vec<(String, String)> {
        let one = |random: &mut Random| {
            let job = *random.pick(&JOBS);
            let text = format!("cron {}\ndescription größe", random.range(0, 9));
            (job.to_owned(), text)
        };
        (0..self.random.range(0, 2))
            .map(|_| one(&mut self.random))
            .collect()
    }

    pub(super) async fn control(
        &mut self,
        store: &dyn Store,
        caller: &Caller,
    ) -> Result<u64, Breach> {
        let seen = match self.random.one_in(4) {
            true => (0..self.random.range(1, 3))
                .map(|_| self.seen_directive())
                .collect(),
            false => Vec::new(),
        };
        let request = ControlRequest {
            seen,
            change: (!self.random.one_in(4)).then(|| self.change()),
            described: self.described(),
            wants_catalog: self.random.one_in(3),
        };
        self.send_control(store, caller, request).await
    }

    pub(super) async fn send_control(
        &mut self,
        store: &dyn Store,
        caller: &Caller,
        request: ControlRequest,
    ) -> Result<u64, Breach> {
        let Reply { head, body } = replied(&request, store.control(caller, &request)).await?;
        // The head shows what the request did.
        let mut before = head.clone();
        before.control_version = self.model.meta.control_version;
        let now = self.enter(&request, caller, &before)?;
        for (subject, seen) in &request.seen {
            let known = self.version_of(subject);
            self.count_if(seen.version > known, "control, what was seen is news");
            self.count_if(seen.version <= known, "control, what was seen is known");
        }
        for (job, _) in &request.described {
            let what = match self.model.catalog.contains_key(job) {
                true => "control, a job is described again",
                false => "control, a job is described for the first time",
            };
            self.count(what);
        }
        let expected: ControlReply = {
            let wanted = Wanted::control(&request);
            self.decide_on(wanted, caller, now, |set| set.control(&request))
        };
        self.count(&behaviours::answer("control", &expected.changed));
        Breach::unless_same("the reply", &request, &expected, &body)?;
        let version = self.model.meta.control_version;
        let what = "the version in the head";
        Breach::unless_same(what, &request, &version, &head.control_version)?;
        Ok(1)
    }
}
