//! A change of directives against claims, and against nodes that describe their jobs.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use scheduled_one_postgres::PostgresStore;
use scheduled_one_protocol::message::{
    Changed, Claim, ControlReply, ControlRequest, DirectiveChange, DueTick, Head, LowerBounds,
    MAX_BATCH, Reply, Target, Verdict,
};
use scheduled_one_protocol::{
    ALL_JOBS, Catalog, Directive, Pause, Records, Store, StoreError, TickMs, UnitName, Wanted,
    WorkingSet,
};
use test_support::{wait_until, wait_until_async};

use super::stranger::Stranger;
use super::{Database, caller, in_time, patience, serving};

const BOUND: Duration = Duration::from_secs(30);

/// How often a pause races with claims.
const ROUNDS: usize = 64;

const TICK: TickMs = TickMs(1_000);

fn claim(unit: &str, (control, now_ms): (u64, i64)) -> Claim {
    Claim {
        unit: UnitName::from(unit),
        nonce: format!("of {unit}"),
        valid_until_ms: now_ms + 60_000,
        lease_ms: 60_000,
        takeovers: 0,
        schedule: None,
        control,
        bounds: LowerBounds::default(),
        with_lane: false,
        target: Target::Tick(DueTick::new(TICK)),
    }
}

fn now_ms(head: &Head) -> i64 {
    (head.now_us / 1_000) as i64
}

/// Pauses all jobs, or ends their pause, for who saw this version.
fn change(seen: u64, is_paused: bool) -> ControlRequest {
    let pause = Pause {
        since_ms: 1,
        until_ms: None,
    };
    ControlRequest {
        change: Some(DirectiveChange {
            subject: ALL_JOBS.to_owned(),
            seen,
            directive: Directive {
                pause: is_paused.then_some(pause),
                ..Directive::default()
            },
            action: String::new(),
        }),
        ..ControlRequest::default()
    }
}

async fn control(
    store: &PostgresStore,
    request: &ControlRequest,
) -> Result<Reply<ControlReply>, StoreError> {
    in_time(async || store.control(&caller(), request).await).await
}

/// Ends the pause of all jobs. Returns the version of the directives, and the time.
async fn without_pause(store: &PostgresStore) -> (u64, i64) {
    let found = control(store, &ControlRequest::default()).await.unwrap();
    let seen = found.body.directives.get(ALL_JOBS);
    let seen = seen.map_or(0, |directive| directive.version);
    let ended = control(store, &change(seen, false)).await.unwrap();
    (ended.body.version, now_ms(&ended.head))
}

/// Whether a tick of the unit is decided.
async fn is_decided(store: &PostgresStore, unit: &str) -> bool {
    let units = [UnitName::from(unit)];
    let found = in_time(async || store.inspect(&caller(), &units).await).await;
    found.unwrap().body[0].marks.decided.is_some()
}

/// The claims are many, so that they take much longer than the pause.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_granted_after_the_reply_to_a_pause_that_races_with_claims() {
    let database = Database::new();
    let (claims_of, pauses) = (database.ready_store().await, database.store());
    serving(&pauses).await;
    for round in 0..ROUNDS {
        let seen = without_pause(&pauses).await;
        let units: Vec<String> = (0..MAX_BATCH).map(|n| format!("{round}-{n:03}")).collect();
        let claims: Vec<Claim> = units.iter().map(|unit| claim(unit, seen)).collect();
        let pausing = async {
            // Another moment of the claims in each round: so many round trips later.
            for _ in 0..round % 16 {
                is_decided(&pauses, "none").await;
            }
            control(&pauses, &change(seen.0, true)).await.unwrap();
            is_decided(&pauses, &units[0]).await
        };
        let claiming = in_time(async || claims_of.claim(&caller(), &claims).await);
        let (claimed, was_decided) = tokio::join!(claiming, pausing);
        let claimed = claimed.unwrap().body;
        let granted = claimed
            .iter()
            .filter(|it| matches!(it.verdict, Verdict::Granted(_)))
            .count();
        let expected = if was_decided { MAX_BATCH } else { 0 };
        assert_eq!(granted, expected, "round {round}: {:?}", claimed[0].verdict);
    }
}

