//! A release that lacks a job, and the one before once more. In between, the job may be gone, or an operator may
//! forget it.

use std::sync::Arc;
use std::time::Duration;

use scheduled_one_protocol::TickMs;
use scheduled_one_runtime::clock::Clock;
use scheduled_one_runtime::control::{Control, Error};
use scheduled_one_runtime::{Misfire, Outcome, Scope};
use scheduled_one_testkit::ForgetfulStore;
use scheduled_one_testkit::checker::{FaultKind, InForce, LedgerLine};

use super::check::{History, stored_line};
use super::jobs::JobPlan;
use super::operator::Operator;
use super::{Node, Random, World};

/// Two minutes of heartbeats, and what it takes to look at the catalog before.
const GONE_BY: u64 = 150;

/// Whether the ticks of the job can be counted by schedules: one unit, whose undecided ticks do not wait for a run.
pub(super) fn is_counted(job: &JobPlan) -> bool {
    job.enabled && job.scope == Scope::One && job.shards == 1 && job.misfire != Misfire::RunAll
}

/// Replaces all nodes by those of a release without the last job, and after a while by those of the release before.
pub(super) async fn drop_a_job(
    world: &World,
    store: &ForgetfulStore,
    nodes: &mut [Node],
    jobs: &[JobPlan],
    operator: Option<&Operator>,
    random: &mut Random,
    history: &mut History,
) {
    let Some((dropped, others)) = jobs.split_last().filter(|(last, _)| is_counted(last)) else {
        return;
    };
    let dropped_ms = world.clock.wall().as_millis() as i64;
    replace(world, store, nodes, others, random, history).await;
    world
        .clock
        .sleep(Duration::from_secs(random.range(0, 2 * GONE_BY)))
        .await;
    let control = Control::of_stores(vec![Arc::new(store.clone())]).expect("random numbers");
    let may_forget = operator.is_none_or(|operator| operator.has_nothing_of(&dropped.name));
    // At the same time as the first node starts that has it again: that is refused, or it is a new job.
    let forgets = random.chance(70) && may_forget;
    let replacing = replace(world, store, nodes, jobs, random, history);
    let is_forgotten = match forgets {
        true => {
            let forgetting = forget(world, &control, &dropped.name);
            let ((), forgotten) = tokio::join!(replacing, forgetting);
            history.forgotten_jobs += u64::from(forgotten.is_some());
            history.forgotten = forgotten;
            history.forgotten.is_some()
        }
        false => {
            replacing.await;
            false
        }
    };
    let described = control.describe(&dropped.name).await;
    let status = described.expect("the store answers").status;
    let since_ms = match is_forgotten {
        true => status.marks.first_seen_ms.expect("it was registered"),
        false => status.decides.expect("it was registered").since_ms,
    };
    // Else the same schedule has decided all the time.
    if since_ms > 0 {
        history.gone += u64::from(!is_forgotten);
        let job = dropped.name.clone();
        // What operators want in place of the schedule in the code is in force again, too.
        let wanted = operator.and_then(|operator| operator.in_force_of(&job));
        let every_ms = wanted.unwrap_or(dropped.every.as_millis() as i64);
        history.in_force.extend([
            InForce {
                since_ms: dropped_ms..=since_ms,
                ..InForce::first(&job, 0)
            },
            InForce {
                since_ms: since_ms..=since_ms,
                ..InForce::first(&job, every_ms)
            },
        ]);
    }
}

/// What went with a job that was forgotten.
#[derive(Clone, Debug)]
pub(crate) struct Forgotten {
    /// Its ledger.
    pub(super) lines: Vec<LedgerLine>,
    /// Runs that had died with their nodes, and had not ended by then: as good as lost, but nothing records that.
    pub(super) open: Vec<LedgerLine>,
}

/// Forgets the job, and returns what went with it; `None` if that is refused, because a node has it.
async fn forget(world: &World, control: &Control, job: &str) -> Option<Forgotten> {
    // Some of the nodes that had it may count as living still, and one that has it again may live already.
    for wait_ms in [0, 500, 1_000, 1_500, 2_000] {
        world.clock.sleep(Duration::from_millis(wait_ms)).await;
        // First: what is written off meanwhile is in the ledger.
        let described = control.describe(job).await.expect("the store answers");
        let lines = control
            .history(job, 1_000)
            .await
            .expect("the store answers");
        match control.forget(job).by("operator").await {
            Ok(_) => {
                let status = described.status;
                let open = status.running.into_iter().chain(status.waiting);
                let lost = |tick: TickMs| LedgerLine {
                    first_ms: tick.ms(),
                    last_ms: tick.ms(),
                    outcome: Outcome::Lost,
                    ..LedgerLine::default()
                };
                return Some(Forgotten {
                    lines: lines.iter().map(stored_line).collect(),
                    open: open.map(lost).collect(),
                });
            }
            Err(Error::NotGone { .. } | Error::NotYet { .. }) => {}
            Err(error) => panic!("forget: {error}"),
        }
    }
    None
}

/// All nodes die, one after the other, and others start in their places.
async fn replace(
    world: &World,
    store: &ForgetfulStore,
    nodes: &mut [Node],
    jobs: &[JobPlan],
    random: &mut Random,
    history: &mut History,
) {
    for node in nodes {
        node.die();
        history.fault(FaultKind::Killed, Some(&node.name), world.clock.boottime());
        history.nodes += 1;
        *node = Node::start(world, store, jobs, history.nodes, random).await;
        world.clock.sleep(random.ms(0, 2_000)).await;
    }
}
