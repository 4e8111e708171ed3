//! `start`, `end`, `within` and `except`: what they take from a schedule.
//!
//! Everything is judged by the clock and the calendar of one zone, at the tick itself. So a restriction is a function
//! of instants, whatever the schedule is, and the ticks of a restricted schedule are those of the plain one that pass.

/// The text of `start` and `end`.
mod instant;

/// The text of `within`.
mod within;

/// The text of `except`, and sets of days.
pub(crate) mod days;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use self::days::{Days, Item};
use self::instant::Bound;
use self::within::{DAY_S, TimesOfDay};
use crate::calendar::Calendar;
use crate::error::{ScheduleError, ScheduleErrorKind, quote};
use crate::identity::Digest;
use crate::spelling::distance;
use crate::zone::{HORIZON_S, Zone};
use crate::zone_data::ZoneData;

/// What is taken from a [schedule](crate::Schedule): the times before a start and from an end on, times of day, days.
///
/// Times and days are those of one zone. Each method reads a text as the attribute has it; a schedule takes the whole
/// by [`restricted`](crate::Schedule::restricted).
///
/// ```
/// use scheduled_one_schedule::{Calendar, Restriction, Schedule, parse_zone};
///
/// # fn main() -> Result<(), scheduled_one_schedule::ScheduleError> {
/// let berlin = parse_zone("Europe/Berlin")?;
/// let holidays = Calendar::new("de-holidays", ["01-01", "2026-04-03", "2026-04-06"]);
/// let office_hours = Restriction::new(berlin.clone())
///     .start("2026-03-01T00:00")?
///     .within("08:00-18:00")?
///     .except("SAT")?
///     .except("SUN")?
///     .except("de-holidays")?
///     .calendars(&[holidays])?;
/// let schedule = Schedule::cron("@hourly", berlin)?.restricted(office_hours)?;
/// let shown = schedule.to_string();
/// assert!(shown.ends_with(", within 08:00-18:00, except SAT, SUN, de-holidays"), "{shown}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Restriction {
    limits: Limits,
    /// Names of calendars that are not known yet.
    unresolved: BTreeSet<Box<str>>,
    zones: Option<Zones>,
}

/// Where `start` and `end` look zones up that they name. No part of what a restriction means.
#[derive(Clone)]
struct Zones(ZoneData);

impl PartialEq for Zones {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Zones {}

impl Restriction {
    /// A restriction that takes nothing yet. Its times and days are those of a zone.
    #[must_use]
    pub fn new(zone: Zone) -> Self {
        Self {
            limits: Limits {
                zone,
                start_s: None,
                end_s: None,
                within: None,
                items: BTreeSet::new(),
                days: Days::default(),
                calendars: BTreeMap::new(),
            },
            unresolved: BTreeSet::new(),
            zones: None,
        }
    }

    /// Where [`start`](Self::start) and [`end`](Self::end) look up the zones that they name. Default:
    /// [`ZoneData::current`].
    #[must_use]
    pub fn zone_data(mut self, data: ZoneData) -> Self {
        self.zones = Some(Zones(data));
        self
    }

    /// The first instant at which the schedule may be due: `2026-03-01T00:00` in the zone of the restriction, or
    /// with `Z`, an offset (`+01:00`) or a zone (` Europe/Berlin`) behind it.
    ///
    /// # Errors
    ///
    /// [`ScheduleErrorKind::Start`]: another form, a date that does not exist, a time that the clocks skip or show
    /// twice.
    pub fn start(mut self, text: &str) -> Result<Self, ScheduleError> {
        let at_s = self.instant(Bound::Start, text)?;
        self.limits.start_s = Some(at_s);
        Ok(self)
    }

    /// The first instant from which on the schedule is not due any more, in the forms of [`start`](Self::start).
    ///
    /// # Errors
    ///
    /// [`ScheduleErrorKind::End`], as those of `start`; and an end that is not after the start.
    pub fn end(mut self, text: &str) -> Result<Self, ScheduleError> {
        let at_s = self.instant(Bound::End, text)?;
        if self.limits.start_s.is_some_and(|start_s| at_s <= start_s) {
            return Err(Bound::End.error(
                text,
                "is not after `start`",
                "a job is due from `start` until just before `end`: write a later `end`",
            ));
        }
        self.limits.end_s = Some(at_s);
        Ok(self)
    }

