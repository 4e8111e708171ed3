//! Requests that are repeated while the store is away: all of them are safe to repeat.

use std::time::Duration;

use scheduled_one_protocol::{Answer, StoreError};

/// Waits before the repetitions of a request: a connection that broke unnoticed has to be replaced, and a failover
/// takes a moment.
const WAITS: [Duration; 5] = [
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(800),
    Duration::from_millis(1_600),
];

/// Sends a request until the store replies, or was away for a few seconds.
pub(crate) async fn ask<'a, T>(send: impl Fn() -> Answer<'a, T>) -> Result<T, StoreError> {
    ask_and_count(send).await.0
}

/// The same. Also whether the request was sent only once: else an earlier copy of it may have been carried out.
pub(crate) async fn ask_and_count<'a, T>(
    send: impl Fn() -> Answer<'a, T>,
) -> (Result<T, StoreError>, bool) {
    let mut waits = WAITS.into_iter();
    let mut is_first = true;
    loop {
        match (send().await, waits.next()) {
            (Err(StoreError::Unknown(_) | StoreError::Unavailable(_)), Some(wait)) => {
                is_first = false;
                tokio::time::sleep(wait).await;
            }
            (reply, _) => return (reply, is_first),
        }
    }
}
