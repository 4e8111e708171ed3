//! Several callers claim the same tick at the same time.

use std::sync::Arc;
use std::time::Duration;

use scheduled_one_protocol::message::{
    Caller, Claim, Claimed, ControlRequest, DirectiveChange, DueTick, Finish, Grant, Heartbeat,
    LowerBounds, RunId, Target, Verdict,
};
use scheduled_one_protocol::{
    ALL_JOBS, Bucket, Directive, FencingToken, Outcome, Store, StoreError, TickMs, UnitName,
};
use tokio::task::JoinSet;

use super::Breach;

/// How many callers claim each tick.
const CALLERS: usize = 8;
/// How many ticks they claim.
const TICKS: i64 = 50;
const LEASE_MS: i64 = 60_000;
/// How long a quarantine may last that callers with short leases asked for.
const QUARANTINE: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Each tick is granted once, to one of its callers, with a higher token than the tick before; a claim that is sent
/// twice at the same time counts once. Returns how many claims were sent.
pub(super) async fn run(store: &Arc<dyn Store>, buckets: u32) -> Result<u64, Breach> {
    let caller = Caller {
        node: "racer".to_owned(),
        name: "Racer".to_owned(),
        quarantine_ms: 1,
        margin_ms: 0,
        ledger_limit: 50,
        buckets,
    };
    let first_ms = after_quarantine(store, &caller).await?;
    let control = without_pause(store, &caller).await?;
    let handles: Vec<_> = (0..CALLERS).map(|_| store.open(Bucket::WHOLE)).collect();
    let mut newest = FencingToken::default();
    let mut after = None;
    let mut sent = 0;
    for tick in (first_ms..first_ms + TICKS).map(TickMs) {
        let claims: Vec<Claim> = (0..CALLERS)
            .map(|n| claim(tick, after, control, n))
            .collect();
        let replies = at_once(&handles, &caller, &claims).await?;
        sent += replies.len() as u64;
        let (winner, grant) = one_grant(&claims, &replies, newest)?;
        finish(store, &caller, &claims[winner].nonce, &grant).await?;
        newest = grant.token;
        after = Some(tick);
    }
    Ok(sent)
}

