//! The ticks of a restricted schedule are those of the plain one that pass, judged one by one by a slow oracle that
//! shares no code with the crate: local time by jiff, days and times by comparison.

mod common;

use std::time::Duration;

use common::{offered, show, zone};
use jiff::Timestamp;
use jiff::civil::{Date, Time, date};
use proptest::prelude::*;
use scheduled_one_schedule::{Calendar, Restriction, Schedule, ScheduleError, Zone};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// What is taken, as the oracle reads it.
#[derive(Clone, Debug)]
struct Spec {
    zone: Zone,
    /// In whole hours of UTC, from the beginning of the range.
    start_h: Option<i64>,
    end_h: Option<i64>,
    /// In minutes of the day.
    within: Vec<(u16, u16)>,
    /// 1 for Monday to 7 for Sunday.
    weekdays: Vec<i8>,
    /// Number of days from the beginning of the range, and length.
    ranges: Vec<(i64, i64)>,
    /// Month and day.
    yearly: Vec<(i8, i8)>,
    /// Days from the beginning of the range that a calendar has.
    calendar: Vec<i64>,
}

impl Spec {
    fn passes(&self, from: Date, from_ms: i64, tick_ms: i64) -> bool {
        let at = Timestamp::from_millisecond(tick_ms).expect("an instant");
        let local = self.zone.time_zone().to_datetime(at);
        let (day, time) = (local.date(), local.time());
        let day_of = |number: i64| from.saturating_add(jiff::Span::new().days(number));
        let minute = |minute: u16| Time::MIN + jiff::Span::new().minutes(i64::from(minute));
        let is_within = |(first, last): &(u16, u16)| {
            let (first, last) = (minute(*first), minute(*last));
            match first < last {
                true => time >= first && time < last,
                false => time >= first || time < last,
            }
        };
        let hour = |hours: i64| from_ms + hours * HOUR_MS;
        self.start_h.is_none_or(|start| tick_ms >= hour(start))
            && self.end_h.is_none_or(|end| tick_ms < hour(end))
            && (self.within.is_empty() || self.within.iter().any(is_within))
            && !self
                .weekdays
                .contains(&day.weekday().to_monday_one_offset())
            && !self.yearly.contains(&(day.month(), day.day()))
            && !self.calendar.iter().any(|number| day == day_of(*number))
            && !(self.ranges.iter())
                .any(|(first, length)| day >= day_of(*first) && day <= day_of(first + length))
    }

    fn restriction(&self, from: Date, from_ms: i64) -> Restriction {
        let day_of = |number: i64| from.saturating_add(jiff::Span::new().days(number));
        let hour = |hours: i64| {
            let at = Timestamp::from_millisecond(from_ms + hours * HOUR_MS).expect("an instant");
            format!("{}", at.strftime("%Y-%m-%dT%H:%M:%SZ"))
        };
        let mut made = Restriction::new(self.zone.clone());
        if let Some(start) = self.start_h {
            made = made.start(&hour(start)).expect("a start");
        }
        if let Some(end) = self.end_h {
            made = made.end(&hour(end)).expect("an end");
        }
        if !self.within.is_empty() {
            let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
            let parts = self
                .within
                .iter()
                .map(|(a, b)| format!("{}-{}", time(*a), time(*b)));
            made = made
                .within(&parts.collect::<Vec<_>>().join(","))
                .expect("times of day");
        }
        let names = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];
        let weekdays = self
            .weekdays
            .iter()
            .map(|day| names[*day as usize - 1].to_owned());
        let yearly = self
            .yearly
            .iter()
            .map(|(month, day)| format!("{month:02}-{day:02}"));
        let ranges = (self.ranges.iter())
            .map(|(first, length)| format!("{}..{}", day_of(*first), day_of(first + length)));
        for item in weekdays.chain(yearly).chain(ranges) {
            made = made
                .except(&item)
                .unwrap_or_else(|error| panic!("{item}: {error}"));
        }
        if self.calendar.is_empty() {
            return made;
        }
        let calendar = Calendar::new("holidays", self.calendar.iter().map(|day| day_of(*day)));
        let made = made.except("holidays").expect("a name");
        made.calendars(&[calendar]).expect("known")
    }
}

