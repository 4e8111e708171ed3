//! Directives: what operators want of a job, or of all jobs: that it is paused, that it has another schedule. They are
//! versioned, and each living node keeps a copy of all, from which a store that forgot them learns them again.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use crate::machine::damage::MAX_EXACT;
use crate::schedule::ScheduleId;
use crate::value::TickMs;

/// The subject of the directive for all jobs.
pub const ALL_JOBS: &str = "*";

/// Past pauses that a directive keeps; of more, the oldest are forgotten, and their undecided ticks count as missed.
pub const MAX_PAST_PAUSES: usize = 8;

/// What operators want of a job. `Display` gives the text that a store keeps; it begins with the version, and beginning
/// and end of the pause, which is all that a claim needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Directive {
    /// Its version: each change has a higher one than all before it. 0 if nothing was ever wanted.
    pub version: u64,
    /// When it was changed last, by the store's clock.
    pub changed_at_ms: i64,
    /// Who changed it last.
    pub by: String,
    /// Why, in words for a reader; may be empty.
    pub note: String,
    /// The pause that was asked for last and not ended. It may have ended by itself.
    pub pause: Option<Pause>,
    /// Pauses that are over, oldest first, at most [`MAX_PAST_PAUSES`]: undecided ticks in them are skipped.
    pub past: Vec<PastPause>,
    /// The schedule in place of that in the code.
    pub schedule: Option<ScheduleOverride>,
}

/// A pause: nothing of the job's schedule starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pause {
    /// Its beginning, by the store's clock.
    pub since_ms: i64,
    /// When it ends by itself; `None` if somebody has to end it.
    pub until_ms: Option<i64>,
}

impl Pause {
    /// Whether it is not over at `now_ms`.
    pub fn holds(&self, now_ms: i64) -> bool {
        self.until_ms.is_none_or(|until_ms| now_ms < until_ms)
    }
}

/// A pause that is over: from its first instant to the first one after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PastPause {
    /// Its beginning.
    pub from_ms: i64,
    /// Its end, which is no part of it.
    pub to_ms: i64,
}

impl PastPause {
    /// Whether the tick is in the pause.
    pub fn has(&self, tick: TickMs) -> bool {
        (self.from_ms..self.to_ms).contains(&tick.ms())
    }
}

/// A schedule in place of that in the code, for as long as the code has the schedule that it replaces.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ScheduleOverride {
    /// The schedule in the code that it replaces: for code with another one, the override is void.
    pub base: ScheduleId,
    /// A cron expression, or a duration such as `5m` behind `every `.
    pub text: String,
    /// The time zone of a cron expression.
    pub zone: String,
    /// When it was asked for, by the store's clock: it has no tick up to then.
    pub since_ms: i64,
    /// Who asked for it.
    pub by: String,
}

impl Directive {
    /// Reads the text that `Display` gives; `None` if it is none, because somebody edited it.
    pub fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split(' ').collect();
        let [version, since, until, changed_at, by, note, past, schedule] = fields[..] else {
            return None;
        };
        let (since_ms, until_ms) = (instant(since)?, instant(until)?);
        let pause = (since_ms > 0).then_some(Pause {
            since_ms,
            until_ms: Some(until_ms).filter(|until_ms| *until_ms > 0),
        });
        let past = past.split(',').filter(|range| *range != NONE);
        Some(Directive {
            version: u64::try_from(instant(version)?).ok()?,
            changed_at_ms: instant(changed_at)?,
            by: plain(by)?,
            note: plain(note)?,
            pause,
            past: past.map(past_pause).collect::<Option<_>>()?,
            schedule: match schedule {
                NONE => None,
                text => Some(schedule_override(text)?),
            },
        })
    }

    /// Everything of the text behind the version, which the store gives out.
    pub fn text_without_version(&self) -> String {
        let mut text = String::new();
        // Writing into a `String` does not fail.
        let _ = self.write_fields(&mut text);
        text
    }

    fn write_fields(&self, to: &mut impl Write) -> fmt::Result {
        let (since_ms, until_ms) = match self.pause {
            None => (0, 0),
            Some(pause) => (pause.since_ms, pause.until_ms.unwrap_or(0)),
        };
        write!(to, "{since_ms} {until_ms} {} ", self.changed_at_ms)?;
        write!(to, "{} {} ", escaped(&self.by), escaped(&self.note))?;
        let range = |pause: &PastPause| format!("{}-{}", pause.from_ms, pause.to_ms);
        let past: Vec<String> = self.past.iter().map(range).collect();
        match past.is_empty() {
            true => to.write_str(NONE)?,
            false => to.write_str(&past.join(","))?,
        }
        match &self.schedule {
            None => write!(to, " {NONE}"),
            Some(own) => {
                let texts = [&own.text, &own.zone, &own.by].map(|text| escaped(text));
                let [text, zone, by] = texts;
                write!(to, " {}:{}:{text}:{zone}:{by}", own.base, own.since_ms)
            }
        }
    }

    /// Whether the job is paused at `now_ms`.
    pub fn is_paused(&self, now_ms: i64) -> bool {
        self.pause.is_some_and(|pause| pause.holds(now_ms))
    }

    /// The pauses that are over at `now_ms`, oldest first; one that ended by itself is among them.
    pub fn past_pauses(&self, now_ms: i64) -> impl Iterator<Item = PastPause> + '_ {
        let ended = self.pause.filter(|pause| !pause.holds(now_ms));
        let ended = ended.and_then(|pause| {
            Some(PastPause {
                from_ms: pause.since_ms,
                to_ms: pause.until_ms?,
            })
        });
        self.past.iter().copied().chain(ended)
    }

    /// Ends the pause at `now_ms`, and keeps it among the past ones unless its ticks are to be caught up with.
    pub fn end_pause(&mut self, now_ms: i64, catch_up: bool) {
        let Some(pause) = self.pause.take() else {
            return;
        };
        let to_ms = pause
            .until_ms
            .map_or(now_ms, |until_ms| until_ms.min(now_ms));
        if !catch_up && to_ms > pause.since_ms {
            self.past.push(PastPause {
                from_ms: pause.since_ms,
                to_ms,
            });
        }
        let surplus = self.past.len().saturating_sub(MAX_PAST_PAUSES);
        self.past.drain(..surplus);
    }
}

