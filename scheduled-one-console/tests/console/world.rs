//! A cluster with a console, and requests to it. Each answer is checked for the headers that all have.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use scheduled_one_console::access::{Access, Decision, User};
use scheduled_one_console::{Body, Console, ConsoleService, Rights};
use scheduled_one_control::Control;
use scheduled_one_protocol::machine::VERSION;
use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_protocol::message::{Caller, Heartbeat, JobList};
use scheduled_one_protocol::{LedgerRecord, Store};
use scheduled_one_runtime::alerts::Alerts;
use scheduled_one_runtime::{Job, JobContext, Params, Scheduler, Scope};
use scheduled_one_testkit::TokioClock;
use serde_json::Value;
use tower::ServiceExt as _;

/// Markup that runs a script if one place forgets to escape it.
pub(crate) const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>";
const HOUR: Duration = Duration::from_secs(3_600);
const SECOND: Duration = Duration::from_secs(1);

pub(crate) struct World {
    pub(crate) console: ConsoleService,
    pub(crate) control: Control,
    store: MemoryStore,
    clock: TokioClock,
    _scheduler: Scheduler,
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

/// Everybody is this user.
pub(crate) fn user(name: &str, rights: Rights) -> impl Access + use<> {
    let user = User::new(name, rights);
    move |_: &http::request::Parts| Decision::Allow(user.clone())
}

fn caller(node: &str, name: &str) -> Caller {
    Caller {
        node: node.to_owned(),
        name: name.to_owned(),
        quarantine_ms: 0,
        margin_ms: 0,
        ledger_limit: 100,
        buckets: 1,
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(user("ann", Rights::all())).await
    }

    pub(crate) async fn with(access: impl Access) -> Self {
        let clock = TokioClock::new();
        let store = MemoryStore::new(Arc::new(clock));
        let scheduler = Scheduler::builder("memory://")
            .clock(clock)
            .store(store.clone())
            .node_name("node-a")
            .job(
                Job::every("nightly", HOUR, async || {})
                    .description("Adds up")
                    .group("billing"),
            )
            .job(Job::every("broken", HOUR, async || Err::<(), _>(HOSTILE)))
            .job(Job::every("patient", HOUR, async |ctx: JobContext| {
                ctx.cancelled().await
            }))
            .job(Job::manual("talkative", async || {
                tracing::info!(customer = 42, "the file has {} lines", 7);
                tracing::warn!("{HOSTILE}");
            }))
            .job(Job::every(
                "echo",
                HOUR,
                async |Params(value): Params<Value>| match value {
                    Value::Null => Ok(()),
                    value => Err(value.to_string()),
                },
            ))
            .start()
            .await
            .expect("started");
        let control =
            Control::of_stores(vec![Arc::new(store.clone()) as Arc<dyn Store>]).expect("control");
        let console = Console::new(control.clone()).name("orders").clock(clock);
        let world = World {
            console: console.access(access),
            control,
            store,
            clock,
            _scheduler: scheduler,
        };
        let registered = async || world.control.jobs().await.expect("jobs").len() == 5;
        eventually("jobs are registered", registered).await;
        world
    }

    /// A node with jobs that nodes do not list: `each-node`, which each node runs by itself, and `off`, disabled.
    pub(crate) async fn add_jobs_that_are_not_listed(&self) -> Scheduler {
        let started = Scheduler::builder("memory://")
            .clock(self.clock)
            .store(self.store.clone())
            .node_name("node-c")
            .job(Job::every("each-node", HOUR, async || {}).scope(Scope::EveryNode))
            .job(Job::every("off", HOUR, async || {}).enabled(false))
            .start();
        let scheduler = Box::pin(started).await.expect("started");
        let described = async || self.control.jobs().await.expect("jobs").len() == 7;
        eventually("the jobs are described", described).await;
        scheduler
    }

    /// The same cluster, seen by somebody else.
    pub(crate) fn seen_by(&self, access: impl Access) -> ConsoleService {
        Console::new(self.control.clone()).access(access)
    }

    /// A node that evaluates alerts, and has a job of its own.
    pub(crate) async fn evaluate(&self, alerts: Alerts) -> Scheduler {
        let started = Scheduler::builder("memory://")
            .clock(self.clock)
            .store(self.store.clone())
            .node_name("node-b")
            .job(Job::manual("watched", async || {}))
            .alerts(alerts)
            .start();
        Box::pin(started).await.expect("started")
    }

    /// A node that shows itself once, with these jobs.
    pub(crate) async fn add_node<'a>(&self, name: &str, jobs: impl IntoIterator<Item = &'a str>) {
        let jobs = jobs.into_iter().map(str::to_owned);
        let protocol = format!("{}{VERSION}", JobList::PROTOCOL);
        let entries: Vec<String> = jobs.chain([protocol]).collect();
        let list = JobList::new(entries.iter().map(String::as_str));
        let caller = caller("another", name);
        let heartbeat = Heartbeat {
            jobs: list.digest(),
            job_list: Some(list),
            ..Heartbeat::alive()
        };
        let reply = self.store.heartbeat(&caller, heartbeat).await;
        reply.expect("a reply");
    }

