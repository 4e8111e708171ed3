//! Claims per second through a store, and, for Redis, with the script alone.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use scheduled_one_postgres::PostgresStore;
use scheduled_one_protocol::message::{
    Caller, Claim, Claimed, DueTick, Finish, Intent, LowerBounds, MAX_BATCH, Overlap, RunId,
    Target, Verdict,
};
use scheduled_one_protocol::{Outcome, Store, TickMs, UnitName};
use scheduled_one_redis::{RedisStore, claim_script, claim_script_without_control};
use test_support::{RedisServer, find_in_path, find_redis_server};
use tokio::task::JoinSet;

use crate::child;
use crate::options::Scale;
use crate::report::{Bound, Row};
use crate::task::{Found, Task};
use crate::ticks::now_us;

/// Calls under way at a time, as many as a node has.
const UNDER_WAY: usize = 8;
/// How often each of two scripts is measured.
const TURNS: usize = 5;
/// How much dearer control may make claims while nobody uses it.
const MOST_OF_CONTROL: f64 = 1.05;
/// Long enough for a round.
const LEASE: Duration = Duration::from_secs(60);

pub(crate) fn measure(scale: &Scale) -> Result<Vec<Row>> {
    let (batches, rounds) = scale.claims;
    let redis = RedisServer::start()?;
    let mut task = Task::new(&redis.url(), batches, scale);
    task.seconds = rounds as u64;
    let ours = child::run("claims", &task)?;
    drop(redis);
    let calls = batches * rounds;
    let whole = reference(claim_script(), calls, MAX_BATCH, 1)?;
    let single = reference(claim_script(), calls * MAX_BATCH / 8, 1, 64)?;

    let row = |what: &str, name: &str, bound| -> Result<Row> {
        Ok(Row::new(what.to_owned(), "/s", bound, ours.get(name)?))
    };
    let target = Bound::AtLeast(120_000.0);
    let first = "claims, first tick of a unit, against the script in calls of 256";
    let singles = "the same, against the script in calls of 1, -P 64";
    Ok(vec![
        row("claims, ticks of known units", "later", target)?,
        row(first, "first", target)?.maybe_beside(whole),
        row(singles, "first", Bound::None)?.maybe_beside(single),
        row("outcomes recorded", "finishes", Bound::None)?,
    ])
}

/// The claim script, next to the same without what operators need: nobody has used that here. In turns; the better of
/// each counts, because noise only costs.
pub(crate) fn cost_of_control(scale: &Scale) -> Result<Vec<Row>> {
    let (batches, rounds) = scale.claims;
    let without = claim_script_without_control()
        .map_err(|part| anyhow!("the claim script has another text than {part:?}"))?;
    let best = |script: &str, before: f64| -> Result<f64> {
        let found = reference(script, batches * rounds, MAX_BATCH, 1)?;
        Ok(found.unwrap_or_default().max(before))
    };
    let (mut ours, mut plain) = (0.0, 0.0);
    for _ in 0..TURNS {
        ours = best(claim_script(), ours)?;
        plain = best(&without, plain)?;
    }
    if plain == 0.0 {
        return Ok(Vec::new()); // there is no redis-benchmark, which was said
    }
    let what = "claims by the script, control unused, against the script without control";
    let bound = Bound::AtLeast(plain / MOST_OF_CONTROL);
    Ok(vec![
        Row::new(what.to_owned(), "/s", bound, ours).beside(plain),
    ])
}

/// Claims and finishes the ticks of as many units as there are claims in a round; in the child.
pub(crate) async fn ours(task: &Task) -> Result<Found> {
    let store = open(&task.url).await?;
    let caller = Arc::new(caller("bench"));
    let start_ms = now_us() / 1000 - 3_600_000;
    let (mut first, mut later, mut finishing, mut known) = (0.0, 0.0, 0.0, 0.0);
    let mut last = None;
    for round in 0..task.seconds as i64 {
        let tick = TickMs(start_ms + round * 1000);
        let batches = (0..task.jobs).map(|batch| claims(batch, tick, last));
        let (answers, seconds) = claim_all(&store, &caller, batches.collect()).await?;
        if round == 0 {
            first = seconds;
        } else {
            later += seconds;
        }
        let finishes = answers
            .into_iter()
            .map(|(claims, answers)| finishes(claims, answers));
        let finishes = finishes.collect::<Result<_>>()?;
        let finish_s = finish_all(&store, &caller, finishes).await?;
        finishing += finish_s;
        if round > 0 {
            known += seconds + finish_s;
        }
        last = Some(tick);
    }
    let in_round = (task.jobs * MAX_BATCH) as f64;
    let rounds = task.seconds as f64;
    let mut found = Found::default();
    found.set("first", in_round / first);
    found.set("later", in_round * (rounds - 1.0) / later);
    found.set("finishes", in_round * rounds / finishing);
    found.set("both", 2.0 * in_round * (rounds - 1.0) / known);
    Ok(found)
}

