//! What happened around a violation, in one list.

use std::collections::HashMap;

use super::{History, Violation};
use crate::log::Kind;

/// How far around a violation its timeline goes.
const AROUND_US: u64 = 4_000_000;

/// How many lines it has at most.
const MOST: usize = 200;

/// A line of somebody's log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// When, by the boot clock.
    pub boot_us: u64,
    /// What.
    pub text: String,
}

/// What jobs of that name noted, what was done to the cluster, and what else
/// was noted, in the order of the boot clock. Of a run's polls in a row, the last.
pub fn timeline(history: &History<'_>, notes: &[Note], violation: &Violation) -> String {
    let at_us = violation.at_us;
    let near = |us: u64| us.abs_diff(at_us) <= AROUND_US;
    let of_job = history.events.iter().filter(|it| it.job == violation.job);
    let mut lines: Vec<Note> = Vec::new();
    let mut polled: HashMap<(u64, u32), usize> = HashMap::new();
    for event in of_job.filter(|event| near(event.boot_us)) {
        let note = Note {
            boot_us: event.boot_us,
            text: event.to_string(),
        };
        let run = (event.token, event.attempt);
        match (event.kind, polled.get(&run)) {
            (Kind::Poll, Some(at)) => lines[*at] = note,
            (Kind::Poll, None) => {
                polled.insert(run, lines.len());
                lines.push(note);
            }
            _ => {
                polled.remove(&run);
                lines.push(note);
            }
        }
    }
    for window in history.windows {
        let node = window.node.as_deref().unwrap_or("all");
        for (boot_us, edge) in [(window.from_us, "begins"), (window.to_us, "ends")] {
            let text = format!("#### {} ({node}) {edge}", window.what);
            lines.push(Note { boot_us, text });
        }
    }
    let of_job = |note: &&Note| {
        let others = ["job=", "run{"].iter().any(|mark| note.text.contains(mark));
        !others
            || note.text.contains(&format!("job=\"{}", violation.job))
            || note.text.contains(&format!("job={}", violation.job))
    };
    lines.extend(notes.iter().filter(of_job).cloned());
    lines.retain(|note| near(note.boot_us));
    lines.sort();
    let skip = lines.len().saturating_sub(MOST) / 2;
    let shown = lines.iter().skip(skip).take(MOST);
    let line = |note: &Note| {
        let offset_ms = (note.boot_us as i64 - at_us as i64) as f64 / 1000.0;
        format!("{offset_ms:>+10.1} ms  {}\n", note.text)
    };
    shown.map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::{event, window};
    use super::super::{Violation, WindowKind};
    use super::*;

    #[test]
    fn the_timeline_merges_and_folds_polls() {
        let events = [
            event(Kind::Start, 1_000, "a", 1, 100),
            event(Kind::Poll, 2_000, "a", 1, 100),
            event(Kind::Poll, 3_000, "a", 1, 100),
        ];
        let history = History {
            events: &events,
            windows: &[window(WindowKind::Stopped, "a", 2_500, 9_000_000)],
            jobs: &[],
            lease: Duration::from_secs(1),
            accounts: &[],
        };
        let notes = [Note {
            boot_us: 1_500,
            text: "a: store lost".to_owned(),
        }];
        let violation = Violation {
            rule: "S1",
            text: String::new(),
            job: "job".to_owned(),
            at_us: 1_000,
        };
        let text = timeline(&history, &notes, &violation);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[0].contains("+0.0 ms  Start 1000"), "{text}");
        assert!(lines[1].contains("store lost"), "{text}");
        assert!(lines[2].contains("begins"), "{text}");
        assert!(lines[3].contains("Poll 3000"), "{text}");
    }
}
