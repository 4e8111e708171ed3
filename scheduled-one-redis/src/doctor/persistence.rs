//! Finding about persistence: the loss in a crash of Redis, and the guarantees that then hold.

use crate::doctor::facts::Info;
use crate::doctor::{Finding, Settings, Severity};

const CHECK: &str = "persistence";

/// Determines the row of the table of guarantees from `INFO` and, if readable, the settings.
pub(crate) fn persistence(info: &Info, settings: Settings<'_>) -> Finding {
    let failed = |name| info.is(name, "err");
    if failed("aof_last_write_status") || failed("rdb_last_bgsave_status") {
        return Finding::new(
            Severity::Warning,
            CHECK,
            "the last attempt to save the data failed: a crash now forgets what came since, and \
             Redis may answer all writes with MISCONF",
            "read the log of Redis: the disk is full, or the folder is not writable",
        );
    }
    match info.get("aof_enabled") {
        Some("1") => append_only(settings),
        Some(_) => snapshots(info, settings),
        None => Finding::new(
            Severity::Info,
            CHECK,
            "INFO does not tell whether the data survive a crash: count on the row \"weaker \
             persistence or none\" of the table of guarantees",
            "",
        ),
    }
}

fn append_only(settings: Settings<'_>) -> Finding {
    let Some(fsync) = settings.and_then(|settings| settings.get("appendfsync")) else {
        return Finding::new(
            Severity::Info,
            CHECK,
            "append-only file; how often it reaches the disk cannot be seen, because CONFIG GET \
             is not allowed: with everysec, the usual setting, a crash forgets the last second \
             or two",
            "",
        );
    };
    match fsync.as_str() {
        "always" => Finding::ok(
            CHECK,
            "append-only file, appendfsync always: what was acknowledged survives a crash",
        ),
        "everysec" => Finding::new(
            Severity::Info,
            CHECK,
            "append-only file, appendfsync everysec: a crash forgets the last second or two; a \
             node that lives and saw it tells it again",
            "appendfsync always, if a tick must not run twice even when all nodes die together \
             with Redis",
        ),
        other => Finding::new(
            Severity::Info,
            CHECK,
            format!(
                "append-only file, appendfsync {other}: a crash of the machine forgets as much \
                 as its system had not written yet, often 30 s"
            ),
            "appendfsync everysec or always",
        ),
    }
}

fn snapshots(info: &Info, settings: Settings<'_>) -> Finding {
    const REMEDY: &str = "appendonly yes";
    let forgets = "a node that lives and saw it tells it again, but what only dead nodes saw can \
                   be decided, and run, a second time";
    let save = settings.and_then(|settings| settings.get("save"));
    match save.map(String::as_str) {
        Some("") => Finding::new(
            Severity::Warning,
            CHECK,
            format!("none: a restart of Redis forgets everything; {forgets}"),
            REMEDY,
        ),
        Some(save) => Finding::new(
            Severity::Info,
            CHECK,
            format!(
                "snapshots (save {save}), no append-only file: a crash forgets what came since \
                 the last one, now {} changes; {forgets}",
                info.get("rdb_changes_since_last_save").unwrap_or("unknown")
            ),
            REMEDY,
        ),
        None => Finding::new(
            Severity::Info,
            CHECK,
            format!(
                "no append-only file, and whether there are snapshots cannot be seen, because \
                 CONFIG GET is not allowed: a crash forgets some or all; {forgets}"
            ),
            REMEDY,
        ),
    }
}
