//! The table of keys: the only place that lists them.

use proc_macro2::Ident;
use syn::Error;

use crate::suggest;

/// What may be said of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Cron,
    Every,
    Offset,
    Tz,
    CronEnv,
    Name,
    Description,
    Overlap,
    Misfire,
    CatchUp,
    StartDeadline,
    Jitter,
    Lease,
    OnLeaseLost,
    OnNodeLoss,
    Timeout,
    TimeoutTotal,
    Retries,
    Backoff,
    RetryOn,
    Scope,
    Shards,
    Enabled,
    EnabledEnv,
    Crate,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `"…"`
    Text,
    /// `a::b`, or the same in quotes.
    Path,
    /// Words and numbers, which `policies` reads.
    Bare,
    /// The same, in brackets or in parentheses after the key.
    BareList,
}

/// One key.
pub(crate) struct Row {
    pub(crate) key: Key,
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    /// Something to paste.
    pub(crate) example: &'static str,
    /// What other schedulers call it, for "did you mean".
    aliases: &'static [&'static str],
}

/// In the order of [`Key`], in which they are listed to people.
#[rustfmt::skip]
const KEYS: [Row; 25] = [
    Row { key: Key::Cron, name: "cron", form: Form::Text, example: r#"cron = "0 30 2 * * *""#,
          aliases: &["schedule", "expression", "expr"] },
    Row { key: Key::Every, name: "every", form: Form::Text, example: r#"every = "90s""#,
          aliases: &["interval", "period", "rate", "fixed_rate", "fixed_delay", "each"] },
    Row { key: Key::Offset, name: "offset", form: Form::Text, example: r#"offset = "10s""#,
          aliases: &["initial_delay", "delay", "shift", "start"] },
    Row { key: Key::Tz, name: "tz", form: Form::Text, example: r#"tz = "Europe/Berlin""#,
          aliases: &["zone", "timezone", "time_zone"] },
    Row { key: Key::CronEnv, name: "cron_env", form: Form::Text, example: r#"cron_env = "REPORT_CRON""#,
          aliases: &["env", "env_cron", "schedule_env"] },
    Row { key: Key::Name, name: "name", form: Form::Text, example: r#"name = "nightly-report""#,
          aliases: &["id", "job", "key"] },
    Row { key: Key::Description, name: "description", form: Form::Text,
          example: r#"description = "Sends the daily report""#, aliases: &["doc", "about"] },
    Row { key: Key::Overlap, name: "overlap", form: Form::Bare, example: "overlap = queue_one",
          aliases: &["concurrency", "concurrency_policy", "concurrent", "max_instances"] },
    Row { key: Key::Misfire, name: "misfire", form: Form::Bare, example: "misfire = run_once",
          aliases: &["misfire_policy", "missed", "coalesce"] },
    Row { key: Key::CatchUp, name: "catch_up", form: Form::Text, example: r#"catch_up = "1h""#,
          aliases: &["backfill", "catch_up_window", "misfire_grace_time"] },
    Row { key: Key::StartDeadline, name: "start_deadline", form: Form::Text, example: r#"start_deadline = "60s""#,
          aliases: &["starting_deadline", "starting_deadline_seconds", "grace"] },
    Row { key: Key::Jitter, name: "jitter", form: Form::Text, example: r#"jitter = "10s""#,
          aliases: &["spread", "splay", "randomized_delay"] },
    Row { key: Key::Lease, name: "lease", form: Form::Text, example: r#"lease = "5s""#,
          aliases: &["lock", "ttl", "lock_at_most_for", "lock_ttl"] },
    Row { key: Key::OnLeaseLost, name: "on_lease_lost", form: Form::Bare, example: "on_lease_lost = finish",
          aliases: &["lease_lost", "on_lock_lost"] },
    Row { key: Key::OnNodeLoss, name: "on_node_loss", form: Form::Bare, example: "on_node_loss = rerun(1)",
          aliases: &["on_crash", "node_loss", "on_node_death", "request_recovery"] },
    Row { key: Key::Timeout, name: "timeout", form: Form::Text, example: r#"timeout = "10m""#,
          aliases: &["max_duration", "deadline", "timeout_attempt"] },
    Row { key: Key::TimeoutTotal, name: "timeout_total", form: Form::Text, example: r#"timeout_total = "1h""#,
          aliases: &["total_timeout", "timeout_all"] },
    Row { key: Key::Retries, name: "retries", form: Form::Bare, example: "retries = 3",
          aliases: &["retry", "max_retries", "attempts", "max_attempts"] },
    Row { key: Key::Backoff, name: "backoff", form: Form::Text, example: r#"backoff = "1s..60s""#,
          aliases: &["retry_delay", "retry_backoff", "retry_wait"] },
    Row { key: Key::RetryOn, name: "retry_on", form: Form::BareList, example: "retry_on = [error, timeout]",
          aliases: &["retry_if", "retry_for"] },
    Row { key: Key::Scope, name: "scope", form: Form::Bare, example: "scope = every_node",
          aliases: &["broadcast", "run_on", "nodes"] },
    Row { key: Key::Shards, name: "shards", form: Form::Bare, example: "shards = 4",
          aliases: &["partitions", "sharding", "shard_count"] },
    Row { key: Key::Enabled, name: "enabled", form: Form::Bare, example: "enabled = false",
          aliases: &["disabled", "active", "suspend"] },
    Row { key: Key::EnabledEnv, name: "enabled_env", form: Form::Text, example: r#"enabled_env = "REPORT_ENABLED""#,
          aliases: &["env_enabled", "enabled_if"] },
    Row { key: Key::Crate, name: "crate", form: Form::Path, example: "crate = scheduled_one_runtime",
          aliases: &["krate", "path"] },
];

impl Key {
    pub(crate) fn row(self) -> &'static Row {
        &KEYS[self as usize]
    }
}

/// The key that was written.
pub(crate) fn find(ident: &Ident) -> syn::Result<&'static Row> {
    KEYS.iter()
        .find(|row| ident == row.name)
        .ok_or_else(|| unknown(ident))
}

fn unknown(ident: &Ident) -> Error {
    let written = ident.to_string();
    let names: Vec<&str> = KEYS.iter().map(|row| row.name).collect();
    let alias = KEYS
        .iter()
        .find(|row| row.aliases.contains(&written.as_str()))
        .map(|row| row.name);
    let help = match alias.or_else(|| suggest::nearest(&written, &names)) {
        Some(name) => format!("\nhelp: did you mean `{name}`?"),
        None => String::new(),
    };
    let message = format!(
        "unknown key `{written}`; expected one of: `{}`{help}",
        names.join("`, `")
    );
    Error::new(ident.span(), message)
}

#[cfg(test)]
mod tests {
    use super::KEYS;

    #[test]
    fn each_key_has_its_row() {
        for row in &KEYS {
            assert_eq!(row.key.row().name, row.name);
            assert!(row.example.starts_with(&format!("{} = ", row.name)));
        }
    }
}
