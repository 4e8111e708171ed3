//! What is asked for, and the directive that it comes to.

use scheduled_one_protocol::machine::damage::MAX_EXACT;
use scheduled_one_protocol::{Directive, Pause, ScheduleId, ScheduleOverride};

use crate::change::ChangeDirective;
use crate::error::Error;
use crate::rights::Action;

/// Why a pause cannot end at an instant.
pub(crate) const TOO_FAR: &str = "further away than a store keeps instants (2^53 ms); leave it out: the pause lasts until `resume`";

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) enum Wish {
    Pause {
        until_ms: Option<i64>,
        /// How long it lasts, in place of that.
        length_ms: Option<i64>,
    },
    Resume {
        catch_up: bool,
        /// Whether what is undecided from before the pause is skipped as well.
        skip_missed: bool,
        /// Up to where each unit of the job is decided, as soon as it is known.
        decided_ms: Option<i64>,
    },
    Reschedule {
        text: String,
        /// That of the code, as soon as it is known.
        zone: Option<String>,
        /// The schedule that the code has, as soon as it is known.
        base: Option<ScheduleId>,
    },
    Reset {
        /// The schedule that the code has, as soon as it is known.
        base: Option<ScheduleId>,
    },
}

impl Wish {
    /// A pause by default: until it is ended.
    pub(crate) const PAUSE: Wish = Wish::Pause {
        until_ms: None,
        length_ms: None,
    };

    /// A resume by default: the ticks of the pause are skipped.
    pub(crate) const RESUME: Wish = Wish::Resume {
        catch_up: false,
        skip_missed: false,
        decided_ms: None,
    };

    /// What is done, in a word for the trail.
    pub(crate) fn action(&self) -> &'static str {
        match self {
            Wish::Pause { .. } => "pause",
            Wish::Resume { .. } => "resume",
            Wish::Reschedule { .. } => "reschedule",
            Wish::Reset { .. } => "reset",
        }
    }

    /// The right that it needs.
    pub(crate) fn right(&self) -> Action {
        match self {
            Wish::Pause { .. } | Wish::Resume { .. } => Action::Pause,
            Wish::Reschedule { .. } | Wish::Reset { .. } => Action::Reschedule,
        }
    }

    /// When the pause ends that is asked for, by the store's clock, which shows `now_ms`.
    ///
    /// # Errors
    ///
    /// It would be over.
    fn paused_until_ms(&self, now_ms: i64) -> Result<Option<i64>, Error> {
        let refuse = |argument, message: &str| {
            Err(Error::Argument {
                argument,
                message: message.to_owned(),
            })
        };
        match self {
            Wish::Pause {
                length_ms: Some(length_ms),
                ..
            } => match now_ms.checked_add(*length_ms) {
                Some(until_ms) if until_ms <= MAX_EXACT as i64 => Ok(Some(until_ms)),
                _ => refuse("for", TOO_FAR),
            },
            Wish::Pause {
                until_ms: Some(until_ms),
                ..
            } if *until_ms <= now_ms => refuse(
                "until",
                "that instant is over, by the store's clock; leave it out, or give a later one",
            ),
            Wish::Pause { until_ms, .. } => Ok(*until_ms),
            _ => Ok(None),
        }
    }

    /// Whether it cannot be asked for of all jobs at once.
    pub(crate) fn is_of_one_job(&self) -> bool {
        matches!(
            self,
            Wish::Reschedule { .. }
                | Wish::Reset { .. }
                | Wish::Resume {
                    skip_missed: true,
                    ..
                }
        )
    }
}

impl ChangeDirective {
    /// The directive that takes the place of the stored one; `None` if that is as it should be.
    pub(crate) fn wished(
        &self,
        stored: &Directive,
        now_ms: i64,
        in_doubt: bool,
    ) -> Result<Option<Directive>, Error> {
        let mut directive = Directive {
            changed_at_ms: now_ms,
            by: self.by.clone(),
            note: self.note.clone(),
            ..stored.clone()
        };
        let holding = stored.pause.filter(|pause| pause.holds(now_ms));
        match (&self.wish, holding) {
            (Wish::Pause { .. }, holding) => {
                let until_ms = self.wish.paused_until_ms(now_ms)?;
                match holding {
                    Some(pause) if pause.until_ms == until_ms && stored.asked_note == self.note => {
                        return Ok(None);
                    }
                    Some(pause) => directive.pause = Some(Pause { until_ms, ..pause }),
                    None => {
                        directive.end_pause(now_ms, false);
                        let since_ms = now_ms;
                        directive.pause = Some(Pause { since_ms, until_ms });
                    }
                }
                directive.asked_by.clone_from(&self.by);
                directive.asked_note.clone_from(&self.note);
            }
            (Wish::Resume { .. }, None) if !in_doubt => return Ok(None),
            (Wish::Resume { .. }, None) => {}
            (
                Wish::Resume {
                    catch_up,
                    decided_ms,
                    ..
                },
                Some(_),
            ) => resume(&mut directive, now_ms, *catch_up, *decided_ms),
            (Wish::Reschedule { text, zone, base }, _) => {
                let wanted = ScheduleOverride {
                    base: base.unwrap_or(ScheduleId::NONE),
                    text: text.trim().to_owned(),
                    zone: zone.clone().unwrap_or_default(),
                    since_ms: now_ms,
                    by: self.by.clone(),
                };
                if is_stored(stored, &wanted) {
                    return Ok(None);
                }
                directive.schedule = Some(wanted);
            }
            (Wish::Reset { base }, _) => match self.reset(stored, *base, now_ms, in_doubt) {
                None => return Ok(None),
                reset => directive.schedule = reset,
            },
        }
        Ok(Some(directive))
    }

    /// The schedule in the code again, from now on; `None` if it is in force.
    fn reset(
        &self,
        stored: &Directive,
        base: Option<ScheduleId>,
        now_ms: i64,
        in_doubt: bool,
    ) -> Option<ScheduleOverride> {
        let before = stored.schedule.as_ref();
        let is_needed = match before {
            Some(before) => !before.is_reset(),
            // Nodes may repeat one that the store has forgotten.
            None => in_doubt,
        };
        let of_code = base.unwrap_or(ScheduleId::NONE);
        // Ticks of the time until now were never ticks of the job.
        is_needed.then(|| ScheduleOverride {
            base: before.map_or(of_code, |before| before.base),
            text: String::new(),
            zone: String::new(),
            since_ms: now_ms,
            by: self.by.clone(),
        })
    }
}

/// Ends the pause. What is behind `decided_ms` is skipped with it, if that is given.
fn resume(directive: &mut Directive, now_ms: i64, catch_up: bool, decided_ms: Option<i64>) {
    directive.end_pause(now_ms, catch_up && decided_ms.is_none());
    if let (Some(decided_ms), Some(pause)) = (decided_ms, directive.past.last_mut()) {
        pause.from_ms = pause.from_ms.min(decided_ms + 1);
    }
}

/// Whether the same is wanted already.
fn is_stored(stored: &Directive, wanted: &ScheduleOverride) -> bool {
    let parts = |it: &ScheduleOverride| (it.base, it.text.clone(), it.zone.clone());
    stored.schedule.as_ref().map(parts) == Some(parts(wanted))
}
