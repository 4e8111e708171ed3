//! Random jobs that are to be forgotten, also while nodes have them, or run them.

use scheduled_one_protocol::machine::{LivingNode, Record};
use scheduled_one_protocol::message::{
    Caller, Forget, ForgetRequest, Forgotten, LowerBounds, Occasion, Register, Reply,
};
use scheduled_one_protocol::{Directive, Store, TickMs, UnitName, Wanted};

use super::Breach;
use super::requests::{JOBS, units};
use super::step::replied;
use super::workload::Workload;

impl Workload {
    fn forget_request(&mut self) -> ForgetRequest {
        let job = *self.random.pick(&JOBS);
        let entry = self.model.catalog.get(job);
        let described_ms = entry.map_or(0, |entry| entry.last_ms);
        let all = units().into_iter().filter(|unit| unit.job() == job);
        let all: Vec<UnitName> = all.collect();
        let is_all = self.random.one_in(2);
        let is_in = |unit: &UnitName| is_all || self.model.records.contains_key(unit);
        ForgetRequest {
            job: job.to_owned(),
            units: all.into_iter().filter(is_in).collect(),
            described_ms: match self.random.one_in(6) {
                true => described_ms + 1,
                false => described_ms,
            },
            directive: Directive {
                changed_at_ms: self.now_ms,
                by: self.random.pick(&["ann", "", "b c:%"]).to_string(),
                note: self.random.pick(&["release 8", "", "ä\n"]).to_string(),
                ..Directive::default()
            },
            what: match self.random.one_in(2) {
                true => Forget::Everything,
                false => Forget::MarksAhead,
            },
        }
    }

    /// A clock that was ahead has decided ticks of a job, or granted a run of it.
    async fn go_ahead(
        &mut self,
        store: &dyn Store,
        caller: &Caller,
        job: &str,
    ) -> Result<u64, Breach> {
        let unit = UnitName::new(job, 0);
        let lane = unit.lane();
        let seen = |unit: UnitName, record: Record, ahead_ms| Register {
            unit,
            first_seen_ms: ahead_ms,
            lease_ms: 1,
            schedule: None,
            generation: 0,
            occasion: Occasion::Again,
            decides: None,
            bounds: LowerBounds {
                decided: Some(TickMs(ahead_ms)),
                token: record.marks.token,
                start: None,
            },
            next_due_ms: None,
            requests: Vec::new(),
        };
        let ahead_ms = self.now_ms + self.random.range(1, 90_000);
        let items = [unit, lane].map(|unit| {
            let record = self.record(&unit);
            seen(unit, record, ahead_ms)
        });
        self.register_these(store, caller, &items).await
    }

    /// Whether nobody would keep a job from being forgotten.
    fn is_free(&self, job: &str) -> bool {
        let model = &self.model;
        let mut living = model.nodes.living.values();
        let has = |node: &LivingNode| {
            let list = model.nodes.job_lists.get(&node.jobs);
            list.is_none_or(|list| list.names().any(|it| it == job))
        };
        let mut of_job = model.records.iter().filter(|(unit, _)| unit.job() == job);
        !living.any(has) && !of_job.any(|(_, record)| record.running)
    }

    /// Sends one request, and compares the reply with what the model says.
    pub(super) async fn forget(
        &mut self,
        store: &dyn Store,
        caller: &Caller,
    ) -> Result<u64, Breach> {
        let request = self.forget_request();
        let takes_back = request.what == Forget::MarksAhead;
        if self.is_free(&request.job) && (takes_back || self.random.one_in(4)) {
            self.go_ahead(store, caller, &request.job).await?;
        }
        let Reply { head, body } = replied(&request, store.forget(caller, &request)).await?;
        // The head shows what the request did.
        let mut before = head.clone();
        before.control_version = self.model.meta.control_version;
        let now = self.enter(&request, caller, &before)?;
        let wanted = Wanted::forget(&request);
        let expected = self.decide_on(wanted, caller, now, |set| set.forget(&request));
        let has_emptied = before.control_version < head.control_version;
        self.count_if(has_emptied, "forget removed, with its directives");
        self.count(match &expected {
            Forgotten::Removed => "forget removed",
            Forgotten::TakenBack(0) => "forget, nothing is ahead",
            Forgotten::TakenBack(_) => "forget, marks are taken back",
            Forgotten::Unknown => "forget unknown",
            Forgotten::Lives(_) => "forget lives",
            Forgotten::Described => "forget described",
            Forgotten::Quarantined(_) => "forget quarantined",
            Forgotten::Running(_) => "forget running",
        });
        Breach::unless_same("the reply", &request, &expected, &body)?;
        let version = self.model.meta.control_version;
        let what = "the version in the head";
        Breach::unless_same(what, &request, &version, &head.control_version)?;
        Ok(1)
    }
}
