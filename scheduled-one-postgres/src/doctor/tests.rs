use super::*;

fn facts() -> Facts {
    Facts {
        fsync: "on".to_owned(),
        synchronous_commit: "on".to_owned(),
        max_connections: 100,
        connections: 10,
        ..Facts::default()
    }
}

fn severity_of(check: &str, facts: &Facts) -> (Severity, String) {
    let findings = of_facts(facts);
    let found = findings.iter().find(|finding| finding.check == check);
    let found = found.unwrap_or_else(|| panic!("no {check}"));
    (found.severity, found.found.clone())
}

#[test]
fn each_level_of_commits_has_its_finding() {
    let of = |level: &str, standbys: &str| {
        let facts = Facts {
            synchronous_commit: level.to_owned(),
            synchronous_standbys: standbys.to_owned(),
            ..facts()
        };
        severity_of("commit", &facts)
    };
    let (severity, found) = of("off", "");
    assert_eq!(severity, Severity::Info);
    assert!(found.contains("ask for on"), "{found}");
    assert_eq!(of("off", "one").0, Severity::Info);
    let (severity, found) = of("local", "one");
    assert_eq!(severity, Severity::Warning);
    assert!(found.contains("the standbys (one)"), "{found}");
    let (severity, found) = of("local", "");
    assert_eq!(severity, Severity::Info);
    assert!(found.contains("no synchronous standby"), "{found}");
    assert_eq!(of("remote_apply", "one").0, Severity::Ok);
}

#[test]
fn few_free_connections_are_a_warning() {
    for (connections, severity) in [
        (10, Severity::Ok),
        (89, Severity::Ok),
        (90, Severity::Warning),
        (100, Severity::Warning),
    ] {
        let facts = Facts {
            connections,
            ..facts()
        };
        let (found, text) = severity_of("connections", &facts);
        assert_eq!(found, severity, "{text}");
        assert!(text.contains(&format!("{connections} of 100")), "{text}");
    }
}

#[test]
fn fsync_that_is_off_is_a_warning() {
    let off = Facts {
        fsync: "off".to_owned(),
        ..facts()
    };
    assert_eq!(severity_of("fsync", &off).0, Severity::Warning);
    assert_eq!(severity_of("fsync", &facts()).0, Severity::Ok);
}

#[test]
fn a_password_file_that_others_may_read_is_a_warning() {
    let check = "password_file";
    assert!(
        of_facts(&facts())
            .iter()
            .all(|finding| finding.check != check)
    );
    let exposed = Facts {
        exposed_file: Some("/etc/pass".into()),
        ..facts()
    };
    let (severity, found) = severity_of(check, &exposed);
    assert_eq!(severity, Severity::Warning);
    assert!(found.contains("/etc/pass"), "{found}");
}

#[test]
fn a_clock_that_is_more_than_a_second_off_is_a_warning() {
    for (offset_ms, severity) in [
        (0, Severity::Ok),
        (1_000, Severity::Ok),
        (-1_000, Severity::Ok),
        (1_001, Severity::Warning),
        (-1_001, Severity::Warning),
    ] {
        assert_eq!(offset(offset_ms).severity, severity, "{offset_ms}");
    }
}

#[test]
fn a_round_trip_is_compared_with_the_shortest_lease() {
    let of = |ms: [u64; 3], lease_s: u64| {
        let round_trips = ms.map(Duration::from_millis);
        round_trip(&round_trips, Duration::from_secs(lease_s))
    };
    // One slow reply of three is none that each request waits for.
    let fine = of([250, 900, 1], 5);
    assert_eq!(fine.severity, Severity::Ok, "{}", fine.found);
    assert!(
        fine.found.contains("250.0 ms, at most 900.0 ms"),
        "{}",
        fine.found
    );
    let slow = of([251, 900, 251], 5);
    assert_eq!(slow.severity, Severity::Warning, "{}", slow.found);
    assert_eq!(of([251, 900, 251], 60).severity, Severity::Ok);
}
