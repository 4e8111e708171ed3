//! What holds for every text, every expression and every instant.

mod common;

use common::zone;
use proptest::prelude::*;
use scheduled_one_schedule::{Schedule, ScheduleErrorKind, Zone, parse_duration, parse_zone};
use std::time::Duration;

/// 2099-12-31, beyond which nothing is due.
const LAST_MS: i64 = 4_102_444_800_000;

fn list_of(item: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop::collection::vec(item, 1..4).prop_map(|items| items.join(","))
}

fn plain(min: u32, max: u32) -> impl Strategy<Value = String> {
    let value = min..=max;
    prop_oneof![
        3 => value.clone().prop_map(|a| a.to_string()),
        1 => Just("*".to_owned()),
        1 => (value.clone(), value.clone()).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => (value.clone(), 1..=max - min).prop_map(|(a, step)| format!("{a}/{step}")),
        1 => (1..=max - min).prop_map(|step| format!("*/{step}")),
        1 => (value.clone(), value, 1..=max - min)
            .prop_map(|(a, b, step)| format!("{}-{}/{step}", a.min(b), a.max(b))),
    ]
}

fn plain_days() -> impl Strategy<Value = (String, String)> {
    let weekday = prop::sample::select(vec!["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]);
    prop_oneof![
        (list_of(plain(1, 31)), prop::sample::select(vec!["*", "?"]))
            .prop_map(|(days, any)| (days, any.to_owned())),
        (
            prop::sample::select(vec!["*", "?", "1-20"]),
            list_of(weekday.prop_map(str::to_owned))
        )
            .prop_map(|(any, weekdays)| (any.to_owned(), weekdays)),
    ]
}

fn special_days() -> impl Strategy<Value = (String, String)> {
    let day = prop_oneof![
        Just("L".to_owned()),
        Just("LW".to_owned()),
        (1..=30_u32).prop_map(|back| format!("L-{back}")),
        (1..=31_u32).prop_map(|day| format!("{day}W")),
        plain(1, 31),
    ];
    let name = prop::sample::select(vec!["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]);
    let weekday =
        (name.clone(), name, 1..=5_u32, 0..4_u32).prop_map(|(a, b, nth, form)| match form {
            0 => format!("{a}L"),
            1 => format!("{a}#{nth}"),
            2 => format!("{a}-{b}"),
            _ => a.to_owned(),
        });
    prop_oneof![
        (list_of(day.clone()), Just("?".to_owned())),
        (Just("?".to_owned()), list_of(weekday.clone())),
        (list_of(day), list_of(weekday)),
    ]
}

fn expression(days: impl Strategy<Value = (String, String)>) -> impl Strategy<Value = String> {
    let time = (
        list_of(plain(0, 59)),
        list_of(plain(0, 59)),
        list_of(plain(0, 23)),
    );
    (
        time,
        days,
        list_of(plain(1, 12)),
        prop::option::of(list_of(plain(1970, 2099))),
    )
        .prop_map(|((second, minute, hour), (day, weekday), month, year)| {
            let year = year.map(|year| format!(" {year}")).unwrap_or_default();
            format!("{second} {minute} {hour} {day} {month} {weekday}{year}")
        })
}

/// An expression that its makers' rules allow parses, unless its date never comes.
fn parse(expression: &str, zone: Zone) -> Option<Schedule> {
    match Schedule::cron(expression, zone) {
        Ok(schedule) => Some(schedule),
        Err(error) if error.kind() == ScheduleErrorKind::Never => None,
        Err(error) => panic!("{expression}: {error}"),
    }
}

fn any_zone() -> impl Strategy<Value = Zone> {
    // A few with odd rules.
    prop::sample::select(vec![
        Zone::utc(),
        zone("Asia/Shanghai"),
        zone("America/New_York"),
        zone("Australia/Lord_Howe"),
        zone("Africa/Casablanca"),
        zone("Africa/Cairo"),
        zone("Pacific/Apia"),
        zone("Antarctica/Troll"),
    ])
}

/// Enumerates `(after, until]`, at most `limit`, and checks that it only grows.
fn enumerate(schedule: &Schedule, after_ms: i64, until_ms: i64, limit: usize) -> Vec<i64> {
    let mut ticks = Vec::new();
    let mut at_ms = after_ms;
    while ticks.len() < limit {
        let Some(tick_ms) = schedule
            .next_after(at_ms)
            .filter(|tick_ms| *tick_ms <= until_ms)
        else {
            break;
        };
        assert!(tick_ms > at_ms, "{schedule} stands still at {at_ms}");
        assert_eq!(
            schedule.next_after(tick_ms - 1),
            Some(tick_ms),
            "{schedule} misses its own tick"
        );
        ticks.push(tick_ms);
        at_ms = tick_ms;
    }
    ticks
}

fn agrees_with_enumeration(schedule: &Schedule, after_ms: i64, window_ms: i64) {
    const LIMIT: usize = 300;
    let ticks = enumerate(
        schedule,
        after_ms,
        after_ms.saturating_add(window_ms),
        LIMIT,
    );
    // With too many ticks, end the window at the last one seen.
    let until_ms = match ticks.last() {
        Some(last_ms) if ticks.len() == LIMIT => *last_ms,
        _ => after_ms.saturating_add(window_ms),
    };
    assert_eq!(
        schedule.latest_within(after_ms, until_ms),
        ticks.last().copied(),
        "{schedule}"
    );
    assert_eq!(
        schedule.count_within(after_ms, until_ms, u64::MAX),
        ticks.len() as u64,
        "{schedule}"
    );
    assert_eq!(
        schedule.count_within(after_ms, until_ms, 7),
        ticks.len().min(7) as u64,
        "{schedule}"
    );
    assert_eq!(
        schedule.latest_within(until_ms, after_ms),
        None,
        "{schedule}"
    );
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,60}") {
        let _ = (Schedule::cron(&text, Zone::utc()), parse_zone(&text), parse_duration(&text));
    }

    #[test]
    fn no_text_like_cron_panics(
        text in "[0-9*/,?#LWSUNMOFRI-]{1,6}( [0-9*/,?#LWSUNMOFRI-]{1,6}){4,6}",
        at_ms in any::<i64>(),
    ) {
        match Schedule::cron(&text, zone("Africa/Cairo")) {
            Ok(schedule) => {
                enumerate(&schedule, at_ms, i64::MAX, 3);
                let words = schedule.in_words();
                prop_assert!(words.ends_with(", in Africa/Cairo") && !words.contains("  "), "{}", words);
            }
            Err(error) => {
                // Ours, with a way out; never the `cron` crate's own.
                prop_assert!(error.help().is_some(), "{}", error);
                prop_assert_ne!(error.kind(), ScheduleErrorKind::Expression, "{}", error);
            }
        }
    }

    #[test]
    fn crontab_lines_are_answered_with_a_line_that_parses(
        minute in list_of(plain(0, 59)), hour in list_of(plain(0, 23)),
        weekday in list_of(prop_oneof![plain(0, 7), Just("MON".to_owned())]),
    ) {
        let error = Schedule::cron(&format!("{minute} {hour} * * {weekday}"), Zone::utc()).expect_err("five fields");
        let help = error.help().unwrap_or_default();
        let line = help.split('`').nth(1).unwrap_or_default();
        prop_assert!(Schedule::cron(line, Zone::utc()).is_ok(), "{}: {}", error, line);
    }

    /// The `cron` crate is right where there is no daylight saving and none of its gaps: so agree with it.
    #[test]
    fn plain_expressions_in_utc_agree_with_the_cron_crate(
        text in expression(plain_days()), at_s in 0..LAST_MS / 1000,
    ) {
        let Some(schedule) = parse(&text, Zone::utc()) else { return Ok(()) };
        let theirs: cron::Schedule = text.parse().expect("valid");
        let at = chrono::DateTime::from_timestamp(at_s, 0).expect("in range");
        let expected: Vec<i64> = theirs
            .after(&at)
            .map(|tick| tick.timestamp_millis())
            .take_while(|tick_ms| *tick_ms < LAST_MS)
            .take(50)
            .collect();
        prop_assert_eq!(enumerate(&schedule, at_s * 1000, i64::MAX, 50), expected);
    }

    #[test]
    fn windows_agree_with_enumeration(
        text in expression(special_days()), zone in any_zone(),
        at_ms in 0..LAST_MS, window_ms in 0..400 * 86_400_000_i64,
    ) {
        let Some(schedule) = parse(&text, zone) else { return Ok(()) };
        agrees_with_enumeration(&schedule, at_ms, window_ms);
    }

    /// Short windows around the autumn change, where an unordered search would go back.
    #[test]
    fn windows_agree_with_enumeration_in_the_fold(
        minute in list_of(plain(0, 59)), hour in list_of(plain(0, 4)),
        at_ms in 1_793_500_000_000..1_793_540_000_000_i64, window_ms in 0..40_000_000_i64,
    ) {
        let schedule = parse(&format!("0 {minute} {hour} * * *"), zone("America/New_York")).expect("comes");
        agrees_with_enumeration(&schedule, at_ms, window_ms);
    }

    #[test]
    fn fixed_rates_agree_with_enumeration(
        period_ms in 100..31_622_400_000_u64, part in 0.0..1.0_f64,
        at_ms in any::<i64>(), periods in 0..200_i64,
    ) {
        let offset_ms = (period_ms as f64 * part) as u64;
        let (period, offset) = (Duration::from_millis(period_ms), Duration::from_millis(offset_ms));
        let schedule = Schedule::every(period, offset).expect("valid");
        agrees_with_enumeration(&schedule, at_ms, period_ms as i64 * periods);
        if let Some(tick_ms) = schedule.next_after(at_ms) {
            prop_assert_eq!((i128::from(tick_ms) - i128::from(offset_ms)).rem_euclid(i128::from(period_ms)), 0);
        }
    }

    /// What `Display` shows is an expression again, and the same one.
    #[test]
    fn canonical_text_parses_to_the_same_schedule(text in expression(special_days()), zone in any_zone()) {
        let Some(schedule) = parse(&text.to_lowercase(), zone.clone()) else { return Ok(()) };
        let shown = schedule.to_string();
        let inner = shown.split('"').nth(1).unwrap_or_default();
        prop_assert_eq!(parse(inner, zone), Some(schedule));
    }
}

/// Counting by days comes to the same as counting tick by tick, across every change of a zone's clock.
#[test]
fn a_long_window_is_counted_as_its_ticks_are() {
    // Samoa left out a day at the end of 2011; Troll changes by two hours, Lord Howe by half of one.
    let zones = [
        "UTC",
        "America/New_York",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Antarctica/Troll",
        "Africa/Casablanca",
    ];
    let expressions = [
        "0 0 * * * *",
        "0 30 2 * * *",
        "0 */20 1-3 * * *",
        "5 15,45 23 L * ?",
        "0 0 2 ? * SUN#2",
    ];
    let from_ms = 1_304_208_123_456; // 2011-05-01T00:02:03.456Z
    let to_ms = from_ms + 3 * 366 * 86_400_000;
    for (zone, expression) in zones
        .iter()
        .flat_map(|zone| expressions.map(|text| (zone, text)))
    {
        let zone = scheduled_one_schedule::parse_zone(zone).expect("a zone");
        let schedule = Schedule::cron(expression, zone).expect("an expression");
        let ticks = enumerate(&schedule, from_ms, to_ms, usize::MAX);
        for (after, until) in [(0, ticks.len() - 1), (1, ticks.len() / 2), (7, 8)] {
            let counted = schedule.count_within(ticks[after], ticks[until], u64::MAX);
            assert_eq!(counted, (until - after) as u64, "{schedule}");
        }
        let counted = schedule.count_within(from_ms, to_ms, u64::MAX);
        assert_eq!(counted, ticks.len() as u64, "{schedule}");
    }
}
