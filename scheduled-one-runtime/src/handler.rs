//! What a job function may take and return.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::context::JobContext;
use crate::state::{MissingState, States};
use crate::user_code::Held;
use scheduled_one_protocol::BoxFuture;

/// An error of any kind, as functions return it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What a job function may take: implement it to hand a job what it needs.
///
/// ```
/// use scheduled_one_runtime::{BoxError, FromJob, JobContext, jiff, scheduled_one};
///
/// /// The day a report is for.
/// struct Day(jiff::civil::Date);
///
/// impl FromJob for Day {
///     fn from_job(ctx: &JobContext) -> Result<Self, BoxError> {
///         Ok(Day(ctx.scheduled_at_local().date()))
///     }
/// }
///
/// #[scheduled_one(cron = "@daily", tz = "Europe/Paris", name = "report")]
/// async fn report(Day(day): Day) {
///     println!("the report of {day}");
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a scheduled job",
    label = "not a `JobContext`, a `State<T>` or another type that implements `FromJob`",
    note = "parameters of requests are taken as `Params<T>` with `T: Default + serde::de::DeserializeOwned + Send`",
    note = "shared values are taken as `State<T>` with `T: Clone + Send + Sync + 'static`, and given with `Scheduler::builder(url).state(value)`"
)]
pub trait FromJob: Sized + Send {
    /// Makes the argument for one run. An error fails the run.
    fn from_job(ctx: &JobContext) -> Result<Self, BoxError>;

    /// Called once, when the scheduler starts: tells early what a run would
    /// miss. The default needs nothing.
    fn check(states: &States) -> Result<(), MissingState> {
        let _ = states;
        Ok(())
    }
}

#[diagnostic::do_not_recommend]
impl FromJob for JobContext {
    fn from_job(ctx: &JobContext) -> Result<Self, BoxError> {
        Ok(ctx.clone())
    }
}

/// A value shared by all jobs, given with
/// [`state`](crate::SchedulerBuilder::state) and cloned for each run. Wrap
/// what is dear to clone in an `Arc`.
#[derive(Clone, Copy, Debug, Default)]
pub struct State<T>(pub T);

// So that the error is that of `FromJob`, not that `T` misses one of these.
#[diagnostic::do_not_recommend]
impl<T: Clone + Send + Sync + 'static> FromJob for State<T> {
    fn from_job(ctx: &JobContext) -> Result<Self, BoxError> {
        match ctx.state::<T>() {
            Some(value) => Ok(State(value.clone())),
            None => Err(Box::new(MissingState::of::<T>())),
        }
    }

    fn check(states: &States) -> Result<(), MissingState> {
        match states.get::<T>() {
            Some(_) => Ok(()),
            None => Err(MissingState::of::<T>()),
        }
    }
}

/// The parameters of a requested run, read from its JSON. A run that the schedule asked for, and a request without
/// parameters, have the default.
///
/// Parameters that cannot be read fail the run before the function is called; the ledger line says where they are
/// wrong.
///
/// ```
/// use scheduled_one_runtime::{Params, scheduled_one};
///
/// #[derive(Default, serde::Deserialize)]
/// #[serde(default)]
/// struct Range {
///     /// All customers, unless somebody asks for one.
///     customer: Option<u64>,
/// }
///
/// #[scheduled_one(cron = "@daily", name = "invoices")]
/// async fn invoices(Params(range): Params<Range>) {
///     println!("invoices of {:?}", range.customer);
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params<T>(pub T);

// So that the error is that of `FromJob`, not that `T` misses one of these.
#[diagnostic::do_not_recommend]
impl<T: Default + DeserializeOwned + Send> FromJob for Params<T> {
    fn from_job(ctx: &JobContext) -> Result<Self, BoxError> {
        let text = ctx.parameters();
        if text.trim().is_empty() {
            return Ok(Params(T::default()));
        }
        serde_json::from_str(text)
            .map(Params)
            .map_err(|error| unreadable(&error.to_string()).into())
    }
}

/// The error of parameters that cannot be read, without the values in them: they may be secret.
fn unreadable(error: &str) -> String {
    let quotes_value = [
        "invalid type",
        "invalid value",
        "invalid length",
        "unknown variant",
    ];
    let expected = match error.split_once(", expected ") {
        Some((_, expected)) if quotes_value.iter().any(|kind| error.starts_with(kind)) => {
            format!("expected {expected}")
        }
        _ => error.to_owned(),
    };
    format!("the parameters of the request cannot be read: {expected}")
}

/// Supertraits that only this crate implements. They leave room to add methods
/// to the public traits, and no other type can pose as a job or its result.
pub(crate) mod sealed {
    /// Implemented by the functions that are a [`Handler`](super::Handler).
    pub trait SealedHandler<Args> {}

