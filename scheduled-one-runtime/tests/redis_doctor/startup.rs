//! A start reports what the doctor finds: as warnings in the log, or as its error.

use std::time::Duration;

use scheduled_one_runtime::{Job, Scheduler, Severity, doctor};
use test_support::{Log, RedisServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::{assert_finds, started};

#[tokio::test]
async fn a_start_logs_its_warnings_once() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let managed = started(&["--maxmemory-policy", "volatile-lru"]);
    let job = Job::every("tick", Duration::from_secs(3600), || async {});
    let scheduler = Scheduler::builder(managed.url())
        .job(job)
        .start()
        .await
        .unwrap();
    drop(guard);
    let (warnings, log) = (log.lines_with("doctor: "), log.text());
    assert_eq!(warnings.len(), 1, "{log}");
    for words in [
        "WARN",
        "doctor: maxmemory-policy is volatile-lru",
        "check=\"eviction\"",
    ] {
        assert!(warnings[0].contains(words), "{log}");
    }
    drop(scheduler);
}

/// Starts a proxy for a Redis that replaces `INFO` in scripts by an unknown command, as on a server whose scripts may
/// not call `INFO`.
async fn no_info_in_scripts(redis: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let server = TcpStream::connect(("127.0.0.1", redis)).await.unwrap();
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
            tokio::spawn(async move {
                // A request is written in one go, and is smaller than this.
                let mut buffer = vec![0; 1 << 20];
                while let Ok(n @ 1..) = from_client.read(&mut buffer).await {
                    let asks = b"call('INFO'";
                    for at in 0..n.saturating_sub(asks.len()) {
                        if buffer[at..].starts_with(asks) {
                            buffer[at + 6] = b'O';
                        }
                    }
                    to_server.write_all(&buffer[..n]).await?;
                }
                std::io::Result::Ok(())
            });
        }
    });
    port
}

#[tokio::test]
async fn a_server_whose_scripts_may_not_ask_who_serves_is_refused() {
    let redis = RedisServer::start().unwrap();
    let port = no_info_in_scripts(redis.port()).await;
    let url = format!("redis://127.0.0.1:{port}");
    let report = doctor(&url).await;
    assert_finds(
        &report,
        "scripts",
        Severity::Severe,
        "calls INFO does not run",
    );
    let job = Job::every("tick", Duration::from_secs(3600), || async {});
    let error = Scheduler::builder(url).job(job).start().await.unwrap_err();
    assert!(error.to_string().contains("calls INFO"), "{error}");
    assert_eq!(redis.command(&["DBSIZE"]).unwrap(), "0");
}
