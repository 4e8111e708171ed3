//! Pieces of which pages are made.

use jiff::tz::TimeZone;
use maud::{Markup, Render, html};

use crate::gate::Visitor;
use crate::text::{encoded, in_zone, rfc3339};

/// How good or bad something is, for its colour and its sign. Its word says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Tone {
    Ok,
    Idle,
    Running,
    Warn,
    Bad,
}

impl Tone {
    pub(crate) fn class(self) -> &'static str {
        match self {
            Tone::Ok => "ok",
            Tone::Bad => "bad",
            Tone::Warn => "warn",
            Tone::Idle => "idle",
            Tone::Running => "running",
        }
    }

    /// The outline of the sign, in a square of sixteen.
    fn sign(self) -> &'static str {
        match self {
            Tone::Ok => "M3 8.5l3.5 3.5L13 4.5",
            Tone::Bad => "M4 4l8 8M12 4l-8 8",
            Tone::Warn => "M8 2.5l6.5 11h-13zM8 6.5v3.5M8 11.8v.4",
            Tone::Idle => "M4 8h8",
            Tone::Running => "M5 3.5l7 4.5-7 4.5z",
        }
    }
}

/// A word with its sign.
pub(crate) fn state(tone: Tone, word: impl Render) -> Markup {
    html! {
        span class={ "state " (tone.class()) } {
            svg viewBox="0 0 16 16" aria-hidden="true" {
                path d=(tone.sign()) fill="none" stroke="currentColor" stroke-width="2" stroke-linejoin="round"
                    stroke-linecap="round" {}
            }
            (word)
        }
    }
}

/// A box with something to know, and what to do.
pub(crate) fn notice(tone: Tone, title: &str, text: Markup) -> Markup {
    html! {
        section class={ "card notice " (tone.class()) } role=[(tone == Tone::Bad).then_some("alert")] {
            h2 { (state(tone, title)) }
            (text)
        }
    }
}

/// A duration in its two largest units: `2 d 3 h`, `4 min`, `350 ms`.
pub(crate) fn duration(ms: i64) -> String {
    const UNITS: [(i64, &str); 4] = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "min"),
        (1_000, "s"),
    ];
    let ms = ms.max(0);
    let Some(at) = UNITS.iter().position(|(unit, _)| ms >= *unit) else {
        return format!("{ms} ms");
    };
    let (unit, word) = UNITS[at];
    let first = format!("{} {word}", ms / unit);
    match UNITS.get(at + 1) {
        Some((smaller, word)) if ms % unit >= *smaller => {
            format!("{first} {} {word}", ms % unit / smaller)
        }
        None if ms < 10_000 && ms % unit >= 100 => format!("{}.{} s", ms / unit, ms % unit / 100),
        _ => first,
    }
}

/// So much of a length as a part is of a whole. An edited line may have any numbers.
pub(crate) fn scaled(length: i64, part: i64, whole: i64) -> i64 {
    let scaled = i128::from(length) * i128::from(part) / i128::from(whole.max(1));
    i64::try_from(scaled).unwrap_or(length)
}

/// How far an instant is from now: `in 4 min`, `2 h 5 min ago`, `now`.
pub(crate) fn distance(at_ms: i64, now_ms: i64) -> String {
    match at_ms.saturating_sub(now_ms) {
        -999..=999 => "now".to_owned(),
        left @ 1_000.. => format!("in {}", duration(left)),
        gone => format!("{} ago", duration(gone.saturating_neg())),
    }
}

/// An instant: how far it is, which goes on while the page is open, and in full where a pointer rests.
pub(crate) fn time(at_ms: i64, now_ms: i64) -> Markup {
    html! {
        time datetime=(rfc3339(at_ms)) title=(in_zone(at_ms, &TimeZone::UTC)) data-relative {
            (distance(at_ms, now_ms))
        }
    }
}

/// An instant in full, in UTC.
pub(crate) fn full_time(at_ms: i64) -> Markup {
    time_in(at_ms, &TimeZone::UTC)
}

/// An instant in full, in the zone of a job, and in UTC where a pointer rests.
pub(crate) fn time_in(at_ms: i64, zone: &TimeZone) -> Markup {
    html! {
        time datetime=(rfc3339(at_ms)) title=[(*zone != TimeZone::UTC).then(|| in_zone(at_ms, &TimeZone::UTC))] {
            (in_zone(at_ms, zone))
        }
    }
}

/// The address of a job's page.
pub(crate) fn job_url(visitor: &Visitor, job: &str) -> String {
    format!("{}/jobs/{}", visitor.mount, encoded(job))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units() {
        for (ms, text) in [
            (0, "0 ms"),
            (350, "350 ms"),
            (1_000, "1 s"),
            (1_450, "1.4 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (61_000, "1 min 1 s"),
            (3_600_000, "1 h"),
            (3_660_000, "1 h 1 min"),
            (90_000_000, "1 d 1 h"),
            (86_400_000, "1 d"),
        ] {
            assert_eq!(duration(ms), text);
        }
        assert_eq!(distance(1_000, 1_000), "now");
        assert_eq!(distance(241_000, 1_000), "in 4 min");
        assert_eq!(distance(1_000, 241_000), "4 min ago");
    }
}
