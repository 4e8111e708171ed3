//! A backfill as part of what operators want: ticks of the past that are to run once more, and how far that has come.
//! It is the directive of a subject of its own, so that no claim depends on it.

use std::ops::Range;

use super::text::{NONE, escaped, instant, plain};
use crate::message::OnBusy;
use crate::schedule::ScheduleId;

/// Most ticks of one backfill: fewer than the ids of requests that a store keeps, so that it can be continued at any
/// point and no tick runs twice.
pub const MAX_BACKFILL_TICKS: u64 = 5_000;

/// Most ranges of one backfill.
pub const MAX_BACKFILL_RANGES: usize = 200;

/// Behind the name of a job: the subject of its backfill. No job has such a name.
const SUFFIX: char = '!';

/// In front of the tick: the id of a request.
const ID: &str = "backfill-";

/// Ticks that are to run, each as a request in the lane of its unit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Backfill {
    /// The schedule whose ticks these are: nodes with another one end the backfill.
    pub schedule: ScheduleId,
    /// The ticks: those of the schedule in these ranges. None of a backfill that has ended.
    pub ranges: Vec<BackfillRange>,
    /// Newest first.
    pub newest_first: bool,
    /// How many of its requests wait or run at the same time.
    pub at_a_time: u32,
    /// What its requests do while the job is busy.
    pub on_busy: OnBusy,
    /// How many ticks it has.
    pub total: u64,
    /// How many of them were asked for, at least.
    pub asked: u64,
    /// Why it has ended before its last tick; empty if it has not.
    pub ended: String,
}

/// Ticks of one shard that are to run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BackfillRange {
    /// The shard, 0 if the job has none.
    pub shard: u32,
    /// From the first tick to an instant that is no part of it, ms.
    pub ticks: Range<i64>,
    /// How often they ran in backfills before, and did not end well.
    pub again: u32,
}

impl BackfillRange {
    fn text(&self) -> String {
        let BackfillRange {
            shard,
            ticks,
            again,
        } = self;
        let range = format!("{shard}.{}-{}", ticks.start, ticks.end);
        match again {
            0 => range,
            _ => format!("{range}.{again}"),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (shard, rest) = text.split_once('.')?;
        let (range, again) = rest.split_once('.').unwrap_or((rest, "0"));
        let (from, to) = range.split_once('-')?;
        Some(BackfillRange {
            shard: shard.parse().ok()?,
            ticks: instant(from)?..instant(to)?,
            again: again.parse().ok()?,
        })
    }
}

impl Backfill {
    /// The subject of the directive for the backfill of a job.
    pub fn subject(job: &str) -> String {
        format!("{job}{SUFFIX}")
    }

    /// The job, if the subject is that of a backfill.
    pub fn job_of(subject: &str) -> Option<&str> {
        subject.strip_suffix(SUFFIX)
    }

    /// Whether ticks are still to be asked for.
    pub fn is_open(&self) -> bool {
        self.ended.is_empty() && self.asked < self.total
    }

    /// The id of the request for a tick that ran so often before, and did not end well: the same in each backfill of
    /// the job, so that no tick runs twice.
    pub fn request_id(tick_ms: i64, again: u32) -> String {
        match again {
            0 => format!("{ID}{tick_ms}"),
            _ => format!("{ID}{tick_ms}-{again}"),
        }
    }

    /// How often a tick had run before the request with this id; `None` if that is not one of a backfill.
    pub fn again_of(request_id: &str) -> Option<u32> {
        match request_id.strip_prefix(ID)?.split_once('-') {
            Some((_, again)) => again.parse().ok(),
            None => Some(0),
        }
    }

    /// Ends it, for a reason if it is not over: what it was to run is not kept.
    pub fn end(&mut self, ended: &str) {
        ended.clone_into(&mut self.ended);
        self.ranges.clear();
    }

    pub(super) fn text(&self) -> String {
        let ranges: Vec<String> = self.ranges.iter().map(BackfillRange::text).collect();
        let order = if self.newest_first {
            "newest"
        } else {
            "oldest"
        };
        format!(
            "{}:{order}:{}:{}:{}:{}:{}:{}",
            self.schedule,
            self.at_a_time,
            self.on_busy.as_str(),
            self.total,
            self.asked,
            escaped(&self.ended),
            match ranges.is_empty() {
                true => NONE.to_owned(),
                false => ranges.join(","),
            }
        )
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split(':').collect();
        let [
            schedule,
            order,
            at_a_time,
            on_busy,
            total,
            asked,
            ended,
            ranges,
        ] = fields[..]
        else {
            return None;
        };
        let ranges = ranges.split(',').filter(|range| *range != NONE);
        Some(Backfill {
            schedule: ScheduleId::parse(schedule)?,
            ranges: ranges.map(BackfillRange::parse).collect::<Option<_>>()?,
            newest_first: match order {
                "newest" => true,
                "oldest" => false,
                _ => return None,
            },
            at_a_time: u32::try_from(instant(at_a_time)?).ok()?,
            on_busy: OnBusy::from_word(on_busy)?,
            total: instant(total)?.unsigned_abs(),
            asked: instant(asked)?.unsigned_abs(),
            ended: plain(ended)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_request_says_how_often_its_tick_ran_before() {
        for (again, id) in [
            (0, "backfill-1700000000000"),
            (2, "backfill-1700000000000-2"),
        ] {
            assert_eq!(Backfill::request_id(1_700_000_000_000, again), id);
            assert_eq!(Backfill::again_of(id), Some(again));
        }
        assert_eq!(Backfill::again_of("deploy-42"), None);
    }
}
