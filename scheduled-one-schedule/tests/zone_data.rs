//! The rules of zones change; a schedule follows the data that it is given.

mod common;

use common::{next, pinned};
use scheduled_one_schedule::{Schedule, ZoneData};

/// The first tick after an instant, by two versions of the zone data.
fn by_both(expression: &str, zone: &str, after: &str) -> [String; 2] {
    [pinned(), ZoneData::compiled_in()].map(|data| {
        let zone = data.zone(zone).expect("a zone");
        let schedule = Schedule::cron(expression, zone).expect("an expression");
        next(&schedule, after, 1).remove(0)
    })
}

/// British Columbia and Alberta stay on summer time from 2026 on, Morocco on UTC, and Moldova changes its clocks
/// at the hour of the European Union.
#[test]
fn ticks_follow_the_version_of_the_zone_data() {
    assert_eq!(pinned().version(), Some("2025b"));
    let winter = "2026-12-01T00:00:00Z";
    for (expression, zone, after, expected) in [
        (
            "0 0 9 * * *",
            "America/Vancouver",
            winter,
            ["2026-12-01T17:00:00Z", "2026-12-01T16:00:00Z"],
        ),
        (
            "0 0 9 * * *",
            "America/Edmonton",
            winter,
            ["2026-12-01T16:00:00Z", "2026-12-01T15:00:00Z"],
        ),
        (
            "0 0 9 * * *",
            "Africa/Casablanca",
            winter,
            ["2026-12-01T08:00:00Z", "2026-12-01T09:00:00Z"],
        ),
        (
            "0 30 3 * * *",
            "Europe/Chisinau",
            "2027-03-27T12:00:00Z",
            ["2027-03-28T00:30:00Z", "2027-03-28T01:00:00Z"],
        ),
    ] {
        assert_eq!(by_both(expression, zone, after), expected, "{zone}");
    }
}

#[test]
fn an_identity_has_the_text_the_zone_and_its_rules_to_come() {
    let (old, new) = (pinned(), ZoneData::compiled_in());
    let identity = |data: &ZoneData, text: &str, zone: &str| {
        let zone = data.zone(zone).expect("a zone");
        Schedule::cron(text, zone)
            .expect("an expression")
            .identity()
    };
    let nine = "0 0 9 * * *";
    let new_york = identity(&new, nine, "America/New_York");
    assert_eq!(
        identity(&old, nine, "America/New_York"),
        new_york,
        "the same rules"
    );
    assert_eq!(
        identity(&old, " 0 0  9 * * * ", "America/New_York"),
        new_york,
        "the same text"
    );
    assert_ne!(
        identity(&new, "0 0 8 * * *", "America/New_York"),
        new_york,
        "another text"
    );
    assert_ne!(
        identity(&new, nine, "Africa/Cairo"),
        new_york,
        "another zone"
    );
    assert_ne!(
        identity(&old, nine, "America/Vancouver"),
        identity(&new, nine, "America/Vancouver"),
        "other rules"
    );
    // Old programs must compute the same number: it is compared across releases.
    assert_eq!(new_york.to_string(), "c5ad51fe5d6fce26");
}
