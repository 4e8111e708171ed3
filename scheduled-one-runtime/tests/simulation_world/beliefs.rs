//! False beliefs: what nodes are made to believe of each other, and when ticks were decided all the same.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use scheduled_one_protocol::message::{
    Claim, HeartbeatReply, JobList, Labels, Member, Target, UNCLAIMED_MS, Verdict,
};
use scheduled_one_protocol::{TickMs, UnitName};
use scheduled_one_runtime::clock::Clock;
use scheduled_one_runtime::{Misfire, Scope};

use super::jobs::{JobPlan, LABEL};
use super::{Node, Random, World};

/// How long nodes believe wrong things, while nothing else goes wrong.
const WRONG_FOR: Duration = Duration::from_secs(30);
/// How late a due tick may be decided: it is named as unclaimed after 400 ms, within a heartbeat, and learned before it
/// is claimed. `docs/protocol.md` promises this of a node that hangs.
const DECIDED_WITHIN_MS: i64 = 2_500;
/// Nodes that nobody started.
const GHOSTS: u64 = 3;

/// Ticks that a claim decided.
#[derive(Clone, Debug)]
pub(crate) struct Decided {
    unit: UnitName,
    ticks: RangeInclusive<TickMs>,
    /// When the claim was executed, by the clock of ticks.
    at_ms: i64,
    /// When the last of them was due; of the others, it is not known to the store.
    due_ms: Option<i64>,
}

impl Decided {
    /// What the store decided, as its reply says.
    pub(crate) fn of(claim: &Claim, verdict: &Verdict, at_ms: i64) -> Vec<Self> {
        let is_decision = matches!(
            verdict,
            Verdict::Granted(_)
                | Verdict::NotReplicated(_)
                | Verdict::Skipped
                | Verdict::Queued
                | Verdict::MarkedMissed
        );
        let Target::Tick(due) = &claim.target else {
            return Vec::new();
        };
        if !is_decision {
            return Vec::new();
        }
        let of = |ticks, due_ms| Decided {
            unit: claim.unit.clone(),
            ticks,
            at_ms,
            due_ms,
        };
        let missed = due.missed.as_ref();
        let missed = missed.map(|missed| of(missed.first..=missed.last, None));
        let own = of(due.tick..=due.tick, Some(due.due_ms));
        missed.into_iter().chain([own]).collect()
    }
}

/// When nodes believed wrong things, by the clock of ticks, and what was decided.
#[derive(Clone, Debug, Default)]
pub(crate) struct Believed {
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
    pub(crate) decided: Vec<Decided>,
}

/// For a while nodes believe wrong things of each other, and now and then one of them hangs.
pub(super) async fn believe(world: &World, nodes: &[Node], random: &mut Random) -> Believed {
    let now_ms = || world.clock.wall().as_millis() as i64;
    let from_ms = now_ms();
    let until = world.clock.boottime() + WRONG_FOR;
    nodes.iter().for_each(|node| node.network.deceive(true));
    while world.clock.boottime() < until {
        let which = random.range(0, nodes.len() as u64 - 1) as usize;
        let hangs = random.ms(1_000, 8_000);
        if random.chance(70) {
            let network = &nodes[which].network;
            network.hold_claims_for(world.clock.boottime() + hangs);
        }
        // One after the other: what all nodes leave undecided is decided by nobody.
        world.clock.sleep(hangs + random.ms(100, 2_000)).await;
    }
    let to_ms = now_ms();
    nodes.iter().for_each(|node| node.network.deceive(false));
    Believed {
        from_ms,
        to_ms,
        decided: Vec::new(),
    }
}

