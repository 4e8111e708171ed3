//! What waits in a unit whose job is gone ends, recorded: it is claimed, and its run is finished at once.

use crate::event;
use crate::metrics::labels::{JOB_GONE, Op};
use crate::run_result::RunResult;
use crate::store_client::StoreClient;
use scheduled_one_protocol::message::{
    Claim, Finish, Grant, LowerBounds, Overlap, Request, RunId, Take, Target, Verdict,
};
use scheduled_one_protocol::{ScheduleId, StoreError, TickMs, UnitName};

/// The lease of a run that is finished at once.
const LEASE_MS: i64 = 5_000;
/// What is ended of a unit after one heartbeat, at most; the next heartbeat names the unit again.
const MOST_AT_ONCE: usize = 64;

/// Ends what waits in a unit, a slot or a lane. What is left after an error is named by the next heartbeat.
pub(super) async fn end_what_waits(
    client: &StoreClient,
    unit: &UnitName,
    nonce: &str,
    now_ms: i64,
) {
    for turn in 0..MOST_AT_ONCE {
        let nonce = format!("{nonce}-{turn}");
        match end_first(client, unit, nonce, now_ms).await {
            Ok(true) => {}
            Ok(false) | Err(_) => return,
        }
    }
}

/// Ends what waits in front. Returns whether something did.
async fn end_first(
    client: &StoreClient,
    unit: &UnitName,
    nonce: String,
    now_ms: i64,
) -> Result<bool, StoreError> {
    if !is_gone(client, unit).await? {
        return Ok(false);
    }
    let granted = match unit.is_lane() {
        true => take(client, unit, &nonce, now_ms).await?,
        false => claim(client, unit, &nonce, now_ms).await?,
    };
    let Some((grant, request)) = granted else {
        return Ok(false);
    };
    let run = RunId {
        unit: grant.unit,
        tick: grant.tick,
        nonce,
        token: grant.token,
        attempt: grant.attempt,
        lease_ms: LEASE_MS,
        granted_at_ms: now_ms,
        takeovers: 0,
        origin: request.map(|request| request.origin(grant.tick, false)),
    };
    event::ended_gone(&run.unit, run.tick);
    let ended = RunResult::not_started(&run, JOB_GONE);
    let (of_unit, outcome) = (run.unit.clone(), ended.outcome);
    let finish = [Finish {
        run,
        outcome,
        retried: false,
        reason: ended.reason,
        error: String::new(),
        fired_at_ms: None,
        ended_at_ms: now_ms,
    }];
    // A finish is the same however often it comes. If none does, the run is written off.
    client
        .request(Op::Finish, |store, caller| store.finish(caller, &finish))
        .await?;
    client.metrics.ended_in_gone(&of_unit, outcome);
    Ok(true)
}

/// Whether still no schedule decides: what waits in a lane is taken without naming one.
async fn is_gone(client: &StoreClient, unit: &UnitName) -> Result<bool, StoreError> {
    let units = [UnitName::new(unit.job(), unit.shard())];
    let reply = client.request(Op::Inspect, |store, caller| store.inspect(caller, &units));
    let status = reply.await?.body.into_iter().next();
    let decides = status.and_then(|status| status.decides);
    Ok(decides.is_some_and(|decides| decides.gone_since_ms().is_some()))
}

async fn claim(
    client: &StoreClient,
    unit: &UnitName,
    nonce: &str,
    now_ms: i64,
) -> Result<Option<(Grant, Option<Request>)>, StoreError> {
    let claims = [Claim {
        unit: unit.clone(),
        nonce: nonce.to_owned(),
        valid_until_ms: now_ms + LEASE_MS,
        lease_ms: LEASE_MS,
        takeovers: 0,
        schedule: Some(ScheduleId::NONE),
        control: 0,
        bounds: LowerBounds::default(),
        with_lane: true,
        target: Target::Queued { oldest: TickMs(0) },
    }];
    let reply = client.request(Op::Claim, |store, caller| store.claim(caller, &claims));
    let claimed = reply.await?.body.into_iter().next();
    Ok(claimed.and_then(|claimed| Some((granted(claimed.verdict)?, None))))
}

async fn take(
    client: &StoreClient,
    lane: &UnitName,
    nonce: &str,
    now_ms: i64,
) -> Result<Option<(Grant, Option<Request>)>, StoreError> {
    let takes = [Take {
        lane: lane.clone(),
        nonce: nonce.to_owned(),
        valid_until_ms: now_ms + LEASE_MS,
        lease_ms: LEASE_MS,
        takeovers: 0,
        bounds: LowerBounds::default(),
        // A request waits for a run that is still active, and is not skipped for it.
        overlap: Overlap::Queue(1),
    }];
    let reply = client.request(Op::Take, |store, caller| store.take(caller, &takes));
    let Some(taken) = reply.await?.body.into_iter().next() else {
        return Ok(None);
    };
    let grant = granted(taken.claimed.verdict);
    Ok(grant.map(|grant| (grant, taken.request)))
}

fn granted(verdict: Verdict) -> Option<Grant> {
    match verdict {
        Verdict::Granted(grant) | Verdict::NotReplicated(grant) => Some(grant),
        _ => None,
    }
}
