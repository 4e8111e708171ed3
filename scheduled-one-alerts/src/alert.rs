//! The message of an alert, and its words.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::rule_kind::RuleKind;

/// How many subjects a rendered message lists; the others are counted.
pub const MAX_LISTED: usize = 20;

/// How many subjects a message has at most; the others are counted.
pub const MAX_SUBJECTS: usize = 200;

/// Whether the cause of an alert continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It does.
    Firing,
    /// It is over.
    Resolved,
}

/// How much an alert matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Somebody looks at it in the morning.
    Warning,
    /// Work did not happen, or may not happen.
    Error,
}

/// One message: what one rule found, about one job or about many. The alerts of one rule that begin within 30 s are
/// one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Alert {
    /// Names this message. The same on each delivery of it, so that a receiver can drop what it has.
    pub id: String,
    /// Names what the message is about: the same in the first message, its repetitions, and the resolved one.
    pub incident: String,
    /// Digest of namespace, rule and first subject: the same each time that the same thing happens.
    pub fingerprint: String,
    /// The namespace of the scheduler.
    pub namespace: String,
    /// The rule that fired.
    pub rule: RuleKind,
    /// How much it matters.
    pub severity: Severity,
    /// Whether it continues.
    pub status: Status,
    /// Whether it was over before it was said: then this resolved message is the only one of its incident.
    #[serde(skip_serializing_if = "is_false", default)]
    pub is_only: bool,
    /// 0 in the first message of an incident, then 1, 2, … each time that it is said again.
    pub repeat: u32,
    /// When it began: milliseconds since the Unix epoch.
    pub since_ms: i64,
    /// When this message was made; in a resolved one, when the last subject recovered.
    pub at_ms: i64,
    /// When the next message about it is due, if it continues; none in a resolved one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub again_ms: Option<i64>,
    /// What it is about, by name. Not empty; at most [`MAX_SUBJECTS`].
    pub subjects: Vec<Subject>,
    /// How many subjects it has in addition to these.
    #[serde(skip_serializing_if = "is_zero", default)]
    pub more: usize,
}

/// One job (or shard, or bucket, or the cluster) in an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Subject {
    /// The job, followed by `#3` for a shard; or the name of what else the rule is about.
    pub name: String,
    /// When it began.
    pub since_ms: i64,
    /// When it was over, if it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resolved_ms: Option<i64>,
    /// How often it happened since.
    pub count: u64,
    /// What happened last, in words.
    pub text: String,
    /// Where to read what to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub runbook: Option<String>,
    /// Where to look at it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub link: Option<String>,
}

impl Alert {
    /// A message that says that it is a test, to try a channel with.
    ///
    /// ```
    /// let alert = scheduled_one_alerts::Alert::test("shop", 1_767_225_600_000);
    /// assert_eq!(alert.title(), "[firing] test: a message to try this channel");
    /// ```
    pub fn test(namespace: &str, now_ms: i64) -> Self {
        let name = "test".to_owned();
        Alert {
            id: format!("test.{now_ms}.f"),
            incident: format!("test.{now_ms}"),
            fingerprint: "test".to_owned(),
            namespace: namespace.to_owned(),
            rule: RuleKind::Test,
            severity: Severity::Warning,
            status: Status::Firing,
            is_only: false,
            repeat: 0,
            since_ms: now_ms,
            at_ms: now_ms,
            again_ms: None,
            subjects: vec![Subject {
                name,
                since_ms: now_ms,
                resolved_ms: None,
                count: 1,
                text: "Nothing is wrong. Somebody tries whether messages arrive.".to_owned(),
                runbook: None,
                link: None,
            }],
            more: 0,
        }
    }

    /// The same with at most so many subjects; the others are counted.
    pub(crate) fn capped(mut self, most: usize) -> Self {
        self.more += self.subjects.len().saturating_sub(most);
        self.subjects.truncate(most);
        self
    }

    /// How many subjects the message has.
    pub fn count(&self) -> usize {
        self.subjects.len() + self.more
    }

    /// How long it has lasted, in milliseconds, as of this message.
    pub fn duration_ms(&self) -> i64 {
        (self.at_ms - self.since_ms).max(0)
    }

    /// The message in one line.
    pub fn title(&self) -> String {
        let what = self.rule.phrase();
        let who = match self.subjects.as_slice() {
            [one] if self.more == 0 => one.name.clone(),
            _ => format!("{} {}", self.count(), self.rule.subjects()),
        };
        match (self.status, self.repeat) {
            (Status::Firing, 0) => format!("[firing] {who}: {what}"),
            (Status::Firing, _) => {
                let lasted = Span(self.duration_ms());
                format!("[still firing] {who}: {what}, for {lasted}")
            }
            (Status::Resolved, _) => {
                let lasted = Span(self.duration_ms());
                format!("[resolved] {who}: {what}, lasted {lasted}")
            }
        }
    }

