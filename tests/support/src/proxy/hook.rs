//! Hooks: functions of a test that run when a chosen message passes.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Which requests are meant: those that contain certain bytes, such as a script's digest or a key.
///
/// ```
/// use test_support::Matcher;
/// let third_claim = Matcher::containing("EVALSHA").and("{ns}:job:report").after(2);
/// # drop(third_claim);
/// ```
#[derive(Clone, Debug)]
pub struct Matcher {
    needles: Vec<Vec<u8>>,
    skip: u64,
}

impl Matcher {
    /// Requests that contain these bytes, as they are on the wire.
    pub fn containing(bytes: impl AsRef<[u8]>) -> Self {
        Self {
            needles: vec![bytes.as_ref().to_owned()],
            skip: 0,
        }
    }

    /// All requests.
    #[must_use]
    pub fn any() -> Self {
        Self {
            needles: Vec::new(),
            skip: 0,
        }
    }

    /// Those of them that contain these bytes too.
    #[must_use]
    pub fn and(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.needles.push(bytes.as_ref().to_owned());
        self
    }

    /// Not the first so many of them.
    #[must_use]
    pub fn after(mut self, count: u64) -> Self {
        self.skip = count;
        self
    }

    /// Whether this request is meant; counts those that are to be skipped.
    fn takes(&mut self, request: &[u8]) -> bool {
        let contains = |needle: &Vec<u8>| {
            needle.is_empty() || request.windows(needle.len()).any(|it| it == needle)
        };
        if !self.needles.iter().all(contains) {
            return false;
        }
        let takes = self.skip == 0;
        self.skip = self.skip.saturating_sub(1);
        takes
    }
}

impl From<&str> for Matcher {
    fn from(bytes: &str) -> Self {
        Self::containing(bytes)
    }
}

/// What becomes of the request or reply at which an action ran. The last ones win where several
/// actions ran at the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It goes on.
    Deliver,
    /// It goes on after this time, and so does all that comes behind it on its connection.
    Delay(Duration),
    /// It is lost, and so is all that comes behind it in that direction of its connection: what TCP
    /// carries has no gaps. The connection stays open.
    Drop,
    /// Its connection is cut.
    Cut,
}

/// An action that waits for its request; see `on_request` and `on_reply` of
/// [`FaultProxy`](crate::FaultProxy).
#[derive(Clone, Debug)]
pub struct Hook(Arc<Fired>);

#[derive(Debug, Default)]
struct Fired {
    fired: Mutex<bool>,
    changed: Condvar,
}

impl Hook {
    /// Whether the action has run, to its end.
    #[must_use]
    pub fn has_fired(&self) -> bool {
        *self.0.fired.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks until the action has run.
    ///
    /// # Errors
    ///
    /// `bound` has passed.
    pub fn wait(&self, bound: Duration) -> io::Result<()> {
        let fired = self.0.fired.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.changed.wait_timeout_while(fired, bound, |it| !*it);
        let (fired, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if *fired {
            return Ok(());
        }
        let text = format!("no request that the hook is for has passed within {bound:?}");
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    }
}

/// Counts requests; see [`FaultProxy::count`](crate::FaultProxy::count).
#[derive(Clone, Debug)]
pub struct RequestCounter(Arc<AtomicU64>);

impl RequestCounter {
    /// How many such requests were forwarded since it was made.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// When an action runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    Request,
    Reply,
}

type Action = Box<dyn FnOnce() -> Verdict + Send>;

/// An action that has not run yet.
pub(super) struct Armed {
    point: Point,
    matcher: Matcher,
    action: Action,
    hook: Hook,
    /// Cleared hooks do not run, even if their request is under way.
    generation: u64,
}

/// All hooks and counters of a proxy.
#[derive(Default)]
pub(super) struct Hooks {
    armed: Vec<Armed>,
    counters: Vec<(Matcher, Arc<AtomicU64>)>,
    generation: u64,
}

impl Hooks {
    pub(super) fn arm(&mut self, point: Point, matcher: Matcher, action: Action) -> Hook {
        let hook = Hook(Arc::default());
        self.armed.push(Armed {
            point,
            matcher,
            action,
            hook: hook.clone(),
            generation: self.generation,
        });
        hook
    }

    pub(super) fn count(&mut self, matcher: Matcher) -> RequestCounter {
        let count = Arc::<AtomicU64>::default();
        self.counters.push((matcher, Arc::clone(&count)));
        RequestCounter(count)
    }

    pub(super) fn clear(&mut self) {
        self.armed.clear();
        self.generation += 1;
    }

    /// Takes the hooks that are for this request.
    pub(super) fn take(&mut self, point: Point, request: &[u8]) -> Vec<Armed> {
        let meant = |it: &mut Armed| it.point == point && it.matcher.takes(request);
        self.armed.extract_if(.., meant).collect()
    }

    /// A connection ended before the reply came: they wait for the next such request.
    pub(super) fn arm_again(&mut self, hooks: impl IntoIterator<Item = Armed>) {
        let generation = self.generation;
        let current = hooks.into_iter().filter(|it| it.generation == generation);
        self.armed.extend(current);
    }

    pub(super) fn is_current(&self, armed: &Armed) -> bool {
        armed.generation == self.generation
    }

    pub(super) fn note_forwarded(&mut self, request: &[u8]) {
        for (matcher, count) in &mut self.counters {
            if matcher.takes(request) {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    }
}

impl Armed {
    /// Runs the action.
    pub(super) fn fire(self) -> Verdict {
        let verdict = (self.action)();
        let Fired { fired, changed } = &*self.hook.0;
        *fired.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
        verdict
    }
}
