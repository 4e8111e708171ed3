//! What operators ask for, from a process without jobs, of nodes that are processes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, UNIX_EPOCH};

use cluster_tests::BOUND;
use cluster_tests::cluster::Cluster;
use cluster_tests::job::JobSpec;
use cluster_tests::log::{Event, Kind};
use scheduled_one_runtime::Outcome;
use scheduled_one_runtime::control::{BackfillPlan, Control};
use test_support::{
    ClockShim, FaultProxy, Matcher, RedisServer, Verdict, wait_until, wait_until_async,
};

const NODE: &str = env!("CARGO_BIN_EXE_node");
const LEASE: Duration = Duration::from_secs(2);
/// How long a backfill of a thousand ticks may take on a busy machine.
const LONG: Duration = Duration::from_secs(400);

async fn connect(cluster: &Cluster) -> Control {
    connect_to(&cluster.store.url()).await
}

async fn connect_to(url: &str) -> Control {
    let connect = async || Control::connect(url).await;
    let mut control = None;
    wait_until_async("the namespace is there", BOUND, async || {
        control = connect().await.ok();
        control.is_some()
    })
    .await;
    control.expect("just connected")
}

/// Replaces one node after the other, as a deployment does.
fn roll(cluster: &mut Cluster) {
    let living = cluster
        .nodes
        .iter_mut()
        .filter_map(|node| (!node.has_ended()).then(|| node.name().to_owned()));
    let old: Vec<String> = living.collect();
    for name in old {
        let before = cluster.starts("other");
        cluster.start_node(None);
        cluster.node(&name).terminate();
        cluster.node(&name).wait_for_end();
        cluster.wait_for_starts("other", before + 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_holds_through_a_rolling_restart_and_a_redis_that_is_restarted_empty() {
    let jobs = ["tick", "other"].map(|name| JobSpec::new(name, 200, 0));
    let mut cluster = Cluster::new(NODE, LEASE, jobs.to_vec());
    cluster.start_nodes(3);
    cluster.wait_for_starts("tick", 3);
    let control = connect(&cluster).await;
    control
        .pause("tick")
        .by("ann")
        .note("db migration")
        .await
        .expect("paused");
    drop(control);
    // What was granted before may still begin.
    cluster.wait_for_starts("other", cluster.starts("other") + 5);
    let before = cluster.starts("tick");

    roll(&mut cluster);
    assert_eq!(
        cluster.starts("tick"),
        before,
        "nodes that never saw the pause run it"
    );

    cluster
        .store
        .restart()
        .expect("restarted, without its data");
    let others = cluster.starts("other");
    cluster.wait_for_starts("other", others + 10);
    assert_eq!(
        cluster.starts("tick"),
        before,
        "the restart has lifted the pause"
    );
    roll(&mut cluster);
    assert_eq!(
        cluster.starts("tick"),
        before,
        "the pause came back with the old nodes alone"
    );

    let control = connect(&cluster).await;
    let pauses = control
        .describe("tick")
        .await
        .expect("a description")
        .pauses;
    let said = pauses
        .iter()
        .map(|pause| (pause.by.as_str(), pause.note.as_str()));
    assert_eq!(said.collect::<Vec<_>>(), [("ann", "db migration")]);
    // The trail is as durable as ledgers: the restart has lost it.
    assert!(control.trail().await.expect("a trail").entries.is_empty());
    control.resume("tick").by("ann").await.expect("resumed");
    cluster.wait_for_starts("tick", before + 5);
    cluster.check();
}

/// The way back from the store is lost each time, so whoever asks does not know whether it was taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_made_three_times_without_a_reply_runs_once() {
    const ID: &str = "deploy-42";
    let redis = RedisServer::start().expect("a Redis");
    let proxy = FaultProxy::in_front_of(&redis).expect("a proxy");
    let through_proxy = proxy.url(&redis);
    let jobs = vec![
        JobSpec::new("work", 3_600_000, 0),
        JobSpec::new("other", 200, 0),
    ];
    let mut cluster = Cluster::on(redis, NODE, LEASE, jobs);
    cluster.start_nodes(2);
    cluster.wait_for_starts("other", 3);
    let operator = connect_to(&through_proxy).await;
    for _ in 0..3 {
        let lost = proxy.on_reply(Matcher::containing(ID), || Verdict::Drop);
        let asked = operator.run("work").id(ID).by("ann").await;
        assert!(lost.has_fired(), "{asked:?}");
        proxy.heal().expect("healed");
    }
    let control = connect(&cluster).await;
    let handle = control.run("work").id(ID).await.expect("a reply");
    assert!(handle.already());
    let lines = handle.finished(BOUND).await.expect("it ran");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0].outcome, Outcome::Ok);
    // Another run would have begun by now.
    cluster.wait_for_starts("other", cluster.starts("other") + 10);
    let tick_ms = lines[0].tick.ms();
    let runs = starts(&cluster);
    let runs = runs.iter().filter(|start| start.job == "work");
    // The full hour may have passed meanwhile.
    let requested = runs.filter(|start| start.tick_ms % 3_600_000 != 0);
    let requested: Vec<i64> = requested.map(|start| start.tick_ms).collect();
    assert_eq!(requested, [tick_ms]);
    cluster.check();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_missed_ticks_run_while_ticks_of_the_schedule_stay_on_time() {
    let clock = ClockShim::new().expect("a C compiler");
    let redis = RedisServer::options()
        .clock_shim(&clock)
        .start()
        .expect("a Redis");
    let mut cluster = Cluster::on(redis, NODE, LEASE, vec![JobSpec::new("tick", 1_000, 0)]);
    cluster.start_nodes(2);
    cluster.wait_for_starts("tick", 2);
    for node in &mut cluster.nodes {
        node.terminate();
        node.wait_for_end();
    }
    // No node is there for a thousand seconds.
    let last_ms = newest(&cluster).tick_ms;
    clock.forward(Duration::from_secs(1_001)).expect("set");
    let live = cluster.starts("tick");
    cluster.start_nodes(2);
    cluster.wait_for_starts("tick", live + 3);

    let control = connect(&cluster).await;
    let instant = |ms: i64| UNIX_EPOCH + Duration::from_millis(ms.unsigned_abs());
    let range = instant(last_ms + 1)..instant(last_ms + 1_100_000);
    let from_us = newest(&cluster).boot_us;
    let begun = control
        .backfill("tick", range)
        .at_a_time(50)
        .by("ann")
        .await
        .expect("begun");
    assert!(
        (990..=1_010).contains(&begun.ticks.len()),
        "{} ticks",
        begun.ticks.len()
    );
    drop(control); // whoever asked is gone

    let control = connect(&cluster).await;
    let until = Instant::now() + LONG;
    // A node dies meanwhile, perhaps the one that drives it.
    wait_until("a part has run", LONG, || {
        cluster.starts("tick") > live + 150
    });
    let killed = newest(&cluster).node;
    cluster.node(&killed).kill();
    while !control
        .backfill_state("tick")
        .await
        .expect("a reply")
        .expect("one")
        .is_over()
    {
        assert!(
            Instant::now() < until,
            "{:?}",
            control.backfill_state("tick").await
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let to_us = newest(&cluster).boot_us;
    each_ran_once(&control, &cluster, &begun).await;
    ticks_went_first(&control, &cluster, (from_us, to_us), last_ms + 1_001_000).await;
}

fn starts(cluster: &Cluster) -> Vec<Event> {
    let mut events = cluster.events();
    events.retain(|event| event.kind == Kind::Start);
    events
}

/// Each tick of the backfill has one start; a run that died with its node is lost, and recorded as that, also if it
/// died between its grant and its start.
async fn each_ran_once(control: &Control, cluster: &Cluster, begun: &BackfillPlan) {
    let lines = control.history("tick", 10_000).await.expect("a ledger");
    let lost = |tick_ms: i64| {
        let mut lines = lines.iter();
        lines.any(|line| line.tick.ms() == tick_ms && line.outcome == Outcome::Lost)
    };
    let mut times: BTreeMap<i64, usize> = BTreeMap::new();
    for start in starts(cluster) {
        *times.entry(start.tick_ms).or_default() += 1;
    }
    for (tick, _) in &begun.ticks {
        let since_epoch = tick.duration_since(UNIX_EPOCH).expect("after 1970");
        let tick_ms = since_epoch.as_millis() as i64;
        match times.get(&tick_ms) {
            Some(times) => assert_eq!(*times, 1, "tick {tick_ms}"),
            None => assert!(lost(tick_ms), "tick {tick_ms} has no start"),
        }
    }
}

/// Ticks of the schedule ran meanwhile, each in its second, but for those while the run of the node that died held its
/// lease.
async fn ticks_went_first(
    control: &Control,
    cluster: &Cluster,
    (from_us, to_us): (u64, u64),
    after_ms: i64,
) {
    let lines = control.history("tick", 10_000).await.expect("a ledger");
    let skipped = lines.iter().filter(|line| line.outcome == Outcome::Skipped);
    let skipped: u64 = skipped.map(|line| line.count).sum();
    assert!(skipped <= 5, "{skipped} ticks were skipped");
    let seconds = (to_us - from_us) / 1_000_000;
    let of_schedule = starts(cluster)
        .into_iter()
        .filter(|start| (from_us..to_us).contains(&start.boot_us) && start.tick_ms > after_ms);
    let ran = of_schedule.count() as u64;
    assert!(
        ran + 8 >= seconds,
        "{ran} ticks of the schedule ran in {seconds} s"
    );
}

fn newest(cluster: &Cluster) -> Event {
    starts(cluster).pop().expect("a start")
}
