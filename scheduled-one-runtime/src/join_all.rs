//! Waits for several futures at once.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use scheduled_one_protocol::BoxFuture;

/// Completes when all futures have completed, with their results in the order of the futures.
pub(crate) async fn join_all<T>(futures: impl IntoIterator<Item = BoxFuture<'_, T>>) -> Vec<T> {
    let mut steps: Vec<_> = futures.into_iter().map(|future| (future, None)).collect();
    poll_fn(|cx| {
        let mut pending = false;
        for (future, done) in steps.iter_mut().filter(|(_, done)| done.is_none()) {
            match Pin::new(future).poll(cx) {
                Poll::Ready(result) => *done = Some(result),
                Poll::Pending => pending = true,
            }
        }
        match pending {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    })
    .await;
    steps.into_iter().filter_map(|(_, done)| done).collect()
}
