//! What happened around a violation, in one list.

use std::collections::HashMap;

use super::runs::Observed;
use super::{EventKind, FaultWindow};

/// How far around a violation its timeline goes.
const AROUND_US: u64 = 4_000_000;

/// How many lines it has at most.
const MOST: usize = 200;

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// When, by the shared clock.
    pub at_us: u64,
    /// What. A line with `job=` or `run{` is about that job alone.
    pub text: String,
}

/// What runs of that job recorded, what was done to the cluster, and what else was noted, in the order of time. Of a
/// run's polls in a row, the last.
pub(super) fn around(observed: &Observed<'_>, job: &str, at_us: u64) -> String {
    let near = |us: u64| us.abs_diff(at_us) <= AROUND_US;
    let mut lines = events(observed, job, near);
    lines.extend(observed.history.faults.iter().flat_map(edges));
    let of_job = |note: &&Note| {
        let others = ["job=", "run{"].iter().any(|mark| note.text.contains(mark));
        !others
            || note.text.contains(&format!("job=\"{job}"))
            || note.text.contains(&format!("job={job}"))
    };
    lines.extend(observed.history.notes.iter().filter(of_job).cloned());
    lines.retain(|note| near(note.at_us));
    lines.sort();
    let skip = lines.len().saturating_sub(MOST) / 2;
    let shown = lines.iter().skip(skip).take(MOST);
    let line = |note: &Note| {
        let offset_ms = (note.at_us as i64 - at_us as i64) as f64 / 1000.0;
        format!("{offset_ms:>+10.1} ms  {}\n", note.text)
    };
    shown.map(line).collect()
}

fn events(observed: &Observed<'_>, job: &str, near: impl Fn(u64) -> bool) -> Vec<Note> {
    let of_job = observed.events.iter().filter(|event| event.job == job);
    let mut lines: Vec<Note> = Vec::new();
    let mut polled: HashMap<(u64, i64, &str, u32), usize> = HashMap::new();
    for event in of_job.filter(|event| near(event.at_us)) {
        let note = Note {
            at_us: event.at_us,
            text: event.to_string(),
        };
        let attempt = (
            event.token,
            event.tick_ms,
            event.node.as_str(),
            event.attempt,
        );
        match (event.kind, polled.get(&attempt)) {
            (EventKind::Poll, Some(at)) => lines[*at] = note,
            (EventKind::Poll, None) => {
                polled.insert(attempt, lines.len());
                lines.push(note);
            }
            _ => {
                polled.remove(&attempt);
                lines.push(note);
            }
        }
    }
    lines
}

fn edges(fault: &FaultWindow) -> [Note; 2] {
    let node = fault.node.as_deref().unwrap_or("all");
    [(fault.from_us, "begins"), (fault.to_us, "ends")].map(|(at_us, edge)| Note {
        at_us,
        text: format!("#### {} ({node}) {edge}", fault.what),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{History, event, fault};
    use super::super::{FaultKind, Rule};
    use super::*;

    #[test]
    fn the_timeline_merges_and_folds_polls() {
        let mut history = History::of([
            event(EventKind::Start, 1_000, "a", 1, 100),
            event(EventKind::Poll, 2_000, "a", 1, 100),
            event(EventKind::Poll, 3_000, "a", 1, 100),
        ])
        .with_fault(fault(FaultKind::Paused, "a", 2_500, 9_000_000));
        history.notes = vec![Note {
            at_us: 1_500,
            text: "a: store lost".to_owned(),
        }];
        let violation =
            history.violation(Rule::Custom("death"), "job", 1_000, "it ended".to_owned());
        assert_eq!(violation.to_string(), "death in job: it ended");
        let lines: Vec<&str> = violation.timeline.lines().collect();
        let text = format!("{violation:#}");
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[0].contains("+0.0 ms  Start 1000"), "{text}");
        assert!(lines[1].contains("store lost"), "{text}");
        assert!(lines[2].contains("begins"), "{text}");
        assert!(lines[3].contains("Poll 3000"), "{text}");
        assert!(
            text.starts_with("death in job: it ended\ntimeline:\n"),
            "{text}"
        );
    }

    #[test]
    fn lines_about_other_jobs_are_left_out() {
        let mut history = History::default();
        let note = |text: &str| Note {
            at_us: 0,
            text: text.to_owned(),
        };
        history.notes = vec![note("granted job=\"other\""), note("granted job=\"job\"")];
        let violation = history.violation(Rule::E1, "job", 0, String::new());
        assert_eq!(violation.timeline, "      +0.0 ms  granted job=\"job\"\n");
    }
}
