//! Ticks that are decided and have no outcome, of jobs that this process may not have.

use std::collections::BTreeMap;
use std::time::Duration;

use scheduled_one_protocol::ScheduleId;
use scheduled_one_schedule::parse_duration;
use scheduled_one_schedule::policy::Policies;

use crate::accounts::{Found, may_be_trimmed, pauses};
use crate::ask::ask;
use crate::audit::{AuditInput, TickStatus, UnitState};
use crate::catalog::CatalogedJob;
use crate::control::{Control, MAX_SHARDS};
use crate::error::Error;
use crate::jobs::JobSummary;
use crate::rights::Action;

/// Most lines of a ledger that are read.
const MAX_LINES: usize = 2_000;

impl Control {
    /// How many ticks of a job that [`jobs`](Self::jobs) listed are decided and have no outcome, by shard; of a shard
    /// without such ticks, nothing. It looks at `window`, up to the tick that could have started `settled` ago at the
    /// latest, and a lease before. What a store forgot is no such tick: the quarantine says so. Three requests, and
    /// one more for each further shard; one, if the schedule has no tick then.
    ///
    /// `None` if this process cannot know: it cannot make the schedule again, no node has the job, nodes have different
    /// schedules of it, another schedule decides, or each node runs it by itself.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn unaccounted(
        &self,
        job: &JobSummary,
        window: Duration,
        settled: Duration,
    ) -> Result<Option<BTreeMap<u32, u64>>, Error> {
        self.check_right(Action::View, &job.job).await?;
        let listed = job.cataloged.as_ref().filter(|it| it.is_listed());
        let is_sure = job.nodes > 0 && job.schedules.len() < 2;
        let (Some(cataloged), Ok(in_force), true) = (listed, job.in_force(), is_sure) else {
            return Ok(None);
        };
        let store = self.reader(&job.job);
        let reply = self.read(store).await?;
        let now_ms = (reply.head.now_us / 1_000) as i64;
        let to_ms = now_ms - millis(settled) - slowest_ms(cataloged);
        let from_ms = (to_ms - millis(window))
            .max(reply.head.quarantine_from_ms)
            .max(in_force.since_ms);
        let schedule = &in_force.schedule;
        let has_ticks = schedule.next_after(from_ms).is_some_and(|it| it <= to_ms);
        if from_ms >= to_ms || !has_ticks {
            return Ok(Some(BTreeMap::new()));
        }
        // The state first: a run that ends in between is in the ledger by then.
        let shards = cataloged.descriptor.get("shards");
        let shards = shards.and_then(|it| it.parse().ok()).unwrap_or(1);
        let found = self
            .states_of_shards(&job.job, cataloged, shards.clamp(1, MAX_SHARDS))
            .await?;
        let own = ScheduleId(in_force.own.identity().as_u64());
        let decides =
            |one: &Found| one.gone_since_ms.is_none() && one.decides.is_none_or(|it| it == own);
        if !found.iter().all(decides) {
            return Ok(None);
        }
        let mut lines = ask(|| store.ledger(&job.job, MAX_LINES)).await?;
        lines.reverse();
        let unit = |one: &Found| UnitState {
            first_seen_ms: one.born_ms,
            since_ms: one.since_ms,
            ..one.state.clone()
        };
        let input = AuditInput {
            full: lines.len() >= MAX_LINES || may_be_trimmed(lines.len(), cataloged),
            lines,
            units: found.iter().map(|one| (one.shard, unit(one))).collect(),
            pauses: pauses(&reply.body.directives, &job.job, now_ms),
        };
        let mut gaps = BTreeMap::new();
        for tick in input.audit(schedule, from_ms, to_ms) {
            if tick.status == TickStatus::Unknown {
                *gaps.entry(tick.shard).or_default() += 1;
            }
        }
        Ok(Some(gaps))
    }
}

/// How long after its tick a run may start, and how long it may take to notice that its node is dead, as far as the
/// job says so.
fn slowest_ms(cataloged: &CatalogedJob) -> i64 {
    let said = |key| parse_duration(cataloged.descriptor.get(key)?).ok();
    let deadline = said("start_deadline").unwrap_or_else(|| Policies::default().start_deadline());
    millis(deadline).saturating_add(millis(said("lease").unwrap_or_default()))
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 8)
}