/// The store of a URL.
pub(crate) async fn open(url: &str) -> Result<Arc<dyn Store>> {
    if url.starts_with("postgres:") {
        let store = PostgresStore::new(url, "bench")?;
        Store::preflight(&store)
            .await
            .map_err(|it| it.cause)
            .map_err(|it| anyhow!(it))?;
        return Ok(Arc::new(store));
    }
    Ok(Arc::new(RedisStore::connect(url, "bench").await?))
}

pub(crate) fn caller(node: &str) -> Caller {
    Caller {
        node: node.to_owned(),
        name: node.to_owned(),
        // The namespace is new: no other node can have claimed.
        quarantine_ms: 0,
        margin_ms: 0,
        ledger_limit: 1_000,
        buckets: 1,
    }
}

fn claims(batch: usize, tick: TickMs, after: Option<TickMs>) -> Vec<Claim> {
    let units = (0..MAX_BATCH).map(|index| batch * MAX_BATCH + index);
    claims_of(units, tick, after)
}

/// Claims of one tick of each of these units.
pub(crate) fn claims_of(
    units: impl Iterator<Item = usize>,
    tick: TickMs,
    after: Option<TickMs>,
) -> Vec<Claim> {
    let now_ms = now_us() / 1000;
    let claim = |index: usize| Claim {
        unit: UnitName::new(&format!("job-{index:06}"), 0),
        nonce: format!("0123456789abcdef-{:x}", tick.ms() + index as i64),
        valid_until_ms: now_ms + LEASE.as_millis() as i64,
        lease_ms: LEASE.as_millis() as i64,
        takeovers: 0,
        schedule: None,
        control: 0,
        with_lane: false,
        bounds: LowerBounds {
            decided: after,
            ..LowerBounds::default()
        },
        target: Target::Tick(DueTick {
            tick,
            due_ms: tick.ms(),
            after,
            next_due_ms: Some(tick.ms() + 1_000),
            intent: Intent::Run,
            overlap: Overlap::Skip,
            missed: None,
        }),
    };
    units.map(claim).collect()
}

type Decided = (Vec<Claim>, Vec<Claimed>);

/// Sends batches, several at a time; returns the answers, and how long it took in seconds.
async fn claim_all(
    store: &Arc<dyn Store>,
    caller: &Arc<Caller>,
    batches: Vec<Vec<Claim>>,
) -> Result<(Vec<Decided>, f64)> {
    let began = Instant::now();
    let answers = several(batches, |batch: Vec<Claim>| {
        let (store, caller) = (Arc::clone(store), Arc::clone(caller));
        async move {
            let reply = store.claim(&caller, &batch).await?;
            Ok((batch, reply.body))
        }
    });
    Ok((answers.await?, began.elapsed().as_secs_f64()))
}

async fn finish_all(
    store: &Arc<dyn Store>,
    caller: &Arc<Caller>,
    batches: Vec<Vec<Finish>>,
) -> Result<f64> {
    let began = Instant::now();
    let answers = several(batches, |batch: Vec<Finish>| {
        let (store, caller) = (Arc::clone(store), Arc::clone(caller));
        async move { Ok(store.finish(&caller, &batch).await?.body) }
    });
    let answers = answers.await?;
    let seconds = began.elapsed().as_secs_f64();
    let mut all = answers.iter().flatten();
    ensure!(all.all(|answer| answer.recorded), "an outcome was refused");
    Ok(seconds)
}

/// Calls with each item, [`UNDER_WAY`] at a time.
pub(crate) async fn several<I, O, F>(items: Vec<I>, call: impl Fn(I) -> F) -> Result<Vec<O>>
where
    O: Send + 'static,
    F: Future<Output = Result<O>> + Send + 'static,
{
    let mut items = items.into_iter();
    let mut under_way: JoinSet<Result<O>> = items.by_ref().take(UNDER_WAY).map(&call).collect();
    let mut answers = Vec::new();
    while let Some(answer) = under_way.join_next().await {
        answers.push(answer??);
        if let Some(item) = items.next() {
            under_way.spawn(call(item));
        }
    }
    Ok(answers)
}