    /// Implemented by the types that are a [`JobResult`](super::JobResult).
    pub trait SealedResult {}
}

/// What a job function may return: `()`, or `Result<(), E>` for any error
/// that converts into a boxed one (`anyhow::Error` does). The trait is sealed:
/// other types cannot implement it.
#[diagnostic::on_unimplemented(
    message = "a scheduled job cannot return `{Self}`",
    label = "expected `()` or `Result<(), E>`",
    note = "`E` is `anyhow::Error`, `Box<dyn std::error::Error + Send + Sync>` or a type that implements `std::error::Error + Send + Sync + 'static`"
)]
pub trait JobResult: sealed::SealedResult {
    /// The error, if the run failed.
    fn into_result(self) -> Result<(), BoxError>;
}

impl sealed::SealedResult for () {}

#[diagnostic::do_not_recommend]
impl JobResult for () {
    fn into_result(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<E: Into<BoxError>> sealed::SealedResult for Result<(), E> {}

#[diagnostic::do_not_recommend]
impl<E: Into<BoxError>> JobResult for Result<(), E> {
    fn into_result(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}

/// An async function that can be a job: up to eight arguments that implement
/// [`FromJob`], and a [`JobResult`]. Implemented for all such functions and
/// closures; `Args` only tells them apart. The trait is sealed: other types
/// cannot implement it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a job function",
    note = "a job is an `async fn` of up to 8 arguments that implement `FromJob`, returns `()` or `Result<(), E>`, and its future is `Send`"
)]
pub trait Handler<Args>: sealed::SealedHandler<Args> + Send + Sync + 'static {
    /// Whether all that the arguments need is there.
    fn check(&self, states: &States) -> Result<(), MissingState>;

    /// Makes the arguments and calls the function.
    fn call(&self, ctx: &JobContext) -> BoxFuture<'static, Result<(), BoxError>>;
}

macro_rules! handler_of {
    ($($arg:ident),*) => {
        impl<Func, Fut, $($arg,)*> sealed::SealedHandler<($($arg,)*)> for Func
        where
            Func: Fn($($arg),*) -> Fut,
        {
        }

        impl<Func, Fut, $($arg,)*> Handler<($($arg,)*)> for Func
        where
            Func: Fn($($arg),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output: JobResult> + Send + 'static,
            $($arg: FromJob + 'static,)*
        {
            fn check(&self, _states: &States) -> Result<(), MissingState> {
                $($arg::check(_states)?;)*
                Ok(())
            }

            fn call(&self, _ctx: &JobContext) -> BoxFuture<'static, Result<(), BoxError>> {
                let arguments = || Ok::<_, BoxError>(($($arg::from_job(_ctx)?,)*));
                match arguments() {
                    #[allow(non_snake_case, reason = "the type names serve as variables")]
                    Ok(($($arg,)*)) => {
                        let future = self($($arg),*);
                        Box::pin(async { future.await.into_result() })
                    }
                    Err(error) => Box::pin(async { Err(error) }),
                }
            }
        }
    };
}

handler_of!();
handler_of!(A1);
handler_of!(A1, A2);
handler_of!(A1, A2, A3);
handler_of!(A1, A2, A3, A4);
handler_of!(A1, A2, A3, A4, A5);
handler_of!(A1, A2, A3, A4, A5, A6);
handler_of!(A1, A2, A3, A4, A5, A6, A7);
handler_of!(A1, A2, A3, A4, A5, A6, A7, A8);

/// A handler whose argument types are forgotten.
pub(crate) trait AnyHandler: Send + Sync {
    fn check(&self, states: &States) -> Result<(), MissingState>;
    fn call(&self, ctx: &JobContext) -> BoxFuture<'static, Result<(), BoxError>>;
}

struct Erased<H, Args> {
    /// What a closure holds is the program's, and dropped with the last use of the job.
    handler: Held<H>,
    args: PhantomData<fn(Args)>,
}

pub(crate) fn erase<Args: 'static, H: Handler<Args>>(handler: H) -> Arc<dyn AnyHandler> {
    Arc::new(Erased {
        handler: Held::new(handler),
        args: PhantomData,
    })
}

impl<H, Args> Erased<H, Args> {
    fn handler(&self) -> &H {
        self.handler
            .get()
            .expect("a handler is held as long as its job")
    }
}

impl<Args, H: Handler<Args>> AnyHandler for Erased<H, Args> {
    fn check(&self, states: &States) -> Result<(), MissingState> {
        self.handler().check(states)
    }

    fn call(&self, ctx: &JobContext) -> BoxFuture<'static, Result<(), BoxError>> {
        self.handler().call(ctx)
    }
}
