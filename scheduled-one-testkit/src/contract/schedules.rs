//! Random schedules of requests: few, so that two nodes often have the same.

use scheduled_one_protocol::machine::Record;
use scheduled_one_protocol::message::{LowerBounds, Occasion, Register};
use scheduled_one_protocol::{DecidingSchedule, ScheduleId, UnitName};

use super::workload::Workload;

impl Workload {
    /// The schedule of a node; sometimes it has none.
    pub(super) fn schedule(&mut self) -> Option<ScheduleId> {
        let id = self.random.range(0, 12);
        (id > 0).then(|| ScheduleId((id.min(3) as u64) << 40))
    }

    /// The generation of a schedule, mostly the lowest.
    pub(super) fn generation(&mut self) -> u32 {
        self.random.range(-6, 2).max(0) as u32
    }

    /// That of a claim: mostly the one that decides.
    pub(super) fn claimed_schedule(&mut self, record: &Record) -> Option<ScheduleId> {
        match self.random.one_in(12) {
            true => self.schedule(),
            false => record.decides.as_ref().map(|decides| decides.id),
        }
    }

    /// No living node has the job, as its caller believes.
    pub(super) fn gone(
        &mut self,
        unit: UnitName,
        record: &Record,
        bounds: LowerBounds,
    ) -> Register {
        Register {
            unit,
            first_seen_ms: self.now_ms,
            lease_ms: 1,
            schedule: Some(ScheduleId::NONE),
            generation: 0,
            occasion: Occasion::Gone,
            decides: match self.random.one_in(4) {
                true => self.seen_schedule(record),
                false => record.decides.clone(),
            },
            bounds,
            next_due_ms: None,
            requests: Vec::new(),
        }
    }

    /// What a node saw decide: mostly nothing, or what is so, or another registration.
    pub(super) fn seen_schedule(&mut self, record: &Record) -> Option<DecidingSchedule> {
        let here = record.decides.clone();
        match self.random.range(0, 5) {
            0..=2 => None,
            3 => here,
            _ => {
                let registered_ms = match here {
                    Some(here) => here.registered_ms + self.random.range(-2, 1),
                    None => self.now_ms - self.random.range(0, 50),
                };
                let since_ms = match self.random.one_in(2) {
                    true => 0,
                    false => registered_ms - self.random.range(0, 9),
                };
                Some(DecidingSchedule {
                    id: self.schedule()?,
                    registered_ms,
                    since_ms,
                    node: format!("node-{}", self.random.range(0, 5)).into(),
                    generation: self.generation(),
                })
            }
        }
    }
}

/// One schedule at a time decides.
pub(super) fn registered(workload: &mut Workload, register: &Register, before: &Record) {
    let after = workload.record(&register.unit);
    let (Some(own), Some(new)) = (register.schedule, &after.decides) else {
        return;
    };
    let same = |it: &DecidingSchedule| it.id == own;
    let others = before.decides.as_ref().is_some_and(|old| !same(old));
    let is_start = matches!(register.occasion, Occasion::Start { .. });
    let decided = before.decides.as_ref().map_or(0, |old| old.generation);
    let later = before.decides.is_some() && register.generation > decided;
    let what = "register of a lower generation leaves another schedule its place";
    workload.count_if(
        is_start && others && !same(new) && register.generation < decided,
        what,
    );
    let what = "register of a higher generation succeeds";
    let is_succession = register.occasion == Occasion::Succession;
    workload.count_if(is_succession && others && same(new) && later, what);
    let what = "register takes the place of another schedule";
    workload.count_if(is_start && others && same(new), what);
    let what = "register leaves another schedule its place";
    workload.count_if(!is_start && others && !same(new), what);
    let succeeds = register.occasion == Occasion::Succession && register.decides.is_none();
    let what = "register succeeds a node that is gone";
    workload.count_if(succeeds && others && same(new), what);
    let is_gone = register.occasion == Occasion::Gone;
    workload.count_if(is_gone && others && same(new), "register, the job is gone");
    let what = "register, the job is not gone";
    workload.count_if(is_gone && others && !same(new), what);
    let was_gone = before
        .decides
        .as_ref()
        .and_then(DecidingSchedule::gone_since_ms);
    let returns = was_gone.is_some() && own != ScheduleId::NONE && same(new);
    workload.count_if(returns, "register, a job that was gone returns");
    let seen = register.decides.as_ref() == Some(new) && before.decides != after.decides;
    workload.count_if(seen, "register repeats what another node saw");
}
