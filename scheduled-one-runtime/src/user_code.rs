//! The border to the user's code. Whatever belongs to the program and is called
//! by this crate is called through here: a panic in it is a value, and a text
//! of it is bounded.
//!
//! | what | called by | a panic becomes |
//! | --- | --- | --- |
//! | a job's function, the polls of its future, `into` of its error | [`Guard`](crate::guard::Guard), with [`call`] | `panicked`, with the text |
//! | its extractors (`FromJob::from_job`), `Clone` of a state | the same poll | the same |
//! | `Drop` of its future | [`Held`] | `panicked` of a run that returned `Ok`, else the text of an outcome without one |
//! | `Display` and `source` of its error | [`error_text`] | `failed`, "its error could not be shown" |
//! | `Drop` of its error, of what a panic carries | [`error_text`], [`Panic`] | nothing: the outcome is decided by then |
//! | `Drop` of a state, of what a job's closure holds | [`Held`] | nothing |
//! | `FromJob::check`, the constructors of annotated jobs | `start`, with [`call`] | an error of `start` |
//! | wakers of tasks that wait for `cancelled` or a shutdown | [`catch_wakes`] | nothing |
//! | a subscriber of `tracing`, when an event or a span is made | `event.rs`, with [`ignore`] | nothing: the event is lost |
//! | the same, when a span is entered, left or closed | [`InSpan`], and `run.rs`, with [`ignore`] | nothing |
//! | requests to a store that the program gave | `StoreClient`, `Renewals`, `ledger`, with [`request`] | a store that is not available |
//! | `Debug` of that store | `start`, with [`call`] | a text that says so |
//! | a monitor's check, its signs of runs | `scheduler/monitoring.rs`, with [`catch`] | an error of `start`; a sign that was not sent |
//! | anything else in the task of a run | [`catch`], in `run.rs` | `panicked` |
//!
//! `Debug` of an error or a state is never called.
//!
//! Not covered, because nothing can cover it: a program built with
//! `panic = "abort"`, a panic in a destructor that runs because of a panic
//! (which aborts the process), and code that never returns.
//! Nor is a `Clock` of the program's own, outside the tasks of runs: it is for tests; a store whose checks panic, in
//! the program's own call of `start` or `doctor`; and the waker of a task that waits for a reply (`ledger`, `audit`).

use std::any::Any;
use std::error::Error;
use std::fmt::{self, Write};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use scheduled_one_protocol::{Answer, BoxFuture, MAX_ERROR_BYTES, StoreError};
use tracing::Span;

/// A panic of the user's code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Panic {
    /// What it said, of at most [`MAX_ERROR_BYTES`].
    pub(crate) text: String,
}

impl Panic {
    fn of(payload: Box<dyn Any + Send>) -> Self {
        let text = match (payload.downcast_ref::<&str>(), payload.downcast_ref()) {
            (Some(text), _) => cut(text),
            (None, Some(text)) => cut(String::as_str(text)),
            (None, None) => "a panic without a text".to_owned(),
        };
        // What it carries is of any type, and so is what its destructor panics with: the second is leaked.
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(second);
        }
        Panic { text }
    }
}

/// Calls code of the user's.
pub(crate) fn call<T>(code: impl FnOnce() -> T) -> Result<T, Panic> {
    // A panic leaves nothing of ours half-done: what the code may touch is its own, or is not used again.
    catch_unwind(AssertUnwindSafe(code)).map_err(Panic::of)
}

/// Calls code of the user's of which nothing is needed.
pub(crate) fn ignore(code: impl FnOnce()) {
    // The panic hook of the program has reported it.
    let _ = call(code);
}

/// A value of the user's. Its destructor may panic.
#[derive(Debug)]
pub(crate) struct Held<T>(Option<T>);

impl<T> Held<T> {
    pub(crate) fn new(value: T) -> Self {
        Held(Some(value))
    }

    /// The value; `None` once it is dropped.
    pub(crate) fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }

    /// The value; `None` once it is dropped.
    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        self.0.as_mut()
    }

    /// Drops the value, if that was not done before.
    pub(crate) fn release(&mut self) -> Result<(), Panic> {
        match self.0.take() {
            Some(value) => call(|| drop(value)),
            None => Ok(()),
        }
    }
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        let _ = self.release();
    }
}

/// The error and its causes, in a text of at most [`MAX_ERROR_BYTES`]. The error is dropped here.
pub(crate) fn error_text(error: Box<dyn Error + Send + Sync>) -> String {
    let error = Held::new(error);
    let mut text = Bounded::default();
    let shown = call(|| {
        let Some(error) = error.get() else {
            return Ok(());
        };
        write!(text, "{error}")?;
        let mut cause = error.source();
        while let Some(source) = cause {
            write!(text, ": {source}")?;
            cause = source.source();
        }
        Ok::<(), fmt::Error>(())
    });
    match shown {
        Ok(Ok(())) => text.0,
        // The text is full, or the error could not show itself and said so.
        Ok(Err(fmt::Error)) if text.0.len() > MAX_ERROR_BYTES => cut(&text.0),
        Ok(Err(fmt::Error)) => text.incomplete("its Display returned an error"),
        Err(panic) => text.incomplete(&format!("its Display or source panicked: {}", panic.text)),
    }
}

