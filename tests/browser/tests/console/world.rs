//! A service with jobs and a console, on a port of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use scheduled_one_console::Console;
use scheduled_one_console::access::Unprotected;
use scheduled_one_control::Control;
use scheduled_one_protocol::Store;
use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_runtime::{Job, JobContext, Params, Scheduler};
use scheduled_one_testkit::TokioClock;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

pub(crate) struct World {
    pub(crate) control: Control,
    /// The address of the console, with a slash at the end.
    pub(crate) url: String,
    _schedulers: Vec<Scheduler>,
    server: JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl World {
    /// A few jobs that do what they are told, on the embedded store.
    pub(crate) async fn new() -> Self {
        let scheduler = Scheduler::builder("memory://")
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

    async fn serve(
        control: Control,
        set: impl FnOnce(Console) -> Console,
        schedulers: Vec<Scheduler>,
    ) -> Self {
        let console =
            set(Console::new(control.clone()).name("shop")).access(Unprotected::on_loopback());
        let app = Router::new().nest_service("/console", console);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        let server = tokio::spawn(async move { axum::serve(listener, app).await.expect("served") });
        World {
            control,
            url: format!("http://127.0.0.1:{port}/console/"),
            _schedulers: schedulers,
            server,
        }
    }
}
