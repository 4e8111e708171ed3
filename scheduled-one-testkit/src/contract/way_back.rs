//! The way back from a clock of the store that was ahead: what the doctor prints is carried out.

use std::sync::Arc;
use std::time::Duration;

use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::message::{
    Ask, Asked, Caller, Cause, Claim, Claimed, DueTick, Finish, Grant, Heartbeat, LowerBounds,
    Occasion, OverdueRun, Overlap, Register, RegisteredUnit, Request, RunId, Take, Target, Verdict,
    WrittenOff,
};
use scheduled_one_protocol::{DiagnosticContext, Outcome, Store, StoreError, TickMs, UnitName};

pub(super) const LEASE_MS: i64 = 3_000;
/// What is decided of a unit before its first tick.
pub(super) const FIRST_SEEN: Option<TickMs> = Some(TickMs(1));
/// A job with one run at a time.
pub(super) const ONE: &str = "one";
/// A job with two.
const TWO: &str = "two";
/// A job for which somebody asks.
const ASKED: &str = "asked";

/// A store whose clock can be moved, and on which somebody can run what the doctor prints.
pub trait WayBack: Send {
    /// Sets the clock an hour or more ahead.
    fn go_ahead(&mut self);

    /// Sets it right. A subject whose clock cannot be moved stores what a clock that was ahead would have stored.
    fn come_back(&mut self);

    /// Runs a command, as an operator does.
    fn run(&mut self, command: &str);
}

/// Decides ticks while the clock is ahead, sets it right, runs the command that the finding `marks` of the doctor has,
/// and expects that ticks run again, each once, under higher tokens, and that a request that waits is kept.
///
/// The namespace is empty at first. Takes a few seconds: a unit waits for its lease in a namespace that is new.
///
/// # Errors
///
/// What went wrong, in words.
pub async fn check_way_back(
    store: &dyn Store,
    clock: Arc<dyn Clock>,
    subject: &mut dyn WayBack,
) -> Result<(), String> {
    let mut node = Node::new(store);
    node.register().await.map_err(refused)?;
    let real = node.now().await?;
    let run = node.granted(ONE, real, FIRST_SEEN).await?;
    node.finish(&run).await?;

    // Runs whose node dies, and a tick that waits, decided while the clock is ahead.
    subject.go_ahead();
    let ahead = node.now().await?;
    let wrong = node.granted(ONE, ahead, Some(real)).await?;
    let (waiting, queue) = (TickMs(ahead.ms() + 1), Overlap::Queue(1));
    node.now_after(Some(waiting)).await?;
    let queued = node.claim(ONE, waiting, Some(ahead), queue).await?;
    expect("queued", &queued.verdict, queued.verdict == Verdict::Queued)?;
    let side = node
        .claim(TWO, ahead, FIRST_SEEN, Overlap::Allow(2))
        .await?;
    let in_slot = matches!(&side.verdict, Verdict::Granted(grant) if grant.unit.slot() == 1);
    expect("granted in a slot", &side.verdict, in_slot)?;
    node.ask().await?;
    subject.come_back();

    let needs = DiagnosticContext {
        shortest_lease: Duration::from_secs(5),
        units: vec![ONE.into(), TWO.into()],
        clock,
    };
    let report = store.diagnose(&needs).await;
    let marks = report.finding("marks").ok_or("no finding `marks`")?;
    let (_, command) = marks
        .remedy
        .split_once('\n')
        .ok_or(format!("no command: {marks:?}"))?;
    subject.run(command);

    // Another node: those that remember what was decided are stopped.
    let registered = node.register().await.map_err(refused)?;
    let decided = registered[0].marks.decided;
    let now = node.now().await?;
    let is_over = |tick: &TickMs| (real..=now).contains(tick);
    expect(
        "decided up to now",
        &registered,
        decided.as_ref().is_some_and(is_over),
    )?;
    let again = node.claim(ONE, real, None, Overlap::Skip).await?;
    let decided_before = matches!(again.verdict, Verdict::Decided { .. });
    expect("decided, as before", &again.verdict, decided_before)?;
    let stalled = node.overdue().await?;
    for name in [ONE, "two~1"] {
        let of_name = |run: &OverdueRun| run.unit.as_str() == name;
        expect(name, &stalled, stalled.iter().any(of_name))?;
    }
    let written_off = store
        .write_off(&caller(), &stalled)
        .await
        .map_err(refused)?;
    let lost = written_off.body.iter().all(|end| *end == WrittenOff::Lost);
    expect("lost", &written_off.body, lost)?;
    let next = node.now_after(decided).await?;
    let right = node.granted(ONE, next, decided).await?;
    expect("a higher token", &right, right.token > wrong.token)?;
    node.requested().await
}

