//! Each error names what is wrong and the way out; and what it offers to paste, parses.

mod common;

use std::time::Duration;

use ScheduleErrorKind::{Expression, Field, FieldCount, Never, NumericWeekday};
use scheduled_one_schedule::{
    MAX_PERIOD, Schedule, ScheduleError, ScheduleErrorKind, Zone, parse_duration,
};

/// Expression, kind, and what message and help must contain.
#[rustfmt::skip]
const CRON: &[(&str, ScheduleErrorKind, &[&str], &[&str])] = &[
    ("", Expression, &["empty"], &["`0 30 9 * * MON-FRI`"]),
    ("  ", Expression, &["empty"], &["`0 30 9 * * MON-FRI`"]),
    ("@reboot", Expression, &["`@reboot`"], &["`@daily`", "`@yearly`"]),
    // Five fields: the line to paste.
    ("30 9 * * *", FieldCount, &["`30 9 * * *`", "five fields", "seconds"], &["`0 30 9 * * *`"]),
    ("30 9 * * 1-5", FieldCount, &["five"], &["`0 30 9 * * MON-FRI`"]),
    ("30 9 * * 0,6", FieldCount, &["five"], &["`0 30 9 * * SUN,SAT`"]),
    ("30 9 * * 7", FieldCount, &["five"], &["`0 30 9 * * SUN`"]),
    ("30 9 * * 5-7", FieldCount, &["five"], &["`0 30 9 * * FRI-SUN`"]),
    ("30 9 * * 0-7", FieldCount, &["five"], &["`0 30 9 * * *`"]),
    ("30 9 * * */2", FieldCount, &["five"], &["`0 30 9 * * SUN,TUE,THU,SAT`"]),
    ("30 9 * * MON", FieldCount, &["five"], &["`0 30 9 * * MON`"]),
    ("30 9 1 * 1", FieldCount, &["five"], &["`0 30 9 1 * MON`", "both must"]),
    // Other counts: the fields there are.
    ("*", FieldCount, &["`*`", "1 field"], &["second, minute, hour, day of month, month, day of week", "year"]),
    ("0 9 * *", FieldCount, &["4 fields"], &["six or seven"]),
    ("0 0 9 * * MON 2027 7", FieldCount, &["8 fields"], &["six or seven"]),
    ("0 0 9 * * MON, TUE, WED", FieldCount, &["8 fields"], &["no spaces inside a field"]),
    // Each field: name, text, range.
    ("60 0 9 * * *", Field, &["second", "`60`", "out of range"], &["0-59"]),
    ("0 60 9 * * *", Field, &["minute", "`60`"], &["0-59"]),
    ("0 0 24 * * *", Field, &["hour", "`24`"], &["0-23"]),
    ("0 0 0 0 * *", Field, &["day of month", "`0`"], &["1-31", "`LW`"]),
    ("0 0 0 1,32 * *", Field, &["day of month", "`1,32`", "`32`"], &["1-31"]),
    ("0 0 0 1 13 *", Field, &["month", "`13`"], &["1-12 or JAN-DEC"]),
    ("0 0 0 1 JUNK *", Field, &["month", "`JUNK`"], &["JAN-DEC"]),
    ("0 0 0 * * FUN", Field, &["day of week", "`FUN`"], &["SUN-SAT"]),
    ("0 0 0 * * * 1969", Field, &["year", "`1969`"], &["1970-2099"]),
    ("0 0 0 * * * 2100", Field, &["year", "`2100`"], &["1970-2099"]),
    ("0 0 99999999999999999999 * * *", Field, &["hour", "out of range"], &["0-23"]),
    // Grammar.
    ("0 0 9,,10 * * *", Field, &["hour", "`9,,10`", "empty item"], &["0-23"]),
    ("0 0 9, * * *", Field, &["hour", "`9,`", "empty item"], &["0-23"]),
    ("0 0 22-2 * * *", Field, &["hour", "`22-2`", "backwards"], &["`22-23,0-2`"]),
    ("0 0 0 * NOV-FEB *", Field, &["month", "`NOV-FEB`", "backwards"], &["`11-12,1-2`"]),
    ("0 0 0 * * * 2030-2028", Field, &["year", "backwards"], &["1970-2099"]),
    ("0 0 -5 * * *", Field, &["hour", "`-5`", "missing value"], &["0-23"]),
    ("0 0 5- * * *", Field, &["hour", "`5-`", "missing value"], &["0-23"]),
    ("0 */0 * * * *", Field, &["minute", "`*/0`", "step"], &["1-59"]),
    ("0 */60 * * * *", Field, &["minute", "`*/60`", "step"], &["1-59"]),
    ("0 0/ * * * *", Field, &["minute", "`0/`", "step"], &["1-59"]),
    ("0 0/5/5 * * * *", Field, &["minute", "`0/5/5`", "step"], &["1-59"]),
    ("0 ? * * * *", Field, &["minute", "`?`"], &["write `*`"]),
    ("0 0 0 1,? * *", Field, &["day of month", "`?`"], &["write `*`"]),
    ("0 0 L * * *", Field, &["hour", "`L`", "day fields"], &["0-23"]),
    ("0 0 +5 * * *", Field, &["hour", "`+5`"], &["0-23"]),
    ("0 0 ９ * * *", Field, &["hour", "`９`"], &["0-23"]),
    // L, W, #.
    ("0 0 0 L-31 * ?", Field, &["day of month", "`L-31`"], &["`L-30`"]),
    ("0 0 0 L-0 * ?", Field, &["day of month", "`L-0`"], &["`L-1`"]),
    ("0 0 0 32W * ?", Field, &["day of month", "`32W`"], &["`1W` to `31W`"]),
    ("0 0 0 1-5W * ?", Field, &["day of month", "`1-5W`"], &["`1W` to `31W`"]),
    ("0 0 0 WL * ?", Field, &["day of month", "`WL`"], &["`LW`"]),
    ("0 0 0 ? * MON#6", Field, &["day of week", "`MON#6`", "never"], &["`#1` to `#5`"]),
    ("0 0 0 ? * MON#0", Field, &["day of week", "`MON#0`"], &["`#1` to `#5`"]),
    ("0 0 0 ? * #2", Field, &["day of week", "`#2`"], &["`MON#2`"]),
    ("0 0 0 ? * L", Field, &["day of week", "`L`"], &["`SAT`", "`FRIL`"]),
    ("0 0 0 ? * MON/2", Field, &["day of week", "`MON/2`"], &["`MON-SUN/2`"]),
    ("0 0 0 ? * MON-FUN", Field, &["day of week", "`MON-FUN`"], &["SUN-SAT"]),
    ("0 0 0 ? * MON,", Field, &["day of week", "`MON,`", "empty item"], &["SUN-SAT"]),
    ("0 0 0 ? * 9", Field, &["day of week", "`9`"], &["SUN-SAT"]),
    // Numeric weekdays: both readings, to paste.
    ("0 0 9 * * 1", NumericWeekday, &["day of week", "`1`", "Quartz", "Spring"], &["`0 0 9 * * SUN`", "`0 0 9 * * MON`"]),
    ("0 0 9 * * 2-6", NumericWeekday, &["`2-6`"], &["`0 0 9 * * MON-FRI`", "`0 0 9 * * TUE-SAT`"]),
    ("0 0 9 ? * 2#1 2030", NumericWeekday, &["`2#1`"], &["`0 0 9 ? * MON#1 2030`", "`0 0 9 ? * TUE#1 2030`"]),
    ("0 0 9 ? * 6L", NumericWeekday, &["`6L`"], &["`0 0 9 ? * FRIL`", "`0 0 9 ? * SATL`"]),
    ("0 0 9 ? * MON,3", NumericWeekday, &["`MON,3`"], &["`0 0 9 ? * MON,TUE`", "`0 0 9 ? * MON,WED`"]),
    ("0 0 9 ? * MON-5", NumericWeekday, &["`MON-5`"], &["`0 0 9 ? * MON-THU`", "`0 0 9 ? * MON-FRI`"]),
    ("0 0 9 ? * 0", NumericWeekday, &["`0`"], &["`0 0 9 ? * SUN`"]),
    ("0 0 9 ? * 1-7", NumericWeekday, &["`1-7`"], &["`0 0 9 ? * *`"]),
    ("0 0 9 ? * 2/2", NumericWeekday, &["`2/2`"], &["`0 0 9 ? * MON,WED,FRI`", "`0 0 9 ? * TUE,THU,SAT`"]),
    ("0 0 9 ? * */2", NumericWeekday, &["`*/2`", "start"], &["SUN,TUE,THU,SAT`", "MON,WED,FRI,SUN`"]),
    // Never.
    ("0 0 0 31 2 ?", Never, &["never", "`31`", "`2`"], &["`L`"]),
    ("0 0 0 30 FEB ?", Never, &["never", "day of month `30`", "month `FEB`"], &["`L`"]),
    ("0 0 0 31 4,6,9,11 *", Never, &["never"], &["`L`"]),
    ("0 0 0 29 2 ? 2027", Never, &["never", "year `2027`"], &["every one"]),
    ("0 0 0 1-7 * MON#5", Never, &["never", "`1-7`", "`MON#5`"], &["every one"]),
    ("0 0 0 ? * * 2020", Never, &["year", "`2020`", "past"], &["2026-2099"]),
    ("0 0 0 ? * * 1999-2025", Never, &["year", "`1999-2025`", "past"], &["2026-2099"]),
];

