//! What an error offers to paste is accepted, and means what was meant.

mod common;
#[path = "common/ways_out.rs"]
mod ways_out;

use std::collections::BTreeSet;

use common::{cron, ms, next, offered, show, zone};
use proptest::prelude::*;
use scheduled_one_schedule::{Schedule, ScheduleError, ScheduleErrorKind, Zone, ZoneData};

/// 2026-01-01T00:00:00Z, a Thursday.
const START_MS: i64 = 1_767_225_600_000;
const DAY_MS: i64 = 86_400_000;

fn refused(expression: &str) -> ScheduleError {
    match Schedule::cron(expression, Zone::utc()) {
        Ok(schedule) => panic!("{schedule} was accepted"),
        Err(error) => error,
    }
}

/// The first text in backquotes after `write`.
fn written(error: &ScheduleError) -> Option<&str> {
    let help = error.help().unwrap_or_default();
    help.split_once("write `")?.1.split('`').next()
}

/// The ticks of two years from 2026, at most a thousand.
fn ticks(expression: &str) -> Vec<i64> {
    let schedule = cron(expression, "UTC");
    let mut ticks = Vec::new();
    let mut at_ms = START_MS - 1;
    while let Some(tick_ms) = schedule.next_after(at_ms).filter(|_| ticks.len() < 1_000) {
        if tick_ms >= START_MS + 2 * 365 * DAY_MS {
            break;
        }
        ticks.push(tick_ms);
        at_ms = tick_ms;
    }
    ticks
}

/// The weekdays of January 2026's first seven days that an expression of midnights names, 0 = Sunday.
fn weekdays(expression: &str) -> BTreeSet<u32> {
    let ticks = ticks(expression);
    let week = ticks
        .iter()
        .filter(|tick_ms| **tick_ms < START_MS + 7 * DAY_MS);
    week.map(|tick_ms| (4 + (tick_ms - START_MS) / DAY_MS) as u32 % 7)
        .collect()
}

/// An item of a day-of-week field by numbers, and the numbers, which count up to 7.
fn by_number() -> impl Strategy<Value = (String, Vec<u32>)> {
    prop_oneof![
        (1..=7_u32).prop_map(|day| (day.to_string(), vec![day])),
        (1..=6_u32, 1..=6_u32).prop_map(|(a, b)| {
            let (first, last) = (a.min(b), a.max(b));
            (format!("{first}-{last}"), (first..=last).collect())
        }),
        (1..=7_u32, 1..=6_u32).prop_map(|(first, step)| {
            (
                format!("{first}/{step}"),
                (first..=7).step_by(step as usize).collect(),
            )
        }),
    ]
}

