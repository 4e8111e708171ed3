//! A value of any policy key, how the attribute writes it, and its bounds.

use std::time::Duration;

use super::choices::{Misfire, OnLeaseLost, OnNodeLoss, Overlap, Route, Scope};
use super::retry::{Backoff, RetryOn};
use crate::duration::format_ms;

/// Shortest lease. Below it, a hiccup of the network cancels runs.
pub const MIN_LEASE: Duration = Duration::from_millis(200);

/// Longest lease. Above it, the unit of a dead node stands still for too long.
pub const MAX_LEASE: Duration = Duration::from_secs(3600);

/// Longest of all other durations: 366 days.
pub const MAX_DURATION: Duration = Duration::from_secs(366 * 24 * 3600);

/// A whole number; the name under which the table refers to it.
pub(super) type Count = u32;

/// A value of any policy key, by its type. Keys that have the same type share a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// A time, as of `lease` or `timeout`.
    Duration(Duration),
    /// A number, as of `retries` or `shards`.
    Count(u32),
    /// The value of `overlap`.
    Overlap(Overlap),
    /// The value of `misfire`.
    Misfire(Misfire),
    /// The value of `on_node_loss`.
    OnNodeLoss(OnNodeLoss),
    /// The value of `on_lease_lost`.
    OnLeaseLost(OnLeaseLost),
    /// The value of `scope`.
    Scope(Scope),
    /// The value of `route`.
    Route(Route),
    /// The value of `retry_on`.
    RetryOn(RetryOn),
    /// The value of `backoff`.
    Backoff(Backoff),
}

impl Value {
    /// What two words of one list say together.
    #[must_use]
    pub fn and(self, other: Value) -> Value {
        match (self, other) {
            (Value::RetryOn(one), Value::RetryOn(two)) => Value::RetryOn(one.or(two)),
            (_, other) => other,
        }
    }

    /// The number in the parentheses of a word.
    pub(super) fn number(self) -> Option<u32> {
        match self {
            Value::Overlap(Overlap::QueueAll(n) | Overlap::Allow(n)) => Some(n),
            Value::OnNodeLoss(OnNodeLoss::Rerun(max)) => Some(max),
            _ => None,
        }
    }
}

/// One of the words that a key takes.
#[derive(Clone, Copy, Debug)]
pub struct Word {
    /// The word, as the attribute writes it.
    pub word: &'static str,
    /// What the word stands for.
    pub means: Meaning,
    /// What other schedulers call it, for "did you mean".
    pub aliases: &'static [&'static str],
}

/// What a word stands for.
#[derive(Clone, Copy, Debug)]
pub enum Meaning {
    /// `word` is this value.
    Alone(Value),
    /// `word(n)` is the value that `make` makes of a number.
    Counted {
        /// The name of the number, as in `queue_all(n)`.
        name: &'static str,
        /// The least number.
        least: u32,
        /// The greatest number.
        most: u32,
        /// A number for an example.
        example: u32,
        /// The value of a number.
        make: fn(u32) -> Value,
    },
}

impl Word {
    /// The word with the name of its number: `skip`, `queue_all(n)`.
    #[must_use]
    pub fn shape(&self) -> String {
        match self.means {
            Meaning::Alone(_) => self.word.to_owned(),
            Meaning::Counted { name, .. } => format!("{}({name})", self.word),
        }
    }

    /// The word as text to paste: `skip`, `queue_all(10)`.
    #[must_use]
    pub fn example(&self) -> String {
        match self.means {
            Meaning::Alone(_) => self.word.to_owned(),
            Meaning::Counted { example, .. } => format!("{}({example})", self.word),
        }
    }

    /// Why the number of a value of this word is out of range.
    fn out_of_range(&self, key: &str, value: Value) -> Option<String> {
        let Meaning::Counted {
            least, most, make, ..
        } = self.means
        else {
            return None;
        };
        let n = value.number().filter(|n| make(*n) == value)?;
        count_out_of_range(&format!("{key} = {}", self.shape()), n, least, most)
    }
}

