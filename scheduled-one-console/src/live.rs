//! `GET /events`: says when something changed that a page shows. However many pages are open, a process asks the store
//! once a second, and not at all while none is.

mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Extension;
use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use scheduled_one_control::{Action, Control};
use scheduled_one_protocol::BoxFuture;
use serde::Deserialize;
use tokio::sync::watch;

use crate::app::Shared;
use crate::gate::Visitor;
use state::{ALERTS, CLUSTER, TRAIL, digests, state};

pub(crate) use state::{follow, follow_alerts, follow_cluster, follow_trail};

/// Streams that are open at once; a page without one asks by itself.
pub(crate) const MAX_STREAMS: usize = 64;
/// Jobs that one stream follows.
const MAX_JOBS: usize = 50;
/// Different jobs that all streams follow, and that a poll looks at.
const MAX_POLLED: usize = 1_024;
/// Between two polls of the store.
const PERIOD: Duration = Duration::from_secs(1);
/// A comment is sent after this time without an event, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A digest of each job's state; none for all if the store is away.
type Digests = Arc<BTreeMap<String, u64>>;
type Poll = Box<dyn Fn(BTreeSet<String>) -> BoxFuture<'static, Digests> + Send + Sync>;

/// All streams, and the one task that polls for them.
#[derive(Clone)]
pub(crate) struct Hub(Arc<Inner>);

struct Inner {
    poll: Poll,
    digests: watch::Sender<Digests>,
    streams: Mutex<Streams>,
}

/// What open streams follow, by their number.
#[derive(Default)]
struct Streams {
    jobs: BTreeMap<u64, Vec<String>>,
    last: u64,
    is_polled: bool,
}

impl Streams {
    /// What all of them follow, each once.
    fn followed(&self) -> BTreeSet<String> {
        self.jobs.values().flatten().cloned().collect()
    }
}

impl Hub {
    pub(crate) fn of(control: Control) -> Self {
        Self::new(Box::new(move |followed| {
            let control = control.clone();
            Box::pin(async move { Arc::new(digests(&control, followed).await) })
        }))
    }

    fn new(poll: Poll) -> Self {
        Hub(Arc::new(Inner {
            poll,
            digests: watch::Sender::default(),
            streams: Mutex::default(),
        }))
    }

    /// A stream, unless there are enough, or they follow as many jobs as a poll may look at: a page without a stream
    /// learns of everything when it asks by itself.
    fn follow(&self, jobs: Vec<String>) -> Option<Follower> {
        let mut streams = self.0.lock();
        let mut all = streams.followed();
        all.extend(jobs.iter().cloned());
        if streams.jobs.len() >= MAX_STREAMS || all.len() > MAX_POLLED {
            return None;
        }
        streams.last += 1;
        let number = streams.last;
        streams.jobs.insert(number, jobs.clone());
        let must_start = !std::mem::replace(&mut streams.is_polled, true);
        drop(streams);
        if must_start {
            tokio::spawn(Arc::clone(&self.0).poll_while_followed());
        }
        Some(Follower {
            digests: self.0.digests.subscribe(),
            hub: self.clone(),
            number,
            jobs,
        })
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hub({} streams)", self.0.lock().jobs.len())
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn poll_while_followed(self: Arc<Self>) {
        loop {
            let followed = {
                let mut streams = self.lock();
                if streams.jobs.is_empty() {
                    streams.is_polled = false;
                    return;
                }
                streams.followed()
            };
            let digests = (self.poll)(followed).await;
            self.digests.send_replace(digests);
            tokio::time::sleep(PERIOD).await;
        }
    }
}

/// One open stream. Dropping it makes room for another one.
struct Follower {
    hub: Hub,
    number: u64,
    jobs: Vec<String>,
    digests: watch::Receiver<Digests>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.hub.0.lock().jobs.remove(&self.number);
    }
}

impl Follower {
    /// The next state that is another one than `seen`.
    async fn changed(&mut self, seen: Option<u64>) -> u64 {
        loop {
            // The sender is in the hub, which this follower keeps.
            let _ = self.digests.changed().await;
            let state = self.state();
            if Some(state) != seen {
                return state;
            }
        }
    }

