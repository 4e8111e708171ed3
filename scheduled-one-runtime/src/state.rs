//! The values that a program gives to its jobs, by type.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;

use crate::user_code::Held;

/// The program gave no value for a `State<T>` that a job takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingState {
    type_name: &'static str,
    /// What is missing, if it is no state.
    other: Option<&'static str>,
}

impl MissingState {
    /// The state of type `T` is missing.
    pub fn of<T: 'static>() -> Self {
        MissingState {
            type_name: type_name::<T>(),
            other: None,
        }
    }

    /// The store commits no statements, which an argument of type `T` takes.
    pub(crate) fn statements<T: 'static>() -> Self {
        MissingState {
            type_name: type_name::<T>(),
            other: Some(
                "its effects are to commit with its outcome, which takes a store with transactions: \
                 postgres:// or sqlite://",
            ),
        }
    }

    /// The type, as the compiler spells it.
    pub fn type_name(&self) -> &'static str {
        self.type_name
    }
}

/// Whether the store commits statements, among the states of a scheduler.
pub(crate) struct CommitsStatements(pub(crate) bool);

impl fmt::Display for MissingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(other) = self.other {
            return f.write_str(other);
        }
        write!(
            f,
            "no state of type `{}`: give it with Scheduler::builder(url).state(value)",
            self.type_name
        )
    }
}

impl std::error::Error for MissingState {}

/// The values given with [`state`](crate::SchedulerBuilder::state), by type.
#[derive(Default)]
pub struct States {
    by_type: HashMap<TypeId, Held<Box<dyn Any + Send + Sync>>>,
}

impl States {
    /// The value of that type.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        let value = self.by_type.get(&TypeId::of::<T>())?.get()?;
        value.downcast_ref()
    }

    /// Adds a value; false if there was one of that type, which is replaced.
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, value: T) -> bool {
        self.by_type
            .insert(TypeId::of::<T>(), Held::new(Box::new(value)))
            .is_none()
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The values may hold secrets.
        write!(f, "States({})", self.by_type.len())
    }
}
