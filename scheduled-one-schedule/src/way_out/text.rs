//! Forms around an expression, and words in place of one.

use super::{Reads, mended, refused};
use crate::aliases::{ALIASES, AT_START, OFF, OTHER_ALIASES};
use crate::duration;
use crate::error::{ScheduleError, ScheduleErrorKind, paste, quote};
use crate::every::is_period;
use crate::spelling::distance;
use crate::zone_data::ZoneData;
use crate::zone_names::{ABBREVIATIONS, AREAS};

/// An empty text, `-` or `off`: in other schedulers they switch a job off.
pub(super) fn switched_off(text: &str) -> Option<ScheduleError> {
    const HELP: &str = "write `enabled = false`, or name a variable for it with `enabled_env`";
    OFF.iter().find(|off| off.eq_ignore_ascii_case(text))?;
    if text.is_empty() {
        let message = "the cron expression is empty";
        return Some(
            ScheduleError::new(ScheduleErrorKind::Expression, message).with_help(format!(
                "write six fields, such as `0 30 9 * * MON-FRI` for 9:30 on working days; to switch a job off, {HELP}"
            )),
        );
    }
    let why = "is no time, and does not switch the job off";
    Some(refused(text, why, HELP))
}

/// Quotation marks, and `cron(…)` of Amazon's EventBridge.
pub(super) fn in_wrapping(text: &str, reads: Reads<'_>) -> Option<ScheduleError> {
    let quoted = ['"', '\'', '`'].into_iter().find_map(|mark| {
        let inner = text.strip_prefix(mark)?.strip_suffix(mark)?;
        Some((inner, "has quotation marks around it"))
    });
    let wrapped = || {
        let inner = text.strip_prefix("cron(")?.strip_suffix(')')?;
        Some((inner, "is wrapped in `cron(…)`"))
    };
    let (inner, why) = quoted.or_else(wrapped)?;
    let mended = mended(inner.trim(), reads)?;
    Some(refused(text, why, format!("write {}", paste(&mended))))
}

/// `CRON_TZ=Asia/Tokyo 0 0 9 * * *`, or the zone at the end.
pub(super) fn with_zone(text: &str, parts: &[&str], reads: Reads<'_>) -> Option<ScheduleError> {
    let assigned = |part: &str| {
        let (name, zone) = part.split_once('=')?;
        let known = matches!(
            name.to_ascii_uppercase().as_str(),
            "CRON_TZ" | "TZ" | "TIMEZONE"
        );
        known.then(|| zone.trim_matches(['"', '\'', ';']).to_owned())
    };
    let data = ZoneData::compiled_in();
    let bare = |part: &str| {
        let lower = part.to_ascii_lowercase();
        let area = lower.split_once('/').map(|(area, _)| area);
        let known = data.find(part).is_some()
            || area.is_some_and(|area| AREAS.contains(&area))
            || ABBREVIATIONS.iter().any(|(short, _)| *short == lower);
        known.then(|| part.to_owned())
    };
    let (first, last) = (*parts.first()?, *parts.last()?);
    let (zone, rest) = match assigned(first) {
        Some(zone) => (zone, &parts[1..]),
        None => (
            assigned(last).or_else(|| bare(last))?,
            &parts[..parts.len() - 1],
        ),
    };
    let rest = rest.join(" ");
    if rest.is_empty() {
        return None;
    }
    let zone = match data.zone(&zone) {
        Ok(zone) => format!("`tz = \"{}\"`", zone.name()),
        Err(error) => format!("as `tz`; {error}"),
    };
    let help = match mended(&rest, reads) {
        Some(rest) => match zone.strip_prefix('`') {
            Some(zone) => format!("write `cron = \"{rest}\", {zone}"),
            None => format!("write `cron = \"{rest}\"`, and the zone {zone}"),
        },
        None => format!("write the zone on its own: {zone}"),
    };
    Some(refused(text, "has a time zone in it", help))
}