/// Items that a field refuses, with what belongs to other schedulers.
fn wrong_item() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        "/5",
        "*/90",
        "*/9000",
        "*/40000000",
        "?",
        "?/2",
        "H",
        "H/7",
        "H(1-5)",
        "0~9",
        "Sept",
        "JANU",
        "MO",
        "Thurs",
        "L-0",
        "LW-2",
        "L-31W",
        "L3",
        "3L",
        "W5",
        "WL",
        "LAST",
        "-1",
        "-7",
        "2W",
        "LW",
        "L-3",
        "FRI#L",
        "MON-FRI#1",
        "MON#1-2",
        "MON1",
        "MON.2#2",
        "L5",
        "5L",
        "6#3",
        "FRI-L",
        "LFRI",
        "MON/2",
        "1-",
        "0",
        "9",
        "61",
        "",
        "UTC",
    ]);
    prop_oneof![
        3 => fixed.prop_map(str::to_owned),
        1 => "[0-9]{1,2}-[0-9]{1,2}(/[0-9]{1,2})?",
        1 => "[A-Za-z0-9#/L?*H~-]{1,6}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// One wrong item in an expression that is right, at any place.
    #[test]
    fn what_is_offered_for_one_wrong_item_is_accepted(
        item in wrong_item(), at in 0..6_usize, five in any::<bool>(), list in 0..3,
        base in prop::sample::select(vec!["0 30 9 * * *", "0 0 0 ? * MON", "0 0 12 1 * ?", "5 5 5 5 MAY *"]),
    ) {
        let mut parts: Vec<_> = base.split(' ').map(str::to_owned).collect();
        parts[at] = match list {
            0 => format!("{},{item}", parts[at]),
            1 => format!("{item},{}", parts[at]),
            _ => item,
        };
        let text = parts[usize::from(five)..].join(" ");
        if let Err(error) = Schedule::cron(&text, Zone::utc()) {
            ways_out::check(&text, &error);
        }
    }

    /// Texts that look like cron.
    #[test]
    fn what_is_offered_for_any_text_is_accepted(
        text in "(TZ=UTC |@|cron\\(|every )?[0-9*/,?#LWHSUNMOFRI~-]{1,5}( [0-9*/,?#LWHSUNMOFRI~-]{1,5}){4,6}( UTC|\\))?",
    ) {
        if let Err(error) = Schedule::cron(&text, Zone::utc()) {
            ways_out::check(&text, &error);
        }
    }

    /// A duration in the words and units of others, too large ones as well.
    #[test]
    fn what_is_offered_for_a_duration_is_accepted(
        number in "[0-9]{0,21}",
        between in prop::sample::select(vec!["", " ", "  ", "\u{a0}", ".5"]),
        unit in prop::sample::select(vec!["", "s", "MIN", "minutes", "Hours", "days", "weeks", "ms", "x"]),
    ) {
        let text = format!("{number}{between}{unit}");
        if let Err(error) = scheduled_one_schedule::parse_duration(&text) {
            let help = error.help().unwrap_or_default();
            prop_assert!(!help.is_empty(), "{error}");
            for fix in offered(help) {
                let read = scheduled_one_schedule::parse_duration(fix);
                prop_assert!(read.is_ok(), "`{}` is offered and refused: {}", fix, error);
            }
        }
    }

    /// A range that runs backwards, as two that do not.
    #[test]
    fn a_range_past_the_end_is_rewritten_with_the_same_values(
        field in 0..4_usize, a in 0..60_u32, b in 0..60_u32, step in prop::option::of(1..13_u32),
    ) {
        let (min, max) = [(0, 59), (0, 59), (0, 23), (1, 12)][field];
        let (a, b) = (min + a % (max - min + 1), min + b % (max - min + 1));
        prop_assume!(a != b);
        let (first, last) = (a.max(b), a.min(b));
        let values: BTreeSet<u32> = (first..=max + 1 + last - min)
            .step_by(step.unwrap_or(1) as usize)
            .map(|value| if value > max { value - (max - min + 1) } else { value })
            .collect();
        let expression = |text: &str| {
            let mut parts = ["0", "0", "0", "1", "1", "*"];
            parts[[0, 1, 2, 4][field]] = text;
            parts.join(" ")
        };
        let step = step.map(|step| format!("/{step}")).unwrap_or_default();
        let error = refused(&expression(&format!("{first}-{last}{step}")));
        let offered = written(&error).expect("something to write");
        prop_assert!(offered.contains('-'), "without a range it is not interval-like: {}", offered);
        let list: Vec<_> = values.iter().map(u32::to_string).collect();
        prop_assert_eq!(ticks(&expression(offered)), ticks(&expression(&list.join(","))), "{}", error);
    }

    /// Weekdays by number: the names of each reading are the days of that reading.
    #[test]
    fn numbers_of_weekdays_are_rewritten_with_the_same_days(items in prop::collection::vec(by_number(), 1..4)) {
        let texts: Vec<_> = items.iter().map(|(text, _)| text.as_str()).collect();
        let numbers: Vec<u32> = items.iter().flat_map(|(_, numbers)| numbers.clone()).collect();
        let error = refused(&format!("0 0 0 ? * {}", texts.join(",")));
        prop_assert_eq!(error.kind(), ScheduleErrorKind::NumericWeekday);
        let mut found: Vec<_> = ways_out::check("", &error).iter().map(|it| weekdays(it)).collect();
        found.dedup();
        let quartz: BTreeSet<u32> = numbers.iter().map(|day| day - 1).collect();
        let spring: BTreeSet<u32> = numbers.iter().map(|day| day % 7).collect();
        let mut expected = vec![quartz, spring.clone()];
        expected.dedup();
        prop_assert_eq!(found, expected, "{}", error);
        // In a crontab line.
        let error = refused(&format!("0 0 * * {}", texts.join(",")));
        let offered = written(&error).expect("a line to paste");
        prop_assert_eq!(weekdays(offered), spring, "{}", error);
    }

    /// Other schedulers' forms around an expression that is right.
    #[test]
    fn forms_of_other_schedulers_are_rewritten_with_the_same_ticks(
        minute in 0..60_u32, hour in 0..24_u32, day in prop::option::of(1..29_u32), form in 0..7,
    ) {
        let (day, weekday) = match day {
            Some(day) => (day.to_string(), "?"),
            None => ("?".to_owned(), "MON-FRI"),
        };
        let five = format!("{minute} {hour} {day} * {weekday}");
        let right = format!("0 {five}");
        let text = match form {
            0 => format!("CRON_TZ=Asia/Tokyo {right}"),
            1 => format!("TZ=Asia/Tokyo {five}"),
            2 => format!("{right} Asia/Tokyo"),
            3 => format!("cron({five} *)"),
            4 => format!("{five} *"),
            5 => format!("'{five}'"),
            _ => format!("{right} # comment"),
        };
        let error = refused(&text);
        let offered = ways_out::check(&text, &error);
        prop_assert_eq!(ticks(offered.first().expect("an expression")), ticks(&right), "{}", error);
        let zone = error.help().is_some_and(|help| help.contains("tz = \"Asia/Tokyo\""));
        prop_assert_eq!(zone, form < 3, "{}", error);
    }
}