    fn instant(&self, bound: Bound, text: &str) -> Result<i64, ScheduleError> {
        let zones = self.zones.as_ref().map(|zones| &zones.0);
        instant::parse(bound, text, &self.limits.zone, zones)
    }

    /// The times of day at which the schedule may be due: `08:00-18:00`, over midnight `22:00-06:00`, or several with
    /// commas between them. The first time is part of it, the second is not.
    ///
    /// # Errors
    ///
    /// [`ScheduleErrorKind::Within`]: another form, no time of day, no length, parts that overlap, the whole day.
    pub fn within(mut self, text: &str) -> Result<Self, ScheduleError> {
        self.limits.within = Some(TimesOfDay::parse(text)?);
        Ok(self)
    }

    /// A day on which the schedule is not due, or several: a weekday `SAT`, a range of weekdays `MON-FRI`, a date
    /// `2026-05-01`, a range of dates `2026-12-24..2027-01-01` with both ends, a date of each year `12-25` or a range
    /// of these, or the name of a [calendar](Calendar).
    ///
    /// # Errors
    ///
    /// [`ScheduleErrorKind::Except`]: another form, a date that does not exist, a range that runs backwards, an item
    /// that was given before.
    pub fn except(mut self, item: &str) -> Result<Self, ScheduleError> {
        for read in Item::parse(item, "`except`")? {
            if let Item::Calendar(name) = &read {
                self.unresolved.insert(name.clone());
            }
            let shown = read.to_string();
            if !self.limits.items.insert(read) {
                let message = format!("`except` names {} twice", quote(&shown));
                return Err(ScheduleError::new(ScheduleErrorKind::Except, message)
                    .with_help("leave one of them out"));
            }
        }
        self.limits.days = Days::of(&self.limits.items);
        Ok(self)
    }

    /// All of these, as by [`except`](Self::except).
    ///
    /// # Errors
    ///
    /// As those of `except`; and a list without an item.
    pub fn except_all(self, items: &[impl AsRef<str>]) -> Result<Self, ScheduleError> {
        if items.is_empty() {
            return Err(
                ScheduleError::new(ScheduleErrorKind::Except, "`except` names nothing")
                    .with_help("name a day, such as `SAT`, or leave `except` out"),
            );
        }
        items
            .iter()
            .try_fold(self, |restriction, item| restriction.except(item.as_ref()))
    }

    /// Looks up the calendars that [`except`](Self::except) has named.
    ///
    /// # Errors
    ///
    /// [`ScheduleErrorKind::Calendar`]: none of these has the name; the error has the nearest name. Or what
    /// [`Calendar::check`] says of one that is named.
    pub fn calendars(mut self, known: &[Calendar]) -> Result<Self, ScheduleError> {
        for name in std::mem::take(&mut self.unresolved) {
            let found = known.iter().find(|calendar| calendar.name() == &*name);
            let calendar = found.ok_or_else(|| unknown_calendar(&name, known))?;
            self.limits.calendars.insert(name, calendar.days()?);
        }
        Ok(self)
    }

    /// Leaves out the calendars that are not known yet: for a check before the program runs.
    #[must_use]
    pub fn without_unknown_calendars(mut self) -> Self {
        for name in std::mem::take(&mut self.unresolved) {
            self.limits.items.remove(&Item::Calendar(name));
        }
        self
    }

    /// Whether it takes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Limits {
            start_s,
            end_s,
            within,
            items,
            ..
        } = &self.limits;
        start_s.is_none() && end_s.is_none() && within.is_none() && items.is_empty()
    }

    /// The limits, when all calendars are known.
    pub(crate) fn into_limits(self) -> Result<Limits, ScheduleError> {
        match self.unresolved.first() {
            Some(name) => Err(unknown_calendar(name, &[])),
            None => Ok(self.limits),
        }
    }
}

impl fmt::Debug for Restriction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Restriction({}{})", self.limits.zone, self.limits)
    }
}

fn unknown_calendar(name: &str, known: &[Calendar]) -> ScheduleError {
    let names = known.iter().map(Calendar::name);
    let near = names
        .chain(["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"])
        .map(|known| (distance(&name.to_lowercase(), &known.to_lowercase()), known))
        .filter(|(distance, known)| *distance <= name.len().div_ceil(3) && *distance < known.len())
        .min();
    let give = format!("give it to the builder with `.calendar(Calendar::new(\"{name}\", dates))`");
    let help = match near {
        Some((_, near)) => format!("did you mean `{near}`? Otherwise {give}"),
        None => give,
    };
    let message = format!("there is no calendar {}, which `except` names", quote(name));
    ScheduleError::new(ScheduleErrorKind::Calendar, message).with_help(help)
}

