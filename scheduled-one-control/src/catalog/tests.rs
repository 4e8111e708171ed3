use super::*;

fn job(parts: &[(&str, &str)]) -> CatalogedJob {
    let mut descriptor = JobDescriptor::default();
    for (key, value) in parts {
        descriptor.say(key, *value);
    }
    CatalogedJob {
        descriptor,
        ..CatalogedJob::default()
    }
}

#[test]
fn a_schedule_is_made_again_or_refused() {
    let zones = ZoneData::compiled_in();
    let berlin = zones.zone("Europe/Berlin").unwrap();
    let nightly = Schedule::cron("0 30 2 * * *", berlin).unwrap();
    let identity = nightly.identity().to_string();
    let parts = [
        ("cron", "0 30 2 * * *"),
        ("tz", "Europe/Berlin"),
        ("identity", identity.as_str()),
    ];
    let same = job(&parts).schedule("nightly", &zones).unwrap();
    assert_eq!(same, nightly);
    let in_utc = job(&[parts[0], parts[2]]).schedule("nightly", &zones);
    let text = in_utc.unwrap_err().to_string();
    assert!(
        text.contains("nightly") && text.contains("zone data"),
        "{text}"
    );
    assert!(job(&[parts[2]]).schedule("nightly", &zones).is_err());
}

#[test]
fn a_schedule_with_a_calendar_needs_its_days() {
    let zones = ZoneData::compiled_in();
    let known = [Calendar::new("holidays", ["2026-05-01"])];
    let restriction = Restriction::new(Zone::utc()).except("holidays").unwrap();
    let restriction = restriction.calendars(&known).unwrap();
    let daily = Schedule::cron("0 0 9 * * *", Zone::utc()).unwrap();
    let daily = daily.restricted(restriction).unwrap();
    let identity = daily.identity().to_string();
    let parts = [
        ("cron", "0 0 9 * * *"),
        ("except", "holidays"),
        ("identity", identity.as_str()),
    ];
    let without = job(&parts);
    let refused = without.schedule("daily", &zones).unwrap_err().to_string();
    for words in ["`holidays`", "Control::calendar", "the command has none"] {
        assert!(refused.contains(words), "{refused}");
    }
    let [holidays] = known;
    let with = |calendar| CatalogedJob {
        calendars: [calendar].into(),
        ..without.clone()
    };
    assert_eq!(with(holidays).schedule("daily", &zones).unwrap(), daily);
    let other = with(Calendar::new("holidays", ["2026-05-02"]));
    let refused = other.schedule("daily", &zones).unwrap_err().to_string();
    assert!(refused.contains("the days of a calendar"), "{refused}");
}
