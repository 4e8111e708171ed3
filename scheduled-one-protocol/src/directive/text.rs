//! The text of a directive, as a store keeps it: fields with a space between two.

use std::fmt::{self, Write};

use super::{Backfill, Directive, PastPause, Pause, ScheduleOverride};
use crate::machine::damage::MAX_EXACT;
use crate::schedule::ScheduleId;

impl Directive {
    /// Reads the text that `Display` gives; `None` if it is none, because somebody edited it. More fields behind, as a
    /// later release may write them, are passed over. Of a text without the last two fields, which an older release
    /// wrote, whoever changed it last has asked for what lasts.
    pub fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split(' ').collect();
        let [
            version,
            since,
            until,
            changed_at,
            by,
            note,
            past,
            schedule,
            backfill,
            // The last two, and what a later release says more.
            ref more @ ..,
        ] = fields[..]
        else {
            return None;
        };
        let (since_ms, until_ms) = (instant(since)?, instant(until)?);
        let pause = (since_ms > 0).then_some(Pause {
            since_ms,
            until_ms: Some(until_ms).filter(|until_ms| *until_ms > 0),
        });
        let past = past.split(',').filter(|range| *range != NONE);
        let lasts = pause.is_some() || backfill != NONE;
        let (asked_by, asked_note) = match more {
            [asked_by, asked_note, ..] => (*asked_by, *asked_note),
            _ if lasts => (by, note),
            _ => (NONE, NONE),
        };
        Some(Directive {
            version: u64::try_from(instant(version)?).ok()?,
            changed_at_ms: instant(changed_at)?,
            by: plain(by)?,
            note: plain(note)?,
            asked_by: plain(asked_by)?,
            asked_note: plain(asked_note)?,
            pause,
            past: past.map(past_pause).collect::<Option<_>>()?,
            schedule: match schedule {
                NONE => None,
                text => Some(schedule_override(text)?),
            },
            backfill: match backfill {
                NONE => None,
                text => Some(Backfill::parse(text)?),
            },
        })
    }

    /// Whether its text is read back as the same directive: its version and its instants are at most 2^53, and its
    /// pause began after 1970.
    pub fn is_storable(&self) -> bool {
        Self::parse(&self.to_string()).as_ref() == Some(self)
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
            None => write!(to, " {NONE} "),
            Some(own) => {
                let texts = [&own.text, &own.zone, &own.by].map(|text| escaped(text));
                let [text, zone, by] = texts;
                write!(to, " {}:{}:{text}:{zone}:{by} ", own.base, own.since_ms)
            }
        }?;
        match &self.backfill {
            None => to.write_str(NONE)?,
            Some(backfill) => to.write_str(&backfill.text())?,
        }
        let (asked_by, asked_note) = (escaped(&self.asked_by), escaped(&self.asked_note));
        write!(to, " {asked_by} {asked_note}")
    }
}

impl fmt::Display for Directive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.version)?;
        self.write_fields(f)
    }
}

/// A field without content.
pub(super) const NONE: &str = "-";

/// An integer that scripts represent exactly, from 0.
pub(super) fn instant(text: &str) -> Option<i64> {
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
pub(super) fn escaped(text: &str) -> String {
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
pub(super) fn plain(field: &str) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use super::super::{BackfillRange, Directives};
    use super::*;
    use crate::message::OnBusy;

    fn range(shard: u32, from_ms: i64, again: u32) -> BackfillRange {
        BackfillRange {
            shard,
            ticks: from_ms..from_ms + 1,
            again,
        }
    }

    fn directive() -> Directive {
        Directive {
            version: 7,
            changed_at_ms: 8,
            by: "ann b:c%".to_owned(),
            note: "db migration\nä".to_owned(),
            asked_by: "carl".to_owned(),
            asked_note: "freeze: no".to_owned(),
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
            backfill: Some(Backfill {
                schedule: ScheduleId(13),
                ranges: vec![range(0, 14, 0), range(3, 16, 2)],
                newest_first: true,
                at_a_time: 2,
                on_busy: OnBusy::Wait,
                total: 18,
                asked: 9,
                ended: "by ann: wrong".to_owned(),
            }),
        }
    }

    #[test]
    fn whoever_changed_an_older_text_last_has_asked_for_what_lasts() {
        for (text, asked_by, asked_note) in [
            ("7 9 10 8 ann why - - -", "ann", "why"),
            ("7 9 10 8 bob why - - - ann -", "ann", ""),
            ("7 0 0 8 bob why - - -", "", ""),
        ] {
            let read = Directive::parse(text).expect(text);
            let asked = (read.asked_by.as_str(), read.asked_note.as_str());
            assert_eq!(asked, (asked_by, asked_note), "{text}");
        }
    }

    #[test]
    fn the_text_is_read_back_and_nothing_else_is() {
        for known in [directive(), Directive::default()] {
            let text = known.to_string();
            let longer = format!("{text} more fields");
            assert_eq!(Directive::parse(&longer).as_ref(), Some(&known));
            assert_eq!(Directive::parse(&text), Some(known), "{text}");
        }
        assert!(directive().to_string().starts_with("7 9 10 8 "));
        for until_ms in [1 << 54, i64::MAX, -1] {
            let pause = Pause {
                since_ms: 9,
                until_ms: Some(until_ms),
            };
            let wrong = Directive {
                pause: Some(pause),
                ..directive()
            };
            assert!(!wrong.is_storable(), "{wrong}");
        }
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
            "7 9 10 8 - - - -",
            "-7 9 10 8 - - - - -",
            "7 9 10 8 - - 1 - -",
            "7 9 10 8 %x - - - -",
            "7 9 10 8 - - - - x",
            "7 9 10 8 - - - - - %x -",
        ] {
            assert_eq!(Directive::parse(wrong), None, "{wrong}");
        }
    }
}
