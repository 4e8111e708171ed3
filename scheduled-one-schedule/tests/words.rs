//! Schedules in words.

mod common;

use std::time::Duration;

use common::zone;
use scheduled_one_schedule::{Restriction, Schedule, Zone};

/// Expressions, and what they are in words but for the zone.
const CASES: &[(&str, &str)] = &[
    ("* * * * * *", "every second"),
    ("*/10 * * * * *", "every 10 seconds"),
    ("5 * * * * *", "at second 5 of every minute"),
    ("5,35 */2 * * * *", "at second 5 and 35 of every 2nd minute"),
    ("* 0 9 * * *", "every second of minute 0 in hour 9"),
    ("* 0 * * * *", "every second of minute 0 of every hour"),
    ("0,30 0 9 * * *", "every 30 seconds of minute 0 in hour 9"),
    ("*/10 */5 * * * *", "every 10 seconds of every 5th minute"),
    (
        "*/10 3,4 8-17 * * *",
        "every 10 seconds of minute 3 and 4 from 08:00 to 17:59",
    ),
    ("* * 9 * * *", "every second in hour 9"),
    ("5 * 9 * * *", "at second 5 of every minute in hour 9"),
    (
        "0 0 6,8,10,13,15,17,19 * * *",
        "at minute 0 in hour 6, 8, 10, 13, 15, 17 and 19",
    ),
    (
        "0 30 */3 * * *",
        "at minute 30 in hour 0, 3, 6, 9, 12, 15, 18 and 21",
    ),
    ("0 * * * * *", "every minute"),
    ("0 */5 * * * *", "every 5 minutes"),
    ("0 7/15 * * * *", "at minute 7, 22, 37 and 52 of every hour"),
    ("0 30 * * * *", "at minute 30 of every hour"),
    ("0 0 * * * *", "every hour"),
    ("0 0 */2 * * *", "every 2 hours"),
    (
        "0 0 */6 * * *",
        "at 00:00, 06:00, 12:00 and 18:00 every day",
    ),
    (
        "0 0 8-18 * * MON-FRI",
        "every hour from 08:00 to 18:00 on Monday to Friday",
    ),
    (
        "0 */15 8-17 * * MON-FRI",
        "every 15 minutes from 08:00 to 17:59 on Monday to Friday",
    ),
    (
        "0 10,40 9-12,14-16 * * *",
        "at minute 10 and 40 in hour 9 to 12 and 14 to 16",
    ),
    ("0 0 9 * * *", "at 09:00 every day"),
    ("30 59 23 * * *", "at 23:59:30 every day"),
    (
        "0 0,30 9,17 * * *",
        "at 09:00, 09:30, 17:00 and 17:30 every day",
    ),
    ("0 0 9 ? * MON", "at 09:00 on Monday"),
    ("0 0 9 ? * SAT,SUN", "at 09:00 on Saturday and Sunday"),
    (
        "0 0 9 ? * SUN-TUE",
        "at 09:00 on Monday, Tuesday and Sunday",
    ),
    ("0 0 0 1 * ?", "at 00:00 on the 1st of the month"),
    (
        "0 0 0 1,2,3,11,22 * ?",
        "at 00:00 on the 1st to the 3rd, the 11th and the 22nd of the month",
    ),
    ("0 0 0 1 1 ?", "at 00:00 on the 1st of January"),
    ("0 0 0 L * ?", "at 00:00 on the last day of the month"),
    (
        "0 0 0 L-1 * ?",
        "at 00:00 on the day before the last of the month",
    ),
    (
        "0 0 0 L-3 2 ?",
        "at 00:00 on the day 3 days before the last of February",
    ),
    (
        "0 0 0 15W * ?",
        "at 00:00 on the day from Monday to Friday nearest to the 15th of the month",
    ),
    (
        "0 0 18 LW * ?",
        "at 18:00 on the last day from Monday to Friday of the month",
    ),
    (
        "0 0 9 ? * MON#2",
        "at 09:00 on the second Monday of the month",
    ),
    (
        "0 0 9 ? 4-9 FRIL",
        "at 09:00 on the last Friday of April to September",
    ),
    ("0 0 9 ? 1,7 MON", "at 09:00 on Monday in January and July"),
    ("0 0 9 * 12 ?", "at 09:00 in December"),
    (
        "0 0 9 13 * FRI",
        "at 09:00 on the 13th of the month if that is Friday",
    ),
    ("0 0 9 1 1 ? 2030", "at 09:00 on the 1st of January in 2030"),
    (
        "0 0 9 ? * MON 2030-2032",
        "at 09:00 on Monday in 2030 to 2032",
    ),
];

#[test]
fn expressions_are_said_in_words() {
    for (expression, words) in CASES {
        let schedule = Schedule::cron(expression, Zone::utc()).expect("a schedule");
        assert_eq!(schedule.in_words(), format!("{words}, UTC"), "{expression}");
    }
    let schedule = Schedule::cron("0 0 9 * * *", zone("Europe/Berlin")).expect("a schedule");
    assert_eq!(schedule.in_words(), "at 09:00 every day, in Europe/Berlin");
}

#[test]
fn other_schedules_are_said_in_words() {
    let every = |period, offset| {
        let period = Duration::from_millis(period);
        Schedule::every(period, Duration::from_millis(offset)).expect("a schedule")
    };
    assert_eq!(every(60_000, 0).in_words(), "every minute");
    assert_eq!(every(5_400_000, 0).in_words(), "every 90 minutes");
    let late = every(86_400_000, 1_500).in_words();
    assert_eq!(late, "every day, 1500 milliseconds later than from 1970 on");
    assert_eq!(Schedule::manual().in_words(), "when somebody asks for it");
    let restriction = Restriction::new(zone("Europe/Berlin"));
    let restriction = restriction
        .within("08:00-18:00")
        .and_then(|made| made.except("SUN"));
    let schedule = every(60_000, 0)
        .restricted(restriction.expect("read"))
        .expect("a schedule");
    assert_eq!(
        schedule.in_words(),
        "every minute, in Europe/Berlin, within 08:00-18:00, except SUN"
    );
}
