//! The directives of a bucket, and what they say of a job.

use std::collections::BTreeMap;
use std::fmt;

use super::{ALL_JOBS, Directive};

/// What directives say of a job at an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct InForce {
    /// The highest version of the directives for the job and for all jobs; 0 if there is none.
    pub version: u64,
    /// Nothing of the schedule may start.
    pub paused: bool,
}

/// The directives of a bucket by their subject: a job, or [`ALL_JOBS`]. `Display` gives one line for each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Directives(BTreeMap<String, Directive>);

impl Directives {
    /// Reads the text that `Display` gives.
    pub fn parse(text: &str) -> Option<Self> {
        let line = |line: &str| {
            let (subject, directive) = line.split_once(' ')?;
            Some((subject.to_owned(), Directive::parse(directive)?))
        };
        text.lines()
            .map(line)
            .collect::<Option<_>>()
            .map(Directives)
    }

    /// All of them, in the order of their subjects.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Directive)> {
        let all = self.0.iter();
        all.map(|(subject, directive)| (subject.as_str(), directive))
    }

    /// The directive for this subject alone.
    pub fn get(&self, subject: &str) -> Option<&Directive> {
        self.0.get(subject)
    }

    /// Takes the place of the directive with this subject.
    pub fn put(&mut self, subject: &str, directive: Directive) {
        self.0.insert(subject.to_owned(), directive);
    }

    /// Takes a directive into account that somebody saw: the higher version counts. Returns whether it is news.
    pub fn merge(&mut self, subject: &str, seen: &Directive) -> bool {
        let known = self.get(subject).map_or(0, |directive| directive.version);
        let is_news = seen.version > known;
        if is_news {
            self.put(subject, seen.clone());
        }
        is_news
    }

    /// The highest version.
    pub fn newest(&self) -> u64 {
        let versions = self.0.values().map(|directive| directive.version);
        versions.max().unwrap_or(0)
    }

    /// The directives that concern a job: its own, and that for all.
    pub fn of(&self, job: &str) -> impl Iterator<Item = &Directive> {
        [ALL_JOBS, job]
            .into_iter()
            .filter_map(|subject| self.get(subject))
    }

    /// What holds for a job at `now_ms`.
    pub fn in_force(&self, job: &str, now_ms: i64) -> InForce {
        self.of(job).fold(InForce::default(), |all, one| InForce {
            version: all.version.max(one.version),
            paused: all.paused || one.is_paused(now_ms),
        })
    }
}

impl fmt::Display for Directives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (subject, directive)) in self.iter().enumerate() {
            let before = if at == 0 { "" } else { "\n" };
            write!(f, "{before}{subject} {directive}")?;
        }
        Ok(())
    }
}

impl FromIterator<(String, Directive)> for Directives {
    fn from_iter<I: IntoIterator<Item = (String, Directive)>>(all: I) -> Self {
        Directives(all.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Pause;
    use super::*;

    #[test]
    fn a_job_is_paused_by_its_own_directive_and_by_that_for_all() {
        let paused = |until_ms| Directive {
            version: 3,
            pause: Some(Pause {
                since_ms: 5,
                until_ms,
            }),
            ..Directive::default()
        };
        let mut all = Directives::default();
        assert!(all.merge("a", &paused(Some(20))));
        assert!(
            !all.merge("a", &paused(None)),
            "the same version is no news"
        );
        assert_eq!(
            all.in_force("a", 19),
            InForce {
                version: 3,
                paused: true
            }
        );
        assert_eq!(
            all.in_force("a", 20),
            InForce {
                version: 3,
                paused: false
            }
        );
        assert_eq!(all.in_force("b", 19), InForce::default());
        all.put(
            ALL_JOBS,
            Directive {
                version: 9,
                ..paused(None)
            },
        );
        assert_eq!(
            all.in_force("a", 20),
            InForce {
                version: 9,
                paused: true
            }
        );
        assert_eq!(
            all.in_force("b", 20),
            InForce {
                version: 9,
                paused: true
            }
        );
    }
}
