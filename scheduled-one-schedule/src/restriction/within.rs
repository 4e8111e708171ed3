//! `within`: the times of day at which a job may be due.

use std::fmt;

use crate::error::{ScheduleError, ScheduleErrorKind, quote};

pub(crate) const DAY_S: i64 = 86_400;

/// Most parts of one `within`.
const PARTS_MAX: usize = 24;

/// Parts of a day, in order, that neither overlap nor touch. Each is half-open, in seconds of the day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TimesOfDay(Box<[(i64, i64)]>);

impl TimesOfDay {
    /// Reads `08:00-18:00`, or several of these with commas between them.
    pub(crate) fn parse(text: &str) -> Result<Self, ScheduleError> {
        let refuse = |message: String, help: String| {
            Err(ScheduleError::new(ScheduleErrorKind::Within, message).with_help(help))
        };
        let texts: Vec<&str> = text.split(',').map(str::trim).collect();
        if text.trim().is_empty() {
            return refuse("`within` names no time of day".to_owned(), FORM.to_owned());
        }
        if texts.len() > PARTS_MAX {
            let message = format!("`within` has {} parts", texts.len());
            return refuse(message, format!("at most {PARTS_MAX} are allowed"));
        }
        let mut parts = Vec::new();
        for written in &texts {
            let part = Part::parse(written)?;
            for (earlier, other) in texts.iter().zip(&parts) {
                if written == earlier {
                    let message = format!("`within` names {} twice", quote(written));
                    return refuse(message, "leave one of them out".to_owned());
                }
                if part.overlaps(*other) {
                    let message = format!(
                        "{} and {} of `within` overlap",
                        quote(earlier),
                        quote(written)
                    );
                    let both = Self::of([*other, part]);
                    return refuse(message, format!("write `{both}` for both"));
                }
            }
            parts.push(part);
        }
        let times = Self::of(parts);
        if *times.0 == [(0, DAY_S)] {
            let message = format!("`within` is {}, which is the whole day", quote(text));
            return refuse(message, "leave `within` out".to_owned());
        }
        Ok(times)
    }

    fn of(parts: impl IntoIterator<Item = Part>) -> Self {
        let mut stretches: Vec<(i64, i64)> = parts.into_iter().flat_map(Part::stretches).collect();
        stretches.sort_unstable();
        let mut merged: Vec<(i64, i64)> = Vec::new();
        for (from, to) in stretches {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        Self(merged.into())
    }

    /// Whether a second of the day is inside, and the second at which that changes (or the day ends).
    pub(crate) fn at(&self, second: i64) -> (bool, i64) {
        for (from, to) in &self.0 {
            if second < *from {
                return (false, *from);
            }
            if second < *to {
                return (true, *to);
            }
        }
        (false, DAY_S)
    }
}

impl fmt::Display for TimesOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut stretches, mut over_midnight) = (&*self.0, None);
        if let [(0, morning), between @ .., (evening, DAY_S)] = stretches {
            (stretches, over_midnight) = (between, Some((*evening, *morning)));
        }
        for (nth, (from, to)) in stretches.iter().copied().chain(over_midnight).enumerate() {
            let comma = if nth == 0 { "" } else { "," };
            write!(f, "{comma}{}-{}", time(from), time(to % DAY_S))?;
        }
        Ok(())
    }
}

/// `08:00-18:00`, in minutes of the day; over midnight if it ends before it begins.
#[derive(Clone, Copy)]
struct Part {
    from: i64,
    to: i64,
}

/// The form of one part, as errors show it.
const FORM: &str = "write it as in `08:00-18:00`, or `22:00-06:00` over midnight";

