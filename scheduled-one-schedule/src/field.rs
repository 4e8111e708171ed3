//! One field of a cron expression: its grammar, its limits, its errors.
//!
//! Every item is checked before the `cron` crate parses it, so that an error can name the field, the text and
//! the way out.

use crate::error::{ScheduleError, ScheduleErrorKind, paste, quote};
use crate::every::is_period;

/// The limits of one field.
pub(crate) struct Field {
    /// Name of the field in errors.
    pub(crate) name: &'static str,
    pub(crate) min: u32,
    pub(crate) max: u32,
    /// Names for the values from `min` on: the first three letters suffice.
    pub(crate) names: &'static [&'static str],
    /// Allowed values, as errors show them.
    pub(crate) allowed: &'static str,
    /// The unit of a value as a duration, if all values are equally long.
    pub(crate) unit: Option<&'static str>,
}

const MONTHS: [&str; 12] = [
    "JANUARY",
    "FEBRUARY",
    "MARCH",
    "APRIL",
    "MAY",
    "JUNE",
    "JULY",
    "AUGUST",
    "SEPTEMBER",
    "OCTOBER",
    "NOVEMBER",
    "DECEMBER",
];

pub(crate) const SECOND: Field = Field {
    name: "second",
    min: 0,
    max: 59,
    names: &[],
    allowed: "0-59",
    unit: Some("s"),
};
pub(crate) const MINUTE: Field = Field {
    name: "minute",
    min: 0,
    max: 59,
    names: &[],
    allowed: "0-59",
    unit: Some("m"),
};
pub(crate) const HOUR: Field = Field {
    name: "hour",
    min: 0,
    max: 23,
    names: &[],
    allowed: "0-23",
    unit: Some("h"),
};
pub(crate) const MONTH: Field = Field {
    name: "month",
    min: 1,
    max: 12,
    names: &MONTHS,
    allowed: "1-12 or JAN-DEC",
    unit: None,
};
pub(crate) const YEAR: Field = Field {
    name: "year",
    min: 1970,
    max: 2099,
    names: &[],
    allowed: "1970-2099",
    unit: None,
};

/// Why an item is refused.
pub(crate) enum Flaw {
    Empty,
    QuestionMark,
    /// The text after `/`.
    BadStep,
    /// Nothing before `/`.
    NoStart,
    MissingValue,
    OutOfRange,
    Backwards {
        first: u32,
        last: u32,
        step: Option<u32>,
    },
    /// A value that another scheduler chooses: `H` of Jenkins, `0~59` of OpenBSD.
    Chosen,
    /// `L`, `W` or `#`.
    OfDayFields,
    NotAValue,
}

impl Flaw {
    fn text(&self) -> &'static str {
        match self {
            Self::Empty => "has an empty item in its list",
            Self::QuestionMark => "is not a value (`?` can only stand alone, in a day field)",
            Self::BadStep => "has a bad step after `/`",
            Self::NoStart => "has no value before `/`",
            Self::MissingValue => "has a missing value",
            Self::OutOfRange => "is out of range",
            Self::Backwards { .. } => "is a range that runs backwards",
            Self::Chosen => "leaves the value to the scheduler, which does not choose here",
            Self::OfDayFields => "is not a value (`L`, `W` and `#` belong to the day fields)",
            Self::NotAValue => "is not a value",
        }
    }
}

impl Field {
    /// Checks a list of plain values (`*`, `5`, `1-5`, `0/15`, `JAN`) and returns it in numbers, for `cron`.
    pub(crate) fn check(&self, text: &str) -> Result<String, ScheduleError> {
        let items: Result<Vec<_>, _> = text.split(',').map(|item| self.item(text, item)).collect();
        Ok(items?.join(","))
    }

    /// One item of a list, in numbers.
    pub(crate) fn item(&self, text: &str, item: &str) -> Result<String, ScheduleError> {
        self.read(item).map_err(|flaw| {
            let hint = self.way_out(text, item, &flaw);
            let item = if item.is_empty() { text } else { item };
            self.error(text, item, flaw.text(), hint)
        })
    }

    pub(crate) fn read(&self, item: &str) -> Result<String, Flaw> {
        if item.is_empty() {
            return Err(Flaw::Empty);
        }
        if item.contains('?') {
            return Err(Flaw::QuestionMark);
        }
        let (base, step) = match item.split_once('/') {
            Some((base, step)) => (base, Some(self.step(step).ok_or(Flaw::BadStep)?)),
            None => (item, None),
        };
        let base = match base.split_once('-') {
            _ if base == "*" => "*".to_owned(),
            None if base.is_empty() => return Err(Flaw::NoStart),
            None => self.value(base)?.to_string(),
            Some((first, last)) => {
                let (first, last) = (self.value(first)?, self.value(last)?);
                if first > last {
                    return Err(Flaw::Backwards { first, last, step });
                }
                format!("{first}-{last}")
            }
        };
        Ok(step.map_or(base.clone(), |step| format!("{base}/{step}")))
    }

    /// The number after a `/`. A step above the largest value would never match a second value.
    pub(crate) fn step(&self, step: &str) -> Option<u32> {
        number(step).filter(|step| (1..=self.longest_step()).contains(step))
    }

    fn longest_step(&self) -> u32 {
        if self.min > self.max - self.min {
            self.max - self.min
        } else {
            self.max
        }
    }

