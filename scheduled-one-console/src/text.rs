//! Texts of addresses and instants.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A segment of a path, or a value of a query: everything but letters, digits, `-`, `_`, `.` and `~` is encoded.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(byte.into())
            }
            _ => {
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

/// A time since the epoch in milliseconds.
pub(crate) fn millis(time: Duration) -> i64 {
    time.as_millis().try_into().unwrap_or(i64::MAX)
}

/// The instant in the form of RFC 3339, in UTC; one outside of the calendar as its number.
pub(crate) fn rfc3339(at_ms: i64) -> String {
    match Timestamp::from_millisecond(at_ms) {
        Ok(at) => at.to_string(),
        Err(_) => at_ms.to_string(),
    }
}

/// The instant for a reader, in a zone, which is named.
pub(crate) fn in_zone(at_ms: i64, zone: &TimeZone) -> String {
    shown(at_ms, zone, "%F %T %Z")
}

/// The instant in a zone, in this form of `strftime`; one outside of the calendar as its number.
pub(crate) fn shown(at_ms: i64, zone: &TimeZone, form: &str) -> String {
    match Timestamp::from_millisecond(at_ms) {
        Ok(at) => at
            .to_zoned_datetime(zone.clone())
            .strftime(form)
            .to_string(),
        Err(_) => at_ms.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_end_an_attribute_or_a_segment_is_encoded() {
        assert_eq!(encoded("a-b_c.d~1"), "a-b_c.d~1");
        assert_eq!(encoded("../\"<é?&"), "..%2F%22%3C%C3%A9%3F%26");
    }

    #[test]
    fn an_instant_is_shown_in_its_zone() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(in_zone(1_000, &TimeZone::UTC), "1970-01-01 00:00:01 UTC");
        let berlin = TimeZone::get("Europe/Berlin").expect("a zone");
        assert_eq!(in_zone(1_000, &berlin), "1970-01-01 01:00:01 CET");
        assert_eq!(in_zone(i64::MAX, &berlin), i64::MAX.to_string());
    }
}