fn texts_to_paste(error: &ScheduleError) -> Vec<String> {
    let help = error.help().unwrap_or_default();
    let quoted = help.split('`').skip(1).step_by(2);
    quoted
        .filter(|text| text.split(' ').count() >= 6)
        .map(str::to_owned)
        .collect()
}

#[test]
fn cron_errors_say_what_is_wrong_and_the_way_out() {
    for (expression, kind, message, help) in CRON {
        let error = match Schedule::cron(expression, Zone::utc()) {
            Ok(schedule) => panic!("{schedule} was accepted"),
            Err(error) => error,
        };
        assert_eq!(error.kind(), *kind, "{expression}: {error}");
        for part in *message {
            assert!(
                error.message().contains(part),
                "{expression}: {part} is not in: {}",
                error.message()
            );
        }
        let shown = error.help().unwrap_or_default();
        for part in *help {
            assert!(
                shown.contains(part),
                "{expression}: {part} is not in: {shown}"
            );
        }
        assert_eq!(error.to_string(), format!("{}; {shown}", error.message()));
        for text in texts_to_paste(&error) {
            if let Err(again) = Schedule::cron(&text, Zone::utc()) {
                panic!("{expression}: the help offers {text}, which is refused: {again}");
            }
        }
    }
}

#[test]
fn a_numeric_weekday_error_offers_something_to_paste() {
    for (expression, kind, ..) in CRON {
        let Err(error) = Schedule::cron(expression, Zone::utc()) else {
            continue;
        };
        if *kind == NumericWeekday {
            assert!(!texts_to_paste(&error).is_empty(), "{error}");
        }
    }
}

