//! Values without content, to set fields of.

use crate::ledger::LedgerRecord;
use crate::message::{Cause, Request};
use crate::outcome::Outcome;
use crate::unit::UnitName;
use crate::value::TickMs;

/// A line to set the fields of.
pub fn blank_line() -> LedgerRecord {
    LedgerRecord {
        unit: UnitName::new("", 0),
        tick: TickMs::default(),
        last_tick: TickMs::default(),
        count: 0,
        outcome: Outcome::Ok,
        retried: false,
        reason: String::new(),
        node: String::new(),
        identity: None,
        token: None,
        attempt: None,
        fired_at_ms: None,
        ended_at_ms: 0,
        error: String::new(),
        cause: None,
        actor: String::new(),
        request: String::new(),
    }
}

/// A request to set the fields of.
pub fn blank_request() -> Request {
    Request {
        id: String::new(),
        cause: Cause::Manual,
        actor: String::new(),
        note: String::new(),
        logical: None,
        on_busy: None,
        parameters: String::new(),
    }
}
