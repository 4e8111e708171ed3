//! Jitter, scope and shards: the exact time, the nodes and the parts of a tick.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use scheduled_one_runtime::jiff::Timestamp;
use scheduled_one_runtime::{JobContext, LedgerEntry, Outcome, State, scheduled_one};
use tokio::time::sleep;

use crate::kit::{GRACE, Notes, ledger, node};
use crate::scene::Scene;

const JOBS: [&str; 3] = [
    "placement/jitter",
    "placement/every_node",
    "placement/shards",
];

#[scheduled_one(every = "1s", jitter = "900ms", name = "placement/jitter")]
async fn jitter(ctx: JobContext, State(notes): State<Notes>) {
    notes.begin(&ctx);
}

#[scheduled_one(every = "2s", scope = every_node, name = "placement/every_node")]
async fn every_node(ctx: JobContext, State(notes): State<Notes>) {
    notes.begin(&ctx);
}

#[scheduled_one(every = "2s", shards = 12, name = "placement/shards")]
async fn shards(ctx: JobContext, State(notes): State<Notes>) {
    // The part of the work of this shard: items whose number is `index` modulo `count`, say.
    let _shard = ctx.shard();
    notes.begin(&ctx);
}

pub(crate) async fn play() -> anyhow::Result<Scene> {
    let notes = Notes::default();
    let a = node("placement", "A", &JOBS, &notes).start().await?;
    let b = node("placement", "B", &JOBS, &notes).start().await?;
    let c = node("placement", "C", &JOBS, &notes).start().await?;
    let all_up = Timestamp::now();
    sleep(Duration::from_millis(7_500)).await;
    let stopped = Timestamp::now();
    tokio::join!(a.shutdown(GRACE), b.shutdown(GRACE), c.shutdown(GRACE));
    // Of ticks of the last moment not all may be decided.
    let until = stopped - Duration::from_secs(1);
    let while_up = async |job| -> anyhow::Result<Vec<LedgerEntry>> {
        let mut lines = ledger(&a, job).await?;
        lines.retain(|line| (all_up..until).contains(&line.tick));
        Ok(lines)
    };

    let mut scene = Scene::new("jitter, scope, shards: when, where and in how many parts");
    scene.say("Three nodes: A, B and C.");
    jittered(&mut scene, &while_up("placement/jitter").await?);
    on_every_node(&mut scene, &while_up("placement/every_node").await?);
    sharded(&mut scene, &while_up("placement/shards").await?);
    Ok(scene)
}

fn jittered(scene: &mut Scene, lines: &[LedgerEntry]) {
    scene.job(r#"every = "1s", jitter = "900ms""#, lines);
    let late: BTreeSet<Duration> = lines.iter().filter_map(LedgerEntry::lateness).collect();
    let spread = late
        .last()
        .zip(late.first())
        .map(|(most, least)| *most - *least);
    scene.check(
        spread > Some(Duration::from_millis(30)) && late.last() < Some(&Duration::from_secs(1)),
        "each tick has a delay of its own, the same on all nodes; the tick stays what it is",
    );
}

fn on_every_node(scene: &mut Scene, lines: &[LedgerEntry]) {
    scene.job(r#"every = "2s", scope = every_node"#, lines);
    let mut nodes: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for line in lines {
        nodes.entry(line.tick).or_default().push(&line.node);
    }
    nodes.values_mut().for_each(|nodes| nodes.sort_unstable());
    scene.check(
        nodes.len() >= 2 && nodes.values().all(|nodes| nodes[..] == ["A", "B", "C"]),
        "each node ran each tick once",
    );
    scene.check(
        lines.iter().all(|line| line.fencing_token.is_none()),
        "by itself: there is no lease and no fencing token",
    );
}

fn sharded(scene: &mut Scene, lines: &[LedgerEntry]) {
    scene.job(r#"every = "2s", shards = 12"#, &[]);
    let mut ticks: BTreeMap<_, Vec<(u32, &str)>> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.outcome == Outcome::Ok) {
        ticks
            .entry(line.tick)
            .or_default()
            .push((line.shard, &line.node));
    }
    for (tick, shards) in &mut ticks {
        shards.sort_unstable();
        let of = |node: &str| -> Vec<String> {
            let own = shards.iter().filter(|(_, by)| *by == node);
            own.map(|(shard, _)| shard.to_string()).collect()
        };
        let [a, b, c] = ["A", "B", "C"].map(|node| of(node).join(" "));
        scene.line(&format!(
            "     {} shards on A: {a}; on B: {b}; on C: {c}",
            tick.strftime("%T")
        ));
    }
    let whole = |shards: &Vec<(u32, &str)>| shards.iter().map(|(shard, _)| *shard).eq(0..12);
    scene.check(
        ticks.len() >= 2 && ticks.values().all(whole),
        "each shard of each tick ran once",
    );
    let spread = ticks.values().last().is_some_and(|shards| {
        shards
            .iter()
            .map(|(_, node)| node)
            .collect::<BTreeSet<_>>()
            .len()
            > 1
    });
    scene.check(
        spread,
        "they are spread over the nodes, as soon as these know of each other",
    );
}
