//! One reply for each item of a batch, although the store refuses a batch as a
//! whole.
//!
//! The store refuses a request for good when one of its items touches something
//! that somebody edited. The other items must not wait for that to be put right,
//! so a refused batch is halved until the refused item is alone.

use std::future::Future;

use crate::join_all::join_all;
use scheduled_one_protocol::{BoxFuture, StoreError};

/// What is done about a request that the store does not carry out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// The request is repeated until the store replies. A refused item is repeated once by itself: its request may
    /// have been refused because its ledger took no line, and carried out all the same.
    UntilReply,
    /// The request is not repeated: its caller does so later, or can do without.
    Never,
}

/// The reply to each item, in their order.
///
/// An item has [`StoreError::Refused`] if the store refuses the item itself. It has another error only with
/// [`Repeat::Never`]. Before repetition `n` (from 1) of a request, `back_off(n)` is awaited.
pub(crate) fn request_each<'f, 'i: 'f, I, T, S, B, W>(
    items: &'i [I],
    repeat: Repeat,
    send: &'f S,
    back_off: &'f B,
) -> BoxFuture<'f, Vec<Result<T, StoreError>>>
where
    I: Sync,
    T: Send + 'f,
    S: Fn(&'i [I]) -> BoxFuture<'i, Result<Vec<T>, StoreError>> + Sync,
    B: Fn(u32) -> W + Sync,
    W: Future<Output = ()> + Send,
{
    Box::pin(async move {
        let (mut failures, mut refusals) = (0, 0);
        loop {
            let error = match send(items).await {
                Ok(replies) if replies.len() == items.len() => {
                    return replies.into_iter().map(Ok).collect();
                }
                Ok(_) => StoreError::Unknown("replies and requests differ in number".to_owned()),
                Err(error) => error,
            };
            match (error, repeat) {
                (StoreError::Refused(_), _) if items.len() > 1 => {
                    let (first, second) = items.split_at(items.len() / 2);
                    let halves = [first, second];
                    let halves = halves.map(|half| request_each(half, repeat, send, back_off));
                    return join_all(halves).await.into_iter().flatten().collect();
                }
                (StoreError::Refused(_), Repeat::UntilReply) if refusals == 0 => refusals += 1,
                (error @ StoreError::Refused(_), _) | (error, Repeat::Never) => {
                    return items.iter().map(|_| Err(error.clone())).collect();
                }
                (_, Repeat::UntilReply) => {
                    failures += 1;
                    back_off(failures).await;
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use super::*;

    /// A store that doubles numbers, refuses some of them, and fails at first.
    #[derive(Default)]
    struct Doubling {
        refused: BTreeSet<u32>,
        failures_left: Mutex<u32>,
        /// Replies to the first request are one too few.
        is_short: Mutex<bool>,
        requests: Mutex<Vec<Vec<u32>>>,
        waits: Mutex<Vec<u32>>,
    }

    impl Doubling {
        fn refusing(refused: impl IntoIterator<Item = u32>) -> Self {
            Doubling {
                refused: refused.into_iter().collect(),
                ..Doubling::default()
            }
        }

        fn reply(&self, items: &[u32]) -> Result<Vec<u32>, StoreError> {
            self.requests.lock().expect("lock").push(items.to_vec());
            let mut failures_left = self.failures_left.lock().expect("lock");
            if *failures_left > 0 {
                *failures_left -= 1;
                return Err(StoreError::Unavailable("away".to_owned()));
            }
            if let Some(refused) = items.iter().find(|item| self.refused.contains(item)) {
                return Err(StoreError::Refused(refused.to_string()));
            }
            let mut replies: Vec<u32> = items.iter().map(|item| item * 2).collect();
            if std::mem::take(&mut *self.is_short.lock().expect("lock")) {
                replies.pop();
            }
            Ok(replies)
        }

        async fn request(&self, items: &[u32], repeat: Repeat) -> Vec<Result<u32, StoreError>> {
            let send = |items: &[u32]| -> BoxFuture<'_, _> {
                let reply = self.reply(items);
                Box::pin(async move { reply })
            };
            let back_off = |failures| {
                self.waits.lock().expect("lock").push(failures);
                std::future::ready(())
            };
            request_each(items, repeat, &send, &back_off).await
        }

        fn requests(&self) -> Vec<Vec<u32>> {
            self.requests.lock().expect("lock").clone()
        }

        fn waits(&self) -> Vec<u32> {
            self.waits.lock().expect("lock").clone()
        }
    }

    fn refused(item: u32) -> Result<u32, StoreError> {
        Err(StoreError::Refused(item.to_string()))
    }

    #[tokio::test]
    async fn a_batch_that_is_not_refused_is_one_request() {
        let store = Doubling::default();
        let replies = store.request(&[1, 2, 3], Repeat::UntilReply).await;
        assert_eq!(replies, [Ok(2), Ok(4), Ok(6)]);
        assert_eq!(store.requests(), [[1, 2, 3]]);
    }

    #[tokio::test]
    async fn only_the_refused_items_have_no_reply_and_all_stay_in_order() {
        let items: Vec<u32> = (0..100).collect();
        for repeat in [Repeat::UntilReply, Repeat::Never] {
            let store = Doubling::refusing([0, 41, 99]);
            let replies = store.request(&items, repeat).await;
            let expected = items.iter().map(|item| match item {
                0 | 41 | 99 => refused(*item),
                item => Ok(item * 2),
            });
            assert_eq!(replies, expected.collect::<Vec<_>>());
            assert!(store.requests().len() < 50, "{:?}", store.requests());
            assert!(store.waits().is_empty());
        }
    }

    #[tokio::test]
    async fn a_refused_item_is_repeated_once_unless_its_caller_repeats_it() {
        let store = Doubling::refusing([7]);
        assert_eq!(store.request(&[7], Repeat::UntilReply).await, [refused(7)]);
        assert_eq!(store.requests(), [[7], [7]]);
        let store = Doubling::refusing([7]);
        assert_eq!(store.request(&[7], Repeat::Never).await, [refused(7)]);
        assert_eq!(store.requests(), [[7]]);
    }

    #[tokio::test]
    async fn a_request_without_a_reply_is_repeated_after_ever_longer_waits() {
        let store = Doubling::default();
        *store.failures_left.lock().expect("lock") = 3;
        *store.is_short.lock().expect("lock") = true;
        let replies = store.request(&[1, 2], Repeat::UntilReply).await;
        assert_eq!(replies, [Ok(2), Ok(4)]);
        assert_eq!(store.requests(), [[1, 2]; 5]);
        assert_eq!(store.waits(), [1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn without_repetition_each_item_has_the_error() {
        let store = Doubling::default();
        *store.failures_left.lock().expect("lock") = 1;
        let away = Err(StoreError::Unavailable("away".to_owned()));
        let replies = store.request(&[1, 2], Repeat::Never).await;
        assert_eq!(replies, [away.clone(), away]);
        assert!(store.waits().is_empty());
    }
}