/// The ends of the runs that were granted, which must be all.
pub(crate) fn finishes(claims: Vec<Claim>, answers: Vec<Claimed>) -> Result<Vec<Finish>> {
    let finish = |(claim, answer): (Claim, Claimed)| {
        let Verdict::Granted(grant) = answer.verdict else {
            return Err(anyhow!("{} was answered {:?}", claim.unit, answer.verdict));
        };
        let run = RunId {
            unit: grant.unit,
            tick: grant.tick,
            nonce: claim.nonce,
            token: grant.token,
            attempt: grant.attempt,
            lease_ms: claim.lease_ms,
            granted_at_ms: grant.tick.ms(),
            takeovers: 0,
            origin: None,
        };
        Ok(Finish {
            run,
            outcome: Outcome::Ok,
            retried: false,
            reason: String::new(),
            error: String::new(),
            fired_at_ms: Some(grant.tick.ms()),
            ended_at_ms: grant.tick.ms(),
        })
    };
    claims.into_iter().zip(answers).map(finish).collect()
}

/// Claims per second that redis-benchmark reaches with a script, each for a unit that was
/// never claimed before. None if there is no redis-benchmark.
fn reference(script: &str, calls: usize, units: usize, pipeline: usize) -> Result<Option<f64>> {
    let beside = find_redis_server().map(|server| server.with_file_name("redis-benchmark"));
    let beside = beside.filter(|program| program.is_file());
    let Some(program) = beside.or_else(|| find_in_path("redis-benchmark")) else {
        eprintln!("  no redis-benchmark beside redis-server or in PATH: claims have no reference");
        return Ok(None);
    };
    let redis = RedisServer::start()?;
    let sha = redis.command(&["SCRIPT", "LOAD", script])?;
    let mut command = Command::new(program);
    command
        .args(["-q", "-p", &redis.port().to_string()])
        .args(["-n", &calls.to_string(), "-r", "1000000000"])
        .args(["-c", &UNDER_WAY.to_string(), "-P", &pipeline.to_string()])
        .args(["EVALSHA", sha.trim()])
        .args(one_call(units));
    let output = command.output().context("run redis-benchmark")?;
    let text = String::from_utf8_lossy(&output.stdout);
    // A record for each claim, and a few for all; names are random, so some may meet.
    let records: usize = redis.command(&["DBSIZE"])?.trim().parse()?;
    ensure!(
        records * 10 > calls * units * 9,
        "redis-benchmark made {records} records with {calls} calls: {text}"
    );
    let (before, _) = text
        .rsplit_once(" requests per second")
        .with_context(|| format!("redis-benchmark said {text:?}"))?;
    let per_second = before.rsplit(' ').next().unwrap_or_default();
    let per_second: f64 = per_second.parse().with_context(|| format!("in {text:?}"))?;
    Ok(Some(per_second * units as f64))
}

/// Keys and arguments of a call, as `claim.lua` lists them. redis-benchmark replaces each
/// `__rand_int__` by a number of its own.
fn one_call(units: usize) -> Vec<String> {
    let of_all = ["meta", "leases", "ready", "due", "ctl"];
    let mut args = vec![(of_all.len() + 2 * units).to_string()];
    args.extend(of_all.map(|key| format!("so:{{bench}}:{key}")));
    for _ in 0..units {
        args.extend(["job", "log"].map(|kind| format!("so:{{bench}}:{kind}:job-__rand_int__")));
    }
    args.extend(["0", "bench", "1000"].map(str::to_owned));
    let tick_ms = now_us() / 1000 - 3_600_000;
    args.push((tick_ms + 2 * 3_600_000).to_string()); // valid until
    for index in 0..units {
        let nonce = format!("0123456789abcdef-{:x}", tick_ms + index as i64);
        let numbers = [tick_ms, 0, 0, LEASE.as_millis() as i64];
        args.push(nonce);
        args.extend(numbers.map(|number| number.to_string()));
        args.push(String::new()); // no schedule
        args.push((tick_ms + 1_000).to_string());
        args.push(String::new()); // nothing is unusual
    }
    args.extend(["0", "1"].map(str::to_owned)); // margin, buckets
    args
}
