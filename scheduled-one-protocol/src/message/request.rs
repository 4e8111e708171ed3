//! Requests: somebody asks for one run.

use std::fmt;

use crate::value::TickMs;

/// Requests that wait in one lane, at most.
pub const MAX_WAITING_REQUESTS: usize = 1_000;

/// Ids that a store knows of the newest requests, at least.
pub const KNOWN_REQUESTS: usize = 10_000;

/// Longest id of a request.
pub const MAX_ID_BYTES: usize = 128;

/// Longest name of somebody who asks.
pub const MAX_ACTOR_BYTES: usize = 128;

/// Longest note.
pub const MAX_NOTE_BYTES: usize = 1_024;

/// Longest parameters of a request.
pub const MAX_PARAMETERS_BYTES: usize = 65_536;

/// Latest logical instant of a request: the end of the year 9999.
const MAX_LOGICAL_MS: i64 = 253_402_300_799_999;

/// Why a run is made that no schedule asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// Somebody asked for a run now.
    Manual,
    /// Somebody asked for another run of a tick.
    Rerun,
    /// The run is part of a backfill.
    Backfill,
}

impl Cause {
    /// All causes.
    pub const ALL: [Cause; 3] = [Cause::Manual, Cause::Rerun, Cause::Backfill];

    /// The word in ledgers and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Manual => "manual",
            Cause::Rerun => "rerun",
            Cause::Backfill => "backfill",
        }
    }

    /// The cause with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == word)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What becomes of a request while a run of the job's schedule is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OnBusy {
    /// It ends at once: skipped.
    Skip,
    /// It waits for the run.
    Wait,
    /// The run is cancelled, and the request waits for its end.
    Cancel,
    /// It starts at the same time, and ticks of the schedule do not wait for it.
    Allow,
}

impl OnBusy {
    /// All of them.
    pub const ALL: [OnBusy; 4] = [OnBusy::Skip, OnBusy::Wait, OnBusy::Cancel, OnBusy::Allow];

    /// The word that a store keeps.
    pub fn as_str(self) -> &'static str {
        match self {
            OnBusy::Skip => "skip",
            OnBusy::Wait => "wait",
            OnBusy::Cancel => "cancel",
            OnBusy::Allow => "allow",
        }
    }

    /// The one with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }
}

/// One demand for one run. Its `Debug` leaves out the parameters, which may be secret.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Request {
    /// Chosen by the caller: of a unit, no id starts twice.
    pub id: String,
    /// Why the run is wanted.
    pub cause: Cause,
    /// Who asks.
    pub actor: String,
    /// What for, in words; may be empty.
    pub note: String,
    /// The logical instant of the run; `None` for the instant of the request.
    pub logical: Option<TickMs>,
    /// What becomes of it while the unit is busy; `None` for what the policy of the job says.
    pub on_busy: Option<OnBusy>,
    /// Parameters of the run, as JSON; may be empty.
    pub parameters: String,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("id", &self.id)
            .field("cause", &self.cause)
            .field("actor", &self.actor)
            .field("note", &self.note)
            .field("logical", &self.logical)
            .field("on_busy", &self.on_busy)
            .field(
                "parameters",
                &format_args!("{} bytes", self.parameters.len()),
            )
            .finish()
    }
}

impl Request {
    /// Looks for a value that no store takes.
    ///
    /// # Errors
    ///
    /// What is wrong, and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        let is_id = |byte: u8| byte.is_ascii_graphic();
        if self.id.is_empty() || self.id.len() > MAX_ID_BYTES || !self.id.bytes().all(is_id) {
            return Err(format!(
                "the id {:?} of a request: ids are 1 to {MAX_ID_BYTES} printable ASCII characters without spaces, \
                 such as \"deploy-42\"",
                self.id.chars().take(MAX_ID_BYTES).collect::<String>()
            ));
        }
        let sizes = [
            ("the name of who asks", &self.actor, MAX_ACTOR_BYTES),
            ("the note", &self.note, MAX_NOTE_BYTES),
            ("the parameters", &self.parameters, MAX_PARAMETERS_BYTES),
        ];
        for (what, text, most) in sizes {
            if text.len() > most {
                return Err(format!(
                    "{what} of request {} has {} bytes: at most {most} are stored",
                    self.id,
                    text.len()
                ));
            }
        }
        if self.actor.chars().any(char::is_control) {
            return Err(format!(
                "the name {:?} of who asks has control characters: give it in one line of text",
                self.actor
            ));
        }
        match self.logical {
            Some(logical) if !(1..=MAX_LOGICAL_MS).contains(&logical.ms()) => Err(format!(
                "the logical instant of request {} is not after 1970-01-01, or is after the year 9999",
                self.id
            )),
            _ => Ok(()),
        }
    }

    /// The origin of its run; `tick` is that of the lane.
    pub fn origin(&self, tick: TickMs, beside: bool) -> Origin {
        Origin {
            cause: self.cause,
            request: self.id.clone(),
            actor: self.actor.clone(),
            logical: self.logical.unwrap_or(tick),
            beside,
        }
    }
}

