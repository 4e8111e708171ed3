//! The errors for restrictions and calendars that cannot be used; and what these offer to paste is read.

mod common;
#[path = "common/restriction.rs"]
mod from_lines;

use ScheduleErrorKind::{Calendar as NoCalendar, End, Except, Never, Start, Within};
use common::zone;
use from_lines::restriction;
use scheduled_one_schedule::{Calendar, Restriction, Schedule, ScheduleErrorKind, Zone};

/// Restriction of an hourly job in Berlin, kind, and what the text of the error must contain.
#[rustfmt::skip]
const ERRORS: &[(&[&str], ScheduleErrorKind, &[&str])] = &[
    (&["within"], Within, &["`within` names no time of day", "`08:00-18:00`"]),
    (&["within 08:00"], Within, &["`08:00`", "not two times of day", "`08:00-18:00`"]),
    (&["within 08:00-"], Within, &["`08:00-`", "not two times of day"]),
    (&["within morning"], Within, &["`morning`", "`08:00-18:00`"]),
    (&["within 08:00-18:00,"], Within, &["empty part"]),
    (&["within 08:00-25:00"], Within, &["`08:00-25:00`", "hours are 00 to 23"]),
    (&["within 08:60-09:00"], Within, &["`08:60-09:00`"]),
    (&["within 24:00-06:00"], Within, &["`24:00-06:00`", "end of a day", "write `00:00-06:00`"]),
    (&["within 24:00-24:00"], Within, &["`24:00-24:00`"]),
    (&["within 08:00-08:00"], Within, &["`08:00-08:00`", "no length", "leave `within` out"]),
    (&["within 00:00-24:00"], Within, &["whole day", "leave `within` out"]),
    (&["within 00:00-12:00,12:00-00:00"], Within, &["whole day"]),
    (&["within 08:00-12:00,11:00-18:00"], Within, &["`08:00-12:00` and `11:00-18:00`", "overlap", "write `08:00-18:00`"]),
    (&["within 22:00-06:00,05:00-07:00"], Within, &["overlap", "write `22:00-07:00`"]),
    (&["within 08:00-12:00,08:00-12:00"], Within, &["`08:00-12:00` twice"]),
    // Other forms, and what they mean.
    (&["within 8-18"], Within, &["`8-18`", "write `08:00-18:00`"]),
    (&["within 8:00-18:00"], Within, &["write `08:00-18:00`"]),
    (&["within 08:00..18:30"], Within, &["write `08:00-18:30`"]),
    (&["within 8am-6.30pm"], Within, &["write `08:00-18:30`"]),
    (&["within 0800-1800"], Within, &["write `08:00-18:00`"]),
    (&["within 08:00:00-18:00:00"], Within, &["write `08:00-18:00`"]),
    (&["within 8h to 18h"], Within, &["write `08:00-18:00`"]),
    (&["except"], Except, &["`except` has an empty item", "`SAT`", "`2026-05-01`"]),
    (&["except SAT", "except SAT"], Except, &["`SAT` twice"]),
    (&["except FRI-SUN", "except Saturday"], Except, &["`SAT` twice"]),
    (&["except 2026-05-01", "except 2026-05-01"], Except, &["`2026-05-01` twice"]),
    (&["except holidays", "except holidays"], Except, &["`holidays` twice"]),
    (&["except 2026-02-30"], Except, &["`2026-02-30` of `except`", "the day 30 of a month of 28 days"]),
    (&["except 2026-13-01"], Except, &["the month 13", "01-12"]),
    (&["except 1969-12-31"], Except, &["the year 1969", "1970-2099"]),
    (&["except 02-30"], Except, &["no such date as `02-30`"]),
    (&["except 2027-01-01..2026-12-24"], Except, &["runs backwards", "write `2026-12-24..2027-01-01`"]),
    (&["except 2026-12-24..01-01"], Except, &["both with the year"]),
    (&["except 2026-12-24.."], Except, &["`2026-12-24..`"]),
    (&["except 6"], Except, &["`6`", "`SAT`"]),
    (&["except SAT,SUN"], Except, &["`SAT,SUN`", "`\"SAT\", \"SUN\"`"]),
    (&["except weekends"], Except, &["`weekends`", "`\"SAT\", \"SUN\"`"]),
    (&["except a holiday"], Except, &["neither a day nor the name of a calendar"]),
    // Other forms, and what they mean.
    (&["except 1.5.2026"], Except, &["write `2026-05-01`"]),
    (&["except 2026/05/01"], Except, &["write `2026-05-01`"]),
    (&["except 20260501"], Except, &["write `2026-05-01`"]),
    (&["except 2026-5-1"], Except, &["write `2026-05-01`"]),
    (&["except 5-1"], Except, &["write `05-01`"]),
    (&["except 2026-12-24-2027-01-01"], Except, &["write `2026-12-24..2027-01-01`"]),
    (&["except 2026-12-24..=2027-01-01"], Except, &["write `2026-12-24..2027-01-01`"]),
    // Backwards as well.
    (&["except 1.1.2027-24.12.2026"], Except, &["write `2026-12-24..2027-01-01`"]),
    (&["except 20270101-20261224"], Except, &["write `2026-12-24..2027-01-01`"]),
    (&["start tomorrow"], Start, &["`tomorrow` of `start`", "`start = \"2026-03-01T00:00\"`"]),
    (&["start"], Start, &["`start = \"2026-03-01T00:00\"`"]),
    (&["start 2026-03-01"], Start, &["write `2026-03-01T00:00`"]),
    (&["end 2026-03-31"], End, &["exclusive", "write `2026-04-01T00:00` if 2026-03-31 is the last day"]),
    (&["end 2099-12-31"], End, &["leave `end` out", "2099-12-31"]),
    (&["start 2026-03-01 08:00"], Start, &["write `2026-03-01T08:00`"]),
    // What is meant would be refused in its turn: its own way out is offered at once.
    (&["start 2026-03-29 02:30"], Start, &["write `2026-03-29T03:00+02:00`"]),
    (&["end 2026-10-25 02:30"], End, &["`2026-10-25T02:30+02:00`", "`2026-10-25T02:30+01:00`"]),
    (&["start 2026-03-01 08:00 Europe/Berlim"], Start, &["`Europe/Berlin`"]),
    (&["start 2026-02-30T00:00"], Start, &["`2026-02-30T00:00`", "the day 30 of a month of 28 days"]),
    (&["start 2026-03-01T24:00"], Start, &["the time `24:00`", "00:00 to 23:59:59"]),
    (&["start 2026-03-01T25:00"], Start, &["the time `25:00`"]),
    (&["start 2026-03-01T08"], Start, &["is not a date and a time"]),
    (&["start 2026-03-01T08:00+25:00"], Start, &["is not a date and a time"]),
    (&["start 2026-03-01T08:00+1:000"], Start, &["is not a date and a time"]),
    (&["start 2026-03-01T08:00 Europe/Berlim"], Start, &["`Europe/Berlim`", "`Europe/Berlin`"]),
    (&["start 2026-03-29T02:30"], Start, &["clocks in Europe/Berlin skip", "write `2026-03-29T03:00+02:00`"]),
    (&["end 2026-10-25T02:30"], End, &["show twice", "`2026-10-25T02:30+02:00`", "`2026-10-25T02:30+01:00`"]),
    (&["start 2026-03-01T00:00", "end 2026-03-01T00:00"], End, &["not after `start`", "later `end`"]),
    (&["start 2026-03-01T00:00", "end 2026-02-01T00:00"], End, &["not after `start`"]),
    // Nothing is left.
    (&["within 08:01-08:59"], Within, &["never due", "no tick of cron", "lies within", "widen `within`"]),
    (&["except MON-SUN"], Except, &["never due", "is on a day that `except` leaves"]),
    (&["except 01-01..12-31"], Except, &["never due"]),
    (&["start 2026-03-01T08:01", "end 2026-03-01T08:02"], End, &["never due", "between `start` and `end`"]),
    (&["end 2025-12-01T00:00"], End, &["never due", "from 2026 on"]),
    (&["within 08:01-08:59", "except MON-SUN"], Never, &["never due", "together"]),
    (&["except holidays"], NoCalendar, &["no calendar `holidays`", "`.calendar(Calendar::new(\"holidays\", dates))`"]),
];

