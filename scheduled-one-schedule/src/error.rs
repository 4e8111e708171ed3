//! One opaque error with two texts: a message that names the mistake, and a help that names the way out.
//!
//! The attribute renders the two as `error: …` and `help: …` on the user's own token; `Display` puts them on
//! one line. (An opaque error over a kind: the design of jiff's `Error`.)

use std::fmt;

/// Longest piece of user text that an error quotes, in characters.
const QUOTE_MAX: usize = 80;

/// Why a schedule, a zone or a duration was refused.
///
/// `Display` says what is wrong and, where there is one, the way out.
///
/// ```
/// use scheduled_one_schedule::{Schedule, ScheduleErrorKind, Zone};
///
/// let error = Schedule::cron("0 9 * * 1", Zone::utc()).unwrap_err();
/// assert_eq!(error.kind(), ScheduleErrorKind::FieldCount);
/// assert!(error.help().unwrap().contains("`0 0 9 * * MON`"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct ScheduleError(Box<Inner>);

// Boxed: the error is rare and every `Result` of this crate would carry its size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
struct Inner {
    kind: ScheduleErrorKind,
    message: String,
    help: Option<String>,
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// The step that refused a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ScheduleErrorKind {
    /// The expression is empty, too long, an `@alias` that does not exist, or has another form of another scheduler.
    Expression,
    /// The expression has not six or seven fields.
    FieldCount,
    /// One field has a value, name, range, step or list that it cannot have.
    Field,
    /// A weekday is given as a number, or counted from an unsaid first day of the week.
    NumericWeekday,
    /// Every field is fine alone, but the date never comes, or only came in the past.
    Never,
    /// The text is not the name of an IANA time zone.
    Zone,
    /// There are no zone data in the folder that somebody named.
    ZoneData,
    /// The text is not a duration such as `90s` or `1h30m`.
    Duration,
    /// The period of `every` is too short, too long or no whole number of milliseconds.
    Period,
    /// The offset of `every` is not less than its period, or no whole number of milliseconds.
    Offset,
    /// The text of `start` is no instant, or not one.
    Start,
    /// The text of `end` is no instant, or not one; or there is no tick until then.
    End,
    /// The text of `within` is no time of day, or no tick lies within it.
    Within,
    /// An item of `except` or of a calendar is no day; or `except` leaves no tick.
    Except,
    /// There is no calendar of a name, or a calendar cannot be used.
    Calendar,
}

impl ScheduleError {
    pub(crate) fn new(kind: ScheduleErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Inner {
            kind,
            message,
            help: None,
        }))
    }

    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// The step that refused the text.
    #[must_use]
    pub fn kind(&self) -> ScheduleErrorKind {
        self.0.kind
    }

    /// The mistake: one sentence, lower case, no full stop.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The way out, where there is one: often text to paste, in backquotes.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.0.help.as_deref()
    }
}

/// User text for an error: in backquotes, of bounded length, without control characters.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted: String = text
        .chars()
        .take(QUOTE_MAX)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(QUOTE_MAX).is_some() {
        quoted.push('…');
    }
    format!("`{quoted}`")
}

/// Text to paste: in backquotes, and whole, because a part of an expression is none. Expressions are bounded.
pub(crate) fn paste(text: &str) -> String {
    format!("`{text}`")
}