/// A text that takes little more than [`MAX_ERROR_BYTES`].
#[derive(Default)]
struct Bounded(String);

impl Bounded {
    /// The text so far, with the reason why there is no more.
    fn incomplete(self, why: &str) -> String {
        match self.0.trim_end_matches([':', ' ']) {
            "" => cut(&format!("its error could not be shown: {why}")),
            shown => cut(&format!(
                "{shown} (the rest of its error could not be shown: {why})"
            )),
        }
    }
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() > MAX_ERROR_BYTES {
            return Err(fmt::Error);
        }
        let mut most = text.len().min(MAX_ERROR_BYTES + 4);
        while !text.is_char_boundary(most) {
            most -= 1;
        }
        self.0.push_str(&text[..most]);
        match self.0.len() > MAX_ERROR_BYTES {
            true => Err(fmt::Error),
            false => Ok(()),
        }
    }
}

/// The text, cut to [`MAX_ERROR_BYTES`].
pub(crate) fn cut(text: &str) -> String {
    const MARK: &str = "…";
    if text.len() <= MAX_ERROR_BYTES {
        return text.to_owned();
    }
    let mut end = MAX_ERROR_BYTES - MARK.len();
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{MARK}", &text[..end])
}

/// A future of which a panic is a result. After a panic it is dropped.
pub(crate) fn catch<T>(future: BoxFuture<'_, T>) -> Caught<'_, T> {
    Caught(Held::new(future))
}

/// The future of [`catch`].
pub(crate) struct Caught<'a, T>(Held<BoxFuture<'a, T>>);

impl<T> Future for Caught<'_, T> {
    type Output = Result<T, Panic>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = self.0.get_mut() else {
            return Poll::Pending; // polled after its end, which no executor does
        };
        let output = match call(|| future.as_mut().poll(cx)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(panic) => Err(panic),
        };
        let dropped = self.0.release();
        Poll::Ready(output.and_then(|output| dropped.map(|()| output)))
    }
}

/// Polls a future inside a span. `tracing::Instrument` does the same, and a subscriber that panics when the span is
/// entered, left or closed would end the run.
pub(crate) fn in_span<'a, T>(span: &Span, future: BoxFuture<'a, T>) -> InSpan<'a, T> {
    let span = call(|| span.clone()).unwrap_or_else(|_| Span::none());
    InSpan {
        span: Held::new(span),
        future,
    }
}

/// The future of [`in_span`].
pub(crate) struct InSpan<'a, T> {
    span: Held<Span>,
    future: BoxFuture<'a, T>,
}

impl<T> Future for InSpan<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let InSpan { span, future } = &mut *self;
        let entered = span.get().and_then(|span| call(|| span.enter()).ok());
        // A span that is left while a panic unwinds must not panic as well.
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        ignore(|| drop(entered));
        polled.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// A request to a store that may be the program's own: one that panics is not available.
pub(crate) async fn request<'a, T>(send: impl FnOnce() -> Answer<'a, T>) -> Result<T, StoreError> {
    let unavailable =
        |panic: Panic| StoreError::Unavailable(format!("the store panicked: {}", panic.text));
    let answer = call(send).map_err(unavailable)?;
    catch(answer).await.map_err(unavailable)?
}

/// Polls a future that waits for what this crate signals. The signal wakes a task of the program, whose waker is of its
/// executor, and may panic.
pub(crate) fn catch_wakes<'a, T>(
    mut future: BoxFuture<'a, T>,
) -> impl Future<Output = T> + Send + use<'a, T> {
    let mut last: Option<(Waker, Waker)> = None;
    std::future::poll_fn(move |cx| {
        let known = last
            .as_ref()
            .filter(|(theirs, _)| theirs.will_wake(cx.waker()));
        let ours = match known {
            Some((_, ours)) => ours.clone(),
            None => {
                let theirs = cx.waker().clone();
                let ours = Waker::from(Arc::new(CaughtWaker(Held::new(theirs.clone()))));
                last = Some((theirs, ours.clone()));
                ours
            }
        };
        future.as_mut().poll(&mut Context::from_waker(&ours))
    })
}

/// A waker of the program's.
struct CaughtWaker(Held<Waker>);

impl Wake for CaughtWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(waker) = self.0.get() {
            ignore(|| waker.wake_by_ref());
        }
    }
}

#[cfg(test)]
mod tests;