/// How the value of a key is written in the attribute, and its bounds.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Form {
    /// `"90s"`, of these bounds.
    Duration {
        /// The shortest duration; zero stands for no bound.
        least: Duration,
        /// The longest duration.
        most: Duration,
    },
    /// `3`, of these bounds.
    Count {
        /// The least number.
        least: u32,
        /// The greatest number.
        most: u32,
    },
    /// One of the words, as `skip` or `queue_all(10)`.
    Word(&'static [Word]),
    /// Some of the words, as `[error, timeout]`.
    WordList(&'static [Word]),
    /// `"1s..60s"`: a shorter and a longer duration.
    Backoff,
}

impl Form {
    /// A duration longer than zero, up to [`MAX_DURATION`].
    pub(super) const POSITIVE_DURATION: Form = Form::Duration {
        least: Duration::from_nanos(1),
        most: MAX_DURATION,
    };

    /// A duration up to [`MAX_DURATION`], or zero.
    pub(super) const ANY_DURATION: Form = Form::Duration {
        least: Duration::ZERO,
        most: MAX_DURATION,
    };

    /// Why a value of the key is out of range, if it is.
    pub(super) fn out_of_range(&self, key: &str, value: Value) -> Option<String> {
        match (*self, value) {
            (Form::Duration { least, most }, Value::Duration(value)) => {
                let allowed = if least.as_millis() > 0 {
                    format!("{} to {}", duration(least), duration(most))
                } else if least.is_zero() {
                    format!("at most {}", duration(most))
                } else {
                    format!("longer than zero, at most {}", duration(most))
                };
                let message = format!("{} is out of range for `{key}`: {allowed}", duration(value));
                (!(least..=most).contains(&value)).then_some(message)
            }
            (Form::Count { least, most }, Value::Count(n)) => {
                count_out_of_range(key, n, least, most)
            }
            (Form::Word(words), value) => {
                words.iter().find_map(|word| word.out_of_range(key, value))
            }
            (Form::Backoff, Value::Backoff(Backoff { least, most })) => {
                let message = "a backoff goes from a shorter to a longer wait, such as \"1s..60s\"";
                (least > most || most > MAX_DURATION).then(|| message.to_owned())
            }
            _ => None,
        }
    }

    /// A value as the attribute writes it. Words with a number are shown with the number's name.
    pub(super) fn show(&self, value: Value) -> String {
        let names = |words: &[Word]| -> Vec<String> {
            let says = |word: &&Word| match word.means {
                Meaning::Alone(alone) => value.and(alone) == value,
                Meaning::Counted { make, .. } => value.number().map(make) == Some(value),
            };
            words.iter().filter(says).map(Word::shape).collect()
        };
        match (*self, value) {
            (_, Value::Duration(value)) => format!("\"{}\"", duration(value)),
            (_, Value::Count(n)) => n.to_string(),
            (_, Value::Backoff(Backoff { least, most })) => {
                format!("\"{}..{}\"", duration(least), duration(most))
            }
            (Form::WordList(words), _) => format!("[{}]", names(words).join(", ")),
            (Form::Word(words), _) => names(words).concat(),
            _ => format!("{value:?}"),
        }
    }
}

fn count_out_of_range(form: &str, n: u32, least: u32, most: u32) -> Option<String> {
    let message = format!("{n} is out of range for `{form}`: {least} to {most}");
    (!(least..=most).contains(&n)).then_some(message)
}

/// A duration as people write it. One that is no whole number of milliseconds comes from a job made by hand.
fn duration(duration: Duration) -> String {
    match u64::try_from(duration.as_millis()) {
        Ok(ms) if duration.subsec_nanos().is_multiple_of(1_000_000) => format_ms(ms),
        _ => format!("{duration:?}"),
    }
}