/// `@every 5m`, `rate(5 minutes)`, `every 5 minutes`, `5m`.
pub(super) fn fixed_rate(text: &str) -> Option<ScheduleError> {
    let lower = text.to_ascii_lowercase();
    let word = lower.trim_start_matches('@');
    if OTHER_ALIASES
        .iter()
        .any(|(other, _)| *other == word.replace(' ', "_"))
    {
        return None;
    }
    let every = || {
        let rest = word.strip_prefix("every")?;
        let separate = rest.is_empty() || rest.starts_with([' ', ':', '_']);
        separate.then(|| rest.trim_matches([' ', ':', '_']))
    };
    let named = lower
        .strip_prefix("rate(")
        .and_then(|rest| rest.strip_suffix(')'));
    let period = match named.or_else(every) {
        Some(period) => duration::from_elsewhere(period),
        None if lower.starts_with(|c: char| c.is_ascii_digit()) => {
            Some(duration::from_elsewhere(&lower)?)
        }
        None => return None,
    };
    let sure = lower.starts_with('@') || lower.contains(|c: char| c.is_ascii_digit());
    if period.is_none() && !sure {
        return None;
    }
    let help = match period.filter(|period| is_period(period)) {
        Some(period) => format!("write `every = \"{period}\"` in place of `cron`"),
        None => {
            "write a duration from `100ms` to `366d` in place of `cron`, such as `every = \"5m\"`"
                .to_owned()
        }
    };
    Some(refused(text, "is a fixed rate", help))
}

/// A word for an expression that is none here.
pub(super) fn alias(text: &str) -> Option<ScheduleError> {
    let lower = text.to_ascii_lowercase();
    let word = lower.trim_start_matches('@').replace([' ', '-'], "_");
    let is_word = |(alias, _): &&(&str, &str)| alias[1..] == word;
    let other = OTHER_ALIASES.iter().find(|(other, _)| *other == word);
    let help = if let Some((_, expression)) = other {
        format!("write {}", paste(expression))
    } else if let Some((alias, _)) = ALIASES.iter().find(is_word) {
        format!("write {}", paste(alias))
    } else if !text.starts_with('@') {
        return None;
    } else if AT_START.contains(&word.as_str()) {
        "no schedule has the start of a program: call the function in `main`".to_owned()
    } else if let Some((alias, _)) = ALIASES
        .iter()
        .find(|(alias, _)| alias.len().abs_diff(lower.len()) <= 2 && distance(alias, &lower) <= 2)
    {
        format!("did you mean {}?", paste(alias))
    } else {
        let names: Vec<_> = ALIASES.iter().map(|(alias, _)| paste(alias)).collect();
        format!("the aliases are {}", names.join(", "))
    };
    let message = format!("there is no cron alias {}", quote(text));
    Some(ScheduleError::new(ScheduleErrorKind::Expression, message).with_help(help))
}

/// A comment or a command behind an expression, as in a crontab; or a space inside a field.
pub(super) fn with_more(text: &str, parts: &[&str], reads: Reads<'_>) -> Option<ScheduleError> {
    // `0 /5` is not among them: that is a field without a first value.
    let spaced = [" - ", "- ", " / ", "/ ", " , ", ", ", " ,", " #"];
    let joined = spaced.iter().fold(parts.join(" "), |text, spaced| {
        text.replace(spaced, spaced.trim())
    });
    if joined.len() < text.len() && reads(&joined).is_ok() {
        let message = format!(
            "the cron expression {} has a space inside a field, and so {} fields",
            quote(text),
            parts.len()
        );
        let help = format!("write {}, with no spaces inside a field", paste(&joined));
        return Some(ScheduleError::new(ScheduleErrorKind::FieldCount, message).with_help(help));
    }
    let is_path = |part: &&str| {
        let name = part.trim_start_matches(['.', '/']);
        name.len() < part.len() && name.starts_with(|c: char| c.is_ascii_alphabetic())
    };
    let (at, what) = match parts.iter().position(|part| part.starts_with('#')) {
        Some(at) => (at, "has a comment behind it"),
        None => (parts.iter().position(is_path)?, "has a command behind it"),
    };
    // In the system's crontab the user is before the command.
    let found = (at.saturating_sub(1)..=at)
        .rev()
        .find_map(|end| mended(&parts[..end].join(" "), reads));
    Some(refused(text, what, format!("write {}", paste(&found?))))
}

/// Dashes, stars and digits from a word processor, and marks that are not seen.
pub(super) fn with_lookalikes(text: &str, reads: Reads<'_>) -> Option<ScheduleError> {
    let plain = |c| match c {
        '\u{feff}' | '\u{200b}' => None,
        '\u{2010}'..='\u{2015}' | '\u{2212}' => Some('-'),
        '\u{2217}' => Some('*'),
        // The full-width forms of `!` to `~`.
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0),
        _ => Some(c),
    };
    let written: String = text.chars().filter_map(plain).collect();
    if written == text {
        return None;
    }
    let mended = mended(&written, reads)?;
    let why = "has characters that only look like those of an expression";
    Some(refused(text, why, format!("write {}", paste(&mended))))
}
