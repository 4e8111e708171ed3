//! Each right of the three roles is taken away in turn: the one who asks for something misses it.

use scheduled_one_postgres::{PostgresStore, grant_operator, grant_viewer, schema};
use scheduled_one_protocol::message::{
    Ask, Cancel, Cause, Checkpoint, CheckpointRequest, Claim, ControlRequest, DirectiveChange,
    DueTick, Finish, Heartbeat, JobList, KnownRequest, LowerBounds, OverdueRun, Overlap, Register,
    Renew, Request, RunId, Take, Target, Verdict,
};
use scheduled_one_protocol::{
    Directive, FencingToken, LedgerRecord, Outcome, SkipReason, Store, StoreError, TickMs, UnitName,
};

use super::{Database, SERVER, caller, in_time, registration};

const LEASE_MS: i64 = 60_000;

fn unit() -> UnitName {
    UnitName::from("a")
}

fn directive_change(subject: &str) -> ControlRequest {
    ControlRequest {
        change: Some(DirectiveChange {
            subject: subject.to_owned(),
            seen: 0,
            directive: Directive::default(),
            action: "pause".to_owned(),
        }),
        ..ControlRequest::default()
    }
}

fn described(text: &str) -> ControlRequest {
    ControlRequest {
        described: vec![("a".to_owned(), text.to_owned())],
        wants_catalog: true,
        ..ControlRequest::default()
    }
}

fn alive(jobs: &str) -> Heartbeat {
    let list = JobList::new([jobs]);
    Heartbeat {
        jobs: list.digest(),
        job_list: Some(list),
        ..Heartbeat::alive()
    }
}

/// So many requests for one unit have so many ticks in a row.
fn asks(count: usize) -> Vec<Ask> {
    let request = |number| Request {
        id: format!("request-{number}"),
        cause: Cause::Manual,
        actor: "ann".to_owned(),
        note: String::new(),
        logical: None,
        on_busy: None,
        parameters: String::new(),
    };
    let ask = |number| Ask {
        unit: unit(),
        request: request(number),
    };
    (0..count).map(ask).collect()
}

fn checkpoint(write: Option<u64>) -> CheckpointRequest {
    CheckpointRequest {
        // No run of it was granted, with a higher token.
        unit: UnitName::from("leaves"),
        write: write.map(|token| Checkpoint {
            token: FencingToken(token),
            text: "left".to_owned(),
        }),
    }
}

/// What a run is ended by.
fn end_of(verdict: &Verdict) -> Option<(RunId, i64)> {
    let Verdict::Granted(grant) = verdict else {
        return None;
    };
    let run = RunId {
        unit: grant.unit.clone(),
        tick: grant.tick,
        nonce: "nonce".to_owned(),
        token: grant.token,
        attempt: grant.attempt,
        lease_ms: LEASE_MS,
        granted_at_ms: grant.until_ms - LEASE_MS,
        takeovers: 1,
        origin: None,
    };
    Some((run, grant.until_ms - LEASE_MS))
}

async fn finish(store: &PostgresStore, verdict: &Verdict) -> Result<(), StoreError> {
    let Some((run, at_ms)) = end_of(verdict) else {
        panic!("not granted: {verdict:?}");
    };
    let renew = Renew {
        run: run.clone(),
        valid_until_ms: at_ms + 3_600_000,
    };
    store.renew(&caller(), &[renew]).await?;
    let finish = Finish {
        run,
        outcome: Outcome::Ok,
        retried: false,
        reason: String::new(),
        error: String::new(),
        fired_at_ms: Some(at_ms),
        ended_at_ms: at_ms + 1,
    };
    store.finish(&caller(), &[finish]).await.map(drop)
}