/// A list of the values would be due once in the repeated hour.
#[test]
fn a_rewritten_range_is_interval_like_as_before() {
    for range in ["23-1", "23-1/2", "22-1/3"] {
        let error = refused(&format!("0 30 {range} * * *"));
        let offered = written(&error).expect("something to write");
        let schedule = cron(&format!("0 30 {offered} * * *"), "America/New_York");
        let found = next(&schedule, "2026-11-01T05:00:00Z", 2);
        assert_eq!(
            found,
            ["2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"],
            "{offered}"
        );
    }
}

#[test]
fn an_offered_fixed_rate_has_the_period() {
    for (text, period_ms) in [
        ("@every 5m", 300_000),
        ("@every 1h30m", 5_400_000),
        ("every 2 hours", 7_200_000),
        ("rate(1 minute)", 60_000),
        ("0 */90 * * * *", 5_400_000),
        ("*/75 * * * * *", 75_000),
    ] {
        let error = refused(text);
        let help = error.help().unwrap_or_default();
        let period = help
            .split("`every = \"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let period = scheduled_one_schedule::parse_duration(period.expect("a period"));
        let period = period.expect("a duration");
        assert_eq!(period.as_millis(), period_ms, "{error}");
    }
}

/// Long expressions are offered whole.
#[test]
fn a_long_expression_is_offered_whole() {
    let minutes = (0..60)
        .map(|minute| minute.to_string())
        .collect::<Vec<_>>()
        .join(",");
    let error = refused(&format!("{minutes} 9 * * 1-5"));
    let offered = ways_out::check("", &error);
    assert_eq!(offered, [format!("0 {minutes} 9 * * MON-FRI")]);
    assert_eq!(show(ms("2026-01-01T00:00:00Z")), show(START_MS));
}

/// Every zone of the database, misspelt by one letter or without its area: what is offered exists.
#[test]
fn offered_zones_exist() {
    let data = ZoneData::compiled_in();
    let names = data.names();
    let mut offered = 0;
    for (at, name) in names.iter().enumerate() {
        let place = at % name.len();
        let slip = format!("{}x{}", &name[..place], &name[place + 1..]);
        let bare = name.rsplit('/').next().unwrap_or_default().to_lowercase();
        for wrong in [slip, bare] {
            let Err(error) = data.zone(&wrong) else {
                continue;
            };
            let help = error.help().unwrap_or_default();
            for zone_name in help.split('`').skip(1).step_by(2) {
                assert_eq!(zone(zone_name).name(), zone_name, "{error}");
                offered += usize::from(help.starts_with("did you mean"));
            }
        }
    }
    assert!(offered > names.len() / 2, "{offered}");
}
