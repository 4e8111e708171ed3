//! What came of a plan, as a table for `docs/faults.md`.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::deployment::Kind;
use super::round::Row;

/// What came of all times that one fault was made on one deployment.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    times: usize,
    ticks: usize,
    violations: usize,
    gap: i64,
    healed_ms: u64,
}

/// A Markdown table: a line for each fault and deployment.
pub fn table(rows: &[Row]) -> String {
    let mut sums: BTreeMap<(&str, Kind), Sum> = BTreeMap::new();
    for row in rows {
        let sum = sums.entry((row.fault, row.kind)).or_default();
        sum.times += 1;
        sum.ticks += row.ticks;
        sum.violations += row.violations;
        sum.gap = sum.gap.max(row.gap);
        sum.healed_ms = sum.healed_ms.max(row.healed_ms.unwrap_or(0));
    }
    let mut text = String::from(
        "| fault | deployment | times | runs | violations | longest gap, ticks | next tick after, at most |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for ((fault, kind), sum) in sums {
        let Sum {
            times,
            ticks,
            violations,
            gap,
            healed_ms,
        } = sum;
        let healed_s = healed_ms as f64 / 1_000.0;
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {fault} | {kind} | {times} | {ticks} | {violations} | {gap} | {healed_s:.1} s |"
        );
    }
    text
}
