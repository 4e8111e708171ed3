//! The content of a trial's requests.

use scheduled_one_protocol::message::{
    Ask, Cancel, Cause, Claim, ControlRequest, DirectiveChange, DueTick, Finish, LowerBounds,
    Missed, Occasion, OverdueRun, Overlap, Register, Request, RunId, Take, Target,
};
use scheduled_one_protocol::{Directive, FencingToken, LedgerRecord, Outcome, TickMs, UnitName};

/// The tick of all claims. It is long due.
pub(super) const TICK: TickMs = TickMs(1);
/// An instant that no clock shows yet, and that scripts represent exactly.
pub(super) const FAR_MS: i64 = i64::MAX >> 12;
/// Length of the leases.
pub(super) const LEASE_MS: i64 = 60_000;
/// Unit that is registered, and has no run.
pub(super) const IDLE: &str = "idle";
/// Unit whose run is renewed and finished.
pub(super) const HELD: &str = "held";
/// Unit whose run is written off and taken over: its lease is over at once.
pub(super) const LOST: &str = "lost";

/// A directive that was seen, and the change of another one.
pub(super) fn control() -> ControlRequest {
    let seen = Directive {
        version: 1,
        ..Directive::default()
    };
    ControlRequest {
        seen: vec![(HELD.into(), seen)],
        change: Some(DirectiveChange {
            subject: IDLE.into(),
            seen: 0,
            directive: Directive::default(),
            action: "pause".into(),
        }),
        described: vec![(HELD.into(), String::new())],
        wants_catalog: true,
    }
}

pub(super) fn register(unit: &str) -> Register {
    Register {
        unit: unit.into(),
        first_seen_ms: 0,
        lease_ms: LEASE_MS,
        schedule: None,
        generation: 0,
        occasion: Occasion::Again,
        decides: None,
        bounds: LowerBounds::default(),
        next_due_ms: Some(FAR_MS),
        requests: Vec::new(),
    }
}

/// A claim with missed ticks before it, of a run that may be taken over.
pub(super) fn claim(unit: &str, lease_ms: i64) -> Claim {
    let missed = Missed {
        first: TickMs(1),
        last: TickMs(1),
        count: 1,
        outcome: Outcome::Missed,
        reason: "trial".into(),
    };
    Claim {
        unit: unit.into(),
        nonce: unit.into(),
        valid_until_ms: FAR_MS,
        lease_ms,
        takeovers: 1,
        schedule: None,
        control: 0,
        bounds: LowerBounds::default(),
        with_lane: false,
        target: Target::Tick(DueTick {
            missed: Some(missed),
            next_due_ms: Some(FAR_MS),
            ..DueTick::new(TICK)
        }),
    }
}

/// The run that the claim of the unit starts. Its token is that of the store, which only matters to a store that has
/// forgotten the run.
pub(super) fn run_of(unit: &str) -> RunId {
    RunId {
        unit: unit.into(),
        tick: TICK,
        nonce: unit.into(),
        token: FencingToken::default(),
        attempt: 1,
        lease_ms: LEASE_MS,
        granted_at_ms: TICK.ms(),
        takeovers: 1,
        origin: None,
    }
}

pub(super) fn overdue_run(unit: &str) -> OverdueRun {
    OverdueRun {
        unit: unit.into(),
        nonce: unit.into(),
        seq: 1,
        lease_ms: 0,
    }
}

pub(super) fn finish(unit: &str) -> Finish {
    Finish {
        run: run_of(unit),
        outcome: Outcome::Ok,
        retried: false,
        reason: String::new(),
        error: String::new(),
        fired_at_ms: Some(TICK.ms()),
        ended_at_ms: TICK.ms(),
    }
}

pub(super) fn line(unit: &str) -> LedgerRecord {
    LedgerRecord {
        unit: unit.into(),
        tick: TICK,
        last_tick: TICK,
        count: 1,
        outcome: Outcome::Ok,
        retried: false,
        reason: String::new(),
        node: "trial".into(),
        identity: Some("trial".into()),
        token: None,
        attempt: None,
        fired_at_ms: None,
        ended_at_ms: TICK.ms(),
        error: String::new(),
        cause: None,
        actor: String::new(),
        request: String::new(),
    }
}

pub(super) fn ask(unit: &str) -> Ask {
    Ask {
        unit: unit.into(),
        request: Request {
            id: "trial".into(),
            cause: Cause::Manual,
            actor: "trial".into(),
            note: String::new(),
            logical: None,
            on_busy: None,
            parameters: String::new(),
        },
    }
}

pub(super) fn take(unit: &str) -> Take {
    Take {
        lane: UnitName::from(unit).lane(),
        nonce: unit.into(),
        valid_until_ms: FAR_MS,
        lease_ms: LEASE_MS,
        takeovers: 0,
        bounds: LowerBounds::default(),
        overlap: Overlap::Skip,
    }
}

pub(super) fn cancel(unit: &str) -> Cancel {
    Cancel {
        unit: unit.into(),
        token: FencingToken::default(),
        by: "trial".into(),
        note: String::new(),
    }
}