/// Days of the ranges that are looked at.
const DAYS: i64 = 40;

fn spec() -> impl Strategy<Value = Spec> {
    let zones = [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Asia/Beirut",
        "Australia/Lord_Howe",
    ];
    let zones = prop::sample::select(zones.map(zone).to_vec());
    // Quarters of an hour, so that ticks fall on the borders.
    let quarter = (0..96_u16).prop_map(|quarter| quarter * 15);
    let within = prop_oneof![
        2 => Just(Vec::new()),
        3 => (quarter.clone(), quarter.clone()).prop_map(|(a, b)| if a == b { vec![] } else { vec![(a, b)] }),
        1 => prop::collection::btree_set(quarter, 4).prop_map(|at| {
            let at: Vec<u16> = at.into_iter().collect();
            vec![(at[2], at[3]), (at[0], at[1])]
        }),
    ];
    let weekdays = prop::collection::btree_set(1..=7_i8, 0..4);
    let ranges = prop::collection::btree_map(-2..DAYS, 0..6_i64, 0..3);
    let yearly = prop::collection::btree_set((1..=12_i8, 1..=28_i8), 0..20);
    let calendar = prop::collection::vec(-2..DAYS, 0..5);
    let bounds = (
        prop::option::of(-24..480_i64),
        prop::option::of(500..1_000_i64),
    );
    (zones, bounds, within, weekdays, ranges, yearly, calendar).prop_map(
        |(zone, (start_h, end_h), within, weekdays, ranges, yearly, calendar)| Spec {
            zone,
            start_h,
            end_h,
            within,
            weekdays: weekdays.into_iter().collect(),
            ranges: ranges.into_iter().collect(),
            yearly: yearly.into_iter().collect(),
            calendar,
        },
    )
}

