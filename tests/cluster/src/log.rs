//! The log of jobs and of the sink: a line for each event. One system call writes a line, so that a killed process
//! leaves no incomplete lines.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use scheduled_one_testkit::checker::{self, EventKind};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The function was called.
    Start,
    /// The function goes on: it was polled.
    Poll,
    /// The function ended by itself, well.
    End,
    /// The function ended by itself, with an error.
    Fail,
    /// The sink took what the run wrote: its token was higher than all before.
    Accepted,
    /// The sink refused it.
    Rejected,
}

const KINDS: [(Kind, &str); 6] = [
    (Kind::Start, "Start"),
    (Kind::Poll, "Poll"),
    (Kind::End, "End"),
    (Kind::Fail, "Fail"),
    (Kind::Accepted, "Accepted"),
    (Kind::Rejected, "Rejected"),
];

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
    /// Id of the request that the run is for; empty for a run of the schedule.
    pub request: String,
}

impl Event {
    /// An event of no run in particular; for tests.
    pub fn new(kind: Kind) -> Self {
        Event {
            kind,
            boot_us: 0,
            node: "node".to_owned(),
            job: "job".to_owned(),
            shard: 0,
            tick_ms: 0,
            attempt: 1,
            token: 0,
            missed: 0,
            request: String::new(),
        }
    }
}

/// As the checker reads it.
impl From<&Event> for checker::Event {
    fn from(event: &Event) -> Self {
        checker::Event {
            kind: match event.kind {
                Kind::Start => EventKind::Start,
                Kind::Poll => EventKind::Poll,
                Kind::End => EventKind::End,
                Kind::Fail => EventKind::Fail,
                Kind::Accepted => EventKind::Accepted,
                Kind::Rejected => EventKind::Rejected,
            },
            at_us: event.boot_us,
            node: event.node.clone(),
            job: event.job.clone(),
            shard: event.shard,
            tick_ms: event.tick_ms,
            attempt: event.attempt,
            token: event.token,
            coalesced: event.missed,
            request: event.request.clone(),
            ..checker::Event::default()
        }
    }
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
        )?;
        match self.request.as_str() {
            "" => Ok(()),
            request => write!(f, " {request}"),
        }
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
    let name = words.next()?;
    let (kind, _) = KINDS.into_iter().find(|(_, known)| *known == name)?;
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
        request: words.next().unwrap_or_default().to_owned(),
    })
}

/// Reads a log, in the order of the boot clock.
///
/// # Panics
///
/// If the file cannot be read or holds something else.
pub fn read(path: &Path) -> Vec<Event> {
    let mut log = Log::new(path);
    log.read_on();
    log.events.sort_by_key(|event| event.boot_us);
    log.events
}

/// A log that is read while it grows.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    /// How much of it was read, in bytes: whole lines.
    read: u64,
    /// What it holds so far, in the order of its lines.
    pub events: Vec<Event>,
}

impl Log {
    /// The log in this file, of which nothing was read yet.
    pub fn new(path: &Path) -> Self {
        Log {
            path: path.to_owned(),
            read: 0,
            events: Vec::new(),
        }
    }

    /// Reads what was added.
    ///
    /// # Panics
    ///
    /// If the file cannot be read or holds something else.
    pub fn read_on(&mut self) {
        let mut file = File::open(&self.path).expect("the log can be opened");
        let text = text_from(&mut file, self.read).expect("the log can be read");
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        let lines = text[..whole].lines();
        self.events
            .extend(lines.map(|line| line.parse::<Event>().expect("an event")));
        self.read += whole as u64;
    }
}

fn text_from(file: &mut File, from: u64) -> io::Result<String> {
    use std::io::Seek;
    file.seek(io::SeekFrom::Start(from))?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}

/// Adds a line to a log that was opened for appending. One system call a line:
/// lines of several processes do not mix.
///
/// # Errors
///
/// The file cannot be written.
pub fn append(mut file: &File, event: &Event) -> io::Result<()> {
    file.write_all(format!("{event}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checker_reads_all_of_an_event() {
        for ((kind, _), request) in KINDS.into_iter().zip(["", "deploy-42"].into_iter().cycle()) {
            let event = Event {
                kind,
                boot_us: 1,
                node: "a".to_owned(),
                job: "b".to_owned(),
                shard: 2,
                tick_ms: 3,
                attempt: 4,
                token: 5,
                missed: 6,
                request: request.to_owned(),
            };
            let line = checker::Event::from(&event).to_string();
            assert_eq!(line, event.to_string());
            assert_eq!(line.parse(), Ok(event));
        }
    }
}
