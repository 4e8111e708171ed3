//! Every zone of the database, across its transitions, against an oracle that shares no code with the crate.
//!
//! The oracle walks UTC minute by minute, looks at the local clock, and decides by the rule as it is written: an
//! interval-like entry is due whenever the clock shows a match, a fixed one the first time; and both, if the clock
//! jumped over a match, at the first minute after the jump. No search, no arithmetic on transitions.

mod common;

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, Datelike, NaiveDate};
use common::show;
use jiff::Timestamp;
use scheduled_one_schedule::{Schedule, Zone, ZoneData};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Minutes before a window in which the oracle only watches the clock: longer than any stretch repeated since 1973.
const WATCH: i64 = 4 * 60;

/// Small, seeded, and the same everywhere (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % limit
    }
}

/// Whether a date matches the day fields.
type Day = fn(NaiveDate) -> bool;

/// An expression, and what it means, made together.
struct Spec {
    text: String,
    seconds: &'static [i64],
    minutes: Vec<bool>,
    hours: Vec<bool>,
    day: Day,
    interval: bool,
}

impl Spec {
    fn random(random: &mut Random) -> Self {
        let (minute, minutes, minute_rhythm) = values(random, 60);
        let (hour, hours, hour_rhythm) = values(random, 24);
        let days: [(&str, Day); 8] = [
            ("* * *", |_| true),
            ("? * *", |_| true),
            ("* * ?", |_| true),
            ("* * SUN", |date| date.weekday().num_days_from_sunday() == 0),
            ("? * SAT,SUN", |date| {
                date.weekday().num_days_from_monday() >= 5
            }),
            ("? * SUNL", |date| {
                let next = date + chrono::Days::new(7);
                date.weekday().num_days_from_sunday() == 0 && next.month() != date.month()
            }),
            ("L * ?", |date| {
                date.succ_opt()
                    .is_some_and(|next| next.month() != date.month())
            }),
            ("1-15 * SUN#2,SAT", |date| {
                let second_sunday =
                    date.weekday().num_days_from_sunday() == 0 && date.day().div_ceil(7) == 2;
                date.day() <= 15 && (second_sunday || date.weekday().num_days_from_sunday() == 6)
            }),
        ];
        // Mostly every day: a window has few days.
        let pick = if random.below(2) == 0 {
            0
        } else {
            random.below(8) as usize
        };
        let (day_text, day) = days[pick];
        let seconds: [(&str, &[i64], bool); 3] = [
            ("0", &[0], false),
            ("0,20", &[0, 20], false),
            ("10/25", &[10, 35], true),
        ];
        let pick = random.below(6) as usize;
        let (second, seconds, second_rhythm) = *seconds.get(pick).unwrap_or(&seconds[0]);
        let text = format!("{second} {minute} {hour} {day_text}");
        Self {
            text,
            seconds,
            minutes,
            hours,
            day,
            interval: second_rhythm || minute_rhythm || hour_rhythm,
        }
    }

    fn shows(&self, local_minute: i64) -> bool {
        let of_day = local_minute.rem_euclid(24 * 60) as usize;
        self.minutes[of_day % 60] && self.hours[of_day / 60] && (self.day)(date(local_minute))
    }
}

fn date(local_minute: i64) -> NaiveDate {
    DateTime::from_timestamp(local_minute * 60, 0)
        .expect("in range")
        .date_naive()
}

/// A minute or hour field: its text, its values, and whether it is a rhythm.
fn values(random: &mut Random, limit: u32) -> (String, Vec<bool>, bool) {
    let value = |random: &mut Random| {
        // Clocks change at night, on the half hour or the hour.
        let near = if limit == 24 {
            [0, 1, 2, 3, 4, 23]
        } else {
            [0, 1, 15, 30, 45, 59]
        };
        match random.below(3) {
            0 => random.below(u64::from(limit)) as u32,
            _ => near[random.below(6) as usize],
        }
    };
    let (text, values, rhythm): (String, Vec<u32>, bool) = match random.below(8) {
        0..=3 => {
            let count = 1 + random.below(4);
            let list: Vec<u32> = (0..count).map(|_| value(random)).collect();
            let text: Vec<String> = list.iter().map(u32::to_string).collect();
            (text.join(","), list, false)
        }
        4 => ("*".to_owned(), (0..limit).collect(), true),
        5 => {
            let step = 1 + random.below(u64::from(limit) - 1) as usize;
            (
                format!("*/{step}"),
                (0..limit).step_by(step).collect(),
                true,
            )
        }
        6 => {
            let (first, step) = (value(random), 1 + random.below(20) as usize);
            (
                format!("{first}/{step}"),
                (first..limit).step_by(step).collect(),
                true,
            )
        }
        _ => {
            let (a, b) = (value(random), value(random));
            let (first, last) = (a.min(b), a.max(b));
            (format!("{first}-{last}"), (first..=last).collect(), true)
        }
    };
    (
        text,
        (0..limit).map(|value| values.contains(&value)).collect(),
        rhythm,
    )
}