#[test]
fn each_error_names_the_part_and_the_way_out() {
    let berlin = zone("Europe/Berlin");
    for (lines, kind, parts) in ERRORS {
        let schedule = Schedule::cron("@hourly", berlin.clone()).expect("a schedule");
        let made = restriction(berlin.clone(), lines).and_then(|read| schedule.restricted(read));
        let error = made.map(|made| panic!("{lines:?}: {made}")).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind(), *kind, "{lines:?}: {text}");
        for part in *parts {
            assert!(
                text.contains(part),
                "{lines:?}: `{part}` is missing in:\n{text}"
            );
        }
        assert!(error.help().is_some(), "{text}");
        // What is offered to paste is read.
        for fix in text
            .split("write `")
            .skip(1)
            .filter_map(|rest| rest.split('`').next())
        {
            let key = lines
                .last()
                .and_then(|line| line.split(' ').next())
                .unwrap_or_default();
            if fix.contains('"') {
                continue;
            }
            let again = restriction(berlin.clone(), &[&format!("{key} {fix}")]);
            assert!(
                again.is_ok(),
                "{lines:?}: `{fix}` is offered and refused: {again:?}"
            );
        }
    }
}

#[test]
fn a_calendar_is_found_by_its_name() {
    let known = [
        Calendar::new("de-holidays", ["12-25"]),
        Calendar::new("fr-holidays", ["07-14"]),
    ];
    let error = |name: &str, known: &[Calendar]| {
        let restriction = Restriction::new(Zone::utc()).except(name).expect("read");
        restriction
            .calendars(known)
            .expect_err("no such calendar")
            .to_string()
    };
    assert!(error("de-holiday", &known).contains("did you mean `de-holidays`?"));
    assert!(error("SATT", &known).contains("did you mean `SAT`?"));
    assert!(error("us-closing-days", &known).contains("give it to the builder with `.calendar("));
    for (name, days, parts) in [
        (
            "SAT",
            &["12-25"][..],
            &["`SAT` is no name of a calendar"][..],
        ),
        ("12-25", &["12-25"], &["`12-25` is no name of a calendar"]),
        (
            "weekends",
            &["12-25"],
            &["`weekends` is no name of a calendar"],
        ),
        (
            "bank days",
            &["12-25"],
            &["`bank days` is no name of a calendar"],
        ),
        ("", &["12-25"], &["no name of a calendar"]),
        ("empty", &[], &["the calendar `empty` has no day"]),
        (
            "wrong",
            &["12-25", "2026-02-30"],
            &["`2026-02-30` of the calendar `wrong`", "28 days"],
        ),
        (
            "nested",
            &["de-holidays"],
            &["`de-holidays` of the calendar `nested` is not a day"],
        ),
    ] {
        let calendar = Calendar::new(name, days);
        let text = calendar.check().expect_err(name).to_string();
        for part in parts {
            assert!(
                text.contains(part),
                "{name}: `{part}` is missing in:\n{text}"
            );
        }
    }
    let wrong = Calendar::new("wrong", ["2026-02-30"]);
    let found = Restriction::new(Zone::utc())
        .except("wrong")
        .expect("read")
        .calendars(std::slice::from_ref(&wrong));
    assert_eq!(found.map(drop), wrong.check());
    // Dates of other crates are days.
    let of_jiff = Calendar::new("j", [jiff::civil::date(2026, 5, 1)]);
    let of_chrono = chrono::NaiveDate::from_ymd_opt(2026, 5, 1).expect("a date");
    assert!(of_jiff.check().is_ok());
    assert!(Calendar::new("c", [of_chrono]).check().is_ok());
}
