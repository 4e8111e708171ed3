//! The findings about a file.

use std::path::Path;
use std::time::Duration;

use rusqlite::TransactionBehavior;
use scheduled_one_protocol::{DiagnosticContext, Finding, Severity, fields};

use crate::classify::explained;
use crate::connection::File;
use crate::deadline;
use crate::file_system;
use crate::files::folder_of;
use crate::handle::CALL_LIMIT;
use crate::statements::{Failure, Rows};
use crate::step::{current, now};

/// Less free space than this is a warning.
const LITTLE_SPACE: u64 = 100 << 20;

/// A greater file is not checked page by page.
const MAX_CHECKED_BYTES: i64 = 64 << 20;

/// Number of write locks that are taken to measure how long that takes.
const SAMPLES: usize = 10;

/// Largest distance of a high-water mark into the future without a warning: clocks are set back by less.
const AHEAD_MS: i64 = 60_000;

/// Most units whose high-water marks are read.
const MAX_UNITS: usize = 1_024;

/// Most units that a finding names.
const MAX_NAMED: usize = 5;

/// Examines the file. Writes nothing: a file that is missing is not made. Blocks.
pub(crate) fn diagnose(
    file: &mut Option<File>,
    path: &Path,
    bucket: &str,
    needs: &DiagnosticContext,
) -> Vec<Finding> {
    if !path.exists() {
        let found = format!(
            "{} does not exist yet: the first start makes it",
            path.display()
        );
        let file = match File::check_place(path) {
            Ok(()) => Finding::new(Severity::Info, "file", found, ""),
            Err(error) => error.finding(),
        };
        return vec![file, space(path)];
    }
    let open = match current(file, path) {
        Ok(open) => open,
        Err(error) => return vec![error.finding()],
    };
    let rows = Rows {
        connection: &open.connection,
        bucket,
    };
    let mut findings = vec![
        Finding::ok(
            "file",
            format!("{}, SQLite {}", path.display(), rusqlite::version()),
        ),
        Finding::ok(
            "durability",
            "WAL with synchronous=FULL: what was decided survives the loss of power",
        ),
        space(path),
        pages(&rows),
        marks(&rows, needs),
    ];
    findings.push(write_lock(open, needs));
    findings
}

/// The free space of the disk.
pub(crate) fn space(path: &Path) -> Finding {
    let folder = folder_of(path);
    match file_system::free_bytes(folder) {
        None => Finding::new(Severity::Info, "space", "could not be looked at", ""),
        Some(bytes) if bytes < LITTLE_SPACE => Finding::new(
            Severity::Warning,
            "space",
            format!(
                "{} MiB are free in {}: on a full disk no tick is decided",
                bytes >> 20,
                folder.display()
            ),
            "free space, or move the file to another disk",
        ),
        Some(bytes) => Finding::ok("space", format!("{} MiB are free", bytes >> 20)),
    }
}

/// Whether the pages of the file fit together.
fn pages(rows: &Rows<'_>) -> Finding {
    const CHECK: &str = "pages";
    let number = |pragma: &str| {
        rows.connection
            .pragma_query_value(None, pragma, |row| row.get::<_, i64>(0))
    };
    let bytes = match (number("page_count"), number("page_size")) {
        (Ok(count), Ok(size)) => count.saturating_mul(size),
        (Err(error), _) | (_, Err(error)) => return not_examined(CHECK, &explained(&error)),
    };
    if bytes > MAX_CHECKED_BYTES {
        let found = format!("{} MiB, too many to be checked here", bytes >> 20);
        return Finding::new(
            Severity::Info,
            CHECK,
            found,
            "sqlite3 FILE 'PRAGMA quick_check'",
        );
    }
    let result = rows
        .connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0));
    match result {
        Ok(result) if result == "ok" => {
            Finding::ok(CHECK, format!("{} KiB, all of them sound", bytes >> 10))
        }
        Ok(result) => Finding::new(
            Severity::Severe,
            CHECK,
            format!("the file is damaged: {result}"),
            "stop all processes, then restore the file from a backup, or delete it with its -wal and -shm",
        ),
        Err(error) => not_examined(CHECK, &explained(&error)),
    }
}

/// Finds units that are decided far into the future.
fn marks(rows: &Rows<'_>, needs: &DiagnosticContext) -> Finding {
    const CHECK: &str = "marks";
    let units = needs.units.iter().take(MAX_UNITS).cloned().collect();
    let records = match rows.records(&units) {
        Ok(records) => records,
        Err(Failure::Sqlite(error)) => return not_examined(CHECK, &explained(&error)),
        Err(Failure::Damaged(error)) => {
            return Finding::new(Severity::Warning, CHECK, error.to_string(), "");
        }
    };
    let now_ms = now(&*needs.clock).ms();
    let mut ahead: Vec<String> = records
        .iter()
        .filter_map(|(unit, record)| {
            let ahead_ms = record.marks.decided?.ms().saturating_sub(now_ms);
            let is_ahead = ahead_ms > AHEAD_MS;
            is_ahead.then(|| format!("{unit} ({} s ahead)", ahead_ms / 1_000))
        })
        .collect();
    if ahead.is_empty() {
        let found = format!("{} units looked at, none decided ahead of now", units.len());
        return Finding::ok(CHECK, found);
    }
    ahead.sort_unstable();
    Finding::new(
        Severity::Warning,
        CHECK,
        format!(
            "{} of {} units count as decided up to an instant that has not come, so they do not run until then: {}. The \
             clock of this machine was ahead once",
            ahead.len(),
            units.len(),
            ahead[..ahead.len().min(MAX_NAMED)].join(", ")
        ),
        format!(
            "see that the clock of this machine is right; then wait, or stop all processes of the namespace, because \
             they remember what was decided, run this, and start them again. What waits in queues is forgotten, and a \
             tick that ran ahead of its time runs when it comes:\n{}",
            take_back(rows.bucket, now_ms)
        ),
    )
}

/// The statement that takes back what was decided ahead of the clock of this machine, but not before `now_ms`.
fn take_back(bucket: &str, now_ms: i64) -> String {
    let clock = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)";
    fields::take_back("unit", bucket, &format!("max({clock}, {now_ms})"))
}

/// Compares the time until the write lock is there with the shortest lease.
fn write_lock(open: &mut File, needs: &DiagnosticContext) -> Finding {
    const CHECK: &str = "write_lock";
    let mut most = Duration::ZERO;
    for _ in 0..SAMPLES {
        let begun = needs.clock.boottime();
        deadline::set_in(CALL_LIMIT);
        let transaction = open
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate);
        if let Err(error) = transaction.and_then(rusqlite::Transaction::rollback) {
            return Finding::new(Severity::Warning, CHECK, explained(&error), "");
        }
        most = most.max(needs.clock.boottime().saturating_sub(begun));
    }
    let lease = needs.shortest_lease;
    let found = format!("there after at most {:.1} ms", most.as_secs_f64() * 1_000.0);
    if most <= lease / 10 {
        return Finding::ok(CHECK, found);
    }
    Finding::new(
        Severity::Warning,
        CHECK,
        format!(
            "{found}: more than a tenth of the shortest lease ({lease:?}), so a few slow writes lose it"
        ),
        "a faster disk, fewer processes on this file, or a longer lease",
    )
}

fn not_examined(check: &'static str, why: &str) -> Finding {
    let found = format!("could not be looked at: {why}");
    Finding::new(Severity::Info, check, found, "")
}
