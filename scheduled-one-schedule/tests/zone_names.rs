//! Names that are no zones: the zone that the place is in, a slip mended, or no guess.

use scheduled_one_schedule::{ScheduleErrorKind, ZoneData};

/// The names that the error for a name offers.
fn offered(name: &str) -> Vec<String> {
    let error = ZoneData::compiled_in()
        .zone(name)
        .expect_err("there is no such zone");
    assert_eq!(error.kind(), ScheduleErrorKind::Zone);
    assert!(error.message().contains(&format!("`{name}`")), "{error}");
    let help = error.help().unwrap_or_default();
    let names = help.split('`').skip(1).step_by(2).map(str::to_owned);
    match help.strip_prefix("did you mean ") {
        Some(_) => names.collect(),
        None => {
            assert!(help.starts_with("use an IANA name, such as"), "{help}");
            Vec::new()
        }
    }
}

fn check(cases: &[(&str, &[&str])]) {
    for (name, expected) in cases {
        let found = offered(name);
        assert_eq!(found, *expected, "{name}");
        for zone in found {
            let zone = ZoneData::compiled_in().zone(&zone);
            assert!(zone.is_ok(), "{name}: {zone:?}");
        }
    }
}

#[test]
fn a_city_leads_to_the_zone_that_it_is_in() {
    check(&[
        ("Asia/Mumbai", &["Asia/Kolkata"]),
        ("Asia/Delhi", &["Asia/Kolkata"]),
        ("Asia/Bangalore", &["Asia/Kolkata"]),
        ("Asia/Chennai", &["Asia/Kolkata"]),
        ("Asia/Beijing", &["Asia/Shanghai"]),
        ("Asia/Osaka", &["Asia/Tokyo"]),
        ("Asia/Hanoi", &["Asia/Ho_Chi_Minh"]),
        ("Africa/Rabat", &["Africa/Casablanca"]),
        ("America/Calgary", &["America/Edmonton"]),
        ("America/Seattle", &["America/Los_Angeles"]),
        ("America/San_Francisco", &["America/Los_Angeles"]),
        ("Europe/Munich", &["Europe/Berlin"]),
        // Written otherwise, in another area's name, or without one.
        ("Europe/München", &["Europe/Berlin"]),
        ("europe/zurich", &["Europe/Zurich"]),
        ("America/São Paulo", &["America/Sao_Paulo"]),
        ("America/Sao-Paulo", &["America/Sao_Paulo"]),
        ("US/Seattle", &["America/Los_Angeles"]),
        ("Asia/Ankara", &["Europe/Istanbul"]),
        ("Beijing", &["Asia/Shanghai"]),
        ("San Francisco", &["America/Los_Angeles"]),
        ("India", &["Asia/Kolkata"]),
        // Two cities of one name.
        ("Asia/Hyderabad", &["Asia/Karachi", "Asia/Kolkata"]),
        ("Birmingham", &["America/Chicago", "Europe/London"]),
        ("Europe/Birmingham", &["Europe/London"]),
    ]);
}

#[test]
fn an_abbreviation_leads_to_the_zones_that_it_may_mean() {
    check(&[
        ("MSK", &["Europe/Moscow"]),
        ("HKT", &["Asia/Hong_Kong"]),
        ("GST", &["Asia/Dubai", "Atlantic/South_Georgia"]),
        ("PST", &["America/Los_Angeles", "Asia/Manila"]),
        (
            "CST",
            &["America/Chicago", "Asia/Shanghai", "America/Havana"],
        ),
        ("IST", &["Asia/Kolkata", "Europe/Dublin", "Asia/Jerusalem"]),
        ("Z", &["UTC"]),
        ("utc", &["UTC"]),
        ("Pacific Standard Time", &["America/Los_Angeles"]),
        ("W. Europe Standard Time", &["Europe/Berlin"]),
    ]);
}

#[test]
fn a_slip_in_the_name_or_the_area_is_mended() {
    check(&[
        ("Asia/Shanghia", &["Asia/Shanghai"]),
        ("asia/shanghai", &["Asia/Shanghai"]),
        ("Shanghai", &["Asia/Shanghai"]),
        ("Shanghia", &["Asia/Shanghai"]),
        ("New York", &["America/New_York"]),
        ("America/NewYork", &["America/New_York"]),
        ("US/New_York", &["America/New_York"]),
        ("Europe/Berln", &["Europe/Berlin"]),
        ("Eurpoe/Berlin", &["Europe/Berlin"]),
        ("Europa/Berlin", &["Europe/Berlin"]),
        ("Europe/Rmoe", &["Europe/Rome"]),
        ("Asia/Moscow", &["Europe/Moscow"]),
        ("Australia/Auckland", &["Pacific/Auckland"]),
        (
            "America/Indiana/Indianapolos",
            &["America/Indiana/Indianapolis", "America/Indianapolis"],
        ),
    ]);
}

#[test]
fn an_offset_leads_to_a_zone_with_the_sign_turned_round() {
    for (name, zone) in [
        ("UTC+8", "Etc/GMT-8"),
        ("+08:00", "Etc/GMT-8"),
        ("+0800", "Etc/GMT-8"),
        ("GMT-5", "Etc/GMT+5"),
        ("UTC+00:00", "UTC"),
    ] {
        assert_eq!(offered(name)[0], zone, "{name}");
    }
}

/// Pasted, a wrong guess compiles and runs hours off.
#[test]
fn a_name_that_is_near_to_nothing_gets_no_guess() {
    for name in [
        "",
        "Middle-earth/Mordor",
        // Cities of their own, whose names are near to others'.
        "Europe/Lublin",
        "Asia/Gaya",
        "Europe/Kiel",
        "Asia/Orsk",
        "Africa/Nampula",
        "Asia/Guilin",
        // London in Ontario, Moscow in Idaho, and a city in a wrong part of the world.
        "America/London",
        "America/Moscow",
        "Africa/Madrid",
        // Unknown abbreviations, a slip away from `MST` and `EST`.
        "MSX",
        "EXT",
        "UTC+5:30",
        "UTC+99",
        "local",
    ] {
        assert_eq!(offered(name), [""; 0], "{name}");
    }
}
