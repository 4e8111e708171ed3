//! The examples of Quartz's and Spring's documentation, with weekdays by name, and what follows them.

mod common;

use common::{cron, ms, next, show, zone};
use scheduled_one_schedule::{Schedule, Zone};
use std::time::Duration;

/// Expression, and its first ticks after Thursday 2026-01-01T00:00:00Z, in UTC.
#[rustfmt::skip]
const EXAMPLES: &[(&str, &[&str])] = &[
    // Quartz, CronTrigger tutorial.
    ("0 0 12 * * ?", &["2026-01-01T12:00:00Z", "2026-01-02T12:00:00Z"]),
    ("0 15 10 ? * *", &["2026-01-01T10:15:00Z", "2026-01-02T10:15:00Z"]),
    ("0 15 10 * * ? *", &["2026-01-01T10:15:00Z", "2026-01-02T10:15:00Z"]),
    ("0 15 10 * * ? 2027", &["2027-01-01T10:15:00Z", "2027-01-02T10:15:00Z"]),
    ("0 * 14 * * ?", &["2026-01-01T14:00:00Z", "2026-01-01T14:01:00Z"]),
    ("0 0/5 14 * * ?", &["2026-01-01T14:00:00Z", "2026-01-01T14:05:00Z"]),
    ("0 0/30 14,18 * * ?", &["2026-01-01T14:00:00Z", "2026-01-01T14:30:00Z", "2026-01-01T18:00:00Z", "2026-01-01T18:30:00Z"]),
    ("0 4-5 14 * * ?", &["2026-01-01T14:04:00Z", "2026-01-01T14:05:00Z", "2026-01-02T14:04:00Z"]),
    ("0 10,44 14 ? 3 WED", &["2026-03-04T14:10:00Z", "2026-03-04T14:44:00Z", "2026-03-11T14:10:00Z"]),
    ("0 15 10 ? * MON-FRI", &["2026-01-01T10:15:00Z", "2026-01-02T10:15:00Z", "2026-01-05T10:15:00Z"]),
    ("0 15 10 15 * ?", &["2026-01-15T10:15:00Z", "2026-02-15T10:15:00Z"]),
    ("0 15 10 L * ?", &["2026-01-31T10:15:00Z", "2026-02-28T10:15:00Z", "2026-03-31T10:15:00Z"]),
    ("0 15 10 L-2 * ?", &["2026-01-29T10:15:00Z", "2026-02-26T10:15:00Z"]),
    ("0 15 10 ? * FRIL", &["2026-01-30T10:15:00Z", "2026-02-27T10:15:00Z", "2026-03-27T10:15:00Z"]),
    ("0 15 10 ? * FRIL 2028-2029", &["2028-01-28T10:15:00Z", "2028-02-25T10:15:00Z"]),
    ("0 15 10 ? * FRI#3", &["2026-01-16T10:15:00Z", "2026-02-20T10:15:00Z"]),
    ("0 0 12 1/10 * ?", &["2026-01-01T12:00:00Z", "2026-01-11T12:00:00Z", "2026-01-21T12:00:00Z", "2026-01-31T12:00:00Z", "2026-02-01T12:00:00Z"]),
    ("0 11 11 11 11 ?", &["2026-11-11T11:11:00Z", "2027-11-11T11:11:00Z"]),
    // Spring, CronExpression.parse.
    ("0 0 * * * *", &["2026-01-01T01:00:00Z", "2026-01-01T02:00:00Z"]),
    ("*/10 * * * * *", &["2026-01-01T00:00:10Z", "2026-01-01T00:00:20Z"]),
    ("0 0 8-10 * * *", &["2026-01-01T08:00:00Z", "2026-01-01T09:00:00Z", "2026-01-01T10:00:00Z"]),
    ("0 0 6,19 * * *", &["2026-01-01T06:00:00Z", "2026-01-01T19:00:00Z", "2026-01-02T06:00:00Z"]),
    ("0 0/30 8-9 * * *", &["2026-01-01T08:00:00Z", "2026-01-01T08:30:00Z", "2026-01-01T09:00:00Z"]),
    ("0 0 17 * * MON-FRI", &["2026-01-01T17:00:00Z", "2026-01-02T17:00:00Z", "2026-01-05T17:00:00Z"]),
    ("0 0 0 25 DEC ?", &["2026-12-25T00:00:00Z", "2027-12-25T00:00:00Z"]),
    ("0 0 0 1W * *", &["2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z", "2026-03-02T00:00:00Z"]),
    ("0 0 0 LW * *", &["2026-01-30T00:00:00Z", "2026-02-27T00:00:00Z", "2026-03-31T00:00:00Z"]),
    ("0 0 0 ? * THUL", &["2026-01-29T00:00:00Z", "2026-02-26T00:00:00Z"]),
    ("0 0 0 ? * MON#1", &["2026-01-05T00:00:00Z", "2026-02-02T00:00:00Z"]),
    // Cronos, CronExpressionFacts: `L-nW`, and it stays in its month.
    ("0 0 0 L-1W * ?", &["2026-01-30T00:00:00Z", "2026-02-27T00:00:00Z", "2026-03-30T00:00:00Z"]),
    ("0 0 0 L-3W 1,2 ? 2027", &["2027-01-28T00:00:00Z", "2027-02-25T00:00:00Z"]),
    ("0 0 0 L-1W 1 ? 2017-2050", &["2026-01-30T00:00:00Z", "2027-01-29T00:00:00Z"]),
    ("0 0 0 L-30W 8 ? 2026", &["2026-08-03T00:00:00Z"]),
    ("0 0 0 l-2w,15 2 ? 2026", &["2026-02-15T00:00:00Z", "2026-02-26T00:00:00Z"]),
    // A month without the day has no tick.
    ("0 0 0 31W * ?", &["2026-01-30T00:00:00Z", "2026-03-31T00:00:00Z", "2026-05-29T00:00:00Z"]),
    ("0 0 0 ? * SUN-SUN", &["2026-01-04T00:00:00Z", "2026-01-11T00:00:00Z"]),
    // Aliases.
    ("@yearly", &["2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"]),
    ("@annually", &["2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"]),
    ("@monthly", &["2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"]),
    ("@weekly", &["2026-01-04T00:00:00Z", "2026-01-11T00:00:00Z"]),
    ("@daily", &["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]),
    ("@midnight", &["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]),
    (" @Hourly ", &["2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"]),
    // Mixed lists, names, ranges across the weekend.
    ("0 0 0 1,15,L * ?", &["2026-01-01T00:00:00Z", "2026-01-15T00:00:00Z", "2026-01-31T00:00:00Z"]),
    ("0 0 0 ? * MON#1,FRIL,WED", &["2026-01-05T00:00:00Z", "2026-01-07T00:00:00Z", "2026-01-14T00:00:00Z", "2026-01-21T00:00:00Z", "2026-01-28T00:00:00Z", "2026-01-30T00:00:00Z"]),
    ("0 0 0 15W,LW,L-30 * ?", &["2026-01-01T00:00:00Z", "2026-01-15T00:00:00Z", "2026-01-30T00:00:00Z"]),
    ("0 0 0 ? * sat-mon", &["2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z", "2026-01-05T00:00:00Z"]),
    ("0 0 0 ? * Monday-Sun", &["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]),
    ("0 0 0 ? * MON-FRI/2", &["2026-01-02T00:00:00Z", "2026-01-05T00:00:00Z", "2026-01-07T00:00:00Z"]),
    ("0 0 0 ? jan,march-may *", &["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]),
    ("0\t0  0 1 JUN/3 ?", &["2026-06-01T00:00:00Z", "2026-09-01T00:00:00Z", "2026-12-01T00:00:00Z"]),
    // Both day fields restricted: both must match.
    ("0 0 0 13 * FRI", &["2026-02-13T00:00:00Z", "2026-03-13T00:00:00Z", "2026-11-13T00:00:00Z"]),
    ("0 0 0 1-7 * MON", &["2026-01-05T00:00:00Z", "2026-02-02T00:00:00Z"]),
    ("0 0 0 L * FRI", &["2026-07-31T00:00:00Z", "2027-04-30T00:00:00Z"]),
    // Rare.
    ("0 0 0 29 2 ?", &["2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z"]),
    ("0 0 0 29 2 MON#5", &["2044-02-29T00:00:00Z", "2072-02-29T00:00:00Z"]),
    ("59 59 23 31 12 ? 2099", &["2099-12-31T23:59:59Z"]),
];

#[test]
fn documented_examples_do_what_the_documents_say() {
    for (expression, expected) in EXAMPLES {
        let schedule = cron(expression, "UTC");
        // One millisecond before, so that midnight of January 1 counts, except for the plainest.
        let after = if expected[0] < "2026-01-01T00:30:01Z" || expression.contains('@') {
            "2025-12-31T23:59:59.999Z"
        } else {
            "2026-01-01T00:00:00Z"
        };
        let skip = usize::from(*expression == "*/10 * * * * *");
        let found = next(&schedule, after, expected.len() + skip);
        assert_eq!(found[skip..], **expected, "{expression}");
    }
}

#[test]
fn ticks_end_with_the_year_2099() {
    let last = cron("59 59 23 31 12 ? 2099", "UTC");
    assert_eq!(last.next_after(ms("2099-12-31T23:59:59Z")), None);
    let secondly = cron("* * * * * *", "UTC");
    assert_eq!(
        secondly.next_after(ms("2099-12-31T23:59:58Z")),
        Some(ms("2099-12-31T23:59:59Z"))
    );
    for at_ms in [ms("2099-12-31T23:59:59Z"), i64::MAX] {
        assert_eq!(secondly.next_after(at_ms), None);
        assert_eq!(secondly.latest_within(at_ms, i64::MAX), None);
    }
    assert_eq!(secondly.next_after(i64::MIN), Some(0));
    assert_eq!(
        secondly.latest_within(i64::MIN, i64::MAX),
        Some(ms("2099-12-31T23:59:59Z"))
    );
    assert_eq!(secondly.count_within(i64::MIN, i64::MAX, 1000), 1000);
}

#[test]
fn cron_ticks_are_whole_seconds_strictly_after() {
    let secondly = cron("* * * * * *", "UTC");
    assert_eq!(secondly.next_after(999), Some(1000));
    assert_eq!(secondly.next_after(1000), Some(2000));
    assert_eq!(secondly.latest_within(1000, 1999), None);
    assert_eq!(secondly.latest_within(999, 1999), Some(1000));
    assert_eq!(secondly.latest_within(2000, 1000), None);
    assert_eq!(secondly.count_within(999, 3000, 99), 3);
    assert_eq!(secondly.count_within(3000, 999, 99), 0);
}

#[test]
fn fixed_rates_are_aligned_to_the_epoch() {
    let every = |period_s, offset_s| {
        Schedule::every(Duration::from_secs(period_s), Duration::from_secs(offset_s))
            .expect("valid")
    };
    let schedule = every(90, 10);
    assert_eq!(schedule.next_after(-81_000), Some(-80_000));
    assert_eq!(schedule.next_after(-80_000), Some(10_000));
    assert_eq!(schedule.latest_within(10_000, 99_999), None);
    assert_eq!(schedule.latest_within(9_999, 99_999), Some(10_000));
    assert_eq!(schedule.latest_within(0, 900_000), Some(820_000));
    assert_eq!(schedule.latest_within(900_000, 0), None);
    assert_eq!(schedule.count_within(9_999, 820_000, u64::MAX), 10);
    assert_eq!(schedule.count_within(10_000, 820_000, 4), 4);
    assert_eq!(schedule.count_within(820_000, 0, 4), 0);
    assert_eq!(
        every(86_400, 0).next_after(ms("2026-03-29T00:00:00Z")),
        Some(ms("2026-03-30T00:00:00Z"))
    );
    // Nothing overflows at the ends of time.
    assert_eq!(schedule.next_after(i64::MAX), None);
    assert!(
        schedule
            .next_after(i64::MIN)
            .is_some_and(|tick_ms| tick_ms > i64::MIN)
    );
    assert!(schedule.count_within(i64::MIN, i64::MAX, u64::MAX) > 1 << 47);
}

#[test]
fn text_is_canonical() {
    let shown = |expression, zone| cron(expression, zone).to_string();
    assert_eq!(
        shown("0 0 9 * * MON", "Asia/Shanghai"),
        r#"cron "0 0 9 * * MON" in Asia/Shanghai"#
    );
    assert_eq!(
        shown(" 0  0 9 lw jan-mar\t? ", "UTC"),
        r#"cron "0 0 9 LW JAN-MAR ?" in UTC"#
    );
    assert_eq!(
        shown("@DAILY", "Europe/Berlin"),
        r#"cron "@daily" in Europe/Berlin"#
    );
    for (period_ms, offset_ms, expected) in [
        (90_000, 0, "every 90s"),
        (90_000, 10_000, "every 90s offset 10s"),
        (3_600_000, 1_500, "every 1h offset 1500ms"),
        (172_800_000, 60_000, "every 2d offset 1m"),
    ] {
        let (period, offset) = (
            Duration::from_millis(period_ms),
            Duration::from_millis(offset_ms),
        );
        let schedule = Schedule::every(period, offset).expect("valid");
        assert_eq!(schedule.to_string(), expected);
        assert_eq!(format!("{schedule:?}"), format!("Schedule({expected})"));
        assert_eq!(schedule.zone(), Zone::utc());
    }
    assert_eq!(cron("@daily", "Asia/Tokyo").zone(), zone("Asia/Tokyo"));
}

#[test]
fn a_schedule_is_small_and_can_be_shared() {
    fn shareable<T: Send + Sync + 'static>() {}
    shareable::<Schedule>();
    assert!(size_of::<Schedule>() <= 24, "{}", size_of::<Schedule>());
}

#[test]
fn rare_schedules_cost_little() {
    // Bounded work: a search of a century for each, 2,000 times, in well under the minute a scan would take.
    let rare = cron("0 0 0 29 2 MON#5", "America/New_York");
    let start_ms = ms("1972-01-01T00:00:00Z");
    let mut ticks = 0;
    for hour in 0..2_000 {
        let mut at_ms = start_ms + hour * 3_600_000;
        while let Some(tick_ms) = rare.next_after(at_ms) {
            (at_ms, ticks) = (tick_ms, ticks + 1);
        }
        assert_eq!(show(at_ms), "2072-02-29T05:00:00Z");
    }
    // 1988, 2016, 2044, 2072: 1972's was a Tuesday.
    assert_eq!(ticks, 4 * 2_000);
}
