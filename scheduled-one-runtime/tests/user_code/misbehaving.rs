//! Types whose methods panic.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use scheduled_one_runtime::{BoxError, FromJob, JobContext, MissingState, States};

/// An error that panics in one of its methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Panics {
    Display,
    Source,
    Drop,
}

#[derive(Debug)]
pub(crate) struct BadError(pub(crate) Panics);

impl fmt::Display for BadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        assert!(self.0 != Panics::Display, "in its Display");
        f.write_str("a bad error")
    }
}

impl Error for BadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        assert!(self.0 != Panics::Source, "in its source");
        None
    }
}

impl Drop for BadError {
    fn drop(&mut self) {
        assert!(self.0 != Panics::Drop, "in its Drop");
    }
}

/// What becomes an error, and panics in doing so.
pub(crate) struct BadInto;

impl From<BadInto> for BoxError {
    fn from(_: BadInto) -> BoxError {
        panic!("in its into")
    }
}

/// A value whose destructor panics.
#[derive(Clone)]
pub(crate) struct BadDrop;

impl Drop for BadDrop {
    fn drop(&mut self) {
        panic!("in its Drop");
    }
}

/// A state that cannot be cloned.
pub(crate) struct BadClone;

impl Clone for BadClone {
    fn clone(&self) -> Self {
        panic!("in its Clone")
    }
}

/// An extractor that panics.
pub(crate) struct BadExtractor;

impl FromJob for BadExtractor {
    fn from_job(_: &JobContext) -> Result<Self, BoxError> {
        panic!("in its from_job")
    }
}

/// An extractor whose error cannot be shown.
pub(crate) struct NoExtractor;

impl FromJob for NoExtractor {
    fn from_job(_: &JobContext) -> Result<Self, BoxError> {
        Err(Box::new(BadError(Panics::Display)))
    }
}

/// An extractor that cannot be checked.
pub(crate) struct BadCheck;

impl FromJob for BadCheck {
    fn from_job(_: &JobContext) -> Result<Self, BoxError> {
        Ok(BadCheck)
    }

    fn check(_: &States) -> Result<(), MissingState> {
        panic!("in its check")
    }
}

/// A future that is ready, and whose destructor panics.
pub(crate) struct BadFuture;

impl Future for BadFuture {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

impl Drop for BadFuture {
    fn drop(&mut self) {
        panic!("in the Drop of its future");
    }
}
