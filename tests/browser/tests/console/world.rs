//! A service with jobs and a console, on a port of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use axum::Router;
use scheduled_one_console::Console;
use scheduled_one_console::access::Unprotected;
use scheduled_one_control::{BackfillOnly, Control};
use scheduled_one_protocol::Store;
use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_runtime::{Job, JobContext, Params, Scheduler};
use scheduled_one_testkit::TokioClock;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::showcase;

const HOUR: Duration = Duration::from_secs(3_600);
/// When the day of the showcase begins.
const NEW_YEAR: Duration = Duration::from_secs(1_767_225_600);

pub(crate) struct World {
    pub(crate) control: Control,
    pub(crate) address: SocketAddr,
    /// The address of the console, with a slash at the end.
    pub(crate) url: String,
    schedulers: Vec<Scheduler>,
    server: JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl World {
    /// A few jobs that do as they are asked, on the embedded store.
    pub(crate) async fn new() -> Self {
        Self::on("memory://").await
    }

    /// The same on another store.
    pub(crate) async fn on(url: &str) -> Self {
        let scheduler = Scheduler::builder(url)
            .namespace("shop")
            .node_name("shop-1")
            .job(
                Job::every("invoices", HOUR, async || {})
                    .description("Sends the invoices of the day"),
            )
            .job(Job::every("import", HOUR, async |ctx: JobContext| {
                ctx.cancelled().await
            }))
            .job(Job::manual("echo", async |Params(value): Params<Value>| {
                Err::<(), _>(value.to_string())
            }))
            .start()
            .await
            .expect("started");
        Self::serve(
            scheduler.control().expect("control"),
            |console| console,
            vec![scheduler],
        )
        .await
    }

    /// A shop in the morning of a Thursday: twelve hours of jobs that run, fail, take long and miss ticks, on three
    /// nodes. They pass in virtual time, then the clock goes on as usual; the test has a runtime of one thread, and its
    /// time is paused.
    pub(crate) async fn showcase() -> Self {
        let clock = TokioClock::new();
        let store = MemoryStore::new(Arc::new(clock));
        let mut nodes = Vec::new();
        for name in ["shop-7d9f-x2v", "shop-7d9f-k8q", "shop-7d9f-m4t"] {
            nodes.push(showcase::node(name, clock, &store).await);
        }
        let control = Control::of_stores(vec![Arc::new(store) as Arc<dyn Store>]).expect("control");
        showcase::live(&control, &nodes).await;
        tokio::time::resume();
        Self::serve(control, |console| console.clock(clock), nodes).await
    }

    /// Waits until a node has read that the job is paused: from then on it says so to a store that forgets.
    pub(crate) async fn knows_of_pause(&self, job: &str) {
        let paused = format!("scheduled_one_job_paused{{job_name=\"{job}\"}} 1");
        let until = Instant::now() + Duration::from_secs(60);
        let knows = |node: &Scheduler| node.openmetrics().contains(&paused);
        while !self.schedulers.iter().any(knows) {
            assert!(Instant::now() < until, "no node knows it within a minute");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ten hours of `charge_cards` once more; each of the 20 runs takes seconds.
    pub(crate) async fn begin_long_backfill(&self) {
        let at = |hour: u32| UNIX_EPOCH + NEW_YEAR + HOUR * hour;
        let backfill = self.control.backfill("charge_cards", at(1)..at(11));
        let begun = backfill.only(BackfillOnly::All).await.expect("begun");
        assert_eq!(begun.ticks.len(), 20);
    }

    async fn serve(
        control: Control,
        set: impl FnOnce(Console) -> Console,
        schedulers: Vec<Scheduler>,
    ) -> Self {
        let console =
            set(Console::new(control.clone()).name("shop")).access(Unprotected::on_loopback());
        let app = Router::new().nest_service("/console", console);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let server = tokio::spawn(async move { axum::serve(listener, app).await.expect("served") });
        World {
            control,
            address,
            url: format!("http://{address}/console/"),
            schedulers,
            server,
        }
    }
}