/// Everything that a node does, but to forget jobs.
async fn scheduler(store: &PostgresStore) -> Result<(), StoreError> {
    let caller = caller();
    for jobs in ["a", "b"] {
        store.heartbeat(&caller, alive(jobs)).await?;
    }
    store.heartbeat(&caller, Heartbeat::leaving()).await?;
    for first_seen_ms in [1, 0] {
        let earlier = Register {
            first_seen_ms,
            ..registration("a")
        };
        store.register(&caller, &[earlier]).await?;
    }
    // Its tick is one of those with which old ids are forgotten.
    let known = KnownRequest {
        id: "known".to_owned(),
        tick: TickMs(100),
    };
    let lane = Register {
        unit: unit().lane(),
        requests: vec![known],
        ..registration("a")
    };
    store.register(&caller, &[lane]).await?;
    for text in ["one", "two"] {
        store.control(&caller, &described(text)).await?;
    }
    let change = directive_change("a");
    let control = store.control(&caller, &change).await?.body.version;
    runs(store, control).await?;
    let line = LedgerRecord::skipped(&unit(), TickMs(1), SkipReason::Overlap, "node", 1);
    store.record(&caller, &[line]).await?;
    for token in [1, 2] {
        store.checkpoint(&caller, &checkpoint(Some(token))).await?;
    }
    look(store).await
}

/// A run of a tick and one that somebody asked for, claimed, renewed and ended.
async fn runs(store: &PostgresStore, control: u64) -> Result<(), StoreError> {
    let caller = caller();
    let now = store.inspect(&caller, &[]).await?.head.now_us / 1_000;
    let valid_until_ms = now as i64 + 3_600_000;
    let claim = Claim {
        unit: unit(),
        nonce: "nonce".to_owned(),
        valid_until_ms,
        lease_ms: LEASE_MS,
        takeovers: 1,
        schedule: None,
        control,
        with_lane: true,
        bounds: LowerBounds::default(),
        target: Target::Tick(DueTick {
            after: Some(TickMs(0)),
            ..DueTick::new(TickMs(now as i64))
        }),
    };
    let claimed = store.claim(&caller, &[claim]).await?.body;
    finish(store, &claimed[0].verdict).await?;
    store.ask(&caller, &asks(1)).await?;
    let take = Take {
        lane: unit().lane(),
        nonce: "nonce".to_owned(),
        valid_until_ms,
        lease_ms: LEASE_MS,
        takeovers: 1,
        bounds: LowerBounds::default(),
        overlap: Overlap::Skip,
    };
    let taken = store.take(&caller, &[take]).await?.body;
    finish(store, &taken[0].claimed.verdict).await?;
    let overdue = OverdueRun {
        unit: unit(),
        nonce: "nonce".to_owned(),
        seq: 1,
        lease_ms: LEASE_MS,
    };
    store.write_off(&caller, &[overdue]).await.map(drop)
}

/// Everything that a viewer does. What changes something is refused by what it is.
async fn viewer(store: &PostgresStore) -> Result<(), StoreError> {
    look(store).await?;
    match store.ask(&caller(), &asks(1)).await {
        Err(StoreError::Refused(text)) if text.contains("may look") => Ok(()),
        other => other.map(|reply| panic!("a viewer asks: {reply:?}")),
    }
}

async fn look(store: &PostgresStore) -> Result<(), StoreError> {
    let caller = caller();
    let catalog = ControlRequest {
        wants_catalog: true,
        ..ControlRequest::default()
    };
    store.control(&caller, &catalog).await?;
    store.heartbeat(&caller, Heartbeat::leaving()).await?;
    store.inspect(&caller, &[unit(), unit().lane()]).await?;
    store.checkpoint(&caller, &checkpoint(None)).await?;
    store.ledger("a", 9).await?;
    store.trail(None, 9).await.map(drop)
}

/// Everything that an operator does.
async fn operator(store: &PostgresStore) -> Result<(), StoreError> {
    let caller = caller();
    look(store).await?;
    store.control(&caller, &directive_change("a")).await?;
    store.ask(&caller, &asks(100)).await?;
    let cancel = Cancel {
        unit: unit(),
        token: FencingToken(7),
        by: "ann".to_owned(),
        note: String::new(),
    };
    store.cancel(&caller, &[cancel]).await.map(drop)
}