/// A node, as far as a store sees it.
pub(super) struct Node<'a> {
    pub(super) store: &'a dyn Store,
    nonces: u32,
}

impl<'a> Node<'a> {
    pub(super) fn new(store: &'a dyn Store) -> Self {
        Node { store, nonces: 0 }
    }

    pub(super) async fn register(&self) -> Result<Vec<RegisteredUnit>, StoreError> {
        let registrations = [ONE, TWO, ASKED].map(|unit| registration(unit.into()));
        let registered = replied(async || self.store.register(&caller(), &registrations).await);
        Ok(registered.await?.body)
    }

    /// The store's clock.
    pub(super) async fn now(&self) -> Result<TickMs, String> {
        let beat = async || self.store.heartbeat(&caller(), Heartbeat::alive()).await;
        Ok(TickMs((repeated(beat).await?.head.now_us / 1_000) as i64))
    }

    /// The same, when it is over: a store that is quick is asked within the millisecond.
    pub(super) async fn now_after(&self, tick: Option<TickMs>) -> Result<TickMs, String> {
        loop {
            let now = self.now().await?;
            if tick.is_none_or(|tick| now > tick) {
                return Ok(now);
            }
        }
    }

    pub(super) async fn overdue(&self) -> Result<Vec<OverdueRun>, String> {
        let beat = async || self.store.heartbeat(&caller(), Heartbeat::alive()).await;
        Ok(repeated(beat).await?.body.overdue)
    }

    async fn claim(
        &mut self,
        unit: &str,
        tick: TickMs,
        after: Option<TickMs>,
        overlap: Overlap,
    ) -> Result<Claimed, String> {
        self.nonces += 1;
        let claim = Claim {
            unit: unit.into(),
            nonce: format!("nonce {}", self.nonces),
            valid_until_ms: tick.ms() + 3_600_000,
            lease_ms: LEASE_MS,
            takeovers: 1,
            schedule: None,
            control: 0,
            with_lane: false,
            bounds: LowerBounds::default(),
            target: Target::Tick(DueTick {
                after,
                overlap,
                next_due_ms: Some(tick.ms() + 1_000),
                ..DueTick::new(tick)
            }),
        };
        loop {
            let claims = std::slice::from_ref(&claim);
            let mut reply = repeated(async || self.store.claim(&caller(), claims).await).await?;
            let claimed = reply.body.pop().ok_or("no reply to a claim")?;
            let Verdict::Quarantined { until_ms } = claimed.verdict else {
                return Ok(claimed);
            };
            let wait_ms = until_ms - (reply.head.now_us / 1_000) as i64;
            tokio::time::sleep(Duration::from_millis(wait_ms.unsigned_abs())).await;
        }
    }

    pub(super) async fn granted(
        &mut self,
        unit: &str,
        tick: TickMs,
        after: Option<TickMs>,
    ) -> Result<Grant, String> {
        match self.claim(unit, tick, after, Overlap::Skip).await?.verdict {
            Verdict::Granted(grant) => Ok(grant),
            other => Err(format!("{unit}, tick {tick}: not granted, but {other:?}")),
        }
    }