/// Where a run comes from that no schedule asked for. `Display` gives the text that a store keeps with the run:
/// `cause logical beside id actor`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Why the run is made.
    pub cause: Cause,
    /// Id of the request.
    pub request: String,
    /// Who asked.
    pub actor: String,
    /// The logical instant of the run.
    pub logical: TickMs,
    /// Ticks of the schedule start at the same time.
    pub beside: bool,
}

impl Origin {
    /// Why a run is cancelled in whose place the run of this origin is to be made, as the ledger has it.
    pub fn takes_place(&self) -> String {
        match self.actor.as_str() {
            "" => format!("by request {}", self.request),
            actor => format!("by request {} of {actor}", self.request),
        }
    }

    /// Reads the text that `Display` gives.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, ' ');
        let cause = Cause::from_word(parts.next()?)?;
        let logical = TickMs(parts.next()?.parse().ok()?);
        let beside = match parts.next()? {
            "0" => false,
            "1" => true,
            _ => return None,
        };
        Some(Origin {
            cause,
            logical,
            beside,
            request: parts.next()?.to_owned(),
            actor: parts.next()?.to_owned(),
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin {
            cause,
            request,
            actor,
            logical,
            beside,
        } = self;
        write!(
            f,
            "{cause} {logical} {} {request} {actor}",
            u8::from(*beside)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request {
            id: "deploy-42".to_owned(),
            cause: Cause::Rerun,
            actor: "ann of ops".to_owned(),
            note: String::new(),
            logical: Some(TickMs(7)),
            on_busy: None,
            parameters: String::new(),
        }
    }

    #[test]
    fn an_origin_that_was_written_is_read_again() {
        for beside in [false, true] {
            let origin = request().origin(TickMs(9), beside);
            assert_eq!(origin.logical, TickMs(7));
            assert_eq!(Origin::parse(&origin.to_string()), Some(origin));
        }
        let of_tick = Request {
            logical: None,
            actor: String::new(),
            ..request()
        };
        let origin = of_tick.origin(TickMs(9), false);
        assert_eq!(origin.to_string(), "rerun 9 0 deploy-42 ");
        assert_eq!(Origin::parse(&origin.to_string()), Some(origin));
        for text in [
            "",
            "rerun",
            "rerun 9 2 id by",
            "odd 9 0 id by",
            "rerun x 0 id by",
            "rerun 9 0 id",
        ] {
            assert_eq!(Origin::parse(text), None, "{text}");
        }
    }

    #[test]
    fn debug_shows_no_parameters() {
        let request = Request {
            parameters: r#"{"password":"hunter2"}"#.to_owned(),
            ..request()
        };
        let shown = format!("{request:?}");
        assert!(
            shown.contains("deploy-42") && shown.contains("22 bytes"),
            "{shown}"
        );
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn what_no_store_takes_is_named() {
        assert_eq!(request().check(), Ok(()));
        let id = |id: &str| Request {
            id: id.to_owned(),
            ..request()
        };
        let cases = [
            (id(""), "the id \"\""),
            (id("a b"), "the id \"a b\""),
            (id(&"x".repeat(129)), "1 to 128"),
            (
                Request {
                    actor: "a\nb".to_owned(),
                    ..request()
                },
                "control characters",
            ),
            (
                Request {
                    note: "x".repeat(1_025),
                    ..request()
                },
                "the note of request deploy-42 has 1025",
            ),
            (
                Request {
                    parameters: "x".repeat(65_537),
                    ..request()
                },
                "at most 65536",
            ),
            (
                Request {
                    logical: Some(TickMs(0)),
                    ..request()
                },
                "logical instant",
            ),
            (
                Request {
                    logical: Some(TickMs(i64::MAX)),
                    ..request()
                },
                "the year 9999",
            ),
        ];
        for (request, expected) in cases {
            let error = request.check().unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