fn plain(zone: &Zone, number: u8) -> Schedule {
    let cron = |text| Schedule::cron(text, zone.clone()).expect("a schedule");
    let every = |s| Schedule::every(Duration::from_secs(s), Duration::ZERO).expect("a schedule");
    match number {
        0 => cron("0 0 * * * *"),
        1 => cron("0 */15 * * * *"),
        2 => cron("0 30 2 * * *"),
        3 => cron("30 7,59 1-3,22 * * MON-FRI"),
        4 => every(900),
        5 => every(10_007),
        _ => cron("0 0 0,12 * * *"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_ticks_are_those_of_the_plain_schedule_that_pass(
        spec in spec(),
        number in 0..7_u8,
        month in prop::sample::select(vec![1, 3, 4, 10, 12_i8]),
        cut_h in 0..DAYS * 24,
        cap in 0..50_u64,
    ) {
        let from = date(2026, month, 5);
        let from_ms = jiff::tz::Offset::UTC.to_timestamp(from.at(0, 0, 0, 0)).expect("an instant").as_millisecond();
        let plain = plain(&spec.zone, number);
        let until_ms = from_ms + DAYS * DAY_MS;
        let expected: Vec<i64> = plain
            .matching(from_ms..until_ms)
            .filter(|tick_ms| spec.passes(from, from_ms, *tick_ms))
            .collect();
        let Ok(schedule) = plain.clone().restricted(spec.restriction(from, from_ms)) else {
            // There is none at all, so there is none here.
            prop_assert_eq!(expected, Vec::<i64>::new());
            return Ok(());
        };
        let ticks: Vec<i64> = schedule.matching(from_ms..until_ms).collect();
        let shown = |ticks: &[i64]| ticks.iter().map(|tick_ms| show(*tick_ms)).collect::<Vec<_>>();
        prop_assert_eq!(shown(&ticks), shown(&expected), "{}", schedule);
        // Counted, and the newest found, without stepping: in a part of the range, and up to a bound.
        let (after_ms, cut_ms) = (from_ms + cut_h * HOUR_MS / 3, from_ms + cut_h * HOUR_MS);
        let part: Vec<i64> = (expected.iter().copied())
            .filter(|tick_ms| (after_ms + 1..=cut_ms).contains(tick_ms))
            .collect();
        prop_assert_eq!(schedule.count_within(after_ms, cut_ms, u64::MAX), part.len() as u64, "{}", schedule);
        prop_assert_eq!(schedule.count_within(after_ms, cut_ms, cap), cap.min(part.len() as u64));
        prop_assert_eq!(schedule.latest_within(after_ms, cut_ms), part.last().copied());
        prop_assert_eq!(schedule.next_after(after_ms).filter(|tick_ms| *tick_ms <= cut_ms), part.first().copied());
    }
}

/// A text in no form, or nearly in one.
fn text() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        "[0-9]{1,2}",
        "[0-9]{4}",
        "[0-9]{8}",
        "[01][0-9]",
        "20[0-9]{2}"
    ];
    let between = prop_oneof![
        "[-:./ ,]",
        Just("..".to_owned()),
        Just("T".to_owned()),
        "[+Zhap]",
        Just("am".to_owned())
    ];
    let nearly = prop::collection::vec((number, between), 1..7).prop_map(|parts| {
        let parts = parts.into_iter().map(|(number, between)| number + &between);
        let all: String = parts.collect();
        all.trim_end_matches(['-', ':', '.', '/', ' ', ',', 'T', '+'])
            .to_owned()
    });
    let word = prop::sample::select(vec![
        "SAT",
        "mon-FRI",
        "saturday",
        "de-holidays",
        "ä-b",
        "[Europe/Berlin]",
    ]);
    prop_oneof![
        1 => "\\PC{0,20}",
        6 => nearly.clone(),
        1 => word.clone().prop_map(str::to_owned),
        1 => (nearly, word).prop_map(|(nearly, word)| nearly + word),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn each_text_is_read_or_refused_with_a_way_out(
        text in text(),
        zone in prop::sample::select(["UTC", "Europe/Berlin", "Africa/Cairo"].map(zone).to_vec()),
    ) {
        type Method = fn(Restriction, &str) -> Result<Restriction, ScheduleError>;
        let methods: [Method; 4] =
            [Restriction::start, Restriction::end, Restriction::within, Restriction::except];
        for method in methods {
            let read = |text: &str| method(Restriction::new(zone.clone()), text);
            let Err(error) = read(&text) else {
                continue;
            };
            let help = error.help().unwrap_or_default();
            prop_assert!(!help.is_empty(), "{error}");
            for fix in offered(help) {
                prop_assert!(read(fix).is_ok(), "`{}` is offered and refused: {}", fix, error);
            }
        }
        let _ = Calendar::new(text.clone(), [text]).check();
    }
}

#[test]
fn a_long_downtime_is_counted_without_stepping() {
    let made = Restriction::new(zone("Europe/Berlin"));
    let made = made
        .within("08:00-18:00")
        .and_then(|made| made.except("SUN"))
        .expect("read");
    let every_second = Schedule::cron("* * * * * *", zone("Europe/Berlin")).expect("a schedule");
    let schedule = every_second.restricted(made).expect("a schedule");
    // From Monday, 2029-01-01, ten years: 3,652 days, of which 521 are Sundays.
    let from_ms = common::ms("2029-01-01T00:00:00+01:00");
    let until_ms = common::ms("2039-01-01T00:00:00+01:00");
    let sundays = 3_652 / 7;
    let expected = (3_652 - sundays) * 36_000;
    assert_eq!(
        schedule.count_within(from_ms, until_ms, u64::MAX),
        expected as u64
    );
}
