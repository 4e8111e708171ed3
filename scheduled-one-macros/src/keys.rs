//! The keys of the attribute. Those of policies are rows of the table in `scheduled-one-schedule`; the others
//! stand here.

use proc_macro2::Ident;
use scheduled_one_schedule::policy::{self, POLICY_KEYS, PolicyKey};
use syn::Error;

use crate::suggest;

/// The syntax of the value of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// `"…"`
    Text,
    /// `"1s..60s"`
    Range,
    /// `a::b`, or the same in quotes.
    Path,
    /// Words and numbers, which `values.rs` reads.
    Bare,
    /// Words and numbers in brackets, or in parentheses directly after the key.
    BareList,
    /// `["…", "…"]`, or in parentheses directly after the key.
    TextList,
    /// `(rule = value, …)`, directly after the key.
    Rules,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) syntax: Syntax,
    /// A value to paste.
    pub(crate) example: &'static str,
    /// What other schedulers call the key, for "did you mean".
    aliases: &'static [&'static str],
}

macro_rules! keys {
    ($($constant:ident = $name:literal, $syntax:expr, $example:expr, $aliases:expr;)+) => {
        $(
            pub(crate) const $constant: Key = Key {
                name: $name,
                syntax: $syntax,
                example: $example,
                aliases: &$aliases,
            };
        )+

        /// The keys that are not policies.
        const OTHER_KEYS: &[Key] = &[$($constant),+];
    };
}

keys! {
    CRON = "cron", Syntax::Text, r#""0 30 2 * * *""#, ["expression", "expr"];
    EVERY = "every", Syntax::Text, r#""90s""#,
        ["interval", "period", "rate", "fixed_rate", "fixed_delay", "each"];
    SCHEDULE = "schedule", Syntax::Bare, "manual", ["on_request", "trigger"];
    OFFSET = "offset", Syntax::Text, r#""10s""#, ["initial_delay", "delay", "shift"];
    TZ = "tz", Syntax::Text, r#""Europe/Berlin""#, ["zone", "timezone", "time_zone"];
    START = "start", Syntax::Text, r#""2026-03-01T00:00""#,
        ["starts_at", "start_at", "from", "not_before", "begin", "first"];
    END = "end", Syntax::Text, r#""2026-04-01T00:00""#,
        ["ends_at", "end_at", "until", "not_after", "expires", "expires_at", "last"];
    WITHIN = "within", Syntax::Text, r#""08:00-18:00""#, ["between", "hours", "window", "time_window"];
    EXCEPT = "except", Syntax::TextList, r#"["SAT", "SUN", "2026-12-24..2027-01-01"]"#,
        ["exclude", "excludes", "excluding", "holidays", "calendar", "skip_days"];
    CRON_ENV = "cron_env", Syntax::Text, r#""REPORT_CRON""#, ["env", "env_cron", "schedule_env"];
    NAME = "name", Syntax::Text, r#""nightly-report""#, ["id", "job", "key"];
    DESCRIPTION = "description", Syntax::Text, r#""Sends the daily report""#, ["doc", "about"];
    GROUP = "group", Syntax::Text, r#""billing""#, ["label", "tag", "tags"];
    ALERT = "alert", Syntax::Rules, r#"(failed = 3, no_success = "26h")"#,
        ["alerts", "notify", "on_failure", "alarm"];
    ON = "on", Syntax::TextList, r#"["gpu", "big"]"#,
        ["labels", "node", "node_label", "node_selector", "run_on_label", "affinity_label"];
    ENABLED = "enabled", Syntax::Bare, "false", ["disabled", "active", "suspend"];
    ENABLED_ENV = "enabled_env", Syntax::Text, r#""REPORT_ENABLED""#, ["env_enabled", "enabled_if"];
    CRATE = "crate", Syntax::Path, "scheduled_one_runtime", ["krate", "path"];
}

/// All keys.
fn all() -> impl Iterator<Item = Key> {
    let policies = POLICY_KEYS.iter().map(Key::of_policy);
    OTHER_KEYS.iter().copied().chain(policies)
}

impl Key {
    pub(crate) fn of_policy(policy: &PolicyKey) -> Self {
        Key {
            name: policy.name,
            syntax: match policy.form {
                policy::Form::Duration { .. } => Syntax::Text,
                policy::Form::Backoff => Syntax::Range,
                policy::Form::WordList(_) => Syntax::BareList,
                _ => Syntax::Bare,
            },
            example: policy.example,
            aliases: policy.aliases,
        }
    }

    /// The key and a value, to paste.
    pub(crate) fn line(&self) -> String {
        match self.syntax {
            Syntax::Rules => format!("{}{}", self.name, self.example),
            _ => format!("{} = {}", self.name, self.example),
        }
    }
}

/// The key that was written.
pub(crate) fn find(ident: &Ident) -> syn::Result<Key> {
    all()
        .find(|key| ident == key.name)
        .ok_or_else(|| unknown(ident))
}

fn unknown(ident: &Ident) -> Error {
    let written = ident.to_string();
    let by_alias = all().find(|key| key.aliases.contains(&written.as_str()));
    let names: Vec<&str> = all().map(|key| key.name).collect();
    let near = match by_alias {
        Some(key) => vec![key.name],
        None => suggest::near(&written, &names),
    };
    let help = match near.is_empty() {
        false => format!("did you mean `{}`?", near.join("` or `")),
        true => "the documentation of `scheduled_one` lists all keys".to_owned(),
    };
    Error::new(
        ident.span(),
        format!("unknown key `{written}`\nhelp: {help}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables of the attribute's documentation.
    const DOCUMENTATION: &str = include_str!("../docs/attribute.md");

    #[test]
    fn the_documentation_has_a_line_for_each_key() {
        let lines: Vec<&str> = DOCUMENTATION
            .lines()
            .filter(|line| line.starts_with("| `"))
            .collect();
        for key in all() {
            let start = format!("| `{}` |", key.name);
            let of_key = lines.iter().filter(|line| line.starts_with(&start));
            assert_eq!(
                of_key.count(),
                1,
                "docs/attribute.md: lines of `{}`",
                key.name
            );
        }
        assert_eq!(
            lines.len(),
            all().count(),
            "docs/attribute.md: a key that is none"
        );
    }

    #[test]
    fn the_documentation_says_what_the_table_says() {
        let lines = POLICY_KEYS.iter().map(|key| {
            let default = match key.default() {
                Some(default) => format!("`{default}`"),
                None => "none".to_owned(),
            };
            format!("| `{}` | {} | {default} |", key.name, key.summary.trim())
        });
        let missing: Vec<String> = lines
            .filter(|line| !DOCUMENTATION.lines().any(|it| it == line))
            .collect();
        assert!(
            missing.is_empty(),
            "docs/attribute.md has other lines than:\n{}",
            missing.join("\n")
        );
    }

    #[test]
    fn no_name_stands_for_two_keys() {
        let mut names: Vec<&str> = all().map(|key| key.name).collect();
        names.extend(all().flat_map(|key| key.aliases));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