/// The claim has read what the pause changes.
#[tokio::test(flavor = "multi_thread")]
async fn a_pause_waits_for_a_claim_that_has_read_the_directives() {
    let database = Database::new();
    let claims_of = database.ready_store().await;
    let pauses = Arc::new(database.store());
    serving(&pauses).await;
    // Who waits for too long gives up: then it begins again.
    let until = patience();
    while let Err(late) = pause_next_to_a_claim(&database, &claims_of, &pauses).await {
        assert!(Instant::now() < until, "{late}");
    }
}

/// Fails if the server was too slow for what waits.
async fn pause_next_to_a_claim(
    database: &Database,
    claims_of: &PostgresStore,
    pauses: &Arc<PostgresStore>,
) -> Result<(), String> {
    let seen = without_pause(pauses).await;
    let claims = [claim("a", seen)];
    let reply = Arc::new(OnceLock::new());
    let runtime = tokio::runtime::Handle::current();
    let decide = Box::new(|set: &mut WorkingSet| {
        let (pauses, reply) = (Arc::clone(pauses), Arc::clone(&reply));
        let pausing = runtime.spawn({
            let reply = Arc::clone(&reply);
            async move {
                let paused = pauses.control(&caller(), &change(seen.0, true)).await;
                reply.set(paused.map(|reply| reply.body.changed))
            }
        });
        drop(pausing);
        wait_until("the pause waits, or has its reply", BOUND, || {
            reply.get().is_some() || database.waiting() == 1
        });
        let is_paused = matches!(reply.get(), Some(Ok(Changed::To(_))));
        assert!(!is_paused, "nobody has decided on the claim yet");
        set.claim(&caller(), &claims);
        Ok(())
    });
    let claimed = Records::transact(claims_of, Wanted::claims(&claims), 9, decide).await;
    wait_until_async("the pause has its reply", BOUND, async || {
        reply.get().is_some()
    })
    .await;
    match (claimed, reply.get()) {
        (Ok(()), Some(Ok(Changed::To(_)))) => Ok(()),
        late => Err(format!("{late:?}")),
    }
}

fn described(jobs: &[&str], text: &str) -> ControlRequest {
    let said = |job: &&str| ((*job).to_owned(), text.to_owned());
    ControlRequest {
        described: jobs.iter().map(said).collect(),
        ..ControlRequest::default()
    }
}

async fn catalog(store: &PostgresStore) -> Catalog {
    let request = ControlRequest {
        wants_catalog: true,
        ..ControlRequest::default()
    };
    control(store, &request)
        .await
        .unwrap()
        .body
        .catalog
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_describes_jobs_and_who_claims_do_not_wait_for_each_other() {
    let database = Database::new();
    let store = database.ready_store().await;
    let seen = without_pause(&store).await;
    control(&store, &described(&["a", "b"], "first"))
        .await
        .unwrap();
    let before = catalog(&store).await;

    let claiming = "SELECT pg_advisory_xact_lock_shared(1936679525, hashtext('test'))";
    let claiming = Stranger::new(&database, claiming);
    control(&store, &described(&["b", "c"], "second"))
        .await
        .unwrap();
    let after = catalog(&store).await;
    claiming.end();
    assert_eq!(after["a"], before["a"]);
    assert_eq!(
        (after["b"].first_ms, &*after["b"].text),
        (before["b"].first_ms, "second")
    );
    assert!(after["c"].first_ms > before["b"].first_ms);

    let describing = "SELECT pg_advisory_xact_lock(1936679527, hashtext('test'))";
    let describing = Stranger::new(&database, describing);
    let claims = [claim("a", seen)];
    let claimed = in_time(async || store.claim(&caller(), &claims).await)
        .await
        .unwrap()
        .body;
    assert!(
        matches!(claimed[0].verdict, Verdict::Granted(_)),
        "{claimed:?}"
    );
    let paused = control(&store, &change(seen.0, true)).await.unwrap();
    assert!(matches!(paused.body.changed, Changed::To(_)), "{paused:?}");
    // One description comes after the other.
    let late = store.control(&caller(), &described(&["a"], "third")).await;
    assert!(late.is_err(), "{late:?}");
    describing.end();
    control(&store, &described(&["a"], "third")).await.unwrap();
    assert_eq!(catalog(&store).await["a"].text, "third");
}
