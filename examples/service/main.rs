//! What a real service looks like: an HTTP server whose jobs live in a module of their own.
//!
//! ```sh
//! STORE_URL=memory:// cargo run --example service                  # one replica, nothing to install
//! STORE_URL=redis://127.0.0.1/ PORT=8081 cargo run --example service  # one of many replicas
//! STORE_URL=postgres://postgres@127.0.0.1/postgres PORT=8081 cargo run --example service
//! STORE_URL=sqlite:///tmp/service.db PORT=8081 cargo run --example service  # on one machine
//! curl http://127.0.0.1:8080/        # counts a visit
//! curl http://127.0.0.1:8080/jobs    # the jobs, their next ticks, what became of the last ones
//! curl http://127.0.0.1:8080/metrics # what Prometheus scrapes
//! open http://127.0.0.1:8080/console # the web console, from this machine only
//! ```
//!
//! The job `flaky` fails for a minute, and is well for the next: the log shows the alert that fires, and the one that
//! is resolved.
//!
//! ```sh
//! scheduled-one --url sqlite:///tmp/service.db --namespace example-service alerts show
//! scheduled-one --url sqlite:///tmp/service.db --namespace example-service alerts test log
//! ```
//!
//! Start a second one with the same `STORE_URL` and another `PORT`, and see in `/jobs` how the ticks
//! spread over both; stop one with Ctrl-C (or SIGTERM, as Kubernetes does), and the other goes on.
//!
//! | variable    | default            |                                              |
//! | ----------- | ------------------ | -------------------------------------------- |
//! | `STORE_URL` | none               | the store the replicas share                 |
//! | `HOST`      | `127.0.0.1`        | `0.0.0.0` in a container                     |
//! | `PORT`      | `8080`             |                                              |
//! | `RUST_LOG`  | `info`             | `scheduled_one=debug` shows each decision    |

mod alerts;
mod db;
mod http;
mod jobs;

use std::env;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use scheduled_one_console::RunLogs;
use scheduled_one_runtime::Scheduler;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};
use tracing_subscriber::filter::{EnvFilter, LevelFilter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use db::Db;

/// How long requests that are under way may take when the service stops …
const DRAIN: Duration = Duration::from_secs(5);
/// … and how long jobs may take after that. Kubernetes kills after 30 s in total.
const GRACE: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let run_logs = log_to_stderr();
    let db = Db::connect();

    // Jobs start to run here. What is wrong with them, or with the store, is an error now and not
    // at three in the morning. So is a variable that was forgotten: with a default of `memory://`,
    // each replica would have a store of its own, and each tick would run on all of them.
    let builder = Scheduler::builder_from_env("STORE_URL");
    let scheduler = alerts::monitored(builder)
        .namespace("example-service")
        .node_name(node_name())
        .alerts(alerts::alerts(&format!("http://{}/console", address())))
        .state(db.clone()) // the jobs take it as `State<Db>`, as the handlers of HTTP do
        .start()
        .await?;
    let scheduler = Arc::new(scheduler);

    let listener = TcpListener::bind(address())
        .await
        .context("cannot listen")?;
    info!("listening on http://{}", listener.local_addr()?);
    let stop = Stop::listen()?;
    let app = http::router(db, Arc::clone(&scheduler), run_logs)?;
    serve(listener, app, stop).await?;

    // Requests are through; now the jobs. Their leases are released, so that other replicas go on
    // at once, and what became of them is recorded.
    let stopped = scheduler.shutdown(GRACE).await;
    info!(
        stopped.finished,
        stopped.cancelled, stopped.recorded, "jobs have stopped"
    );
    Ok(())
}

/// Serves until a signal comes, then accepts nothing more and lets requests finish, for a while.
async fn serve(listener: TcpListener, app: axum::Router, mut stop: Stop) -> anyhow::Result<()> {
    let (stopping, mut stopped) = tokio::sync::watch::channel(false);
    let signal = async move {
        let name = stop.signal().await;
        info!("{name}: no new requests, those under way may finish");
        stopping.send_replace(true);
    };
    // The console looks at the address of the visitor.
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, app).with_graceful_shutdown(signal);
    let patience_is_over = async move {
        let _ = stopped.wait_for(|stopping| *stopping).await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = server => served.context("cannot serve"),
        () = patience_is_over => {
            warn!("some requests took longer than {DRAIN:?} and are cut off");
            Ok(())
        }
    }
}

/// A setting of the environment. An empty variable counts as unset.
fn setting(name: &str, default: &str) -> String {
    let given = env::var(name).ok().filter(|value| !value.trim().is_empty());
    given.map_or(default.to_owned(), |value| value.trim().to_owned())
}

fn address() -> String {
    format!(
        "{}:{}",
        setting("HOST", "127.0.0.1"),
        setting("PORT", "8080")
    )
}

/// How this replica is called in logs and ledgers. In a container, `HOSTNAME` tells them apart.
fn node_name() -> String {
    format!("{}-{}", setting("HOSTNAME", "local"), std::process::id())
}

/// Logs to the standard error output; what runs log is also kept for their pages in the console.
fn log_to_stderr() -> RunLogs {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .from_env_lossy();
    let to_stderr = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let run_logs = RunLogs::new();
    let layers = tracing_subscriber::registry().with(filter).with(to_stderr);
    layers.with(run_logs.clone()).init();
    run_logs
}

/// The signals that ask the service to end.
///
/// A service without a server of its own needs none of this: `scheduler.run_until_signal().await`.
struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    fn listen() -> anyhow::Result<Self> {
        Ok(Stop {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn signal(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}
