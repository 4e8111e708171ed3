//! Types as values of columns.

use std::collections::VecDeque;

use super::Value;
use crate::directive::Directives;
use crate::machine::Waiting;
use crate::message::{Cause, JobList, JobsDigest, Labels, OnBusy, Origin, Room};
use crate::outcome::Outcome;
use crate::schedule::DecidingSchedule;
use crate::unit::UnitName;
use crate::value::{FencingToken, TickMs};

/// A type that one column holds.
pub(super) trait Column: Sized {
    fn to_value(&self) -> Value;
    fn from_value(value: Value) -> Option<Self>;
}

impl Column for i64 {
    fn to_value(&self) -> Value {
        Value::Int(*self)
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Int(number) => Some(number),
            _ => None,
        }
    }
}

/// A number that is too great for the column is stored as the greatest, which is damage to those who read it.
impl Column for u64 {
    fn to_value(&self) -> Value {
        Value::Int(i64::try_from(*self).unwrap_or(i64::MAX))
    }

    fn from_value(value: Value) -> Option<Self> {
        Self::try_from(i64::from_value(value)?).ok()
    }
}

impl Column for u32 {
    fn to_value(&self) -> Value {
        Value::Int((*self).into())
    }

    fn from_value(value: Value) -> Option<Self> {
        Self::try_from(i64::from_value(value)?).ok()
    }
}

impl Column for bool {
    fn to_value(&self) -> Value {
        Value::Flag(*self)
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Flag(flag) => Some(flag),
            _ => None,
        }
    }
}

impl Column for String {
    fn to_value(&self) -> Value {
        Value::Text(self.clone())
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A digest that no node has is damage that costs nothing: it counts as that of no jobs.
impl Column for JobsDigest {
    fn to_value(&self) -> Value {
        Value::Text(self.to_string())
    }

    fn from_value(value: Value) -> Option<Self> {
        let text = String::from_value(value)?;
        Some(JobsDigest::parse(&text).unwrap_or_default())
    }
}

impl Column for JobList {
    fn to_value(&self) -> Value {
        Value::Text(self.as_text().to_owned())
    }

    fn from_value(value: Value) -> Option<Self> {
        Some(JobList::from_text(&String::from_value(value)?))
    }
}

impl Column for Labels {
    fn to_value(&self) -> Value {
        Value::Text(self.as_text().to_owned())
    }

    fn from_value(value: Value) -> Option<Self> {
        Some(Labels::from_text(&String::from_value(value)?))
    }
}

/// A number that no node stores counts as room: the node is claimed for, and says itself whether it has some.
impl Column for Room {
    fn to_value(&self) -> Value {
        Value::Int(match self {
            Room::Free => 0,
            Room::Busy => 1,
            Room::Full => 2,
        })
    }

    fn from_value(value: Value) -> Option<Self> {
        Some(match i64::from_value(value)? {
            1 => Room::Busy,
            2 => Room::Full,
            _ => Room::Free,
        })
    }
}

impl Column for TickMs {
    fn to_value(&self) -> Value {
        Value::Int(self.0)
    }

    fn from_value(value: Value) -> Option<Self> {
        i64::from_value(value).map(TickMs)
    }
}

impl Column for FencingToken {
    fn to_value(&self) -> Value {
        self.0.to_value()
    }

    fn from_value(value: Value) -> Option<Self> {
        u64::from_value(value).map(FencingToken)
    }
}

impl Column for UnitName {
    fn to_value(&self) -> Value {
        Value::Text(self.as_str().to_owned())
    }

    fn from_value(value: Value) -> Option<Self> {
        UnitName::parse(&String::from_value(value)?)
    }
}

impl Column for Outcome {
    fn to_value(&self) -> Value {
        Value::Text(self.as_str().to_owned())
    }

    fn from_value(value: Value) -> Option<Self> {
        Outcome::from_word(&String::from_value(value)?)
    }
}

impl Column for Cause {
    fn to_value(&self) -> Value {
        Value::Text(self.as_str().to_owned())
    }

    fn from_value(value: Value) -> Option<Self> {
        Cause::from_word(&String::from_value(value)?)
    }
}

impl Column for OnBusy {
    fn to_value(&self) -> Value {
        Value::Text(self.as_str().to_owned())
    }

    fn from_value(value: Value) -> Option<Self> {
        OnBusy::from_word(&String::from_value(value)?)
    }
}

/// One text, in the form that every store keeps.
impl Column for Origin {
    fn to_value(&self) -> Value {
        Value::Text(self.to_string())
    }

    fn from_value(value: Value) -> Option<Self> {
        Origin::parse(&String::from_value(value)?)
    }
}

/// One text, in the form that every store keeps.
impl Column for DecidingSchedule {
    fn to_value(&self) -> Value {
        Value::Text(self.to_string())
    }

    fn from_value(value: Value) -> Option<Self> {
        DecidingSchedule::parse(&String::from_value(value)?)
    }
}

/// One text with a line for each: they are few, and are loaded with what is stored once.
impl Column for Directives {
    fn to_value(&self) -> Value {
        Value::Text(self.to_string())
    }

    fn from_value(value: Value) -> Option<Self> {
        Directives::parse(&String::from_value(value)?)
    }
}

impl<C: Column> Column for Option<C> {
    fn to_value(&self) -> Value {
        self.as_ref().map_or(Value::Null, Column::to_value)
    }

    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Null => Some(None),
            value => C::from_value(value).map(Some),
        }
    }
}

/// The queue is one text, `tick:attempt:takeovers` of each with a space between two: it is loaded and saved as a whole,
/// and has a few entries. An empty text is an empty queue.
impl Column for VecDeque<Waiting> {
    fn to_value(&self) -> Value {
        let one = |waiting: &Waiting| {
            let Waiting {
                tick,
                attempt,
                takeovers,
            } = waiting;
            format!("{tick}:{attempt}:{takeovers}")
        };
        Value::Text(self.iter().map(one).collect::<Vec<_>>().join(" "))
    }

    fn from_value(value: Value) -> Option<Self> {
        let text = String::from_value(value)?;
        text.split_terminator(' ').map(waiting).collect()
    }
}

pub(super) fn waiting(text: &str) -> Option<Waiting> {
    let mut numbers = text.split(':');
    let tick = TickMs(numbers.next()?.parse().ok()?);
    let attempt = numbers.next()?.parse().ok()?;
    let takeovers = numbers.next()?.parse().ok()?;
    numbers.next().is_none().then_some(Waiting {
        tick,
        attempt,
        takeovers,
    })
}
