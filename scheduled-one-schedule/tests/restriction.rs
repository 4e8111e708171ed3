//! What `start`, `end`, `within` and `except` take, by examples.

mod common;
#[path = "common/restriction.rs"]
mod from_lines;

use std::time::Duration;

use common::{cron, ms, next, pinned, show, zone};
use from_lines::restriction;
use scheduled_one_schedule::{Calendar, Restriction, Schedule, Zone};

fn restricted(plain: Schedule, lines: &[&str]) -> Schedule {
    let restriction = restriction(plain.zone(), lines).and_then(|read| plain.restricted(read));
    restriction.unwrap_or_else(|error| panic!("{lines:?}: {error}"))
}

fn every(period: &str) -> Schedule {
    let period = scheduled_one_schedule::parse_duration(period).expect("a duration");
    Schedule::every(period, Duration::ZERO).expect("a schedule")
}

/// Expression, zone, restriction, an instant, and the ticks after it.
type Example = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static str,
    &'static [&'static str],
);

#[rustfmt::skip]
const EXAMPLES: &[Example] = &[
    // Days. 2026-05-01 is a Friday.
    ("0 0 9 * * *", "UTC", &["except SAT", "except SUN"], "2026-05-01T00:00:00Z",
        &["2026-05-01T09:00:00Z", "2026-05-04T09:00:00Z", "2026-05-05T09:00:00Z"]),
    ("0 0 9 * * *", "UTC", &["except FRI-MON"], "2026-05-01T00:00:00Z",
        &["2026-05-05T09:00:00Z", "2026-05-06T09:00:00Z", "2026-05-07T09:00:00Z", "2026-05-12T09:00:00Z"]),
    ("0 0 9 * * *", "UTC", &["except 2026-05-02", "except 2026-05-04..2026-05-05"], "2026-05-01T09:00:00Z",
        &["2026-05-03T09:00:00Z", "2026-05-06T09:00:00Z"]),
    ("0 0 9 1,25 12,1 *", "UTC", &["except 12-25"], "2026-11-01T00:00:00Z",
        &["2026-12-01T09:00:00Z", "2027-01-01T09:00:00Z", "2027-01-25T09:00:00Z", "2027-12-01T09:00:00Z"]),
    ("0 0 9 * * *", "UTC", &["except 12-24..01-02"], "2026-12-23T00:00:00Z",
        &["2026-12-23T09:00:00Z", "2027-01-03T09:00:00Z"]),
    ("0 0 9 * * *", "UTC", &["except 02-29"], "2028-02-28T00:00:00Z",
        &["2028-02-28T09:00:00Z", "2028-03-01T09:00:00Z"]),
    // The day is that of the zone: Saturday begins in Shanghai at 16:00Z of Friday.
    ("0 0 * * * *", "Asia/Shanghai", &["except SAT"], "2026-05-01T14:30:00Z",
        &["2026-05-01T15:00:00Z", "2026-05-02T16:00:00Z"]),
    // Times of day: the first belongs to it, the last does not.
    ("0 0 * * * *", "Europe/Berlin", &["within 08:00-10:00"], "2026-05-01T00:00:00Z",
        &["2026-05-01T06:00:00Z", "2026-05-01T07:00:00Z", "2026-05-02T06:00:00Z"]),
    ("0 0 */3 * * *", "UTC", &["within 22:00-06:00"], "2026-05-01T00:00:00Z",
        &["2026-05-01T03:00:00Z", "2026-05-02T00:00:00Z", "2026-05-02T03:00:00Z"]),
    ("0 0 * * * *", "UTC", &["within 08:00-09:00, 23:00-24:00"], "2026-05-01T00:00:00Z",
        &["2026-05-01T08:00:00Z", "2026-05-01T23:00:00Z", "2026-05-02T08:00:00Z"]),
    // Over midnight, and the days that are left out: each instant is judged by its own day.
    ("0 0 * * * *", "UTC", &["within 23:00-01:00", "except SAT"], "2026-05-01T20:00:00Z",
        &["2026-05-01T23:00:00Z", "2026-05-03T00:00:00Z", "2026-05-03T23:00:00Z"]),
    // Start and end.
    ("0 0 0 * * *", "Europe/Berlin", &["start 2026-03-01T00:00", "end 2026-03-04T00:00"], "2026-01-01T00:00:00Z",
        &["2026-02-28T23:00:00Z", "2026-03-01T23:00:00Z", "2026-03-02T23:00:00Z"]),
    ("0 0 0 * * *", "Europe/Berlin", &["start 2026-03-01T00:00Z", "end 2026-03-01T23:00:01Z"], "2026-01-01T00:00:00Z",
        &["2026-03-01T23:00:00Z"]),
    ("0 0 0 * * *", "UTC", &["start 2026-03-01T00:00 Asia/Tokyo", "end 2026-03-02T00:00[America/New_York]"],
        "2026-01-01T00:00:00Z", &["2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"]),
    // Summer time in Berlin begins on 2026-03-29: at 02:00 it is 03:00, and what was skipped is due then. The clock
    // shows 03:00, which is not within the hour before.
    ("0 30 2 * * *", "Europe/Berlin", &["within 02:00-03:00"], "2026-03-27T12:00:00Z",
        &["2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z"]),
    ("0 30 2 * * *", "Europe/Berlin", &["within 02:00-03:01"], "2026-03-27T12:00:00Z",
        &["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]),
    // It ends on 2026-10-25: at 03:00 it is 02:00 again. Both hours pass.
    ("0 */30 * * * *", "Europe/Berlin", &["within 02:00-03:00"], "2026-10-24T12:00:00Z",
        &["2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z",
          "2026-10-26T01:00:00Z"]),
    // The whole of a day with 23 hours, and of one with 25.
    ("0 0 */12 * * *", "Europe/Berlin", &["except SUN"], "2026-03-28T12:00:00Z",
        &["2026-03-29T22:00:00Z", "2026-03-30T10:00:00Z"]),
    ("0 0 */12 * * *", "Europe/Berlin", &["except 2026-10-25"], "2026-10-24T12:00:00Z",
        &["2026-10-25T23:00:00Z", "2026-10-26T11:00:00Z"]),
    // Midnight does not exist in Beirut on 2026-03-29: that Sunday begins at 01:00.
    ("0 0 * * * *", "Asia/Beirut", &["except SAT"], "2026-03-27T20:30:00Z",
        &["2026-03-27T21:00:00Z", "2026-03-28T22:00:00Z"]),
];

#[test]
fn examples() {
    for (expression, zone_name, lines, after, expected) in EXAMPLES {
        let schedule = restricted(cron(expression, zone_name), lines);
        let ticks = next(&schedule, after, expected.len());
        assert_eq!(ticks, *expected, "{schedule}");
        let first_ms = ms(after) + 1;
        let last_ms = ms(expected.last().expect("a tick"));
        let matching: Vec<String> = schedule.matching(first_ms..last_ms + 1).map(show).collect();
        assert_eq!(matching, *expected, "{schedule}");
        assert_eq!(
            schedule.matching(first_ms..last_ms).count(),
            expected.len() - 1
        );
        let count = schedule.count_within(ms(after), last_ms, 1_000);
        assert_eq!(count, expected.len() as u64, "{schedule}");
        assert_eq!(
            schedule.latest_within(ms(after), last_ms),
            Some(last_ms),
            "{schedule}"
        );
    }
}

#[test]
fn a_fixed_rate_keeps_its_grid() {
    let restriction = restriction(zone("Europe/Berlin"), &["within 08:00-18:00", "except SUN"]);
    let schedule = every("7m")
        .restricted(restriction.expect("a restriction"))
        .expect("a schedule");
    let period_ms = 7 * 60_000;
    // Saturday, 2026-05-02, in the last minutes before 18:00 in Berlin; and Monday from 08:00 on.
    let ticks: Vec<i64> = schedule.after(ms("2026-05-02T15:50:00Z")).take(3).collect();
    assert!(ticks.iter().all(|tick_ms| tick_ms % period_ms == 0));
    assert!(ticks[0] < ms("2026-05-02T16:00:00Z"));
    let monday = ticks
        .iter()
        .find(|tick_ms| **tick_ms > ms("2026-05-02T16:00:00Z"));
    let from = ms("2026-05-04T06:00:00Z");
    assert!((from..from + period_ms).contains(monday.expect("a tick")));
    assert_eq!(
        schedule.to_string(),
        "every 7m, in Europe/Berlin, within 08:00-18:00, except SUN"
    );
    assert_eq!(schedule.zone().name(), "Europe/Berlin");
}

#[test]
fn nothing_before_the_start_and_nothing_after_the_end() {
    let lines = ["start 2026-03-01T00:00", "end 2026-03-01T00:10"];
    let schedule = restricted(every("1m"), &lines);
    let (start, end) = (ms("2026-03-01T00:00:00Z"), ms("2026-03-01T00:10:00Z"));
    assert_eq!(schedule.next_after(i64::MIN), Some(start));
    assert_eq!(
        schedule.latest_within(i64::MIN, i64::MAX),
        Some(end - 60_000)
    );
    assert_eq!(schedule.count_within(i64::MIN, i64::MAX, u64::MAX), 10);
    assert_eq!(schedule.count_within(i64::MIN, i64::MAX, 4), 4);
    assert_eq!(schedule.next_after(end - 60_000), None);
    assert_eq!(schedule.next_after(i64::MAX), None);
    assert_eq!(schedule.after(start).count(), 9);
}

#[test]
fn what_takes_nothing_changes_nothing() {
    let plain = every("1m");
    let same = plain
        .clone()
        .restricted(Restriction::new(zone("Asia/Tokyo")));
    assert_eq!(same.as_ref(), Ok(&plain));
    assert_eq!(same.map(|same| same.identity()), Ok(plain.identity()));
}

#[test]
fn a_restriction_is_shown_in_one_form() {
    let berlin = || cron("0 0 9 * * *", "Europe/Berlin");
    let lines = [
        "except 2026-05-01..2026-05-01",
        "except 12-25",
        "except sunday",
        "except Sat",
    ];
    let one = restricted(berlin(), &lines);
    let lines = ["except SAT-SUN", "except 2026-05-01", "except 12-25..12-25"];
    let other = restricted(berlin(), &lines);
    assert_eq!(
        one.to_string(),
        r#"cron "0 0 9 * * *" in Europe/Berlin, except SAT, SUN, 12-25, 2026-05-01"#
    );
    assert_eq!(
        (one.to_string(), one.identity()),
        (other.to_string(), other.identity())
    );
    for (written, shown) in [
        ("08:00 - 12:00, 12:00-24:00", "08:00-00:00"),
        ("22:00-06:00,12:00-13:00", "12:00-13:00,22:00-06:00"),
        ("00:00-06:00, 22:00-00:00", "22:00-06:00"),
    ] {
        let schedule = restricted(every("1h"), &[&format!("within {written}")]);
        assert_eq!(schedule.to_string(), format!("every 1h, within {shown}"));
    }
    for written in [
        "2026-03-01T00:00",
        "2026-02-28T23:00Z",
        "2026-03-01T08:00 Asia/Tokyo",
    ] {
        let schedule = restricted(berlin(), &[&format!("start {written}")]);
        let start = ", from 2026-03-01T00:00+01:00";
        assert!(schedule.to_string().ends_with(start), "{schedule}");
    }
}

#[test]
fn another_restriction_is_another_schedule() {
    let with_days = |name: &str, days: &[&str]| {
        let calendar = Calendar::new(name, days);
        let restriction = Restriction::new(Zone::utc()).except(name).expect("read");
        let restriction = restriction.calendars(&[calendar]).expect("known");
        let schedule = cron("0 0 9 * * *", "UTC").restricted(restriction);
        schedule.expect("a schedule").identity()
    };
    let holidays = with_days("holidays", &["2026-05-01", "12-25"]);
    // The order of the days, and how they are grouped, make no difference.
    assert_eq!(
        holidays,
        with_days(
            "holidays",
            &["12-25", "2026-05-01..2026-05-01", "2026-05-01"]
        )
    );
    assert_ne!(holidays, with_days("holidays", &["2026-05-01", "12-26"]));
    assert_ne!(
        holidays,
        with_days("holidays", &["2026-05-01..2026-05-02", "12-25"])
    );
    assert_ne!(
        holidays,
        with_days("holidays", &["2026-05-01", "12-25", "SAT"])
    );
    let plain = cron("0 0 9 * * *", "UTC").identity();
    let variants = [
        &["within 08:00-18:00"][..],
        &["within 08:00-18:01"],
        &["start 2026-03-01T00:00"],
        &["end 2026-03-01T00:00"],
        &["except SAT"],
        &["except SUN"],
        &["except 2026-05-01"],
        &["except 05-01"],
    ];
    let mut identities: Vec<_> = variants
        .iter()
        .map(|lines| restricted(cron("0 0 9 * * *", "UTC"), lines).identity())
        .chain([plain, holidays])
        .collect();
    identities.sort_unstable();
    identities.dedup();
    assert_eq!(identities.len(), variants.len() + 2);
    // The rules of the zone belong to it as well, for a fixed rate, too.
    let in_zone = |data: &str| {
        let zone = match data {
            "pinned" => pinned().zone("America/Vancouver").expect("a zone"),
            _ => zone("America/Vancouver"),
        };
        let restriction = Restriction::new(zone).within("08:00-18:00").expect("read");
        every("1h")
            .restricted(restriction)
            .expect("a schedule")
            .identity()
    };
    assert_ne!(in_zone("pinned"), in_zone("compiled in"));
}