fn local_minute(zone: &Zone, utc_minute: i64) -> i64 {
    let at = Timestamp::from_second(utc_minute * 60).expect("in range");
    let offset_s = i64::from(zone.time_zone().to_offset(at).seconds());
    assert_eq!(offset_s % 60, 0, "{zone}: the oracle works in minutes");
    utc_minute + offset_s / 60
}

/// What the local clock does in a window, minute by minute of UTC.
struct Clock {
    minutes: Vec<Minute>,
}

/// A minute of UTC that matters for a local one.
struct Minute {
    utc: i64,
    local: i64,
    what: What,
}

/// What the clock does with a local minute.
#[derive(PartialEq)]
enum What {
    ShowsFirst,
    ShowsAgain,
    HasSkipped,
}

impl Clock {
    fn watch(zone: &Zone, first: i64, end: i64) -> Self {
        let mut minutes = Vec::new();
        let mut seen = HashSet::new();
        let mut before = local_minute(zone, first - WATCH - 1);
        for utc in first - WATCH..end {
            let shown = local_minute(zone, utc);
            for local in (before + 1..shown).chain([shown]) {
                let new = seen.insert(local);
                let what = match (new, local == shown) {
                    (true, true) => What::ShowsFirst,
                    (false, true) => What::ShowsAgain,
                    (true, false) => What::HasSkipped,
                    (false, false) => continue,
                };
                if utc >= first {
                    minutes.push(Minute { utc, local, what });
                }
            }
            before = shown;
        }
        Self { minutes }
    }

    /// The ticks of the window, by the rule.
    fn ticks(&self, spec: &Spec) -> Vec<i64> {
        let mut ticks = Vec::new();
        for minute in self
            .minutes
            .iter()
            .filter(|minute| spec.shows(minute.local))
        {
            let seconds = match minute.what {
                What::HasSkipped => &[0],
                What::ShowsAgain if !spec.interval => continue,
                What::ShowsFirst | What::ShowsAgain => spec.seconds,
            };
            ticks.extend(seconds.iter().map(|s| minute.utc * MINUTE_MS + s * 1000));
        }
        // Several that were skipped are due once.
        ticks.dedup();
        ticks
    }
}

fn check_window(
    zone: &Zone,
    begin_ms: i64,
    end_ms: i64,
    specs: usize,
    random: &mut Random,
) -> usize {
    let (first, end) = (begin_ms.div_euclid(MINUTE_MS), end_ms.div_euclid(MINUTE_MS));
    let clock = Clock::watch(zone, first, end);
    let mut compared = 0;
    for _ in 0..specs {
        let spec = Spec::random(random);
        let schedule =
            Schedule::cron(&spec.text, zone.clone()).unwrap_or_else(|error| panic!("{error}"));
        let expected = clock.ticks(&spec);
        let mut at_ms = first * MINUTE_MS - 1;
        let mut found = Vec::new();
        while let Some(tick_ms) = schedule
            .next_after(at_ms)
            .filter(|tick_ms| *tick_ms < end * MINUTE_MS)
        {
            assert!(
                tick_ms > at_ms,
                "{schedule} stands still at {}",
                show(at_ms)
            );
            found.push(tick_ms);
            at_ms = tick_ms;
        }
        if found != expected {
            let at = found
                .iter()
                .zip(&expected)
                .take_while(|(a, b)| a == b)
                .count();
            let shown = |ticks: &[i64]| {
                ticks
                    .get(at)
                    .map_or("nothing".to_owned(), |tick| show(*tick))
            };
            panic!(
                "{schedule}, window from {}: found {}, the oracle says {}",
                show(begin_ms),
                shown(&found),
                shown(&expected)
            );
        }
        // And from anywhere, not only from a tick.
        for _ in 0..4 {
            let from_ms = begin_ms + random.below((end_ms - begin_ms) as u64) as i64;
            let next_ms = expected.iter().find(|tick_ms| **tick_ms > from_ms);
            let found_ms = schedule.next_after(from_ms);
            let found_ms = found_ms.filter(|tick_ms| *tick_ms < end * MINUTE_MS);
            assert_eq!(
                found_ms,
                next_ms.copied(),
                "{schedule} after {}",
                show(from_ms)
            );
        }
        compared += expected.len();
    }
    compared
}