    /// The message below its title: a line for each subject, at most [`MAX_LISTED`], then since when, and where to
    /// look.
    pub fn lines(&self) -> Vec<String> {
        let alone = self.count() == 1;
        let mut lines = Vec::new();
        for subject in self.subjects.iter().take(MAX_LISTED) {
            let times = match subject.count {
                0 | 1 => String::new(),
                count => format!(" ({count} times)"),
            };
            lines.push(match alone {
                true => format!("{}{times}", subject.text),
                false => format!("{}: {}{times}", subject.name, subject.text),
            });
        }
        let more = self.subjects.len().saturating_sub(MAX_LISTED) + self.more;
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        lines.push(format!(
            "namespace {}, since {}",
            self.namespace,
            instant(self.since_ms, None)
        ));
        lines.push(format!("what to do: {}", self.rule.advice()));
        lines
    }

    /// The addresses of the message, each once, with a word for it: runbooks first.
    pub fn links(&self) -> Vec<(&'static str, &str)> {
        let mut links: Vec<(&'static str, &str)> = Vec::new();
        let runbooks = self.subjects.iter().filter_map(|it| it.runbook.as_deref());
        let pages = self.subjects.iter().filter_map(|it| it.link.as_deref());
        let all = runbooks
            .map(|it| ("runbook", it))
            .chain(pages.map(|it| ("look", it)));
        for link in all.take(MAX_LISTED) {
            if !links.contains(&link) {
                links.push(link);
            }
        }
        links
    }

    /// About how many bytes it takes.
    pub(crate) fn weight(&self) -> usize {
        let of_subject = |it: &Subject| {
            let addresses = [&it.runbook, &it.link].into_iter().flatten();
            let addresses: usize = addresses.map(String::len).sum();
            100 + it.name.len() + it.text.len() + addresses
        };
        500 + self.subjects.iter().map(of_subject).sum::<usize>()
    }

    /// Title, lines and addresses as plain text.
    pub fn plain(&self) -> String {
        let mut text = self.title();
        for line in self.lines() {
            text += "\n";
            text += &line;
        }
        for (word, link) in self.links() {
            text += &format!("\n{word}: {link}");
        }
        text
    }
}

fn is_false(it: &bool) -> bool {
    !*it
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// An instant as RFC 3339 without fractions, with the offset of the named time zone if it is known; `Z` for none.
pub(crate) fn instant(ms: i64, zone: Option<&str>) -> String {
    let at = Timestamp::from_millisecond(ms).unwrap_or_default();
    let zone = zone.and_then(|name| TimeZone::get(name).ok());
    let at = at.to_zoned_datetime(zone.unwrap_or(TimeZone::UTC));
    let form = match at.offset().is_zero() {
        true => "%Y-%m-%dT%H:%M:%SZ",
        false => "%Y-%m-%dT%H:%M:%S%:z",
    };
    at.strftime(form).to_string()
}

/// A length of time, in milliseconds, for people: its two largest units.
pub(crate) struct Span(pub(crate) i64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.max(0) / 1000;
        let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
        let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
        let parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")];
        let largest = parts.iter().position(|(value, _)| *value > 0);
        let shown = &parts[largest.unwrap_or(3)..];
        write!(f, "{} {}", shown[0].0, shown[0].1)?;
        match shown.get(1) {
            Some((value, unit)) if *value > 0 => write!(f, " {value} {unit}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_show_their_two_largest_units() {
        let shown = |seconds: i64| Span(seconds * 1000).to_string();
        assert_eq!(shown(0), "0 s");
        assert_eq!(shown(59), "59 s");
        assert_eq!(shown(3600), "1 h");
        assert_eq!(shown(7525), "2 h 5 min");
        assert_eq!(shown(2 * 86_400 + 7), "2 d");
    }

    #[test]
    fn instants_are_in_the_zone_of_the_job() {
        assert_eq!(instant(0, None), "1970-01-01T00:00:00Z");
        let there = instant(0, Some("Asia/Shanghai"));
        assert_eq!(there, "1970-01-01T08:00:00+08:00");
        let west = instant(1_000, Some("America/New_York"));
        assert_eq!(west, "1969-12-31T19:00:01-05:00");
        for no_offset in ["UTC", "Etc/UTC", "Africa/Abidjan", "No/Where"] {
            assert_eq!(instant(0, Some(no_offset)), "1970-01-01T00:00:00Z");
        }
    }
}
