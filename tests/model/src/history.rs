//! What has happened, as far as the promises speak of it.

use scheduled_one_protocol::message::RunId;

/// A first poll of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Start {
    /// Its tick.
    pub tick_ms: i64,
    /// Which attempt.
    pub attempt: u32,
    /// Its fencing token.
    pub token: u64,
}

/// Starts, in their order; and what may excuse one that should not be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    /// All starts.
    pub starts: Vec<Start>,
    /// The store lost a start that had been acknowledged, and has not heard of
    /// it again.
    pub loss: Option<Loss>,
    /// It never heard of one, because no node that saw it reached the store
    /// within the quarantine: this is where the promises end.
    pub excused: bool,
    /// A request did something that was under way for longer than it is valid.
    pub revived: bool,
}

/// What the store lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Loss {
    /// The newest start.
    pub start: Start,
    /// A node that saw it was up and reached the store since.
    pub witnessed: bool,
}

impl Loss {
    /// Whoever knows of this token, and of that attempt of its run, knows.
    pub fn is_known(&self, token: u64, tick_ms: i64, attempt: u32) -> bool {
        let start = &self.start;
        let attempts = (tick_ms, attempt) >= (start.tick_ms, start.attempt);
        token > start.token || (token == start.token && (attempts || start.attempt == 1))
    }
}

impl History {
    /// Notes a start; returns which it is.
    pub fn start(&mut self, run: &RunId) -> usize {
        self.starts.push(Start {
            tick_ms: run.tick_ms,
            attempt: run.attempt,
            token: run.token,
        });
        self.starts.len() - 1
    }

    /// S1: one start for each tick and attempt.
    pub fn starts_once(&self) -> bool {
        let starts = &self.starts;
        let same = |a: &Start, b: &Start| (a.tick_ms, a.attempt) == (b.tick_ms, b.attempt);
        let again = |n: usize| starts[..n].iter().any(|start| same(start, &starts[n]));
        !(0..starts.len()).any(again)
    }

    /// S3: tokens increase; the attempts of a run share one.
    pub fn tokens_increase(&self) -> bool {
        self.starts.windows(2).all(|pair| {
            let retry = pair[0].token == pair[1].token
                && pair[0].tick_ms == pair[1].tick_ms
                && pair[0].attempt < pair[1].attempt;
            retry || pair[0].token < pair[1].token
        })
    }

    /// S5: no tick after a later one, and of the same only a further attempt.
    pub fn in_order(&self) -> bool {
        let order = |start: &Start| (start.tick_ms, start.attempt);
        self.starts
            .windows(2)
            .all(|pair| order(&pair[0]) <= order(&pair[1]))
    }
}
