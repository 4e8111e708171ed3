//! One entry for what somebody did once, although the store has several: an action on all jobs is one change in each
//! bucket, a request for a job one in each of its shards.

use std::collections::{BTreeSet, VecDeque};

use scheduled_one_protocol::{ALL_JOBS, TrailEntry, TrailLine, UnitName};

/// Longest time between the entries of an action in two buckets: their clocks differ, and a change is repeated while
/// the store is away.
const MOST_APART_MS: u64 = 60_000;
/// Acts that are looked at for further parts: what is done at the same time is near in the trail.
const MAX_OPEN: usize = 512;

/// A line, and the bucket that has it.
type Found = (usize, TrailLine);

/// What somebody did once.
struct Act<'a> {
    first: &'a TrailEntry,
    /// The buckets that have it, or the shards.
    parts: BTreeSet<u32>,
    /// The place of the last of its lines.
    last: usize,
}

/// Of which part of an act an entry is, if the act may have several.
fn part(bucket: usize, entry: &TrailEntry) -> Option<u32> {
    match entry.subject == ALL_JOBS {
        true => Some(bucket as u32),
        false => {
            (!entry.request.is_empty()).then(|| UnitName::from(entry.subject.as_str()).shard())
        }
    }
}

impl Act<'_> {
    /// Whether an entry is another part of the same act.
    fn has(&self, entry: &TrailEntry, part: u32) -> bool {
        let first = self.first;
        let near = |one: i64, other: i64| one.abs_diff(other) <= MOST_APART_MS;
        let same_instant = match (first.instant_ms, entry.instant_ms) {
            (Some(one), Some(other)) => near(one, other),
            (one, other) => one == other,
        };
        let same_subject = match entry.request.is_empty() {
            true => first.subject == entry.subject && near(first.at_ms, entry.at_ms),
            // No id of a job stands for two requests.
            false => first.request == entry.request && job(first) == job(entry),
        };
        !self.parts.contains(&part)
            && first.action == entry.action
            && first.actor == entry.actor
            && first.note == entry.note
            && same_instant
            && same_subject
    }
}

fn job(entry: &TrailEntry) -> String {
    UnitName::from(entry.subject.as_str()).job().to_owned()
}

/// The act of each of these lines, which are in order, and the acts.
fn acts(found: &[Found]) -> (Vec<usize>, Vec<Act<'_>>) {
    let mut acts: Vec<Act<'_>> = Vec::new();
    // Those that may have further parts.
    let mut open: VecDeque<usize> = VecDeque::new();
    let mut of_lines = Vec::with_capacity(found.len());
    for (place, (bucket, line)) in found.iter().enumerate() {
        let entry = &line.entry;
        let part = part(*bucket, entry);
        let known = part.and_then(|part| {
            let mut open = open.iter().copied();
            open.find(|act| acts[*act].has(entry, part))
        });
        let act = known.unwrap_or_else(|| {
            acts.push(Act {
                first: entry,
                parts: BTreeSet::new(),
                last: place,
            });
            if part.is_some() {
                open.push_back(acts.len() - 1);
                if open.len() > MAX_OPEN {
                    open.pop_front();
                }
            }
            acts.len() - 1
        });
        acts[act].parts.extend(part);
        acts[act].last = place;
        of_lines.push(act);
    }
    (of_lines, acts)
}

/// One entry for each act, where its first line is.
pub(super) fn fold(found: &[Found]) -> Vec<TrailEntry> {
    let (_, acts) = acts(found);
    let entry = |act: &Act<'_>| {
        let mut entry = act.first.clone();
        if act.parts.len() > 1 && entry.subject != ALL_JOBS {
            entry.subject = job(&entry);
        }
        entry
    };
    acts.iter().map(entry).collect()
}

/// Whether a cut between the lines before a place and those from there on divides an act.
fn divides(of_lines: &[usize], acts: &[Act<'_>], place: usize) -> bool {
    of_lines[..place].iter().any(|act| acts[*act].last >= place)
}

/// The place of the cut after at most so many lines that divides no act; that many, if there is none.
pub(super) fn end_of_page(found: &[Found], most: usize) -> usize {
    let most = most.min(found.len());
    let (of_lines, acts) = acts(found);
    let mut places = (1..=most).rev();
    places
        .find(|place| !divides(&of_lines, &acts, *place))
        .unwrap_or(most)
}

/// The place of the cut before at most so many of the last lines, likewise.
pub(super) fn begin_of_page(found: &[Found], most: usize) -> usize {
    let least = found.len().saturating_sub(most);
    let (of_lines, acts) = acts(found);
    let mut places = least..found.len();
    places
        .find(|place| !divides(&of_lines, &acts, *place))
        .unwrap_or(least)
}