/// Runs a check on every zone, on all cores.
fn for_every_zone(check: impl Fn(&Zone, &mut Random) -> usize + Sync) -> usize {
    let (next, compared) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let data = ZoneData::compiled_in();
    let names = data.names();
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(name) = names.get(index) else { break };
            let mut random = Random(index as u64);
            let zone = data.zone(name).expect("a zone");
            compared.fetch_add(check(&zone, &mut random), Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        for _ in 0..cores {
            scope.spawn(work);
        }
    });
    compared.into_inner()
}

fn year_ms(year: i32) -> i64 {
    NaiveDate::from_ymd_opt(year, 1, 1)
        .expect("a date")
        .and_time(chrono::NaiveTime::MIN)
        .and_utc()
        .timestamp_millis()
}

/// Hours in which the offset changes, found by probing days, then hours.
fn transition_hours(zone: &Zone, year: i32) -> Vec<i64> {
    let offset = |at_ms: i64| local_minute(zone, at_ms / MINUTE_MS) - at_ms / MINUTE_MS;
    let changes = |begin_ms: i64, end_ms: i64, step_ms: i64| {
        let starts = (begin_ms..end_ms).step_by(step_ms as usize);
        starts
            .filter(move |at_ms| offset(*at_ms) != offset(at_ms + step_ms))
            .collect::<Vec<_>>()
    };
    let days = changes(year_ms(year), year_ms(year + 1), DAY_MS);
    days.into_iter()
        .flat_map(|day_ms| changes(day_ms, day_ms + DAY_MS, HOUR_MS))
        .collect()
}

/// 1987, 1996: many odd rules. 2011: Samoa skips a day. 2014: Russia moves for good. 2018: gaps at midnight in Brazil.
/// 2023: Egypt and Lebanon. 2026 and after: what users meet. 2087: Ramadan in summer time, in Morocco.
#[test]
fn every_zone_agrees_with_the_oracle_around_every_transition() {
    let compared = for_every_zone(|zone, random| {
        let mut compared = 0;
        for year in [1987, 1996, 2011, 2014, 2018, 2023, 2026, 2035, 2087] {
            for hour_ms in transition_hours(zone, year) {
                let (begin_ms, end_ms) = (hour_ms - 4 * HOUR_MS, hour_ms + 20 * HOUR_MS);
                compared += check_window(zone, begin_ms, end_ms, 3, random);
            }
        }
        compared
    });
    assert!(
        compared > 100_000,
        "the windows hold too few ticks to prove anything: {compared}"
    );
}

#[test]
fn every_zone_agrees_with_the_oracle_on_ordinary_days() {
    let compared = for_every_zone(|zone, random| {
        let day_ms = year_ms(1973) + random.below(125 * 365) as i64 * DAY_MS;
        check_window(zone, day_ms, day_ms + 2 * DAY_MS, 2, random)
    });
    assert!(
        compared > 10_000,
        "the windows hold too few ticks to prove anything: {compared}"
    );
}

/// Searches that begin days before a transition, and ticks that are rarer than it.
#[test]
fn every_zone_agrees_with_the_oracle_in_the_weeks_around_a_transition() {
    let compared = for_every_zone(|zone, random| {
        let mut compared = 0;
        for hour_ms in transition_hours(zone, 2027) {
            let (begin_ms, end_ms) = (hour_ms - 6 * DAY_MS, hour_ms + 4 * DAY_MS);
            compared += check_window(zone, begin_ms, end_ms, 4, random);
        }
        compared
    });
    assert!(
        compared > 20_000,
        "the windows hold too few ticks to prove anything: {compared}"
    );
}
