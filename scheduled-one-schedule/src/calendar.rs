//! Calendars: days that have a name, for the `except` of several jobs.

use std::fmt;
use std::sync::Arc;

use crate::error::{ScheduleError, ScheduleErrorKind, quote};
use crate::name::check_name;
use crate::restriction::days::{Days, Item};

/// Days on which jobs are not due, under a name: the `de-holidays` of `except = ["de-holidays"]`.
///
/// Two calendars are equal if they have the same name and the same days. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Calendar {
    name: Arc<str>,
    days: Result<Arc<Days>, ScheduleError>,
}

impl Calendar {
    /// A calendar of these days, each as in `except`: a date `2026-05-01`, a range of dates
    /// `2026-12-24..2027-01-01`, a date of each year `12-25`, or a weekday `SAT`. A day may be named twice.
    ///
    /// Days are anything that is shown in this form: texts, and the dates of jiff, chrono and time.
    ///
    /// ```
    /// use scheduled_one_schedule::Calendar;
    ///
    /// let holidays = Calendar::new("de-holidays", ["01-01", "2026-04-03", "2026-04-06", "05-01"]);
    /// assert!(holidays.check().is_ok());
    /// assert!(Calendar::new("de-holidays", ["2026-02-30"]).check().is_err());
    /// ```
    #[must_use]
    pub fn new<D: ToString>(name: impl Into<String>, days: impl IntoIterator<Item = D>) -> Self {
        let name = name.into();
        Self {
            days: read(&name, days).map(Arc::new),
            name: name.into(),
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether its name and its days can be used. [`new`](Self::new) does not say, so that a program need not handle
    /// an error where it lists its calendars; whoever uses the calendar does.
    ///
    /// # Errors
    ///
    /// [`ScheduleErrorKind::Calendar`], for the name and for a calendar without a day;
    /// [`ScheduleErrorKind::Except`], for a day.
    pub fn check(&self) -> Result<(), ScheduleError> {
        self.days.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    pub(crate) fn days(&self) -> Result<Arc<Days>, ScheduleError> {
        self.days.clone()
    }
}

impl fmt::Debug for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Calendar({})", self.name)
    }
}

fn read<D: ToString>(name: &str, days: impl IntoIterator<Item = D>) -> Result<Days, ScheduleError> {
    let refuse = |message: String, help: &str| {
        Err(ScheduleError::new(ScheduleErrorKind::Calendar, message).with_help(help))
    };
    if let Err(error) = check_name(name) {
        let message = format!("{} is no name of a calendar: {error}", quote(name));
        return refuse(message, "take a name such as `de-holidays`");
    }
    let of = format!("the calendar {}", quote(name));
    if !matches!(Item::parse(name, &of).as_deref(), Ok([Item::Calendar(_)])) {
        let message = format!(
            "{} is no name of a calendar: `except` reads it as days",
            quote(name)
        );
        return refuse(message, "take a name such as `de-holidays`");
    }
    let mut items = Vec::new();
    for day in days {
        for item in Item::parse(&day.to_string(), &of)? {
            if let Item::Calendar(other) = &item {
                let message = format!("{} of {of} is not a day", quote(other));
                return refuse(
                    message,
                    "a calendar holds days; name both calendars in `except`",
                );
            }
            items.push(item);
        }
    }
    if items.is_empty() {
        let message = format!("{of} has no day");
        return refuse(
            message,
            "a list that could not be loaded would let jobs run on its days",
        );
    }
    Ok(Days::of(&items))
}
