//! The results of a plan as a table for `docs/faults.md`.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::deployment::Kind;
use super::round::Row;

/// What came of all times that one fault was made on one deployment.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    times: usize,
    runs: usize,
    violations: usize,
    gap: i64,
    healed_ms: u64,
}

/// A Markdown table: a line for each fault, a column for each deployment that is in it. A cell
/// says how often the fault was made there, how many runs started, and the
/// longest gap.
pub fn table(rows: &[Row]) -> String {
    let mut sums: BTreeMap<&str, BTreeMap<Kind, Sum>> = BTreeMap::new();
    for row in rows {
        let sum = sums.entry(row.fault).or_default();
        let sum = sum.entry(row.kind).or_default();
        sum.times += 1;
        sum.runs += row.ticks;
        sum.violations += row.violations;
        sum.gap = sum.gap.max(row.gap);
        sum.healed_ms = sum.healed_ms.max(row.healed_ms.unwrap_or(0));
    }
    let mut kinds = Kind::ALL.to_vec();
    kinds.retain(|kind| rows.iter().any(|row| row.kind == *kind));
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    let mut text = format!(
        "| fault | {} | violations | next tick after, at most |\n| ---{} | ---: | ---: |\n",
        names.join(" | "),
        " | ---:".repeat(names.len())
    );
    for (fault, by_kind) in sums {
        let _ = write!(text, "| {fault} |"); // writing to a string does not fail
        for kind in &kinds {
            let _ = match by_kind.get(kind) {
                Some(sum) => write!(text, " {}×, {}, {} |", sum.times, sum.runs, sum.gap),
                None => write!(text, " |"),
            };
        }
        let violations: usize = by_kind.values().map(|sum| sum.violations).sum();
        let healed_ms = by_kind.values().map(|sum| sum.healed_ms).max();
        let healed_s = healed_ms.unwrap_or(0) as f64 / 1_000.0;
        let _ = writeln!(text, " {violations} | {healed_s:.1} s |");
    }
    text
}
