//! The catalog: which jobs a bucket has or had, as the nodes describe them that start with them. Nothing is decided by
//! it; it is for people, and for processes that have no jobs.

use std::collections::BTreeMap;
use std::fmt::Write;

/// The jobs of a bucket by name.
pub type Catalog = BTreeMap<String, CatalogEntry>;

/// A job as the store has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CatalogEntry {
    /// When a node first described it, ms.
    pub first_ms: i64,
    /// When a node described it last, ms.
    pub last_ms: i64,
    /// What that node said: the text of a [`JobDescriptor`].
    pub text: String,
}

impl CatalogEntry {
    /// Reads what `Display` wrote; `None` if it is another text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ' ');
        Some(CatalogEntry {
            first_ms: parts.next()?.parse().ok()?,
            last_ms: parts.next()?.parse().ok()?,
            text: parts.next()?.to_owned(),
        })
    }
}

impl std::fmt::Display for CatalogEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.first_ms, self.last_ms, self.text)
    }
}

/// What a node says of a job: values by key, such as `cron`, `tz` and the names of policies. Keys that a reader does
/// not know are those of another release.
///
/// ```
/// use scheduled_one_protocol::JobDescriptor;
///
/// let mut job = JobDescriptor::default();
/// job.say("cron", "0 30 2 * * *");
/// job.say("description", "two\nlines");
/// assert_eq!(job.to_text(), "cron 0 30 2 * * *\ndescription two\\nlines");
/// assert_eq!(JobDescriptor::from_text(&job.to_text()), job);
/// assert_eq!(job.get("cron"), Some("0 30 2 * * *"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct JobDescriptor(BTreeMap<String, String>);

impl JobDescriptor {
    /// Says this of the job. A key is a word.
    pub fn say(&mut self, key: &str, value: impl Into<String>) {
        self.0.insert(key.to_owned(), value.into());
    }

    /// What is said under the key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// All that is said, in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.iter();
        all.map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The text to store: a line for each key. A line break in a value is written as `\n`.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (key, value) in &self.0 {
            let before = if text.is_empty() { "" } else { "\n" };
            // No database takes a zero byte in a text.
            let value = value
                .replace('\0', "")
                .replace('\\', r"\\")
                .replace('\n', r"\n");
            // Writing into a `String` does not fail.
            let _ = write!(text, "{before}{key} {value}");
        }
        text
    }

    /// Reads a text that was stored. Lines that are none of a descriptor are left out.
    pub fn from_text(text: &str) -> Self {
        let line = |line: &str| {
            let (key, value) = line.split_once(' ')?;
            Some((key.to_owned(), unescaped(value)))
        };
        JobDescriptor(text.split('\n').filter_map(line).collect())
    }
}

fn unescaped(text: &str) -> String {
    let (mut plain, mut letters) = (String::with_capacity(text.len()), text.chars());
    while let Some(letter) = letters.next() {
        plain.push(match letter {
            '\\' => match letters.next() {
                Some('n') => '\n',
                Some(other) => other,
                None => letter,
            },
            _ => letter,
        });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_read_whatever_it_was() {
        for value in ["", " ", "a\nb", r"a\nb", r"\", "\\\n", "日本 \r"] {
            let mut job = JobDescriptor::default();
            job.say("description", value);
            job.say("tz", "UTC");
            let read = JobDescriptor::from_text(&job.to_text());
            assert_eq!(read, job, "{value:?}");
            let entry = CatalogEntry {
                first_ms: 1,
                last_ms: 2,
                text: job.to_text(),
            };
            assert_eq!(CatalogEntry::parse(&entry.to_string()), Some(entry));
        }
        assert_eq!(CatalogEntry::parse("1 x"), None);
        assert_eq!(CatalogEntry::parse("1 x cron -"), None);
    }
}
