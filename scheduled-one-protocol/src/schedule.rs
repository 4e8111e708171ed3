//! Which schedule of a job decides its ticks: its identity, and since when.

use std::fmt;
use std::sync::Arc;

/// The identity of a schedule: a digest of its text, its zone and the zone's rules. Nodes whose schedules have the same
/// identity compute the same ticks. `Display` gives 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScheduleId(pub u64);

impl ScheduleId {
    /// No schedule: a unit that it decides is *gone*, because no living node has its job. It has no tick.
    pub const NONE: ScheduleId = ScheduleId(0);

    /// Length of the text.
    pub const DIGITS: usize = 16;

    /// Reads the text that `Display` gives.
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != Self::DIGITS || !text.bytes().all(is_digit) {
            return None;
        }
        u64::from_str_radix(text, 16).ok().map(ScheduleId)
    }
}

impl fmt::Display for ScheduleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The highest generation of a schedule.
pub const MAX_GENERATION: u32 = 1_000_000_000;

/// The schedule that decides the ticks of a unit: the one that was registered last. `Display` gives the text that a
/// store keeps: `identity:registered:since:node`, with `generation@` in front of the node if the generation is not 0.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DecidingSchedule {
    /// Its identity.
    pub id: ScheduleId,
    /// When a node with this schedule started last, by the store's clock: the latest decides.
    pub registered_ms: i64,
    /// When this schedule took the place of another one: it has no tick up to then. 0 if the unit never had another.
    pub since_ms: i64,
    /// Identity of the node that registered the schedule last.
    pub node: Arc<str>,
    /// Its generation, 0 if its program said none: a schedule with a lower one does not take its place while that node
    /// lives.
    pub generation: u32,
}

impl DecidingSchedule {
    /// Reads the text that `Display` gives; `None` if it is none, because somebody edited it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, ':');
        let id = ScheduleId::parse(parts.next()?)?;
        let mut instant = || parts.next()?.parse::<u64>().ok()?.try_into().ok();
        let (registered_ms, since_ms) = (instant()?, instant()?);
        let (generation, node) = split_generation(parts.next()?);
        Some(DecidingSchedule {
            id,
            registered_ms,
            since_ms,
            node: node.into(),
            generation,
        })
    }
}

/// The generation in front of the name of a node; 0 if there is none.
fn split_generation(text: &str) -> (u32, &str) {
    let said = text.split_once('@').and_then(|(number, node)| {
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        let number: u32 = number.parse().ok().filter(|_| is_number)?;
        (number <= MAX_GENERATION).then_some((number, node))
    });
    said.unwrap_or((0, text))
}

impl DecidingSchedule {
    /// Since when no schedule decides, because no living node has the job; `None` if one does.
    pub fn gone_since_ms(&self) -> Option<i64> {
        (self.id == ScheduleId::NONE).then_some(self.since_ms)
    }

    /// Whether its registration took the place of another schedule.
    pub fn took_place(&self) -> bool {
        self.since_ms > 0 && self.since_ms == self.registered_ms
    }
}

impl fmt::Display for DecidingSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DecidingSchedule {
            id,
            registered_ms,
            since_ms,
            node,
            generation,
        } = self;
        write!(f, "{id}:{registered_ms}:{since_ms}:")?;
        match generation {
            0 => write!(f, "{node}"),
            _ => write!(f, "{generation}@{node}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_read_back_and_nothing_else_is() {
        let schedule = DecidingSchedule {
            id: ScheduleId(0xab),
            registered_ms: 7,
            since_ms: 0,
            node: "a:b".into(),
            generation: 0,
        };
        let text = schedule.to_string();
        assert_eq!(text, "00000000000000ab:7:0:a:b");
        assert_eq!(DecidingSchedule::parse(&text), Some(schedule.clone()));
        let later = DecidingSchedule {
            generation: 12,
            ..schedule
        };
        let text = later.to_string();
        assert_eq!(text, "00000000000000ab:7:0:12@a:b");
        assert_eq!(DecidingSchedule::parse(&text), Some(later));
        // No generation, but the name of a node.
        for node in ["@a", "x@a", "-1@a", "4000000000@a"] {
            let read = DecidingSchedule::parse(&format!("00000000000000ab:7:0:{node}")).unwrap();
            assert_eq!((read.generation, &*read.node), (0, node));
        }
        for wrong in [
            "",
            "ab:7:0:a",
            "00000000000000AB:7:0:a",
            "00000000000000ab:-7:0:a",
            "00000000000000ab:7:0",
            "00000000000000ab:7::a",
        ] {
            assert_eq!(DecidingSchedule::parse(wrong), None, "{wrong}");
        }
    }
}