/// What nodes leave, of which one has died.
async fn leave(database: &Database) {
    database.sql(
        "TRUNCATE scheduled_one.meta, scheduled_one.unit, scheduled_one.node, scheduled_one.job_list, \
         scheduled_one.job, scheduled_one.checkpoint, scheduled_one.ledger, scheduled_one.request, \
         scheduled_one.asked, scheduled_one.trail",
    );
    let node = database.store();
    let done = in_time(async || {
        node.register(&caller(), &[registration("a")]).await?;
        node.heartbeat(&caller(), alive("a")).await
    });
    done.await.unwrap();
    database
        .sql("UPDATE scheduled_one.node SET at_ms = at_ms - 60000; TRUNCATE scheduled_one.meta");
}

/// Each right that statements grant, with its object.
fn rights(grants: &str) -> Vec<(String, String)> {
    let of_line = |line: &str| {
        let grant = line.strip_prefix("GRANT ")?;
        let (rights, rest) = grant.split_once(" ON ")?;
        let (object, _) = rest.split_once(" TO ")?;
        let rights = rights.split(", ");
        Some(
            rights
                .map(|right| (right.to_owned(), object.to_owned()))
                .collect::<Vec<_>>(),
        )
    };
    grants.lines().filter_map(of_line).flatten().collect()
}

/// Takes each right away. `unnoticed` are those without which no request fails.
async fn check(
    role: &str,
    grants: impl Fn(&str) -> String,
    everything: impl AsyncFn(&PostgresStore) -> Result<(), StoreError>,
    unnoticed: &[(&str, &str)],
) {
    let database = Database::new();
    database.sql(&schema("scheduled_one", None));
    let user = format!("{role}_{}", database.name);
    SERVER.sql(&format!("CREATE ROLE {user} LOGIN")).unwrap();
    let grants = grants(&user);
    database.sql(&grants);
    let all = rights(&grants);
    assert!(all.len() > 10, "{all:?}");
    let store = async || {
        let store = PostgresStore::new(&database.url_of(&user), "test").unwrap();
        Store::preflight_for_control(&store).await.unwrap();
        store
    };
    leave(&database).await;
    let running = store().await;
    in_time(async || everything(&running).await).await.unwrap();
    let mut wrong = Vec::new();
    for (right, object) in &all {
        leave(&database).await;
        // The right is lost while the process runs.
        let running = store().await;
        database.sql(&format!("REVOKE {right} ON {object} FROM {user}"));
        let result = in_time(async || everything(&running).await).await;
        let is_missed = match result.map_err(|error| error.to_string()) {
            Ok(()) => false,
            Err(text) if text.contains("42501") || text.contains("missing: ") => true,
            Err(text) => panic!("without {right} on {object}: {text}"),
        };
        let table = object.rsplit_once('.').map_or("", |(_, table)| table);
        let named = match table {
            "" => "USAGE on the schema scheduled_one".to_owned(),
            table => format!("{right} on scheduled_one.{table}"),
        };
        let start = PostgresStore::new(&database.url_of(&user), "test").unwrap();
        let refused = Store::preflight(&start).await.unwrap_err().to_string();
        assert!(refused.contains(&named), "{named}: {refused}");
        if is_missed == unnoticed.contains(&(right.as_str(), table)) {
            wrong.push(format!("{right} on {object}: missed is {is_missed}"));
        }
        database.sql(&format!("GRANT {right} ON {object} TO {user}"));
    }
    assert_eq!(wrong, [""; 0]);
}

#[tokio::test]
async fn a_scheduler_needs_each_of_its_rights() {
    // Ledgers are cut in the background.
    let unnoticed = [("DELETE", "ledger")];
    let grants = |user: &str| {
        let all = schema("scheduled_one", Some(user));
        let grants = all.lines().filter(|line| line.starts_with("GRANT"));
        grants.collect::<Vec<_>>().join("\n")
    };
    check("scheduler", grants, scheduler, &unnoticed).await;
}

#[tokio::test]
async fn an_operator_needs_each_of_its_rights() {
    let grants = |user: &str| grant_operator("scheduled_one", user);
    check("operator", grants, operator, &[]).await;
}

#[tokio::test]
async fn a_viewer_needs_each_of_its_rights() {
    let grants = |user: &str| grant_viewer("scheduled_one", user);
    check("viewer", grants, viewer, &[]).await;
}
