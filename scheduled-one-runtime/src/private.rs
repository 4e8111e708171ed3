//! What the expansion of `#[scheduled_one]` refers to. Not for people: it
//! changes whenever the macro does.
//!
//! The expansion hands over a function with its proofs: [`argument`] for each
//! argument and [`returned`] for what it returns. Each is called on the user's
//! own token, so rustc reports a type that does not fit there, and only there:
//! what is passed on holds functions and needs no bound again.

use std::future::Future;
use std::sync::Arc;

use scheduled_one_schedule::name::{NameFault, find_fault};

pub use linkme;
pub use scheduled_one_schedule::alert::JobRules;
pub use scheduled_one_schedule::policy::{
    Misfire, OnLeaseLost, OnNodeLoss, Overlap, RetryOn, Route, Scope,
};
pub use std::time::Duration;

use crate::context::JobContext;
use crate::handler::sealed::SealedHandler;
use crate::handler::{BoxError, FromJob, Handler, JobResult};
pub use crate::job::Job;
pub use crate::registry::{Declared, SCHEDULED_ONE_JOBS_0_1_0 as JOBS};
use crate::state::{MissingState, States};
use scheduled_one_protocol::BoxFuture;

pub use crate::__scheduled_one_register as register;

/// Puts a `fn() -> Job` among the [`JOBS`]. A macro, so that a path to a
/// runtime that is not there is reported once, and so that package and module
/// are those of the job.
#[doc(hidden)]
#[macro_export]
macro_rules! __scheduled_one_register {
    ($make:expr) => {
        #[$crate::__private::linkme::distributed_slice($crate::__private::JOBS)]
        #[linkme(crate = $crate::__private::linkme)]
        static __SCHEDULED_ONE_JOB: $crate::__private::Declared = $crate::__private::Declared {
            make: $make,
            package: ::core::option_env!("CARGO_PKG_NAME"),
            version: ::core::option_env!("CARGO_PKG_VERSION"),
            module: ::core::module_path!(),
        };
    };
}

/// The default name of a job: module path and function, checked while the program compiles.
#[track_caller]
pub const fn default_name(path: &'static str) -> &'static str {
    match find_fault(path) {
        None => path,
        Some(NameFault::TooLong) => panic!(
            "the job's default name, module path and function, has more than 128 bytes; \
             help: give it a `name = \"…\"`"
        ),
        Some(_) => panic!(
            "the job's default name, module path and function, has a character that names do not have \
             (they have A-Z a-z 0-9 _ . : / -); help: give it a `name = \"…\"`"
        ),
    }
}

/// How an argument is made.
pub struct Argument<T> {
    check: fn(&States) -> Result<(), MissingState>,
    make: fn(&JobContext) -> Result<T, BoxError>,
}

/// An argument of the function: its type has to be an extractor.
pub fn argument<T: FromJob>() -> Argument<T> {
    Argument {
        check: T::check,
        make: T::from_job,
    }
}

/// How what the function returns is read.
pub struct Returned<T>(fn(T) -> Result<(), BoxError>);

/// What the function returns: `()` or a `Result<(), E>`.
pub fn returned<T: JobResult>() -> Returned<T> {
    Returned(T::into_result)
}

/// The annotated function, checked: a [`Handler`].
pub struct Function {
    check: CheckStates,
    call: Box<dyn Fn(&JobContext) -> JobFuture + Send + Sync>,
}

type CheckStates = Box<dyn Fn(&States) -> Result<(), MissingState> + Send + Sync>;
type JobFuture = BoxFuture<'static, Result<(), BoxError>>;

/// The function itself, called on its name: its future has to be `Send`.
pub fn function<Func, Args, Fut>(
    function: Func,
    arguments: Args,
    returned: Returned<Fut::Output>,
) -> Function
where
    Func: Call<Args::Values, Future = Fut> + Send + Sync + 'static,
    Args: Arguments + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: 'static,
{
    let read = returned.0;
    let arguments = Arc::new(arguments);
    let checked = Arc::clone(&arguments);
    Function {
        check: Box::new(move |states| checked.check(states)),
        call: Box::new(move |ctx| match arguments.make(ctx) {
            Ok(values) => {
                let future = function.call(values);
                Box::pin(async move { read(future.await) })
            }
            Err(error) => Box::pin(async { Err(error) }),
        }),
    }
}

/// Tells the `Handler` of the attribute from those of plain functions.
pub struct Annotated;

impl SealedHandler<Annotated> for Function {}

impl Handler<Annotated> for Function {
    fn check(&self, states: &States) -> Result<(), MissingState> {
        (self.check)(states)
    }

    fn call(&self, ctx: &JobContext) -> JobFuture {
        (self.call)(ctx)
    }
}

/// A tuple of [`Argument`]s.
pub trait Arguments {
    /// The tuple of their values.
    type Values;
    fn check(&self, states: &States) -> Result<(), MissingState>;
    fn make(&self, ctx: &JobContext) -> Result<Self::Values, BoxError>;
}

/// A function that takes the members of a tuple as its arguments.
pub trait Call<Values> {
    type Future;
    fn call(&self, values: Values) -> Self::Future;
}

macro_rules! arguments {
    ($($arg:ident)*) => {
        #[allow(non_snake_case, reason = "the type names serve as variables")]
        impl<$($arg),*> Arguments for ($(Argument<$arg>,)*) {
            type Values = ($($arg,)*);

            fn check(&self, _states: &States) -> Result<(), MissingState> {
                let ($($arg,)*) = self;
                $(($arg.check)(_states)?;)*
                Ok(())
            }

            fn make(&self, _ctx: &JobContext) -> Result<Self::Values, BoxError> {
                let ($($arg,)*) = self;
                Ok(($(($arg.make)(_ctx)?,)*))
            }
        }

        #[allow(non_snake_case, reason = "the type names serve as variables")]
        impl<Func: Fn($($arg),*) -> Fut, Fut, $($arg),*> Call<($($arg,)*)> for Func {
            type Future = Fut;

            fn call(&self, ($($arg,)*): ($($arg,)*)) -> Fut {
                self($($arg),*)
            }
        }
    };
}

arguments!();
arguments!(A1);
arguments!(A1 A2);
arguments!(A1 A2 A3);
arguments!(A1 A2 A3 A4);
arguments!(A1 A2 A3 A4 A5);
arguments!(A1 A2 A3 A4 A5 A6);
arguments!(A1 A2 A3 A4 A5 A6 A7);
arguments!(A1 A2 A3 A4 A5 A6 A7 A8);
