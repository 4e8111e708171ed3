//! Texts for people: nothing in them commands a terminal.

use std::fmt::Write;
use std::time::Duration;

use jiff::Timestamp;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Whether a terminal takes a character as a command, or as a change of the direction of writing.
pub(crate) fn is_hostile(letter: char) -> bool {
    let turns = matches!(
        letter,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    letter.is_control() || turns
}

/// The text in one line, with `\n` for a line break, `\u{1b}` for an escape, and so on.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match is_hostile(letter) {
            true => escaped.extend(letter.escape_default()),
            false => escaped.push(letter),
        }
    }
    escaped
}

/// An instant in RFC 3339.
pub(crate) fn instant(ms: i64) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(instant) => instant.to_string(),
        Err(_) => format!("{ms}ms"),
    }
}

/// An instant as seen from another one: `3m ago`, `in 2h`.
pub(crate) fn relative(ms: i64, now_ms: i64) -> String {
    let away = now_ms.saturating_sub(ms);
    let text = coarse(away.saturating_abs());
    match away {
        0..SECOND => "now".to_owned(),
        SECOND.. => format!("{text} ago"),
        _ => format!("in {text}"),
    }
}

/// What a clock differs from another one: `+1.5s`, `-0.3s`, `0s`.
pub(crate) fn offset(ms: i64) -> String {
    let away = ms.unsigned_abs();
    match ms {
        0 => "0s".to_owned(),
        1.. => format!("+{}.{}s", away / 1_000, away % 1_000 / 100),
        _ => format!("-{}.{}s", away / 1_000, away % 1_000 / 100),
    }
}

fn coarse(ms: i64) -> String {
    match ms {
        ..MINUTE => format!("{}s", ms / SECOND),
        MINUTE..HOUR => format!("{}m", ms / MINUTE),
        HOUR..DAY => match ms % HOUR / MINUTE {
            0 => format!("{}h", ms / HOUR),
            minutes => format!("{}h{minutes}m", ms / HOUR),
        },
        _ => format!("{}d", ms / DAY),
    }
}

/// How long something took.
pub(crate) fn took(ms: i64) -> String {
    let time = Duration::from_millis(ms.try_into().unwrap_or_default());
    match ms {
        ..SECOND => format!("{}ms", time.as_millis()),
        SECOND..MINUTE => format!("{:.1}s", time.as_secs_f64()),
        MINUTE..HOUR => format!("{}m{:02}s", ms / MINUTE, ms % MINUTE / SECOND),
        _ => format!("{}h{:02}m", ms / HOUR, ms % HOUR / MINUTE),
    }
}

/// JSON in which strings have no hostile characters: they are only ever inside of strings, where `\u` can be written.
pub(crate) fn harmless_json(json: &str) -> String {
    let mut harmless = String::with_capacity(json.len());
    for letter in json.chars() {
        match is_hostile(letter) && letter != '\n' {
            // All hostile characters are in the basic plane.
            true => {
                let _ = write!(harmless, "\\u{:04x}", u32::from(letter));
            }
            false => harmless.push(letter),
        }
    }
    harmless
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_commands_a_terminal() {
        let hostile = "a\u{1b}[2J\nb\u{9b}c\r\u{202e}d\u{7f}ü";
        assert_eq!(
            escape(hostile),
            "a\\u{1b}[2J\\nb\\u{9b}c\\r\\u{202e}d\\u{7f}ü"
        );
        let json = serde_json::to_string(hostile).unwrap();
        let harmless = harmless_json(&json);
        assert!(!harmless.chars().any(is_hostile), "{harmless}");
        assert_eq!(serde_json::from_str::<String>(&harmless).unwrap(), hostile);
    }

    #[test]
    fn times_are_short() {
        let cases = [
            (0, "now"),
            (-5_000, "in 5s"),
            (59_999, "59s ago"),
            (90_000, "1m ago"),
            (3_600_000, "1h ago"),
            (5_430_000, "1h30m ago"),
            (-200_000_000, "in 2d"),
        ];
        for (ago, text) in cases {
            assert_eq!(relative(1_000_000_000 - ago, 1_000_000_000), text);
        }
        let cases = [
            (3, "3ms"),
            (1_250, "1.2s"),
            (61_000, "1m01s"),
            (7_260_000, "2h01m"),
        ];
        for (ms, text) in cases {
            assert_eq!(took(ms), text);
        }
        assert_eq!(instant(1_767_225_600_000), "2026-01-01T00:00:00Z");
        assert_eq!(instant(i64::MAX), format!("{}ms", i64::MAX));
    }
}