#[test]
fn errors_quote_at_most_a_line() {
    let long = "9".repeat(400);
    for expression in [
        format!("0 0 {long} * * *"),
        long.clone(),
        format!("@{long}"),
        "x ".repeat(9_999),
    ] {
        let Err(error) = Schedule::cron(&expression, Zone::utc()) else {
            panic!("{expression} was accepted")
        };
        assert!(error.to_string().chars().count() < 400, "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

#[test]
fn durations_are_read_or_explained() {
    for (text, expected_ms) in [
        ("90s", 90_000),
        ("500ms", 500),
        ("1h30m", 5_400_000),
        ("2d", 172_800_000),
        ("1d2h3m4s5ms", 93_784_005),
        ("0s", 0),
        ("007s", 7_000),
        ("18446744073709551615ms", u64::MAX),
    ] {
        assert_eq!(
            parse_duration(text),
            Ok(Duration::from_millis(expected_ms)),
            "{text}"
        );
    }
    for (text, message, help) in [
        ("", "empty", "`90s`"),
        (" ", "empty", "`90s`"),
        ("5", "`5` has no unit", "`5s`"),
        ("5 sec", "`5 sec`", "`5s`"),
        ("5 s", "`5 s`", "`5s`"),
        ("10 Minutes", "`10 Minutes`", "`10m`"),
        ("5S", "`5S`", "`5s`"),
        ("1.5s", "fraction", "`1500ms`"),
        ("-5s", "sign", "`90s`"),
        ("s", "`s`", "`ms`"),
        ("5w", "`5w`", "`d`"),
        ("5m3h", "out of order", "`1h30m`"),
        ("5m5m", "twice", "`1h30m`"),
        ("1h30", "`1h30`", "`1h30m`"),
        ("18446744073709551616ms", "too large", "ms"),
        ("18446744073709551615ms1s", "out of order", "`1h30m`"),
        ("300000000000d", "too large", "ms"),
        ("99999999999999999999999999d", "too large", "ms"),
        ("５s", "`５s`", "`1h30m`"),
    ] {
        let Err(error) = parse_duration(text) else {
            panic!("{text} was accepted")
        };
        assert_eq!(error.kind(), ScheduleErrorKind::Duration);
        assert!(error.message().contains(message), "{text}: {error}");
        assert!(
            error.help().is_some_and(|shown| shown.contains(help)),
            "{text}: {error}"
        );
    }
}

#[test]
fn periods_and_offsets_have_limits() {
    let second = Duration::from_secs(1);
    for (period, offset, kind, text) in [
        (
            Duration::from_millis(99),
            Duration::ZERO,
            ScheduleErrorKind::Period,
            "`100ms`",
        ),
        (
            Duration::ZERO,
            Duration::ZERO,
            ScheduleErrorKind::Period,
            "`100ms`",
        ),
        (
            MAX_PERIOD + second,
            Duration::ZERO,
            ScheduleErrorKind::Period,
            "`366d`",
        ),
        (
            Duration::MAX,
            Duration::ZERO,
            ScheduleErrorKind::Period,
            "`366d`",
        ),
        (
            Duration::from_micros(100_500),
            Duration::ZERO,
            ScheduleErrorKind::Period,
            "whole",
        ),
        (
            second,
            second,
            ScheduleErrorKind::Offset,
            "less than the period",
        ),
        (
            second,
            Duration::MAX,
            ScheduleErrorKind::Offset,
            "less than the period",
        ),
        (
            second,
            Duration::from_nanos(1),
            ScheduleErrorKind::Offset,
            "whole",
        ),
    ] {
        let Err(error) = Schedule::every(period, offset) else {
            panic!("{period:?} {offset:?}")
        };
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().contains(text), "{error}");
    }
    assert!(Schedule::every(Duration::from_millis(100), Duration::from_millis(99)).is_ok());
    assert!(Schedule::every(MAX_PERIOD, Duration::ZERO).is_ok());
}
