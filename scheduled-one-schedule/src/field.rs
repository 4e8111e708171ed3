//! One field of a cron expression: its grammar, its limits, its errors.
//!
//! Every item is checked before the `cron` crate parses it, so that an error can name the field, the text and
//! the way out.

use crate::day_filter::DayFilter;
use crate::error::{ScheduleError, ScheduleErrorKind, quote};

/// The limits of one field.
pub(crate) struct Field {
    /// Name of the field in errors.
    pub(crate) name: &'static str,
    min: u32,
    max: u32,
    /// Names for the values from `min` on: the first three letters suffice.
    names: &'static [&'static str],
    /// Allowed values, as errors show them.
    pub(crate) allowed: &'static str,
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
};
pub(crate) const MINUTE: Field = Field {
    name: "minute",
    min: 0,
    max: 59,
    names: &[],
    allowed: "0-59",
};
pub(crate) const HOUR: Field = Field {
    name: "hour",
    min: 0,
    max: 23,
    names: &[],
    allowed: "0-23",
};
pub(crate) const DAY_OF_MONTH: Field = Field {
    name: "day of month",
    min: 1,
    max: 31,
    names: &[],
    allowed: "1-31, `?`, `L` (last day), `L-3`, `LW` (last weekday), `15W` (weekday nearest the 15th)",
};
pub(crate) const MONTH: Field = Field {
    name: "month",
    min: 1,
    max: 12,
    names: &MONTHS,
    allowed: "1-12 or JAN-DEC",
};
pub(crate) const DAY_OF_WEEK: Field = Field {
    name: "day of week",
    min: 0,
    max: 6,
    names: &[],
    allowed: "SUN-SAT, `?`, `MON#2` (second Monday), `FRIL` (last Friday)",
};
pub(crate) const YEAR: Field = Field {
    name: "year",
    min: 1970,
    max: 2099,
    names: &[],
    allowed: "1970-2099",
};

impl Field {
    /// Checks a list of plain values (`*`, `5`, `1-5`, `0/15`, `JAN`) and returns it in numbers, for `cron`.
    pub(crate) fn check(&self, text: &str) -> Result<String, ScheduleError> {
        let items: Result<Vec<_>, _> = text.split(',').map(|item| self.item(text, item)).collect();
        Ok(items?.join(","))
    }

    fn item(&self, text: &str, item: &str) -> Result<String, ScheduleError> {
        if item.is_empty() {
            return Err(self.error(text, text, "has an empty item in its list", None));
        }
        if item.contains('?') {
            let why = "is not a value (`?` can only stand alone, in a day field)";
            return Err(self.error(text, item, why, Some("write `*`".to_owned())));
        }
        let (base, step) = match item.split_once('/') {
            Some((base, step)) => (base, Some(self.step(text, item, step)?)),
            None => (item, None),
        };
        let base = match base.split_once('-') {
            _ if base == "*" => "*".to_owned(),
            None => self.value(text, item, base)?.to_string(),
            Some((first, last)) => {
                let (first, last) = (
                    self.value(text, item, first)?,
                    self.value(text, item, last)?,
                );
                if first > last {
                    let (min, max) = (self.min, self.max);
                    let hint = format!("write `{first}-{max},{min}-{last}` to go past the end");
                    let hint = (self.max != YEAR.max).then_some(hint);
                    return Err(self.error(text, item, "is a range that runs backwards", hint));
                }
                format!("{first}-{last}")
            }
        };
        Ok(step.map_or(base.clone(), |step| format!("{base}/{step}")))
    }

    /// The number after a `/`. A step above the largest value would never match a second value.
    pub(crate) fn step(&self, text: &str, item: &str, step: &str) -> Result<u32, ScheduleError> {
        let longest = if self.min > self.max - self.min {
            self.max - self.min
        } else {
            self.max
        };
        number(step)
            .filter(|step| (1..=longest).contains(step))
            .ok_or_else(|| {
                let hint = format!("a step is 1-{longest}");
                self.error(text, item, "has a bad step after `/`", Some(hint))
            })
    }

    fn value(&self, text: &str, item: &str, value: &str) -> Result<u32, ScheduleError> {
        if let Some(found) = number(value) {
            if (self.min..=self.max).contains(&found) {
                return Ok(found);
            }
            return Err(self.error(text, item, "is out of range", None));
        }
        let upper = value.to_ascii_uppercase();
        let named = self.names.iter().position(|name| is_name(&upper, name));
        if let Some(found) = named.and_then(|index| u32::try_from(index).ok()) {
            return Ok(self.min + found);
        }
        let all_digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
        let why = match value {
            _ if all_digits => "is out of range",
            "" => "has a missing value",
            _ if ["L", "W", "#"]
                .iter()
                .any(|special| upper.contains(special)) =>
            {
                "is not a value (`L`, `W` and `#` belong to the day fields)"
            }
            _ => "is not a value",
        };
        Err(self.error(text, item, why, None))
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

/// Checks the day of month. Fills `days` with what `cron` lacks and returns the plain part, if there is one.
pub(crate) fn day_of_month(
    text: &str,
    days: &mut DayFilter,
) -> Result<Option<String>, ScheduleError> {
    if text == "?" {
        return Ok(Some("*".to_owned()));
    }
    let mut plain = Vec::new();
    for item in text.split(',') {
        let upper = item.to_ascii_uppercase();
        if !upper.contains(['L', 'W']) {
            plain.push(DAY_OF_MONTH.item(text, item)?);
            continue;
        }
        let refuse = |why, hint: &str| DAY_OF_MONTH.error(text, item, why, Some(hint.to_owned()));
        match upper.as_str() {
            "L" => days.days_before_last |= 1,
            "LW" => days.last_weekday = true,
            _ => {
                if let Some(back) = upper.strip_prefix("L-") {
                    let back = number(back).filter(|back| (1..=30).contains(back));
                    let back =
                        back.ok_or_else(|| refuse("is out of range", "use `L-1` to `L-30`"))?;
                    days.days_before_last |= 1 << back;
                } else if let Some(day) = upper.strip_suffix('W') {
                    let day = number(day).filter(|day| (1..=31).contains(day));
                    let day = day.ok_or_else(|| {
                        refuse("is not a single day with `W`", "use `1W` to `31W`")
                    })?;
                    days.nearest_weekday |= 1 << day;
                } else {
                    return Err(DAY_OF_MONTH.error(text, item, "is not a value", None));
                }
            }
        }
    }
    Ok((!plain.is_empty()).then(|| plain.join(",")))
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