    /// Writes a line into a ledger, as somebody may who writes into the store.
    pub(crate) async fn record(&self, line: LedgerRecord) {
        let caller = caller("another", "another");
        let reply = self.store.record(&caller, &[line]).await;
        reply.expect("a reply");
    }

    /// Waits until the node has said how far its wall clock is off: not at all.
    pub(crate) async fn knows_clocks(&self) {
        let is_known = async || {
            let nodes = self.control.living_nodes().await.expect("nodes");
            nodes[0].clock_offset_ms == Some(0)
        };
        eventually("its clock is known", is_known).await;
    }

    /// A node that shows itself once, with a wall clock that is so far off.
    pub(crate) async fn add_node_off(&self, name: &str, clock_offset_ms: Option<i64>) {
        let caller = caller(name, name);
        let heartbeat = Heartbeat {
            clock_offset_ms,
            ..Heartbeat::alive()
        };
        let reply = self.store.heartbeat(&caller, heartbeat).await;
        reply.expect("a reply");
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        send(
            &self.console,
            request(Method::GET, path).body(String::new()),
        )
        .await
    }

    /// Sends a form, as a browser does from a page of this console.
    pub(crate) async fn post(&self, path: &str, form: &str) -> Reply {
        post(&self.console, path, form).await
    }

    /// A run of this job that is active; returns its token.
    pub(crate) async fn running(&self, job: &str) -> u64 {
        let asked = self.control.run(job).await;
        asked.expect("asked for");
        let mut token = None;
        for _ in 0..600 {
            let open = self.control.open_runs(job).await.expect("open runs");
            token = open.iter().find_map(|run| run.token);
            if token.is_some() {
                break;
            }
            tokio::time::sleep(SECOND).await;
        }
        token.expect("it runs").get()
    }

    /// Runs the job once, to its end.
    pub(crate) async fn ran(&self, job: &str) {
        let asked = self.control.run(job).await.expect("asked for");
        asked.finished(60 * SECOND).await.expect("finished");
    }
}

pub(crate) fn request(method: Method, path: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "console.example")
}

pub(crate) async fn post(console: &ConsoleService, path: &str, form: &str) -> Reply {
    let request = request(Method::POST, path)
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "application/x-www-form-urlencoded");
    send(console, request.body(form.to_owned())).await
}

pub(crate) async fn send(
    console: &ConsoleService,
    request: http::Result<Request<String>>,
) -> Reply {
    let response = open(console, request).await;
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    Reply {
        status: parts.status,
        headers: parts.headers,
        text: String::from_utf8(bytes.into()).expect("UTF-8"),
    }
}

/// The answer with an open body.
pub(crate) async fn open(
    console: &ConsoleService,
    request: http::Result<Request<String>>,
) -> Response<Body> {
    let request = request.expect("a request");
    let what = format!("{} {}", request.method(), request.uri());
    let response = console.clone().oneshot(request).await.expect("infallible");
    let header = |name: &str| {
        let value = response.headers().get(name);
        value
            .map(|value| value.to_str().expect("text").to_owned())
            .unwrap_or_default()
    };
    assert!(
        header("content-security-policy").starts_with("default-src 'none'; script-src 'self';"),
        "{what}"
    );
    assert!(
        !header("content-security-policy").contains("unsafe"),
        "{what}"
    );
    assert_eq!(header("x-content-type-options"), "nosniff", "{what}");
    assert_eq!(header("referrer-policy"), "same-origin", "{what}");
    assert_eq!(
        header("cross-origin-opener-policy"),
        "same-origin",
        "{what}"
    );
    assert!(!header("cache-control").is_empty(), "{what}");
    response
}

/// Waits, in virtual time, for a condition.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if holds().await {
            return;
        }
        tokio::time::sleep(SECOND).await;
    }
    panic!("not within ten minutes: {what}");
}

impl Reply {
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    #[track_caller]
    pub(crate) fn has(self, part: &str) -> Self {
        assert!(self.text.contains(part), "no {part:?} in {}", self.text);
        self
    }

    #[track_caller]
    pub(crate) fn lacks(self, part: &str) -> Self {
        assert!(!self.text.contains(part), "{part:?} in {}", self.text);
        self
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("text"))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("JSON")
    }
}
