//! The connection on which a node listens, so that it comes at once when somebody asked for something.
//!
//! It is for comfort alone. When it is lost, it is made again, and heartbeats find the same meanwhile. Behind a pooler
//! in transaction mode nobody can listen; that is seen before anything is left on a connection of the pool.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Notification};

use crate::connect_error::ConnectError;
use crate::connections::Connections;
use crate::news::News;
use crate::pooled::{is_shared, process};

/// How long it may take to begin to listen.
const TIME_LIMIT: Duration = Duration::from_secs(4);

/// How long a notification of one's own may be under way.
const ECHO_LIMIT: Duration = Duration::from_secs(2);

/// Waits before a lost connection is made again: the shortest and the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How often it is looked, without a request, whether the host of the connection is still the one to be used.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Who listens for all handles of a namespace in this process.
#[derive(Debug, Default)]
pub(crate) struct Listening {
    news: Arc<News>,
    task: Mutex<Option<JoinHandle<()>>>,
    /// Nobody can listen there.
    is_pooled: Arc<AtomicBool>,
}

impl Listening {
    /// The number of news of a bucket, and its changes. From the first call on somebody listens.
    pub(crate) fn news(
        &self,
        connections: &Connections,
        channel: &str,
        bucket: &str,
    ) -> watch::Receiver<u64> {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        // A task may have ended with its runtime.
        let listens = task.as_ref().is_some_and(|task| !task.is_finished());
        if !listens && !self.is_pooled.load(Ordering::Acquire) {
            let (news, is_pooled) = (Arc::clone(&self.news), Arc::clone(&self.is_pooled));
            let channel = channel.to_owned();
            *task = Some(tokio::spawn(keep_listening(
                connections.clone(),
                channel,
                news,
                is_pooled,
            )));
        }
        self.news.of(bucket)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task {
            task.abort();
        }
    }
}

async fn keep_listening(
    connections: Connections,
    channel: String,
    news: Arc<News>,
    is_pooled: Arc<AtomicBool>,
) {
    let (least, most) = BACK_OFF;
    let mut wait = least;
    let mut is_first = true;
    loop {
        let of_bucket = Arc::clone(&news);
        let came = move |notification: &Notification| of_bucket.came(notification.payload());
        match timeout(TIME_LIMIT, listen(&connections, &channel, came)).await {
            Ok(Ok(Listened::Listens(session))) => {
                if !is_first {
                    news.may_have_come();
                }
                wait = least;
                session.until_lost(&connections).await;
            }
            Ok(Ok(Listened::Pooled)) => {
                is_pooled.store(true, Ordering::Release);
                return;
            }
            Ok(Ok(Listened::Silent)) | Ok(Err(_)) | Err(_) => {}
        }
        is_first = false;
        // Somewhere in the second half: nodes that lost one server do not come back at the same moment.
        let part = RandomState::new().hash_one(()) % 512 + 512;
        sleep(wait * part as u32 / 1_024).await;
        wait = (wait * 2).min(most);
    }
}

/// A connection that listens.
pub(crate) struct Session {
    /// The connection is closed when it is dropped.
    _client: Client,
    driver: JoinHandle<()>,
    made: std::time::Instant,
}

impl Session {
    /// Until the connection is closed, or the requests have left its server.
    async fn until_lost(mut self, connections: &Connections) {
        while connections.may_be_used(self.made) {
            if timeout(LOOK_EVERY, &mut self.driver).await.is_ok() {
                return;
            }
        }
    }
}

/// What became of the attempt to listen.
pub(crate) enum Listened<T> {
    /// This connection listens.
    Listens(T),
    /// A pooler in transaction mode gives the connection of the server to whoever comes next.
    Pooled,
    /// A notification of one's own did not come back in time.
    Silent,
}

/// Begins to listen. `came` is called with each notification.
pub(crate) async fn listen(
    connections: &Connections,
    channel: &str,
    came: impl Fn(&Notification) + Send + Sync + 'static,
) -> Result<Listened<Session>, ConnectError> {
    let (main, returned) = (channel.to_owned(), Arc::new(Notify::new()));
    let echo = Arc::clone(&returned);
    let made = std::time::Instant::now();
    let notified = move |notification: &Notification| match notification.channel() == main {
        true => came(notification),
        false => echo.notify_one(),
    };
    let (client, driver) = connections.listener(Arc::new(notified)).await?;
    let other = connections.get(Instant::now() + TIME_LIMIT).await?;
    let begun = begin(&client, &other, channel, &returned).await;
    let begun = begun.map_err(|error| connections.error(&error))?;
    other.give_back();
    Ok(match begun {
        Listened::Listens(()) => Listened::Listens(Session {
            _client: client,
            driver,
            made,
        }),
        Listened::Pooled => Listened::Pooled,
        Listened::Silent => Listened::Silent,
    })
}

/// Makes this connection listen. A notification that another connection sends has to come back.
async fn begin(
    client: &Client,
    other: &Client,
    channel: &str,
    returned: &Notify,
) -> Result<Listened<()>, Error> {
    if is_shared(client, other).await? {
        return Ok(Listened::Pooled);
    }
    let echo = format!("{channel}_{}", process(client).await?.unsigned_abs());
    // The connection says nothing for hours, which no limit of the server has to end.
    let keep =
        "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'";
    let listen = format!("{keep}; LISTEN \"{channel}\"; LISTEN \"{echo}\"");
    client.batch_execute(&listen).await?;
    let notify = "SELECT pg_notify($1, '')";
    other.query_typed(notify, &[(&echo, Type::TEXT)]).await?;
    if timeout(ECHO_LIMIT, returned.notified()).await.is_err() {
        client.batch_execute("UNLISTEN *").await?;
        return Ok(Listened::Silent);
    }
    client
        .batch_execute(&format!("UNLISTEN \"{echo}\""))
        .await?;
    Ok(Listened::Listens(()))
}
