//! `GET /events`: says when something changed that a page shows. However many pages are open, a process asks the store
//! once a second, and not at all while none is.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Extension;
use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use scheduled_one_control::{Action, AlertsNow, Control, JobGlance};
use scheduled_one_protocol::BoxFuture;
use serde::Deserialize;
use tokio::sync::watch;

use crate::app::Shared;
use crate::gate::Visitor;
use crate::text::encoded;

/// Streams that are open at once; a page without one asks by itself.
pub(crate) const MAX_STREAMS: usize = 64;
/// Jobs that one stream follows, and that a poll looks at.
const MAX_JOBS: usize = 50;
const MAX_POLLED: usize = 1_024;
/// Between two polls of the store.
const PERIOD: Duration = Duration::from_secs(1);
/// A comment is sent after this time without an event, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What a stream follows in place of a job, to follow what alerts fire. No job has such a name: it is that of the
/// internal one.
const ALERTS: &str = "$alerts";

/// A digest of each job's state; none for all if the store is away.
type Digests = Arc<BTreeMap<String, u64>>;
type Poll = Box<dyn Fn(Vec<String>) -> BoxFuture<'static, Digests> + Send + Sync>;

fn digest(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The query of the events for a page that shows these jobs in this state. What happens between the page and its
/// stream is another state, so it is no loss.
pub(crate) fn follow(glances: &[JobGlance]) -> String {
    let names: Vec<String> = glances.iter().map(|glance| encoded(&glance.job)).collect();
    let seen = state(glances.iter().map(|glance| Some(digest(glance))));
    format!("?jobs={}&seen={seen}", names.join(","))
}

/// The query of the events for the page of alerts. The revision says nothing of jobs that the visitor may not see.
pub(crate) fn follow_alerts(alerts: Option<&AlertsNow>) -> String {
    let seen = state([alerts.map(digest_of_alerts)].into_iter());
    format!("?jobs={}&seen={seen}", encoded(ALERTS))
}

fn digest_of_alerts(alerts: &AlertsNow) -> u64 {
    digest(&alerts.revision)
}

/// The state of jobs, in the order in which the page names them.
fn state(digests: impl Iterator<Item = Option<u64>>) -> u64 {
    let digests: Vec<Option<u64>> = digests.collect();
    digest(&digests)
}

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

impl Hub {
    pub(crate) fn of(control: Control) -> Self {
        Self::new(Box::new(move |mut jobs| {
            let control = control.clone();
            Box::pin(async move {
                let wants_alerts = jobs.iter().any(|job| job == ALERTS);
                jobs.retain(|job| job != ALERTS);
                let glances = control.glance(&jobs).await.unwrap_or_default();
                let digests = glances.iter().zip(jobs);
                let mut digests: BTreeMap<String, u64> =
                    digests.map(|(glance, job)| (job, digest(glance))).collect();
                if wants_alerts && let Ok(Some(alerts)) = control.alerts().await {
                    digests.insert(ALERTS.to_owned(), digest_of_alerts(&alerts));
                }
                Arc::new(digests)
            })
        }))
    }

    fn new(poll: Poll) -> Self {
        Hub(Arc::new(Inner {
            poll,
            digests: watch::Sender::default(),
            streams: Mutex::default(),
        }))
    }

    /// A stream, unless there are enough.
    fn follow(&self, jobs: Vec<String>) -> Option<Follower> {
        let mut streams = self.0.lock();
        if streams.jobs.len() >= MAX_STREAMS {
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
            let jobs: BTreeSet<String> = {
                let mut streams = self.lock();
                if streams.jobs.is_empty() {
                    streams.is_polled = false;
                    return;
                }
                streams
                    .jobs
                    .values()
                    .flatten()
                    .take(MAX_POLLED)
                    .cloned()
                    .collect()
            };
            let digests = (self.poll)(jobs.into_iter().collect()).await;
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
        ALERTS => visitor.user.rights.allows_somewhere(Action::View),
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
            assert_eq!(jobs, ["a", "b"]);
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
}
