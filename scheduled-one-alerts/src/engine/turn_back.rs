//! A store's clock that was ahead, and is set right: what was planned by it is planned anew.

use super::{ByNode, EngineState, Unit};
use crate::engine::incident::Incident;

/// How far a clock may go back and be waited for: another replica of a store is seldom more than that behind.
const MOST_WAITED_MS: i64 = 60_000;

/// The clock went back to an instant. What came before that instant stays; the rest was as far ahead as the clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TurnBack {
    to_ms: i64,
    by_ms: i64,
}

impl TurnBack {
    /// The way back from one instant to another one; nothing if the clock is waited for.
    pub(super) fn between(from_ms: i64, to_ms: i64) -> Option<Self> {
        let by_ms = from_ms.saturating_sub(to_ms);
        (by_ms > MOST_WAITED_MS).then_some(TurnBack { to_ms, by_ms })
    }

    /// Takes instants back that are still to come.
    pub(crate) fn each<'a>(self, instants: impl IntoIterator<Item = &'a mut i64>) {
        for instant in instants {
            if *instant > self.to_ms {
                *instant = instant.saturating_sub(self.by_ms);
            }
        }
    }
}

impl EngineState {
    /// How the clock has gone back, if it was ahead of this instant.
    pub(crate) fn turn_back(&self, at_ms: i64) -> Option<TurnBack> {
        TurnBack::between(self.clock_ms, at_ms)
    }

    pub(super) fn turn(&mut self, back: TurnBack) {
        let own = [&mut self.began_ms, &mut self.clock_ms];
        back.each(own.into_iter().chain([&mut self.grace_until_ms]));
        back.each(self.waiting.values_mut());
        back.each(self.ended_outages.values_mut());
        back.each(self.ended_quarantines.values_mut());
        back.each(self.units.values_mut().flat_map(Unit::instants));
        back.each(self.incidents.values_mut().flat_map(Incident::instants));
    }
}

impl Unit {
    fn instants(&mut self) -> impl Iterator<Item = &mut i64> {
        let own = [
            &mut self.failing_since_ms,
            &mut self.last_ok_ms,
            &mut self.first_seen_ms,
            &mut self.paused_since_ms,
            &mut self.resumed_ms,
        ];
        let of_nodes = ByNode::instants(&mut self.by_node);
        own.into_iter().flatten().chain(of_nodes)
    }
}