/// Makes a reply wrong in all that it says of other nodes. What it says of units is as the store has it.
pub(super) fn distort(random: &mut Random, reply: &mut HeartbeatReply) {
    let mut names: Vec<String> = (0..GHOSTS).map(|nth| format!("ghost-{nth}")).collect();
    if let Some(members) = &mut reply.membership.members {
        members.retain(|_| random.chance(70));
        let digests: Vec<_> = members.iter().map(|member| member.jobs).collect();
        for member in members.iter_mut() {
            if random.chance(20) {
                member.jobs = JobList::from_text("another").digest();
            }
            if random.chance(20) {
                member.labels = labels(random);
            }
        }
        for node in &names {
            if let Some(jobs) = digests.first().filter(|_| random.chance(40)) {
                members.push(Member {
                    node: node.clone(),
                    name: node.clone(),
                    jobs: *jobs,
                    labels: labels(random),
                    clock_offset_ms: None,
                });
            }
        }
        members.sort_by(|one, other| one.node.cmp(&other.node));
        names.extend(members.iter().map(|member| member.node.clone()));
        // The store knows of no such version: it returns the nodes with the next reply, too.
        reply.membership.version = random.next() >> 12 | 1;
    }
    let mut some = |percent| {
        let mut some = names.clone();
        some.retain(|_| random.chance(percent));
        some.sort();
        some.dedup();
        some
    };
    (reply.suspects, reply.busy, reply.full) = (some(25), some(25), some(25));
    reply.running = reply.running.map(|_| random.range(0, 50));
    reply.wanted_list.take_if(|_| random.chance(50));
}

fn labels(random: &mut Random) -> Labels {
    match random.chance(50) {
        true => Labels::new([LABEL]),
        false => Labels::default(),
    }
}

/// A tick that was due while nodes believed wrong things.
pub(crate) struct Due {
    unit: UnitName,
    tick_ms: i64,
    /// How late it was decided; `None` if it was not.
    late_ms: Option<i64>,
}

impl Due {
    /// L: it is decided soon.
    pub(crate) fn check(&self, seed: u64) {
        let is_soon = self
            .late_ms
            .is_some_and(|late_ms| late_ms <= DECIDED_WITHIN_MS);
        let Due {
            unit,
            tick_ms,
            late_ms,
        } = self;
        assert!(
            is_soon,
            "seed {seed}: L: with wrong beliefs, tick {tick_ms} of {unit} was decided {late_ms:?} ms late"
        );
    }

    /// Whether no node that claimed it believed that the unit prefers it.
    pub(crate) fn was_unclaimed(&self) -> bool {
        self.late_ms.is_some_and(|late_ms| late_ms >= UNCLAIMED_MS)
    }
}

impl Believed {
    /// The ticks of these jobs that were due while nodes believed wrong things, and nothing else went wrong.
    pub(crate) fn due<'a>(&self, jobs: impl Iterator<Item = &'a JobPlan>) -> Vec<Due> {
        let mut all = Vec::new();
        let counted = jobs.filter(|job| is_counted(job));
        for (job, shard) in counted.flat_map(|job| (0..job.shards).map(move |n| (job, n))) {
            let unit = UnitName::new(&job.name, shard);
            let decided = self.decided_of(&unit, job);
            let every_ms = job.every.as_millis() as i64;
            let first_ms = (self.from_ms / every_ms + 1) * every_ms;
            let last_ms = self.to_ms - DECIDED_WITHIN_MS;
            let ticks = (first_ms..last_ms).step_by(every_ms as usize);
            all.extend(ticks.map(|tick_ms| Due {
                unit: unit.clone(),
                tick_ms,
                late_ms: decided.get(&tick_ms).copied(),
            }));
        }
        all
    }

    /// By tick, how late the decision of it came, in ms.
    fn decided_of(&self, unit: &UnitName, job: &JobPlan) -> BTreeMap<i64, i64> {
        let every_ms = job.every.as_millis() as usize;
        let mut all = BTreeMap::new();
        for decided in self.decided.iter().filter(|decided| decided.unit == *unit) {
            let (first, last) = (decided.ticks.start().ms(), decided.ticks.end().ms());
            for tick_ms in (first..=last).step_by(every_ms) {
                let latest_due_ms = tick_ms + job.jitter.as_millis() as i64;
                let due_ms = decided.due_ms.unwrap_or(latest_due_ms);
                all.entry(tick_ms).or_insert(decided.at_ms - due_ms);
            }
        }
        all
    }
}

/// Whether each tick of the job is to be decided when it is due.
fn is_counted(job: &JobPlan) -> bool {
    job.enabled && job.scope == Scope::One && job.misfire != Misfire::RunAll
}
