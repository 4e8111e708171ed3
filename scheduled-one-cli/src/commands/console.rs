//! `console`: serves the web console to the people of this machine. It runs no jobs.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use scheduled_one_console::access::{ReadOnly, Unprotected};
use scheduled_one_console::{Console, ConsoleService};
use tokio::net::TcpListener;

use crate::args;
use crate::exit::Exit;
use crate::failure::{Failure, hint};
use crate::session::Session;

/// How long requests that are under way may take when it stops; streams of events have no end.
const DRAIN: Duration = Duration::from_secs(1);

pub(crate) async fn run(global: &args::Global, args: &args::Console) -> Result<Exit, Failure> {
    if !args.bind.ip().is_loopback() {
        return Err(Failure::usage(format!(
            "--bind {}: the console of this command has no password, so it listens on 127.0.0.1 or [::1] alone; reach it \
             with `ssh -L`, or mount scheduled-one-console in a service of yours, with an access",
            args.bind
        )));
    }
    let session = &Session::open(global).await?;
    let listener = TcpListener::bind(args.bind).await;
    let listener =
        listener.map_err(|error| Failure::usage(format!("--bind {}: {error}", args.bind)))?;
    let address = listener.local_addr()?;
    session.output.print(&format!("http://{address}/\n"))?;
    hint("it follows the store until Ctrl-C; whoever uses this machine can open it");
    let app = Router::new().fallback_service(service(session, args));
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let (stopping, mut stopped) = tokio::sync::watch::channel(false);
    let interrupted = async move {
        // Without the signal there is no other end than that of the process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        stopping.send_replace(true);
    };
    let server = axum::serve(listener, app).with_graceful_shutdown(interrupted);
    let patience_is_over = async {
        let _ = stopped.wait_for(|stopping| *stopping).await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = server => served?,
        () = patience_is_over => {}
    }
    Ok(Exit::Done)
}

/// The console, under the names of this machine.
fn service(session: &Session, args: &args::Console) -> ConsoleService {
    let console = Console::new(session.control.clone()).name(session.namespace.clone());
    // Any address of the loopback is one: 127.0.0.2, too.
    let bound = args.bind.ip().to_string();
    let console = ["localhost", "127.0.0.1", "::1", &bound]
        .into_iter()
        .fold(console, Console::host);
    let access = Unprotected::on_loopback().as_user(&session.by);
    match args.read_only {
        true => console.access(ReadOnly(access)),
        false => console.access(access),
    }
}
