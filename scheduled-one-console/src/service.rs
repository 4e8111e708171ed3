//! The console as other crates see it: types of `http` and `tower` alone, so that no version of a framework is part of
//! the interface.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use tower::Service;

/// The console, as a `tower::Service` of HTTP requests: for `axum::Router::nest_service` at any path, or for a server
/// of its own. Clones share everything.
///
/// Cancel safety: a dropped future of a request that changes something may have made the change.
#[derive(Clone)]
pub struct ConsoleService {
    router: Router,
}

impl ConsoleService {
    pub(crate) fn new(router: Router) -> Self {
        ConsoleService { router }
    }
}

impl fmt::Debug for ConsoleService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleService").finish_non_exhaustive()
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl<B> Service<Request<B>> for ConsoleService
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answer {
        let answer = self.router.call(request);
        Box::pin(async move { answer.await.map(|response| response.map(Body)) })
    }
}

/// The body of an answer.
#[derive(Debug)]
pub struct Body(axum::body::Body);

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = Pin::new(&mut self.0).poll_frame(context);
        frame.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
