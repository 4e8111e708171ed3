//! What jobs write while they run: a line an event, each written whole by one
//! system call, so that a killed process leaves no half lines.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The function was called.
    Start,
    /// The function goes on: it was polled.
    Poll,
    /// The function ended by itself.
    End,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: Kind,
    /// When, by the boot clock, which all processes of a machine share.
    pub boot_us: u64,
    /// On which node.
    pub node: String,
    /// In which job.
    pub job: String,
    /// Which shard of it, from 0.
    pub shard: u32,
    /// The tick, in ms since the Unix epoch.
    pub tick_ms: i64,
    /// The attempt.
    pub attempt: u32,
    /// The fencing token.
    pub token: u64,
    /// How many missed ticks the run stands for.
    pub missed: u64,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} {} {} {} {} {} {} {} {}",
            self.kind,
            self.boot_us,
            self.node,
            self.job,
            self.shard,
            self.tick_ms,
            self.attempt,
            self.token,
            self.missed
        )
    }
}

impl FromStr for Event {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        parse(line).ok_or_else(|| format!("not an event: {line:?}"))
    }
}

fn parse(line: &str) -> Option<Event> {
    let mut words = line.split(' ');
    let kind = match words.next()? {
        "Start" => Kind::Start,
        "Poll" => Kind::Poll,
        "End" => Kind::End,
        _ => return None,
    };
    Some(Event {
        kind,
        boot_us: words.next()?.parse().ok()?,
        node: words.next()?.to_owned(),
        job: words.next()?.to_owned(),
        shard: words.next()?.parse().ok()?,
        tick_ms: words.next()?.parse().ok()?,
        attempt: words.next()?.parse().ok()?,
        token: words.next()?.parse().ok()?,
        missed: words.next()?.parse().ok()?,
    })
}

/// Reads a log, in the order of the boot clock.
///
/// # Panics
///
/// If the file cannot be read or holds something else.
pub fn read(path: &Path) -> Vec<Event> {
    let text = std::fs::read_to_string(path).expect("the log can be read");
    let mut events: Vec<Event> = text
        .lines()
        .map(|line| line.parse().expect("an event"))
        .collect();
    events.sort_by_key(|event| event.boot_us);
    events
}
