//! The way out of a refused expression: what the text means to other schedulers, and what to write here.
//!
//! An error of one field is kept unless the whole text shows a form of another scheduler. Every expression that is
//! offered was parsed before: a text that is refused again is no way out.

/// Forms around an expression, and words in place of one.
mod text;
/// Weekdays by number, and in the wrong field.
mod weekdays;

use crate::error::{ScheduleError, ScheduleErrorKind, paste, quote};
use crate::field::is_chosen;
use crate::weekday::is_numeric;
use crate::weekday_numbers::{Reading, in_names};

/// Whether a text is an expression, or else the plain error.
type Reads<'a> = &'a dyn Fn(&str) -> Result<(), ScheduleError>;

/// The best error for a refused text: the form of another scheduler that it shows, or else `error`.
pub(crate) fn improve(error: ScheduleError, text: &str, reads: Reads<'_>) -> ScheduleError {
    let parts: Vec<&str> = text.split_whitespace().collect();
    None.or_else(|| text::switched_off(text))
        .or_else(|| text::in_wrapping(text, reads))
        .or_else(|| text::with_lookalikes(text, reads))
        .or_else(|| text::with_zone(text, &parts, reads))
        .or_else(|| text::fixed_rate(text))
        .or_else(|| text::alias(text))
        .or_else(|| with_chosen_values(text, &parts, reads))
        .or_else(|| five_fields(&parts, reads))
        .or_else(|| without_seconds(&error, &parts, reads))
        .or_else(|| text::with_more(text, &parts, reads))
        .or_else(|| weekdays::in_wrong_field(&parts, reads))
        .or_else(|| weekdays::numeric_weekdays(&error, &parts, reads))
        .unwrap_or(error)
}

fn refused(text: &str, why: &str, help: impl Into<String>) -> ScheduleError {
    let message = format!("the cron expression {} {why}", quote(text));
    ScheduleError::new(ScheduleErrorKind::Expression, message).with_help(help)
}

/// The expression that a text of another scheduler stands for, if it is one here with seconds in front.
fn mended(text: &str, reads: Reads<'_>) -> Option<String> {
    if reads(text).is_ok() {
        return Some(text.to_owned());
    }
    let parts: Vec<&str> = text.split_whitespace().collect();
    let with_seconds = match parts.len() {
        5 => six_of_five(&parts),
        _ => from_eventbridge(&parts)?,
    };
    reads(&with_seconds).is_ok().then_some(with_seconds)
}

/// A crontab line with seconds in front and weekdays by name.
fn six_of_five(parts: &[&str]) -> String {
    let mut six = vec!["0"];
    six.extend(parts);
    let named = in_names(six[5], Reading::Crontab);
    let is_plain = !six[5]
        .split(',')
        .any(|item| is_numeric(&item.to_ascii_uppercase()));
    if let Some(named) = named.as_deref().filter(|_| !is_plain) {
        six[5] = named;
    }
    six.join(" ")
}

/// The error for a crontab line. The help is the same line as six fields.
fn five_fields(parts: &[&str], reads: Reads<'_>) -> Option<ScheduleError> {
    let [_, _, day, _, weekday] = parts else {
        return None;
    };
    let six = six_of_five(parts);
    let restricted = |part: &str| !matches!(part, "*" | "?");
    let help = match reads(&six) {
        Err(error) => {
            let error = improve(error, &six, reads);
            format!("put `0` in front for the seconds; then {error}")
        }
        Ok(()) if restricted(day) && restricted(weekday) => format!(
            "write {} (crontab runs when either day field matches; here both must)",
            paste(&six)
        ),
        Ok(()) => format!("write {}", paste(&six)),
    };
    let message = format!(
        "the cron expression {} has five fields: the seconds are missing",
        quote(&parts.join(" "))
    );
    Some(ScheduleError::new(ScheduleErrorKind::FieldCount, message).with_help(help))
}

/// The six fields of Amazon's EventBridge (minute first, year last) with seconds in front and weekdays by name.
fn from_eventbridge(parts: &[&str]) -> Option<String> {
    let [_, _, day, _, weekday, _] = parts else {
        return None;
    };
    let named = weekday.contains(|c: char| c.is_ascii_alphabetic());
    if *day != "?" && *weekday != "?" && !named {
        return None;
    }
    let mut seven = vec!["0"];
    seven.extend(parts);
    let names = in_names(weekday, Reading::Quartz);
    if let Some(names) = names.as_deref().filter(|_| !matches!(*weekday, "*" | "?")) {
        seven[5] = names;
    }
    Some(seven.join(" "))
}

/// The error for six fields whose last is a year and whose seconds are missing.
fn without_seconds(
    error: &ScheduleError,
    parts: &[&str],
    reads: Reads<'_>,
) -> Option<ScheduleError> {
    let is_field = error.kind() == ScheduleErrorKind::Field;
    let seven = from_eventbridge(parts).filter(|seven| is_field && reads(seven).is_ok())?;
    // Somebody may write `?` for `*` in any field.
    let starred: Vec<_> = parts
        .iter()
        .map(|part| if *part == "?" { "*" } else { part })
        .collect();
    let starred = starred.join(" ");
    let or = match reads(&starred) {
        Ok(()) => format!(
            "; or {}, if the first field is the seconds",
            paste(&starred)
        ),
        Err(_) => String::new(),
    };
    let message = format!(
        "the cron expression {} has no seconds: its fields are those of Amazon's EventBridge, minute to year",
        quote(&parts.join(" "))
    );
    Some(
        ScheduleError::new(ScheduleErrorKind::FieldCount, message)
            .with_help(format!("write {}{or}", paste(&seven))),
    )
}

/// Values that the scheduler is to choose, as Jenkins's `H` and the `0~59` of OpenBSD's cron.
fn with_chosen_values(text: &str, parts: &[&str], reads: Reads<'_>) -> Option<ScheduleError> {
    let has_seconds = parts.len() > 5;
    let mut found = false;
    let mut written = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let least = match at + usize::from(!has_seconds) {
            3 | 4 => "1",
            5 => "SUN",
            _ => "0",
        };
        let items = part.split(',').map(|item| {
            let upper = item.to_ascii_uppercase();
            let (base, step) = upper.split_at(upper.find('/').unwrap_or(upper.len()));
            found |= is_chosen(base);
            match base {
                "H" => format!("{least}{step}"),
                _ if !is_chosen(base) => item.to_owned(),
                // `H(0-29)` is one of these values, and `H(0-29)/10` each tenth of them.
                _ => {
                    let range = base.trim_start_matches("H(").trim_end_matches(')');
                    let range = range.replace('~', "-");
                    let first = range.split('-').next().unwrap_or_default();
                    if step.is_empty() {
                        first.to_owned()
                    } else {
                        format!("{range}{step}")
                    }
                }
            }
        });
        written.push(items.collect::<Vec<_>>().join(","));
    }
    if !found {
        return None;
    }
    let mended = mended(&written.join(" "), reads)?;
    Some(refused(
        text,
        "leaves values to the scheduler, which does not choose here",
        format!(
            "write numbers, such as {}, and spread the starts with `jitter = \"1m\"`",
            paste(&mended)
        ),
    ))
}
