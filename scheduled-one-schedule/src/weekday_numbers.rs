//! Weekdays by number, as other schedulers read them: what to write instead.

use crate::field::number;
use crate::weekday::{NAMES, is_numeric, weekday};

/// The scheduler whose weekday numbers are read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// 1 = Sunday to 7 = Saturday; `*/2` starts on Sunday.
    Quartz,
    /// 0 and 7 = Sunday, 1 = Monday; `*/2` starts on Monday.
    Spring,
    /// The numbers of Spring, but `*/2` starts on Sunday.
    Crontab,
}

/// A day-of-week field with names for its numbers; `None` if a number has no meaning.
pub(crate) fn in_names(text: &str, reading: Reading) -> Option<String> {
    let items: Option<Vec<_>> = text
        .split(',')
        .map(|item| item_in_names(item, reading))
        .collect();
    let items = items?;
    Some(if items.iter().any(|item| item == "*") {
        "*".to_owned()
    } else {
        items.join(",")
    })
}

/// One item with names for numbers. Steps become the list of their days: which day they start on, and whether
/// the week ends on Saturday or Sunday, is what the readings differ in.
fn item_in_names(item: &str, reading: Reading) -> Option<String> {
    let upper = item.to_ascii_uppercase();
    if !is_numeric(&upper) {
        return Some(upper);
    }
    if let Some((base, step)) = upper.split_once('/') {
        let step = number(step).filter(|step| (1..=7).contains(step))?;
        let (first, last) = match base.split_once('-') {
            Some((first, last)) => (value(first, reading)?, value(last, reading)?),
            None if matches!(base, "*" | "") && reading == Reading::Crontab => (0, 6),
            None if matches!(base, "*" | "") => (1, 7),
            None => (value(base, reading)?, 7),
        };
        if step == 1 && last >= first + 6 {
            return Some("*".to_owned());
        }
        if first > last {
            let (from, to) = (short_name(first, reading)?, short_name(last, reading)?);
            return Some(format!("{from}-{to}/{step}"));
        }
        let days = (first..=last).step_by(step as usize);
        let names: Option<Vec<_>> = days.map(|day| short_name(day, reading)).collect();
        return names
            .filter(|names| !names.is_empty())
            .map(|names| names.join(","));
    }
    let (base, tail) = upper.split_at(upper.find('#').unwrap_or(upper.len()));
    if let Some((first, last)) = base.split_once('-') {
        let (first, last) = (value(first, reading)?, value(last, reading)?);
        let (from, to) = (short_name(first, reading)?, short_name(last, reading)?);
        return Some(if last >= first + 6 && tail.is_empty() {
            "*".to_owned()
        } else {
            format!("{from}-{to}{tail}")
        });
    }
    // `5L` of Quartz, `L5` of Python's croniter.
    let last = base.strip_suffix('L').or_else(|| base.strip_prefix('L'));
    match last {
        Some(day) => Some(format!("{}L", short_name(number(day)?, reading)?)),
        None => Some(format!("{}{tail}", short_name(number(base)?, reading)?)),
    }
}

/// A weekday's number in a reading, from its number or its name.
fn value(text: &str, reading: Reading) -> Option<u32> {
    let from_name = || weekday(text).map(|day| day + u32::from(reading == Reading::Quartz));
    number(text).or_else(from_name)
}

fn short_name(day: u32, reading: Reading) -> Option<&'static str> {
    let index = match reading {
        Reading::Quartz => day.checked_sub(1)?,
        Reading::Spring | Reading::Crontab if day <= 7 => day % 7,
        _ => return None,
    };
    NAMES.get(index as usize).map(|name| &name[..3])
}