/// A restriction whose calendars are known.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Limits {
    zone: Zone,
    start_s: Option<i64>,
    end_s: Option<i64>,
    within: Option<TimesOfDay>,
    /// The days of `except`, as they were written.
    items: BTreeSet<Item>,
    /// The same as a set, without those of the calendars.
    days: Days,
    calendars: BTreeMap<Box<str>, Arc<Days>>,
}

/// A time in which all instants pass, or none does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub(crate) open: bool,
    /// Its end, exclusive: after the instant that was asked for. It may end before the answer changes.
    pub(crate) until_ms: i64,
}

impl Limits {
    pub(crate) fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The first instant that may pass. Not before 1970.
    pub(crate) fn start_ms(&self) -> i64 {
        self.start_s.unwrap_or(0).max(0) * 1000
    }

    /// The end, exclusive. At the latest that of the computed time.
    pub(crate) fn end_ms(&self) -> i64 {
        self.end_s.unwrap_or(HORIZON_S).min(HORIZON_S) * 1000
    }

    /// The stretch that an instant (Unix milliseconds) is in.
    pub(crate) fn stretch(&self, at_ms: i64) -> Stretch {
        let closed = |until_ms| Stretch {
            open: false,
            until_ms,
        };
        if at_ms < self.start_ms() {
            return closed(self.start_ms());
        }
        if at_ms >= self.end_ms() {
            return closed(i64::MAX);
        }
        let at_s = at_ms.div_euclid(1000);
        let span = self.zone.span_at(at_s);
        let local_s = at_s + span.offset_s;
        let (day, second) = (local_s.div_euclid(DAY_S), local_s.rem_euclid(DAY_S));
        let (open, local_until_s) = match (self.next_day(day), &self.within) {
            (next, _) if next > day => (false, next * DAY_S),
            (_, None) => (true, (day + 1) * DAY_S),
            (_, Some(within)) => {
                let (open, until) = within.at(second);
                (open, day * DAY_S + until)
            }
        };
        let until_ms = (local_until_s - span.offset_s).min(span.end_s) * 1000;
        let until_ms = if open {
            until_ms.min(self.end_ms())
        } else {
            until_ms
        };
        Stretch { open, until_ms }
    }

    /// The first day at or after one that is not excepted, counted from 1970-01-01; or one after the computed time.
    fn next_day(&self, from: i64) -> i64 {
        let mut day = from;
        let sets =
            || std::iter::once(&self.days).chain(self.calendars.values().map(|days| &**days));
        while day <= HORIZON_S / DAY_S
            && let Some(last) = sets().filter_map(|days| days.through(day)).max()
        {
            day = last + 1;
        }
        day
    }

    /// Without `within`.
    pub(crate) fn at_any_time(&self) -> Self {
        Self {
            within: None,
            ..self.clone()
        }
    }

    /// Without `except`.
    pub(crate) fn on_any_day(&self) -> Self {
        Self {
            items: BTreeSet::new(),
            days: Days::default(),
            calendars: BTreeMap::new(),
            ..self.clone()
        }
    }

    /// Without `start` and `end`.
    pub(crate) fn in_any_year(&self) -> Self {
        Self {
            start_s: None,
            end_s: None,
            ..self.clone()
        }
    }

    pub(crate) fn digest(&self, digest: &mut Digest) {
        self.zone.digest(digest);
        for (name, days) in &self.calendars {
            digest.text(name);
            days.numbers().for_each(|number| digest.number(number));
        }
    }
}

/// What follows the text of the schedule, without the zone.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(start_s) = self.start_s {
            write!(f, ", from {}", self.zone.local_text(start_s))?;
        }
        if let Some(end_s) = self.end_s {
            write!(f, ", until {}", self.zone.local_text(end_s))?;
        }
        if let Some(within) = &self.within {
            write!(f, ", within {within}")?;
        }
        for (nth, item) in self.items.iter().enumerate() {
            let before = if nth == 0 { ", except" } else { "," };
            write!(f, "{before} {item}")?;
        }
        Ok(())
    }
}
