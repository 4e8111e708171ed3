//! Gaps and repetitions of local time, case by case. The rule is in the crate's documentation.

mod common;

use common::{cron, ms, next, pinned, show, zone};
use scheduled_one_schedule::{Schedule, ScheduleErrorKind, ZoneData};

/// Expression, zone, after, and the ticks that follow.
type Case = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

/// Seconds, each by its number.
const EVERY_SECOND: &str = "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,\
    32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,50,51,52,53,54,55,56,57,58,59 30 1 * * *";

fn check(cases: &[Case]) {
    for data in [ZoneData::compiled_in(), pinned()] {
        for (expression, name, after, expected) in cases {
            let zone = data.zone(name).expect("a zone");
            let schedule = Schedule::cron(expression, zone).expect("an expression");
            let found = next(&schedule, after, expected.len());
            assert_eq!(
                found, *expected,
                "{expression} in {name} after {after}, {data}"
            );
        }
    }
}

#[rustfmt::skip]
#[test]
fn a_fixed_time_in_a_gap_is_due_once_at_its_end() {
    check(&[
        // New York, 2026-03-08: 02:00 EST becomes 03:00 EDT at 07:00Z.
        ("0 30 2 * * *", "America/New_York", "2026-03-07T00:00:00Z", &["2026-03-07T07:30:00Z", "2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"]),
        // Many fixed times in the gap, and the instant after it, are one.
        ("0 0,10,50 2,3 * * *", "America/New_York", "2026-03-08T00:00:00Z", &["2026-03-08T07:00:00Z", "2026-03-08T07:10:00Z", "2026-03-08T07:50:00Z", "2026-03-09T06:00:00Z"]),
        // So are the many seconds of one minute.
        ("*/20 30 2 * * *", "America/New_York", "2026-03-08T00:00:00Z", &["2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z", "2026-03-09T06:30:20Z"]),
        // On that day only, and the whole month of one weekday.
        ("0 30 2 8 3 ? 2026", "America/New_York", "2026-01-01T00:00:00Z", &["2026-03-08T07:00:00Z"]),
        // Lord Howe moves by 30 minutes: 02:00 +10:30 becomes 02:30 +11 on 2026-10-04 at 15:30Z the day before.
        ("0 15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", &["2026-10-03T15:30:00Z", "2026-10-04T15:15:00Z"]),
        // Gaps at midnight: the tick belongs to a day that begins at 01:00.
        ("0 0 0 * * *", "Africa/Cairo", "2026-04-23T00:00:00Z", &["2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"]),
        ("@daily", "America/Sao_Paulo", "2018-11-03T04:00:00Z", &["2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"]),
        ("0 30 0 * * *", "Asia/Beirut", "2026-03-28T00:00:00Z", &["2026-03-28T22:00:00Z", "2026-03-29T21:30:00Z"]),
        // Dublin's summer time is its standard time; Troll moves by two hours.
        ("0 30 1 * * *", "Europe/Dublin", "2026-03-28T12:00:00Z", &["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]),
        ("0 30 1,2 * * *", "Antarctica/Troll", "2026-03-28T12:00:00Z", &["2026-03-29T01:00:00Z", "2026-03-29T23:30:00Z"]),
        // Samoa had no December 30, 2011: at 10:00Z the 29th became the 31st. Its two ticks are one.
        ("0 0 9,18 * * *", "Pacific/Apia", "2011-12-29T12:00:00Z", &["2011-12-29T19:00:00Z", "2011-12-30T04:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T19:00:00Z"]),
    ]);
}

#[rustfmt::skip]
#[test]
fn a_repeated_fixed_time_is_due_once_the_first_time() {
    check(&[
        // New York, 2026-11-01: 02:00 EDT becomes 01:00 EST at 06:00Z.
        ("0 30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", &["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]),
        ("0 0,30 1,2 * * *", "America/New_York", "2026-11-01T00:00:00Z", &["2026-11-01T05:00:00Z", "2026-11-01T05:30:00Z", "2026-11-01T07:00:00Z", "2026-11-01T07:30:00Z"]),
        // Asked in the middle of the repetition, the first time is past.
        ("0 30 1 * * *", "America/New_York", "2026-11-01T06:10:00Z", &["2026-11-02T06:30:00Z"]),
        // Lord Howe repeats half an hour; Cairo repeats the hour before midnight.
        ("0 45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00:00Z", &["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"]),
        ("0 30 23 * * *", "Africa/Cairo", "2026-10-29T12:00:00Z", &["2026-10-29T20:30:00Z", "2026-10-30T21:30:00Z"]),
        // Casablanca leaves +01 for Ramadan, at 03:00 on 2026-02-15.
        ("0 30 2 * * *", "Africa/Casablanca", "2026-02-14T12:00:00Z", &["2026-02-15T01:30:00Z", "2026-02-16T02:30:00Z"]),
        // A change of standard time: Moscow went from +04 to +03 in 2014 for good.
        ("0 30 1 * * *", "Europe/Moscow", "2014-10-25T12:00:00Z", &["2014-10-25T21:30:00Z", "2014-10-26T22:30:00Z"]),
    ]);
}

#[rustfmt::skip]
#[test]
fn an_interval_in_a_gap_is_due_once_at_its_end() {
    check(&[
        ("0 */30 * * * *", "America/New_York", "2026-03-08T06:00:00Z", &["2026-03-08T06:30:00Z", "2026-03-08T07:00:00Z", "2026-03-08T07:30:00Z"]),
        // Wholly in the gap: a step of minutes, of hours, a range of one, and seconds.
        ("0 */30 2 * * *", "America/New_York", "2026-03-08T00:00:00Z", &["2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z"]),
        ("0 30 2/12 * * *", "America/New_York", "2026-03-08T00:00:00Z", &["2026-03-08T07:00:00Z", "2026-03-08T18:30:00Z"]),
        ("0 0 2-2 * * *", "America/New_York", "2026-03-08T00:00:00Z", &["2026-03-08T07:00:00Z", "2026-03-09T06:00:00Z"]),
        ("* 59 2 * * *", "America/New_York", "2026-03-08T00:00:00Z", &["2026-03-08T07:00:00Z", "2026-03-09T06:59:00Z"]),
        ("0 15-45 2 8 3 ? 2026", "America/New_York", "2026-01-01T00:00:00Z", &["2026-03-08T07:00:00Z"]),
        // Partly: the end of the gap stands for what is in it, in addition to what follows.
        ("0 15 2-3 * * *", "America/New_York", "2026-03-08T00:00:00Z", &["2026-03-08T07:00:00Z", "2026-03-08T07:15:00Z", "2026-03-09T06:15:00Z"]),
        ("0 10/30 * * * *", "America/New_York", "2026-03-08T06:30:00Z", &["2026-03-08T06:40:00Z", "2026-03-08T07:00:00Z", "2026-03-08T07:10:00Z"]),
        ("0 10-20/5 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z", &["2026-10-03T15:30:00Z", "2026-10-04T15:10:00Z"]),
        ("0 0 0-1 * * *", "Africa/Cairo", "2026-04-23T12:00:00Z", &["2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"]),
        // Samoa's missing day; and a time that exists is due at its own instant alone.
        ("0 0 */6 * * *", "Pacific/Apia", "2011-12-30T03:00:00Z", &["2011-12-30T04:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T16:00:00Z"]),
        ("0 30 3-5 * * *", "Pacific/Apia", "2011-12-29T12:00:00Z", &["2011-12-29T13:30:00Z", "2011-12-29T14:30:00Z", "2011-12-29T15:30:00Z", "2011-12-30T10:00:00Z", "2011-12-30T13:30:00Z"]),
        ("0 30 3/12 * * *", "America/New_York", "2026-03-08T00:00:00Z", &["2026-03-08T07:30:00Z", "2026-03-08T19:30:00Z"]),
    ]);
}

#[rustfmt::skip]
#[test]
fn a_repeated_interval_is_due_both_times() {
    check(&[
        // A step, a star, a range, and a list of all.
        ("0 */30 * * * *", "America/New_York", "2026-11-01T05:00:00Z", &["2026-11-01T05:30:00Z", "2026-11-01T06:00:00Z", "2026-11-01T06:30:00Z", "2026-11-01T07:00:00Z"]),
        ("0 30 1-2 * * *", "America/New_York", "2026-11-01T00:00:00Z", &["2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z", "2026-11-01T07:30:00Z"]),
        ("0 30 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23 * * *", "America/New_York", "2026-11-01T05:00:00Z", &["2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z"]),
        ("0 20-40/20 1 * * *", "America/New_York", "2026-11-01T05:30:00Z", &["2026-11-01T05:40:00Z", "2026-11-01T06:20:00Z", "2026-11-01T06:40:00Z", "2026-11-02T06:20:00Z"]),
        // The seconds count, too: a step, a range, a star, and a list of all; not some of them.
        ("10/25 30 1 * * *", "America/New_York", "2026-11-01T05:30:20Z", &["2026-11-01T05:30:35Z", "2026-11-01T06:30:10Z", "2026-11-01T06:30:35Z", "2026-11-02T06:30:10Z"]),
        ("58-59 30 1 * * *", "America/New_York", "2026-11-01T05:30:58Z", &["2026-11-01T05:30:59Z", "2026-11-01T06:30:58Z", "2026-11-01T06:30:59Z", "2026-11-02T06:30:58Z"]),
        ("* 30 1 * * *", "America/New_York", "2026-11-01T05:30:58Z", &["2026-11-01T05:30:59Z", "2026-11-01T06:30:00Z"]),
        (EVERY_SECOND, "America/New_York", "2026-11-01T05:30:58Z", &["2026-11-01T05:30:59Z", "2026-11-01T06:30:00Z"]),
        ("0,20 30 1 * * *", "America/New_York", "2026-11-01T05:30:00Z", &["2026-11-01T05:30:20Z", "2026-11-02T06:30:00Z"]),
    ]);
}

#[test]
fn the_window_functions_agree_across_a_repetition() {
    let schedule = cron("0 0/30 * * * *", "America/New_York");
    let (from_ms, to_ms) = (ms("2026-11-01T04:00:00Z"), ms("2026-11-01T08:00:00Z"));
    assert_eq!(schedule.count_within(from_ms, to_ms, 100), 8);
    assert_eq!(
        schedule
            .latest_within(from_ms, to_ms - 1)
            .map(show)
            .as_deref(),
        Some("2026-11-01T07:30:00Z")
    );
    let fixed = cron("0 30 1 * * *", "America/New_York");
    assert_eq!(
        fixed.latest_within(from_ms, to_ms).map(show).as_deref(),
        Some("2026-11-01T05:30:00Z")
    );
    assert_eq!(fixed.count_within(from_ms, to_ms, 100), 1);
}

/// The vectors of Cronos, from `cronos.jsonl`: from each start, the instants that Cronos gives.
#[test]
fn ticks_are_those_of_cronos() {
    let lines = include_str!("cronos.jsonl").lines();
    let mut compared = 0;
    for line in lines.filter(|line| !line.starts_with('#')) {
        let texts: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
        let [
            "expr",
            expression,
            "tz",
            name,
            "start",
            start,
            "next",
            expected @ ..,
        ] = &texts[..]
        else {
            panic!("{line}")
        };
        let expected: Vec<_> = expected.iter().map(|at| show(ms(at))).collect();
        for data in [ZoneData::compiled_in(), pinned()] {
            let zone = data.zone(name).expect("a zone");
            let schedule = Schedule::cron(expression, zone).expect("an expression");
            assert_eq!(next(&schedule, start, expected.len()), expected, "{line}");
            compared += expected.len();
        }
    }
    assert_eq!(compared, 2 * 35);
}

#[test]
fn the_last_tick_is_in_2099_by_utc() {
    // New York's last evening of 2099 is in 2100 by UTC; Tokyo's is not.
    let evening = |name| Schedule::cron("59 59 23 31 12 ? 2099", zone(name));
    let error = evening("America/New_York").expect_err("too late");
    assert_eq!(error.kind(), ScheduleErrorKind::Never);
    assert!(
        error.message().contains("America/New_York") && error.message().contains("2099 ends"),
        "{error}"
    );
    assert_eq!(
        next(
            &evening("Asia/Tokyo").expect("in time"),
            "2099-12-30T00:00:00Z",
            2
        ),
        ["2099-12-31T14:59:59Z"]
    );
}
