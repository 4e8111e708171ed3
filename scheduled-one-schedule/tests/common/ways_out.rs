//! The texts that an error offers to paste, each tried.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::time::Duration;

use scheduled_one_schedule::{
    Schedule, ScheduleError, ScheduleErrorKind, Zone, ZoneData, parse_duration,
};

const FIELDS: [&str; 7] = [
    "second",
    "minute",
    "hour",
    "day of month",
    "month",
    "day of week",
    "year",
];

/// Keys and other words in backquotes that are nothing to try.
const WORDS: [&str; 8] = [
    "cron",
    "tz",
    "main",
    "#",
    "0",
    "@",
    "enabled = false",
    "enabled_env",
];

/// Tries every text that an error offers, and returns the whole expressions among them.
pub(crate) fn check(expression: &str, error: &ScheduleError) -> Vec<String> {
    let (mut expression, mut message) = (expression.to_owned(), error.message().to_owned());
    let mut help = error.help().unwrap_or_default().to_owned();
    // The seconds are missing, and something else is wrong.
    if let Some(rest) = help.strip_prefix("put `0` in front for the seconds; then ") {
        expression = format!("0 {expression}");
        let (next, rest) = rest.split_once("; ").expect("a message and a help");
        (message, help) = (next.to_owned(), rest.to_owned());
    }
    let offered = help.split("allowed: ").next().unwrap_or_default();
    let texts: Vec<_> = offered.split('`').collect();
    let mut expressions = Vec::new();
    for at in (1..texts.len()).step_by(2) {
        let (before, text) = (texts[at - 1], texts[at]);
        let after = texts.get(at + 1).copied().unwrap_or_default();
        if let Some(settings) = text.strip_prefix("cron = \"") {
            let (cron, rest) = settings.split_once('"').expect("a closing quotation mark");
            expressions.push(parses(cron, error));
            if let Some(zone) = rest.strip_prefix(", tz = ") {
                zone_exists(zone.trim_matches('"'));
            }
        } else if let Some(zone) = text.strip_prefix("tz = ") {
            zone_exists(zone.trim_matches('"'));
        } else if let Some(period) = text.strip_prefix("every = ") {
            let period = parse_duration(period.trim_matches('"')).expect("a duration");
            assert!(Schedule::every(period, Duration::ZERO).is_ok(), "{error}");
        } else if let Some(jitter) = text.strip_prefix("jitter = ") {
            assert!(parse_duration(jitter.trim_matches('"')).is_ok(), "{error}");
        } else if text.split(' ').count() >= 6 || text.starts_with('@') {
            expressions.push(parses(text, error));
        } else if after.starts_with(" as the day of month") {
            let mut parts: Vec<_> = expression.split_whitespace().collect();
            (parts[3], parts[5]) = (text, "?");
            expressions.push(parses(&parts.join(" "), error));
        } else if before.ends_with("write ") && !WORDS.contains(&text) {
            replaces(text, &expression, &message, error);
        }
    }
    expressions
}

fn parses(expression: &str, error: &ScheduleError) -> String {
    if let Err(again) = Schedule::cron(expression, Zone::utc()) {
        panic!("`{expression}` is offered and refused\nby: {again}\nin: {error}");
    }
    expression.to_owned()
}

fn zone_exists(name: &str) {
    let zone = ZoneData::compiled_in().zone(name);
    assert!(zone.is_ok(), "{zone:?}");
}

/// A part of an expression is accepted in the field that the message names.
fn replaces(fix: &str, expression: &str, message: &str, error: &ScheduleError) {
    let names = FIELDS.iter().position(|name| {
        let named = format!("the {name} field `");
        message.starts_with(&named)
    });
    let at = names.unwrap_or_else(|| panic!("no field is named: {error}"));
    let field = message.split('`').nth(1).expect("the field's text");
    let mut parts: Vec<_> = expression.split_whitespace().collect();
    assert_eq!(parts[at], field, "{error}");
    // Alone, because the other items of a list may have flaws of their own.
    parts[at] = fix;
    let fixed = parts.join(" ");
    match Schedule::cron(&fixed, Zone::utc()) {
        Ok(_) => {}
        // The other fields have flaws of their own.
        Err(other) if other.kind() == ScheduleErrorKind::Never => {}
        Err(other) => assert!(
            !other
                .message()
                .starts_with(&format!("the {} field", FIELDS[at])),
            "`{fix}` is offered in `{fixed}` and refused\nby: {other}\nin: {error}"
        ),
    }
}
