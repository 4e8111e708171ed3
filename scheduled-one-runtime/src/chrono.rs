//! Conversions between the instants of this crate and those of chrono. Feature `chrono`.
//!
//! ```
//! use scheduled_one_runtime::chrono::{ToChrono, ToJiff};
//! use scheduled_one_runtime::jiff::Timestamp;
//!
//! let tick: Timestamp = "2026-03-29T01:00:00Z".parse().unwrap();
//! let same = tick.to_chrono();
//! assert_eq!(same.to_rfc3339(), "2026-03-29T01:00:00+00:00");
//! assert_eq!(same.to_jiff().unwrap(), tick);
//! ```

use chrono::{DateTime, FixedOffset, TimeZone, Utc};
use jiff::{Timestamp, ZonedDateTime};

/// From jiff to chrono. Implemented for [`Timestamp`] and [`ZonedDateTime`], and for nothing else.
pub trait ToChrono: sealed::Sealed {
    /// The type of chrono.
    type Chrono;

    /// The same instant. A zoned time keeps its offset from UTC and loses the name of its zone.
    fn to_chrono(&self) -> Self::Chrono;
}

/// From chrono to jiff. Implemented for [`DateTime`] in any zone, and for nothing else.
pub trait ToJiff: sealed::Sealed {
    /// The same instant. A leap second becomes the last nanosecond before it.
    ///
    /// # Errors
    ///
    /// Years before -9999 or after 9999, which chrono has and jiff has not.
    fn to_jiff(&self) -> Result<Timestamp, jiff::Error>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for jiff::Timestamp {}
    impl Sealed for jiff::ZonedDateTime {}
    impl<Z: chrono::TimeZone> Sealed for chrono::DateTime<Z> {}
}

impl ToChrono for Timestamp {
    type Chrono = DateTime<Utc>;

    fn to_chrono(&self) -> DateTime<Utc> {
        let (mut second, mut nanosecond) = (self.as_second(), self.subsec_nanosecond());
        // Before 1970 jiff counts the fraction towards the past, and chrono always towards the future.
        if nanosecond < 0 {
            (second, nanosecond) = (second - 1, nanosecond + 1_000_000_000);
        }
        let nanosecond = u32::try_from(nanosecond).unwrap_or(0);
        // The range of chrono is the wider one.
        DateTime::from_timestamp(second, nanosecond).unwrap_or_default()
    }
}

impl ToChrono for ZonedDateTime {
    type Chrono = DateTime<FixedOffset>;

    fn to_chrono(&self) -> DateTime<FixedOffset> {
        let utc = self.timestamp().to_chrono();
        match FixedOffset::east_opt(self.offset().seconds()) {
            Some(offset) => utc.with_timezone(&offset),
            // jiff has offsets of more than a day, which no zone uses.
            None => utc.fixed_offset(),
        }
    }
}

impl<Z: TimeZone> ToJiff for DateTime<Z> {
    fn to_jiff(&self) -> Result<Timestamp, jiff::Error> {
        let nanosecond = self.timestamp_subsec_nanos().min(999_999_999);
        Timestamp::new(self.timestamp(), i32::try_from(nanosecond).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_survive_the_way_there_and_back() {
        for text in [
            "2026-03-29T01:00:00Z",
            "1969-12-31T23:59:59.25Z",
            "1970-01-01T00:00:00.000000001Z",
            "-009999-01-02T00:00:00.5Z",
            "9999-12-30T22:00:00.999999999Z",
        ] {
            let at: Timestamp = text.parse().expect("an instant");
            assert_eq!(at.to_chrono().to_jiff().expect("in range"), at, "{text}");
        }
    }

    #[test]
    fn a_zoned_time_keeps_its_offset() {
        let at: Timestamp = "2026-07-01T00:00:00Z".parse().expect("an instant");
        let kathmandu =
            jiff::tz::TimeZone::fixed(jiff::tz::Offset::from_seconds(20_700).expect("in range"));
        let zoned = at.to_zoned_datetime(kathmandu).to_chrono();
        assert_eq!(zoned.to_rfc3339(), "2026-07-01T05:45:00+05:45");
        assert_eq!(zoned.to_jiff().expect("in range"), at);
    }

    #[test]
    fn what_jiff_cannot_hold_is_an_error_or_the_nearest() {
        assert!(DateTime::<Utc>::MAX_UTC.to_jiff().is_err());
        assert!(DateTime::<Utc>::MIN_UTC.to_jiff().is_err());
        let leap = "2016-12-31T23:59:60.5Z"
            .parse::<DateTime<Utc>>()
            .expect("a leap second");
        assert_eq!(
            leap.to_jiff().expect("in range").to_string(),
            "2016-12-31T23:59:59.999999999Z"
        );
    }
}
