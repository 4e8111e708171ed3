//! The name of a unit: a job, one shard of a job, or one slot or the lane of either.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The separators are in no job's name, see [`scheduled_one_schedule::name`](https://docs.rs/scheduled-one-schedule).
const SHARD: char = '#';
const SLOT: char = '~';
const LANE: char = '!';

/// Names what is claimed and runs under one lease: `job`, `job#2` (shard 2), `job#2~3` (slot 3 of it) or `job#2!` (its
/// lane).
///
/// Shard 0 is the job itself: a job that gets shards, or loses them, does not run that shard twice. Slots number the
/// runs that may go on at the same time (`overlap = allow(n)`), from 1; slot 0 is the unit itself. The lane has the
/// runs that somebody requested.
///
/// ```
/// use scheduled_one_protocol::UnitName;
///
/// let unit = UnitName::new("report", 2).with_slot(3);
/// assert_eq!(unit.as_str(), "report#2~3");
/// assert_eq!((unit.job(), unit.shard(), unit.slot()), ("report", 2, 3));
/// assert_eq!(UnitName::parse("report#2~3"), Some(unit));
/// assert_eq!(UnitName::parse("report#two"), None);
/// assert_eq!(UnitName::new("report", 2).lane().as_str(), "report#2!");
/// ```
#[derive(Clone)]
pub struct UnitName {
    text: Arc<str>,
    job_bytes: u32,
    shard: u32,
    slot: u32,
    is_lane: bool,
}

impl UnitName {
    /// One shard of a job.
    pub fn new(job: &str, shard: u32) -> Self {
        Self::of(job, shard, 0)
    }

    fn of(job: &str, shard: u32, slot: u32) -> Self {
        let text: Arc<str> = match (shard, slot) {
            (0, 0) => job.into(),
            (_, 0) => format!("{job}{SHARD}{shard}").into(),
            (0, _) => format!("{job}{SLOT}{slot}").into(),
            (_, _) => format!("{job}{SHARD}{shard}{SLOT}{slot}").into(),
        };
        UnitName {
            job_bytes: job.len() as u32,
            text,
            shard,
            slot,
            is_lane: false,
        }
    }

    /// The lane of the unit, or of the unit that the slot belongs to.
    #[must_use]
    pub fn lane(&self) -> Self {
        let unit = self.without_slot();
        UnitName {
            text: format!("{unit}{LANE}").into(),
            is_lane: true,
            ..unit
        }
    }

    /// The unit of that name. `None` if the text is no name that [`as_str`](Self::as_str) gives: an empty job, a
    /// number with leading zeros, something behind the slot.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(unit) = text.strip_suffix(LANE) {
            let unit = Self::parse(unit).filter(|unit| unit.slot == 0 && !unit.is_lane);
            return unit.map(|unit| unit.lane());
        }
        let (unit, slot) = split_number(text, SLOT)?;
        let (job, shard) = split_number(unit, SHARD)?;
        let is_job = !job.is_empty() && !job.contains([SHARD, SLOT, LANE]);
        is_job.then(|| Self::of(job, shard, slot))
    }

    /// The same unit, or shard, with another slot; 0 for none, and not its lane.
    #[must_use]
    pub fn with_slot(&self, slot: u32) -> Self {
        match slot == self.slot && !self.is_lane {
            true => self.clone(),
            false => Self::of(self.job(), self.shard, slot),
        }
    }

    /// The unit that the slot or the lane belongs to.
    #[must_use]
    pub fn without_slot(&self) -> Self {
        self.with_slot(0)
    }

    /// The job, and with it the ledger that its lines go to.
    pub fn job(&self) -> &str {
        &self.text[..self.job_bytes as usize]
    }

    /// The shard, from 0.
    pub fn shard(&self) -> u32 {
        self.shard
    }

    /// The slot, from 1; 0 if the name is that of the unit itself, or of its lane.
    pub fn slot(&self) -> u32 {
        self.slot
    }

    /// Whether the name is that of a lane.
    pub fn is_lane(&self) -> bool {
        self.is_lane
    }

    /// Whether the name is that of a unit itself, and not of a slot or a lane of it.
    pub fn is_whole(&self) -> bool {
        self.slot == 0 && !self.is_lane
    }

    /// The name as it is stored.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The part before a separator and the number behind it; 0 where there is no separator.
fn split_number(text: &str, separator: char) -> Option<(&str, u32)> {
    let Some((before, number)) = text.split_once(separator) else {
        return Some((text, 0));
    };
    let is_canonical = !number.starts_with(['0', '+']);
    let number = number.parse().ok().filter(|_| is_canonical)?;
    Some((before, number))
}

impl Deref for UnitName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

/// The unit of that name. A text that [`parse`](UnitName::parse) does not read counts as the name of a job, which
/// stores refuse.
impl From<&str> for UnitName {
    fn from(text: &str) -> Self {
        Self::parse(text).unwrap_or_else(|| Self::new(text, 0))
    }
}

// The text has everything; the rest of the struct is read from it.

impl PartialEq for UnitName {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for UnitName {}

impl PartialEq<str> for UnitName {
    fn eq(&self, other: &str) -> bool {
        *self.text == *other
    }
}

impl PartialEq<&str> for UnitName {
    fn eq(&self, other: &&str) -> bool {
        *self.text == **other
    }
}

impl PartialOrd for UnitName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// By bytes, as Redis orders names.
impl Ord for UnitName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}

impl std::hash::Hash for UnitName {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

/// Hashes and compares as its text.
impl Borrow<str> for UnitName {
    fn borrow(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::UnitName;

    #[test]
    fn a_name_that_was_written_is_read_again() {
        for job in ["a", "a.b:c/d-e", "1"] {
            for shard in [0, 1, 1_023, u32::MAX] {
                for slot in [0, 1, 32, u32::MAX] {
                    let unit = UnitName::new(job, shard).with_slot(slot);
                    let read = UnitName::parse(unit.as_str()).expect("a name");
                    assert_eq!(read, unit);
                    assert_eq!((read.job(), read.shard(), read.slot()), (job, shard, slot));
                    assert_eq!(read.without_slot(), UnitName::new(job, shard));
                    let lane = unit.lane();
                    let read = UnitName::parse(lane.as_str()).expect("a name");
                    assert_eq!((&read, read.is_lane()), (&lane, true));
                    assert_eq!(read.without_slot(), UnitName::new(job, shard));
                }
            }
        }
    }

    #[test]
    fn a_text_that_nobody_writes_is_no_name() {
        for text in [
            "", "#1", "~1", "a#", "a~", "a#0", "a~0", "a#01", "a~+1", "a#x", "a~1~2", "a#1#2",
            "a~1#2", "a#-1", "a#+1", "a~1~", "a#{1}", "!", "a!!", "a~1!", "a!~1", "a!#1", "a!b",
        ] {
            assert_eq!(UnitName::parse(text), None, "{text}");
        }
    }
}
