//! A schedule in words, for people who do not read cron: the times of day, the days, the zone.

use crate::cron::Cron;
use crate::day_filter::DayFilter;
use crate::every::Every;
use crate::fields::Fields;
use crate::{Kind, Schedule};

/// So many times of day are listed; more are said by their rule.
const MAX_TIMES: u32 = 6;
const ALL_MONTHS: u64 = 0b1_1111_1111_1110;
/// The first of them is Sunday, as weekdays count.
const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const NTH: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];

impl Schedule {
    /// The schedule in words, for people. `Display` has the text that can be pasted.
    ///
    /// ```
    /// use scheduled_one_schedule::{Schedule, Zone};
    ///
    /// let schedule = Schedule::cron("0 30 9 ? * MON-FRI", Zone::utc())?;
    /// assert_eq!(schedule.in_words(), "at 09:30 on Monday to Friday, UTC");
    /// let schedule = Schedule::cron("0 0 0 L 3,6 ?", Zone::utc())?;
    /// assert_eq!(schedule.in_words(), "at 00:00 on the last day of March and June, UTC");
    /// # Ok::<(), scheduled_one_schedule::ScheduleError>(())
    /// ```
    #[must_use]
    pub fn in_words(&self) -> String {
        match &self.0 {
            Kind::Cron(cron) => of_cron(cron),
            Kind::Every(every) => of_rate(*every),
            Kind::Manual => "when somebody asks for it".to_owned(),
            Kind::Restricted(restricted) => {
                let plain = restricted.plain();
                let all = restricted.to_string();
                // The restriction has a text for people already.
                let limits = all.strip_prefix(&plain.to_string()).unwrap_or_default();
                plain.in_words() + limits
            }
        }
    }
}

fn of_rate(every: Every) -> String {
    let (period_ms, offset_ms) = every.parts_ms();
    match offset_ms {
        0 => format!("every {}", length(period_ms, true)),
        _ => format!(
            "every {}, {} later than from 1970 on",
            length(period_ms, true),
            length(offset_ms, false)
        ),
    }
}

/// `90 seconds`; of one, `minute` behind "every".
fn length(ms: i64, is_behind_every: bool) -> String {
    const UNITS: [(i64, &str); 5] = [
        (86_400_000, "day"),
        (3_600_000, "hour"),
        (60_000, "minute"),
        (1_000, "second"),
        (1, "millisecond"),
    ];
    let of = UNITS.into_iter().find(|(length, _)| ms % length == 0);
    let (count, unit) = of.map_or((ms, "millisecond"), |(length, unit)| (ms / length, unit));
    match (count, is_behind_every) {
        (1, true) => unit.to_owned(),
        (1, false) => format!("1 {unit}"),
        _ => format!("{count} {unit}s"),
    }
}

fn of_cron(cron: &Cron) -> String {
    let fields = cron.fields();
    let (times, is_listed) = times(fields);
    let days = days(&fields.days, u64::from(fields.months));
    let days = match (days.is_empty(), is_listed) {
        (true, true) => "every day".to_owned(),
        _ => days,
    };
    let years: Vec<u32> = fields.listed_years().collect();
    let years = match years[..] {
        [] => String::new(),
        _ => format!("in {}", numbers(&years)),
    };
    let parts = [times, days, years];
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    let text = parts.collect::<Vec<_>>().join(" ");
    match cron.zone().name() {
        "UTC" => format!("{text}, UTC"),
        zone => format!("{text}, in {zone}"),
    }
}

/// When on a day, and whether each time is listed.
fn times(fields: &Fields) -> (String, bool) {
    let (seconds, minutes) = (values(fields.seconds), values(fields.minutes));
    let hours = values(u64::from(fields.hours));
    let count = (minutes.len() * hours.len()) as u32;
    if let [second] = seconds[..]
        && count <= MAX_TIMES
    {
        let of_hour = |hour: &u32| {
            let hour = *hour;
            minutes
                .iter()
                .map(move |minute| time(hour, *minute, second))
        };
        let all: Vec<String> = hours.iter().flat_map(of_hour).collect();
        return (format!("at {}", join(all)), true);
    }
    let is_full_minute = seconds == [0];
    if is_full_minute && minutes == [0] {
        if let Some(step) = step(&hours, 24) {
            let every = length(i64::from(step) * 3_600_000, true);
            return (format!("every {every}"), false);
        }
        if let Some((first, last)) = range(&hours) {
            let (first, last) = (time(first, 0, 0), time(last, 0, 0));
            return (format!("every hour from {first} to {last}"), false);
        }
    }
    let of_second = match (is_full_minute, step(&seconds, 60)) {
        (true, _) => String::new(),
        (false, Some(step)) => format!("every {}", length(i64::from(step) * 1_000, true)),
        (false, None) => format!("at second {}", numbers(&seconds)),
    };
    let (has_rhythm, of_minute) = match (step(&minutes, 60), is_full_minute) {
        (Some(1), true) => (true, "every minute".to_owned()),
        (Some(1), false) if of_second.starts_with("every") => (true, String::new()),
        (Some(1), false) => (true, "of every minute".to_owned()),
        (Some(step @ 2..60), true) => {
            let every = length(i64::from(step) * 60_000, true);
            (true, format!("every {every}"))
        }
        (Some(step @ 2..60), false) => (true, format!("of every {} minute", ordinal(step))),
        (_, true) => (false, format!("at minute {}", numbers(&minutes))),
        (_, false) => (false, format!("of minute {}", numbers(&minutes))),
    };
    let of_hour = match (step(&hours, 24), range(&hours)) {
        (Some(1), _) if has_rhythm => String::new(),
        (Some(1), _) => "of every hour".to_owned(),
        (_, Some((first, last))) => format!("from {} to {}", time(first, 0, 0), time(last, 59, 0)),
        _ => format!("in hour {}", numbers(&hours)),
    };
    let parts = [of_second, of_minute, of_hour];
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    (parts.collect::<Vec<_>>().join(" "), false)
}