impl Part {
    fn parse(text: &str) -> Result<Self, ScheduleError> {
        let refuse = |why: &str, help: String| {
            let message = format!("the part {} of `within` {why}", quote(text));
            Err(ScheduleError::new(ScheduleErrorKind::Within, message).with_help(help))
        };
        if text.is_empty() {
            let message = "`within` has an empty part";
            return Err(ScheduleError::new(ScheduleErrorKind::Within, message).with_help(FORM));
        }
        let strict = text.split_once('-').and_then(|(from, to)| {
            let read = |time: &str| minute_of_day(time.trim());
            Some((read(from)?, read(to)?))
        });
        let Some((from, to)) = strict else {
            return match meant(text) {
                Some((from, to)) if from != to => {
                    let fix = format!("{}-{}", time(from * 60), time(to * 60));
                    refuse(
                        "is not written as two times of day",
                        format!("write `{fix}`"),
                    )
                }
                _ => refuse(
                    "is not two times of day",
                    format!("{FORM}; hours are 00 to 23"),
                ),
            };
        };
        if from == to || (from, to) == (24 * 60, 0) {
            let help = "an end is not part of it, so write a later one; for the whole day, leave `within` out";
            return refuse("has no length", help.to_owned());
        }
        if from == 24 * 60 {
            let fix = format!("00:00-{}", time(to % (24 * 60) * 60));
            return refuse("begins with the end of a day", format!("write `{fix}`"));
        }
        Ok(Self { from, to })
    }

    /// The one or two stretches of a day, in seconds.
    fn stretches(self) -> impl Iterator<Item = (i64, i64)> {
        let (from, to) = (self.from * 60, self.to * 60);
        let (first, second) = match from < to {
            true => ((from, to), (0, 0)),
            false => ((from, DAY_S), (0, to)),
        };
        [first, second].into_iter().filter(|(from, to)| from < to)
    }

    fn overlaps(self, other: Self) -> bool {
        self.stretches()
            .any(|a| other.stretches().any(|b| a.0 < b.1 && b.0 < a.1))
    }
}

/// The minute of the day of `HH:MM`, `24:00` included.
fn minute_of_day(text: &str) -> Option<i64> {
    let (hour, minute) = text.split_once(':')?;
    let two = |digits: &str| match digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit()) {
        true => digits.parse::<i64>().ok(),
        false => None,
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    let is_time = (hour < 24 && minute < 60) || (hour, minute) == (24, 0);
    is_time.then_some(hour * 60 + minute)
}

/// What a part may mean that is written in another form: `8-18`, `8am–6pm`, `08:00..18:00`, `0800-1800`.
fn meant(text: &str) -> Option<(i64, i64)> {
    let lower = text.to_ascii_lowercase();
    let separators = ["..", "–", "—", " to ", " until ", "-", "/"];
    let (from, to) = separators
        .into_iter()
        .find_map(|separator| lower.split_once(separator))?;
    Some((meant_time(from)? % (24 * 60), meant_time(to)? % (24 * 60)))
}

fn meant_time(text: &str) -> Option<i64> {
    let text = text.trim();
    let (text, half) = match (text.strip_suffix("am"), text.strip_suffix("pm")) {
        (Some(morning), _) => (morning, Some(0)),
        (_, Some(afternoon)) => (afternoon, Some(12)),
        _ => (text.trim_end_matches('h'), None),
    };
    let text = text.trim();
    let digits = |text: &str| {
        let few = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        few.then(|| text.parse::<i64>().ok()).flatten()
    };
    let (hour, minute) = match text.split([':', '.', 'h']).collect::<Vec<_>>()[..] {
        [joined] if joined.len() == 4 && joined.is_ascii() => {
            (digits(&joined[..2])?, digits(&joined[2..])?)
        }
        [hour] => (digits(hour)?, 0),
        [hour, minute] | [hour, minute, "00"] => (digits(hour)?, digits(minute)?),
        _ => return None,
    };
    let hour = match half {
        Some(half) if (1..=12).contains(&hour) => hour % 12 + half,
        Some(_) => return None,
        None => hour,
    };
    let is_time = (hour < 24 && minute < 60) || (hour, minute) == (24, 0);
    is_time.then_some(hour * 60 + minute)
}

fn time(second: i64) -> String {
    format!("{:02}:{:02}", second / 3600, second / 60 % 60)
}
