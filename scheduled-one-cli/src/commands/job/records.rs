//! The records of a job with shards, slots or requests, a row each.

use scheduled_one_control::{JobDescription, UnitRecord};
use scheduled_one_protocol::UnitName;

use crate::output::Output;

/// Records that are shown, unless the format is `wide`.
const SHOWN: usize = 8;

/// A row for each record but that of the first shard, which the other rows are of.
pub(super) fn records(job: &JobDescription, output: &Output) -> Vec<(String, String)> {
    let others = job.records.iter().filter(|record| !is_first(&record.unit));
    let others: Vec<&UnitRecord> = others.collect();
    let shown = match output.is_wide() {
        true => others.len(),
        false => others.len().min(SHOWN),
    };
    let record = |record: &&UnitRecord| (name(&record.unit), state(record, output));
    let mut rows: Vec<(String, String)> = others[..shown].iter().map(record).collect();
    if shown < others.len() {
        let more = format!("{} more records; -o wide shows them", others.len() - shown);
        rows.push(("…".to_owned(), more));
    }
    if job.shards_left_out > 0 {
        let more = format!(
            "{} more shards, whose records are not read",
            job.shards_left_out
        );
        rows.push(("…".to_owned(), more));
    }
    rows
}

fn is_first(unit: &UnitName) -> bool {
    unit.is_whole() && unit.shard() == 0
}

fn name(unit: &UnitName) -> String {
    let of_shard = match unit.shard() {
        0 => String::new(),
        shard => format!("shard {shard}"),
    };
    let part = match (unit.is_lane(), unit.slot()) {
        (true, _) => "lane".to_owned(),
        (false, 0) => String::new(),
        (false, slot) => format!("slot {slot}"),
    };
    let words = [of_shard, part];
    let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

fn state(UnitRecord { status, .. }: &UnitRecord, output: &Output) -> String {
    let decided = status.marks.decided;
    let running = status.running.map(|tick| {
        let token = status.token.map_or(0, |token| token.get());
        format!("runs {} (token {token})", output.when(tick.ms()))
    });
    let waiting = Some(status.waiting.len()).filter(|waiting| *waiting > 0);
    let parts = [
        decided.map(|tick| format!("decided to {}", output.when(tick.ms()))),
        running,
        waiting.map(|waiting| format!("{waiting} wait")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    match parts.is_empty() {
        true => "nothing decided".to_owned(),
        false => parts.join(", "),
    }
}
