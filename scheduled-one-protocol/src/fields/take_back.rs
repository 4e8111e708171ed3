//! The way back from a clock that was ahead, for stores with SQL.

use crate::machine::damage::MAX_AHEAD_MS;

/// The instants of a record that have to do with ticks.
const OF_TICKS: [&str; 4] = [
    "first_seen_ms",
    "decided_ms",
    "start_tick_ms",
    "run_tick_ms",
];

/// The instants of a lease.
const OF_LEASE: [&str; 2] = ["run_granted_at_ms", "run_until_ms"];

/// What a clock that was ahead may have stored otherwise, each with its value in an empty record.
const FORGOTTEN: [(&str, &str); 3] = [
    ("waiting", "''"),
    ("quarantine_until_ms", "0"),
    ("decides", "NULL"),
];

/// The statement that takes back what was decided ahead of an instant, for the units of a bucket. An operator runs it
/// after the clock of the store was ahead, while no node runs: nodes remember what they saw decided.
///
/// `table` is the name of the table as the statement needs it, `now` an expression for the instant in milliseconds:
/// the time of the store, and not before a time that is surely over. Ticks up to it stay decided, so none of them can
/// run a second time; ticks after it run when they are due, although they may have run while the clock was ahead.
/// Fencing tokens are not lowered. A run that is active counts as one whose node died: it is written off, and is not
/// taken over if its tick has not come. A lane in which requests wait or run keeps them, and so its ticks, unless those
/// are farther ahead than a record may be.
///
/// The syntax is that of SQLite 3.33 and PostgreSQL.
///
/// ```
/// use scheduled_one_protocol::fields;
///
/// let statement = fields::take_back("unit", "shop", "1764311460000");
/// assert!(statement.starts_with("UPDATE unit SET "));
/// assert!(statement.contains("run_until_ms = CASE WHEN run_until_ms > t.ms THEN t.ms ELSE run_until_ms END"));
/// ```
pub fn take_back(table: &str, bucket: &str, now: &str) -> String {
    let if_ahead = |of: &str, column: &str, value: &str| {
        format!("{column} = CASE WHEN {of} > t.ms THEN {value} ELSE {column} END")
    };
    let is_free = format!(
        "(name NOT LIKE '%!' OR waiting = '' AND NOT running OR decided_ms > t.ms + {MAX_AHEAD_MS})"
    );
    let if_decided_ahead = |of: &str, column: &str, value: &str| {
        format!("{column} = CASE WHEN {of} > t.ms AND {is_free} THEN {value} ELSE {column} END")
    };
    let of_lease = OF_LEASE.iter();
    let of_lease = of_lease.map(|column| if_ahead(column, column, "t.ms"));
    let of_ticks = OF_TICKS.iter();
    let of_ticks = of_ticks.map(|column| if_decided_ahead(column, column, "t.ms"));
    let forgotten = FORGOTTEN.iter();
    let forgotten = forgotten.map(|(column, empty)| if_decided_ahead("decided_ms", column, empty));
    let takeovers = if_decided_ahead("run_tick_ms", "run_takeovers", "0");
    let assignments = of_lease.chain(of_ticks).chain(forgotten);
    let assignments: Vec<String> = assignments.chain([takeovers]).collect();
    format!(
        "UPDATE {table} SET {} FROM (SELECT {now} AS ms) AS t WHERE bucket = '{bucket}' AND (decided_ms > t.ms AND \
         {is_free} OR run_until_ms > t.ms)",
        assignments.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fields::{RECORD, Value};
    use crate::machine::Record;

    #[test]
    fn the_columns_are_those_of_a_record() {
        let find = |name: &str| RECORD.iter().find(|field| field.name == name).unwrap();
        let empty = Record::default();
        for (name, value) in FORGOTTEN {
            let of_empty = match (find(name).get)(&empty) {
                Value::Null => "NULL".to_owned(),
                Value::Int(number) => number.to_string(),
                Value::Flag(flag) => flag.to_string(),
                Value::Text(text) => format!("'{text}'"),
            };
            assert_eq!(value, of_empty, "{name}");
        }
        // What is not listed may be ahead: when a unit is due again shows only that nobody claims it.
        let of_instants = RECORD.iter().filter(|field| field.name.ends_with("_ms"));
        let instants = [&OF_TICKS[..], &OF_LEASE].concat();
        let listed = |name: &str| {
            instants.contains(&name) || FORGOTTEN.iter().any(|(forgotten, _)| *forgotten == name)
        };
        let others: Vec<&str> = of_instants
            .map(|field| field.name)
            .filter(|name| !listed(name))
            .collect();
        assert_eq!(others, ["run_lease_ms", "next_due_ms"]);
        assert!(instants.iter().all(|name| find(name).name == *name));
    }
}