impl fmt::Display for Directive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.version)?;
        self.write_fields(f)
    }
}

/// A field without content.
const NONE: &str = "-";

/// An integer that scripts represent exactly, from 0.
fn instant(text: &str) -> Option<i64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = text.parse().ok().filter(|_| is_number)?;
    (number <= MAX_EXACT).then_some(number as i64)
}

fn past_pause(text: &str) -> Option<PastPause> {
    let (from, to) = text.split_once('-')?;
    Some(PastPause {
        from_ms: instant(from)?,
        to_ms: instant(to)?,
    })
}

fn schedule_override(text: &str) -> Option<ScheduleOverride> {
    let fields: Vec<&str> = text.split(':').collect();
    let [base, since, text, zone, by] = fields[..] else {
        return None;
    };
    Some(ScheduleOverride {
        base: ScheduleId::parse(base)?,
        text: plain(text)?,
        zone: plain(zone)?,
        since_ms: instant(since)?,
        by: plain(by)?,
    })
}

/// A text as one field: spaces, control characters, `:` and `%` are written as `%` and two hexadecimal digits.
fn escaped(text: &str) -> String {
    match text {
        "" => return NONE.to_owned(),
        NONE => return "%2d".to_owned(),
        _ => {}
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0'..=' ' | ':' | '%' | '\x7f' => {
                let _ = write!(escaped, "%{:02x}", c as u32);
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// The text of a field.
fn plain(field: &str) -> Option<String> {
    if field == NONE {
        return Some(String::new());
    }
    let mut parts = field.split('%');
    let mut text = parts.next()?.to_owned();
    for part in parts {
        let code = part
            .get(..2)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())?;
        text.push(code.into());
        text.push_str(part.get(2..)?);
    }
    Some(text)
}

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
    use super::*;

    fn directive() -> Directive {
        Directive {
            version: 7,
            changed_at_ms: 8,
            by: "ann b:c%".to_owned(),
            note: "db migration\nä".to_owned(),
            pause: Some(Pause {
                since_ms: 9,
                until_ms: Some(10),
            }),
            past: vec![
                PastPause {
                    from_ms: 1,
                    to_ms: 2,
                },
                PastPause {
                    from_ms: 3,
                    to_ms: 4,
                },
            ],
            schedule: Some(ScheduleOverride {
                base: ScheduleId(11),
                text: "0 0 4 * * *".to_owned(),
                zone: "Europe/Berlin".to_owned(),
                since_ms: 12,
                by: "-".to_owned(),
            }),
        }
    }

    #[test]
    fn the_text_is_read_back_and_nothing_else_is() {
        for known in [directive(), Directive::default()] {
            let text = known.to_string();
            assert_eq!(Directive::parse(&text), Some(known), "{text}");
        }
        assert!(directive().to_string().starts_with("7 9 10 8 "));
        let all: Directives = [
            ("*".to_owned(), directive()),
            ("a/b".to_owned(), Directive::default()),
        ]
        .into_iter()
        .collect();
        assert_eq!(Directives::parse(&all.to_string()), Some(all));
        assert_eq!(Directives::parse(""), Some(Directives::default()));
        for wrong in [
            "",
            "7",
            "7 9 10 8 - - -",
            "-7 9 10 8 - - - -",
            "7 9 10 8 - - 1 -",
            "7 9 10 8 %x - - -",
        ] {
            assert_eq!(Directive::parse(wrong), None, "{wrong}");
        }
    }

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

    #[test]
    fn a_pause_that_ends_is_remembered_unless_its_ticks_are_caught_up_with() {
        let mut one = directive();
        one.past.clear();
        assert_eq!(one.past_pauses(9).count(), 0);
        let ended = PastPause {
            from_ms: 9,
            to_ms: 10,
        };
        assert_eq!(one.past_pauses(10).collect::<Vec<_>>(), [ended]);
        one.end_pause(1_000, false);
        assert_eq!((one.pause, &one.past[..]), (None, &[ended][..]));
        let open = Pause {
            since_ms: 20,
            until_ms: None,
        };
        one.pause = Some(open);
        one.end_pause(30, true);
        assert_eq!(one.past, [ended]);
        for n in 0..20 {
            one.pause = Some(Pause {
                since_ms: 100 * n,
                ..open
            });
            one.end_pause(100 * n + 50, false);
        }
        assert_eq!(one.past.len(), MAX_PAST_PAUSES);
        assert!(one.past[0].has(TickMs(1_249)) && !one.past[0].has(TickMs(1_250)));
    }
}