    /// Asks for a run.
    async fn ask(&self) -> Result<(), String> {
        let request = Request {
            id: "r".to_owned(),
            cause: Cause::Manual,
            actor: "ann".to_owned(),
            note: String::new(),
            logical: None,
            on_busy: None,
            parameters: String::new(),
        };
        let unit = UnitName::from(ASKED);
        let asked = self.store.ask(&caller(), &[Ask { unit, request }]).await;
        let asked = asked.map_err(refused)?.body;
        let is_queued = matches!(asked[..], [Asked::Queued { .. }]);
        expect("queued", &asked, is_queued)
    }

    /// Starts the run that was asked for.
    async fn requested(&self) -> Result<(), String> {
        let take = Take {
            lane: UnitName::from(ASKED).lane(),
            nonce: "taken".to_owned(),
            valid_until_ms: self.now().await?.ms() + 3_600_000,
            lease_ms: LEASE_MS,
            takeovers: 0,
            bounds: LowerBounds::default(),
            overlap: Overlap::Skip,
        };
        let taken = self.store.take(&caller(), &[take]).await;
        let taken = taken.map_err(refused)?.body;
        let id = taken[0].request.as_ref().map(|request| request.id.as_str());
        expect("the request is granted", &taken, id == Some("r"))
    }

    /// Ends the run of the newest claim.
    async fn finish(&self, grant: &Grant) -> Result<(), String> {
        let end = self.end_of(grant);
        let finished = self
            .store
            .finish(&caller(), &[end])
            .await
            .map_err(refused)?;
        expect("recorded", &finished.body, finished.body[0].recorded)
    }

    /// The end of the run of the newest claim.
    pub(super) fn end_of(&self, grant: &Grant) -> Finish {
        Finish {
            run: RunId {
                unit: grant.unit.clone(),
                tick: grant.tick,
                nonce: format!("nonce {}", self.nonces),
                token: grant.token,
                attempt: grant.attempt,
                lease_ms: LEASE_MS,
                granted_at_ms: grant.until_ms - LEASE_MS,
                takeovers: 1,
                origin: None,
            },
            outcome: Outcome::Ok,
            retried: false,
            reason: String::new(),
            error: String::new(),
            fired_at_ms: Some(grant.tick.ms()),
            ended_at_ms: grant.tick.ms(),
        }
    }
}

/// The registration of a unit of which nothing is decided, and whose first tick was due long ago.
pub(super) fn registration(unit: UnitName) -> Register {
    Register {
        unit,
        first_seen_ms: 1, // as FIRST_SEEN
        lease_ms: LEASE_MS,
        schedule: None,
        generation: 0,
        occasion: Occasion::Again,
        decides: None,
        bounds: LowerBounds::default(),
        next_due_ms: Some(1),
        requests: Vec::new(),
    }
}

pub(super) fn caller() -> Caller {
    Caller {
        node: "node".to_owned(),
        name: "Node".to_owned(),
        quarantine_ms: 0,
        margin_ms: 0,
        ledger_limit: 9,
        buckets: 1,
    }
}

/// The reply to a request, which is sent again if none came, as a node does: a store on a busy machine may take too
/// long. A copy of a request changes nothing more.
pub(super) async fn replied<T>(
    request: impl AsyncFn() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let mut repetitions = 9;
    loop {
        match request().await {
            Err(StoreError::Unavailable(_) | StoreError::Unknown(_)) if repetitions > 0 => {
                repetitions -= 1;
            }
            reply => return reply,
        }
    }
}

/// The same, with an error in words.
pub(super) async fn repeated<T>(
    request: impl AsyncFn() -> Result<T, StoreError>,
) -> Result<T, String> {
    replied(request).await.map_err(refused)
}

pub(super) fn refused(error: StoreError) -> String {
    error.to_string()
}

pub(super) fn expect(what: &str, found: &dyn std::fmt::Debug, is_so: bool) -> Result<(), String> {
    match is_so {
        true => Ok(()),
        false => Err(format!("expected {what}, found {found:?}")),
    }
}