    fn value(&self, value: &str) -> Result<u32, Flaw> {
        if let Some(found) = number(value) {
            let allowed = (self.min..=self.max).contains(&found);
            return allowed.then_some(found).ok_or(Flaw::OutOfRange);
        }
        let upper = value.to_ascii_uppercase();
        let named = self.names.iter().position(|name| is_name(&upper, name));
        if let Some(found) = named.and_then(|index| u32::try_from(index).ok()) {
            return Ok(self.min + found);
        }
        Err(if value.is_empty() {
            Flaw::MissingValue
        } else if value.bytes().all(|b| b.is_ascii_digit()) {
            Flaw::OutOfRange
        } else if is_chosen(&upper) {
            Flaw::Chosen
        } else if upper.contains(['L', 'W', '#']) {
            Flaw::OfDayFields
        } else {
            Flaw::NotAValue
        })
    }

    /// What to write in place of an item, or of the whole text if that has empty items.
    fn way_out(&self, text: &str, item: &str, flaw: &Flaw) -> Option<String> {
        let fix = match flaw {
            Flaw::Empty => {
                let items: Vec<_> = text.split(',').filter(|item| !item.is_empty()).collect();
                items.join(",")
            }
            Flaw::QuestionMark => item.replacen('?', "*", 1),
            Flaw::NoStart => format!("{}{item}", self.min),
            Flaw::BadStep => return Some(self.step_help(item)),
            Flaw::Chosen => {
                let value = self.min;
                let hint = format!("write a number such as `{value}`, and spread the starts with ");
                return Some(hint + "`jitter = \"1m\"`");
            }
            Flaw::Backwards { first, last, step } => self.past_the_end(*first, *last, *step)?,
            Flaw::NotAValue | Flaw::OfDayFields => with_short_names(item, self.names)?,
            Flaw::MissingValue | Flaw::OutOfRange => return None,
        };
        let reads = fix.split(',').all(|item| self.read(item).is_ok());
        reads.then(|| format!("write {}", paste(&fix)))
    }

    /// The help for a step that is too long: a fixed rate can have it.
    fn step_help(&self, item: &str) -> String {
        let longest = self.longest_step();
        let limits = format!("a step is 1-{longest}");
        let long = item.split_once('/').and_then(|(base, step)| {
            let from_start = matches!(base, "*" | "" | "0");
            number(step).filter(|step| from_start && *step > longest)
        });
        match (long, self.unit) {
            (Some(step), Some(_)) if step == longest + 1 && self.min == 0 => {
                format!("write `0`; {limits}")
            }
            (Some(step), Some(unit)) if is_period(&format!("{step}{unit}")) => {
                format!(
                    "for a fixed rate write `every = \"{step}{unit}\"` in place of `cron`; {limits}"
                )
            }
            _ => limits,
        }
    }

    /// A range that goes past the end as two that do not, with the same values. Two ranges, and not a list, because
    /// ranges make an expression interval-like.
    fn past_the_end(&self, first: u32, last: u32, step: Option<u32>) -> Option<String> {
        let (min, max) = (self.min, self.max);
        let Some(step) = step else {
            return match (first == max, min == last) {
                _ if self.max == YEAR.max => None,
                (true, false) => Some(format!("{max},{min}-{last}")),
                (false, true) => Some(format!("{first}-{max},{min}")),
                _ => Some(format!("{first}-{max},{min}-{last}")),
            };
        };
        // Months differ in length, and years do not come round.
        if matches!(self.unit, Some("d")) || self.max == YEAR.max {
            return None;
        }
        let rest = min + step - 1 - (max - first) % step;
        Some(if rest > last {
            format!("{first}-{max}/{step}")
        } else {
            format!("{first}-{max}/{step},{rest}-{last}/{step}")
        })
    }

    /// The error every bad field gets: the field, the text, the reason, and what is allowed.
    pub(crate) fn error(
        &self,
        text: &str,
        item: &str,
        why: &str,
        hint: Option<String>,
    ) -> ScheduleError {
        let name = self.name;
        let message = if item == text {
            format!("the {name} field {} {why}", quote(text))
        } else {
            format!(
                "the {name} field {} has {}, which {why}",
                quote(text),
                quote(item)
            )
        };
        let hint = hint.map(|hint| format!("{hint}; ")).unwrap_or_default();
        ScheduleError::new(ScheduleErrorKind::Field, message)
            .with_help(format!("{hint}allowed: {}", self.allowed))
    }
}

/// An item whose longer or shorter spellings of names (`Sept`, `Mond`, `Tu`) are replaced by three letters.
pub(crate) fn with_short_names(item: &str, names: &[&str]) -> Option<String> {
    let upper = item.to_ascii_uppercase();
    let short = |word: &str| {
        let mut meant = names.iter().filter(|name| {
            name.starts_with(word) || (word.len() > 3 && word.starts_with(&name[..3]))
        });
        let only = meant.next().filter(|_| word.len() >= 2);
        only.filter(|_| meant.next().is_none())
            .map(|name| &name[..3])
    };
    let mut fixed = String::new();
    for part in upper.split_inclusive(|c: char| !c.is_ascii_alphabetic()) {
        let word = part.trim_end_matches(|c: char| !c.is_ascii_alphabetic());
        let word_or_short = if word.is_empty() { word } else { short(word)? };
        fixed.push_str(word_or_short);
        fixed.push_str(&part[word.len()..]);
    }
    (fixed != upper).then_some(fixed)
}

/// True for a value that Jenkins (`H`, `H(0-29)`) or OpenBSD's cron (`0~59`) chooses.
pub(crate) fn is_chosen(upper: &str) -> bool {
    upper == "H" || upper.starts_with("H(") || upper.contains('~')
}

/// True if a text is a name in full or its first three letters.
pub(crate) fn is_name(upper: &str, name: &str) -> bool {
    upper == name || (upper.len() == 3 && name.starts_with(upper))
}

/// A number of at most four ASCII digits: no sign, no space, as in every field.
pub(crate) fn number(text: &str) -> Option<u32> {
    let digits = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