    fn state(&mut self) -> u64 {
        let digests = Arc::clone(&self.digests.borrow_and_update());
        state(self.jobs.iter().map(|job| digests.get(job).copied()))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Followed {
    /// Names with commas between them.
    jobs: String,
    /// The state that the page shows.
    seen: Option<u64>,
}

/// `GET /events?jobs=…`
pub(crate) async fn events(
    State(app): Shared,
    Extension(visitor): Extension<Visitor>,
    Query(followed): Query<Followed>,
    headers: HeaderMap,
) -> Response {
    let may_see = |job: &&str| match *job {
        "" => false,
        ALERTS | CLUSTER | TRAIL => visitor.user.rights.allows_somewhere(Action::View),
        job => visitor.may(Action::View, job),
    };
    let jobs = followed.jobs.split(',').filter(may_see).take(MAX_JOBS);
    let Some(follower) = app.hub.follow(jobs.map(str::to_owned).collect()) else {
        let text = "As many pages follow the store as may: this one asks every ten seconds.\n";
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            [(header::RETRY_AFTER, "10")],
            text,
        )
            .into_response();
    };
    let seen = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok())
        .or(followed.seen);
    let changes = stream::unfold(
        (follower, seen, seen.is_none()),
        |(mut follower, seen, is_new)| async move {
            let state = follower.changed(seen).await;
            // Who does not say what it has seen learns where it begins.
            let event = match is_new {
                true => Event::default().event("start"),
                false => Event::default().event("change"),
            };
            // A browser drops an event without data.
            let event = event.id(state.to_string()).data("look");
            Some((Ok::<_, Infallible>(event), (follower, Some(state), false)))
        },
    );
    let mut response = Sse::new(changes)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response();
    let unbuffered = HeaderName::from_static("x-accel-buffering");
    response
        .headers_mut()
        .insert(unbuffered, HeaderValue::from_static("no"));
    response
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_store_is_polled_once_a_second_however_many_follow() {
        let polls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&polls);
        let hub = Hub::new(Box::new(move |jobs| {
            assert_eq!(jobs, ["a", "b"].map(str::to_owned).into());
            counted.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Digests::default() })
        }));
        let follow = || {
            hub.follow(vec!["b".to_owned(), "a".to_owned()])
                .expect("there is room")
        };
        let followers: Vec<Follower> = (0..MAX_STREAMS).map(|_| follow()).collect();
        assert!(hub.follow(Vec::new()).is_none());
        tokio::time::sleep(PERIOD * 10).await;
        let polled = polls.load(Ordering::Relaxed);
        assert!((10..=11).contains(&polled), "{polled}");

        drop(followers);
        tokio::time::sleep(PERIOD * 2).await;
        let polled = polls.load(Ordering::Relaxed);
        tokio::time::sleep(PERIOD * 100).await;
        assert_eq!(polls.load(Ordering::Relaxed), polled, "nobody follows");

        let _again = follow();
        tokio::time::sleep(PERIOD).await;
        assert!(polls.load(Ordering::Relaxed) > polled);
    }
    /// The state of a job that a follower sees, when it is polled.
    fn polled() -> Hub {
        Hub::new(Box::new(|jobs| {
            Box::pin(async { Arc::new(jobs.into_iter().map(|job| (job, 7)).collect()) })
        }))
    }

    #[tokio::test(start_paused = true)]
    async fn each_of_many_pages_with_the_same_jobs_is_fed() {
        let hub = polled();
        let page: Vec<String> = (0..MAX_JOBS).map(|job| format!("job-{job:02}")).collect();
        let follow = |last: &str| {
            let jobs = page[1..].iter().cloned().chain([last.to_owned()]);
            hub.follow(jobs.collect()).expect("there is room")
        };
        let mut followers: Vec<Follower> = (0..MAX_STREAMS)
            .map(|number| follow(&format!("own-{number:02}")))
            .collect();
        let last = followers.last_mut().expect("a stream");
        let all_are_known = state(std::iter::repeat_n(Some(7), MAX_JOBS));
        assert_eq!(last.changed(None).await, all_are_known);
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_with_more_jobs_than_are_polled_gets_no_stream() {
        let hub = polled();
        let page = |number: usize| {
            let jobs = (0..MAX_JOBS).map(|job| format!("job-{number}-{job}"));
            hub.follow(jobs.collect())
        };
        let fed = MAX_POLLED / MAX_JOBS;
        let followers: Vec<Option<Follower>> = (0..=fed).map(page).collect();
        let with_stream = followers.iter().flatten().count();
        assert_eq!((with_stream, followers[fed].is_none()), (fed, true));
        // Who shows what others show gets one.
        assert!(page(0).is_some());
    }
}