/// On which days; empty if on each.
fn days(days: &DayFilter, months: u64) -> String {
    let (by_day, by_weekday) = (by_day(days), by_weekday(days));
    let is_of_month = by_weekday
        .as_ref()
        .is_some_and(|(_, is_of_month)| *is_of_month);
    let has_month = by_day.is_some() || is_of_month;
    let months = match (months == ALL_MONTHS, has_month) {
        (true, true) => "of the month".to_owned(),
        (true, false) => String::new(),
        (false, _) => {
            let name = |month: u32| MONTHS[month as usize - 1].to_owned();
            let names = runs(&values(months), name);
            format!("{} {names}", if has_month { "of" } else { "in" })
        }
    };
    let on = match (by_day, by_weekday) {
        (None, None) => return months,
        (Some(day), None) => return format!("on {day} {months}"),
        (None, Some((weekday, _))) => format!("on {weekday} {months}"),
        (Some(day), Some((weekday, _))) => format!("on {day} {months} if that is {weekday}"),
    };
    on.trim_end().to_owned()
}

/// By the day of the month; `None` if each is allowed.
fn by_day(days: &DayFilter) -> Option<String> {
    const ALL: u32 = u32::MAX - 1;
    if days.days & ALL == ALL {
        return None;
    }
    let the = |day: u32| format!("the {}", ordinal(day));
    let mut parts: Vec<String> = Vec::new();
    let plain = values(u64::from(days.days & ALL));
    if !plain.is_empty() {
        parts.push(runs(&plain, the));
    }
    let before_last = |back: u32| match back {
        0 => "the last day".to_owned(),
        1 => "the day before the last".to_owned(),
        _ => format!("the day {back} days before the last"),
    };
    let each = |set: u32| values(u64::from(set)).into_iter();
    parts.extend(each(days.days_before_last).map(before_last));
    let nearest = |day: String| format!("the day from Monday to Friday nearest to {day}");
    parts.extend(each(days.nearest_weekday).map(|day| nearest(the(day))));
    let nearest_to_last = |back| match back {
        0 => "the last day from Monday to Friday".to_owned(),
        _ => nearest(before_last(back)),
    };
    parts.extend(each(days.weekdays_before_last).map(nearest_to_last));
    Some(join(parts))
}

/// By the day of the week, and whether it is one of a month; `None` if each is allowed.
fn by_weekday(days: &DayFilter) -> Option<(String, bool)> {
    if days.weekdays == 0b111_1111 {
        return None;
    }
    // From Monday on.
    let each = |set: u8| {
        let set = u64::from(set);
        values(set >> 1 | (set & 1) << 6)
    };
    let name = |from_monday: u32| WEEKDAYS[(from_monday as usize + 1) % 7].to_owned();
    let mut parts: Vec<String> = Vec::new();
    let plain = each(days.weekdays);
    if !plain.is_empty() {
        parts.push(runs(&plain, name));
    }
    for (nth, set) in NTH.into_iter().zip(days.weekdays_nth) {
        parts.extend(
            each(set)
                .into_iter()
                .map(|day| format!("the {nth} {}", name(day))),
        );
    }
    let last = each(days.weekdays_last).into_iter();
    parts.extend(last.map(|day| format!("the last {}", name(day))));
    let is_of_month = parts.iter().any(|part| part.starts_with("the "));
    Some((join(parts), is_of_month))
}

/// `09:30`, or `09:30:15`.
fn time(hour: u32, minute: u32, second: u32) -> String {
    match second {
        0 => format!("{hour:02}:{minute:02}"),
        _ => format!("{hour:02}:{minute:02}:{second:02}"),
    }
}

fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number / 10) {
        (1, tens) if tens != 1 => "st",
        (2, tens) if tens != 1 => "nd",
        (3, tens) if tens != 1 => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// The numbers of the bits that are set.
fn values(set: u64) -> Vec<u32> {
    (0..64).filter(|bit| set >> bit & 1 == 1).collect()
}

/// The step from 0 on, if the values are all of it and it divides the whole.
fn step(values: &[u32], whole: u32) -> Option<u32> {
    let step = whole.checked_div(values.len() as u32)?;
    let is_whole = step * values.len() as u32 == whole;
    let fits = (0..)
        .step_by(step as usize)
        .zip(values)
        .all(|(a, b)| a == *b);
    (is_whole && fits).then_some(step)
}

/// The ends of a range of at least two values without gaps.
fn range(values: &[u32]) -> Option<(u32, u32)> {
    let (first, last) = (*values.first()?, *values.last()?);
    let is_range = (last - first) as usize == values.len() - 1 && values.len() > 1;
    is_range.then_some((first, last))
}

fn numbers(values: &[u32]) -> String {
    runs(values, |number| number.to_string())
}

/// Names of values, in which three and more in a row are `a to c`.
fn runs(values: &[u32], name: impl Fn(u32) -> String) -> String {
    let mut parts = Vec::new();
    for run in values.chunk_by(|a, b| a + 1 == *b) {
        match run {
            [first, _, .., last] => parts.push(format!("{} to {}", name(*first), name(*last))),
            _ => parts.extend(run.iter().map(|value| name(*value))),
        }
    }
    join(parts)
}

/// `a, b and c`.
fn join(mut parts: Vec<String>) -> String {
    let Some(last) = parts.pop() else {
        return String::new();
    };
    match parts.is_empty() {
        true => last,
        false => format!("{} and {last}", parts.join(", ")),
    }
}