/// Waits until the store grants something; returns its clock.
async fn after_quarantine(store: &Arc<dyn Store>, caller: &Caller) -> Result<i64, Breach> {
    let until = std::time::Instant::now() + QUARANTINE;
    loop {
        let reply = store.heartbeat(caller, Heartbeat::alive()).await;
        let head = reply
            .map_err(|error| Breach::new("no reply", &Heartbeat::alive(), &"a reply", &error))?
            .head;
        let now_ms = (head.now_us / 1_000) as i64;
        if now_ms >= head.quarantine_until_ms {
            return Ok(now_ms);
        }
        if std::time::Instant::now() > until {
            let what = "the quarantine does not end";
            return Err(Breach::new(what, caller, &QUARANTINE, &head));
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Lifts the pause of all jobs, if there is one. Returns the version of the directives in force.
async fn without_pause(store: &Arc<dyn Store>, caller: &Caller) -> Result<u64, Breach> {
    let mut request = ControlRequest::default();
    for _ in 0..2 {
        let reply = store.control(caller, &request).await;
        let reply = reply.map_err(|error| Breach::new("no reply", &request, &"a reply", &error))?;
        let Some(stored) = reply.body.directives.get(ALL_JOBS) else {
            return Ok(0);
        };
        if stored.pause.is_none() {
            return Ok(stored.version);
        }
        request.change = Some(DirectiveChange {
            subject: ALL_JOBS.to_owned(),
            seen: stored.version,
            directive: Directive::default(),
            action: String::new(),
        });
        let lifted = store.control(caller, &request).await;
        lifted.map_err(|error| Breach::new("no reply", &request, &"a reply", &error))?;
        request.change = None;
    }
    Err(Breach::new("a pause stays", &request, &"no pause", &"one"))
}

fn claim(tick: TickMs, after: Option<TickMs>, control: u64, caller: usize) -> Claim {
    Claim {
        unit: UnitName::new("race", 0),
        nonce: format!("race-{tick}-{caller}"),
        valid_until_ms: tick.ms() + LEASE_MS,
        lease_ms: LEASE_MS,
        takeovers: 0,
        schedule: None,
        control,
        bounds: LowerBounds::default(),
        with_lane: false,
        target: Target::Tick(DueTick {
            after,
            ..DueTick::new(tick)
        }),
    }
}

/// Sends all claims at once, the first of them twice.
async fn at_once(
    handles: &[Arc<dyn Store>],
    caller: &Caller,
    claims: &[Claim],
) -> Result<Vec<(usize, Claimed)>, Breach> {
    let mut tasks: JoinSet<(usize, Result<Claimed, StoreError>)> = JoinSet::new();
    let twice = std::iter::once(0).chain(0..claims.len());
    for (index, handle) in twice.zip(handles.iter().cycle()) {
        let (handle, caller, claim) = (Arc::clone(handle), caller.clone(), claims[index].clone());
        tasks.spawn(async move {
            let reply = handle.claim(&caller, &[claim]).await;
            let claimed = reply.and_then(|reply| {
                let none = || StoreError::Unknown("a reply without an answer".to_owned());
                reply.body.into_iter().next().ok_or_else(none)
            });
            (index, claimed)
        });
    }
    let mut replies = Vec::new();
    while let Some(joined) = tasks.join_next().await {
        let (index, claimed) = joined.map_err(|error| {
            Breach::new(
                "the store panicked",
                &claims,
                &"a reply",
                &error.to_string(),
            )
        })?;
        let claimed =
            claimed.map_err(|error| Breach::new("no reply", &claims[index], &"a reply", &error))?;
        replies.push((index, claimed));
    }
    Ok(replies)
}

fn one_grant(
    claims: &[Claim],
    replies: &[(usize, Claimed)],
    before: FencingToken,
) -> Result<(usize, Grant), Breach> {
    let mut winner: Option<(usize, &Grant)> = None;
    for (index, claimed) in replies {
        match &claimed.verdict {
            Verdict::Granted(grant) if winner.is_none_or(|known| known == (*index, grant)) => {
                winner = Some((*index, grant));
            }
            Verdict::Decided { .. } => {}
            _ => {
                let what = "claims of one tick at the same time";
                return Err(Breach::new(
                    what,
                    &claims,
                    &"one grant, others decided",
                    &replies,
                ));
            }
        }
    }
    match winner {
        Some((index, grant)) if grant.token > before => Ok((index, grant.clone())),
        _ => {
            let what = "claims of one tick at the same time";
            let expected = format!("one grant, with a token above {before}");
            Err(Breach::new(what, &claims, &expected, &replies))
        }
    }
}

async fn finish(
    store: &Arc<dyn Store>,
    caller: &Caller,
    nonce: &str,
    grant: &Grant,
) -> Result<(), Breach> {
    let finish = Finish {
        run: RunId {
            unit: grant.unit.clone(),
            tick: grant.tick,
            nonce: nonce.to_owned(),
            token: grant.token,
            attempt: grant.attempt,
            lease_ms: LEASE_MS,
            granted_at_ms: grant.tick.ms(),
            takeovers: 0,
            origin: None,
        },
        outcome: Outcome::Ok,
        retried: false,
        reason: String::new(),
        error: String::new(),
        fired_at_ms: Some(grant.tick.ms()),
        ended_at_ms: grant.tick.ms(),
    };
    let reply = store.finish(caller, std::slice::from_ref(&finish)).await;
    let reply = reply.map_err(|error| Breach::new("no reply", &finish, &"a reply", &error))?;
    let recorded: Vec<bool> = reply
        .body
        .iter()
        .map(|finished| finished.recorded)
        .collect();
    Breach::unless_same(
        "the end of a run is recorded",
        &finish,
        &vec![true],
        &recorded,
    )
}
