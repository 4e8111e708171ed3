//! The example `service` as its first lines say it is run: on each kind of store, with its pages, its metrics, and an
//! alert that fires and is resolved.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cluster_tests::BOUND;
use rustix::process::{Pid, Signal, kill_process};
use test_support::{PostgresServer, RedisServer, wait_until};

/// The job `flaky` fails for a minute, and is well for the next.
const TWO_TURNS: Duration = Duration::from_secs(300);

/// The example, which is ended with the test.
struct Service {
    child: Child,
    log: PathBuf,
}

impl Service {
    fn start(folder: &Path, url: &str) -> Self {
        let tests = std::env::current_exe().expect("the path of this test");
        let program = tests.ancestors().nth(2).expect("a target folder");
        let program = program.join("examples/service");
        let log = folder.join("log");
        let child = Command::new(&program)
            .env("STORE_URL", url)
            .env("PORT", "0")
            .env_remove("HC_PING_KEY")
            .stdin(Stdio::null())
            .stderr(File::create(&log).expect("a log"))
            .spawn();
        let child = child.unwrap_or_else(|error| {
            let way_out = "`cargo build -p scheduled-one-examples --example service` makes it";
            panic!("{}: {error}; {way_out}", program.display())
        });
        Service { child, log }
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("the log")
    }

    /// Host and port, once it listens.
    fn address(&self) -> String {
        let found = || {
            let log = self.log();
            let (_, address) = log.split_once("listening on http://")?;
            Some(address.lines().next()?.trim().to_owned())
        };
        wait_until("the service listens", BOUND, || found().is_some());
        found().expect("an address")
    }

    /// Ends it as Kubernetes does.
    fn stop(mut self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).expect("a signal");
        let mut ended = None;
        wait_until("the service ends", BOUND, || {
            ended = self.child.try_wait().expect("a child");
            ended.is_some()
        });
        let log = self.log();
        assert!(ended.is_some_and(|status| status.success()), "{log}");
        assert!(log.contains("jobs have stopped"), "{log}");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The page behind a path, with its head.
fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut page = String::new();
    stream.read_to_string(&mut page).expect("a page");
    page
}

/// It runs on this store, shows what its documentation says, and ends.
fn runs_on(url: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(folder.path(), url);
    let address = service.address();
    for (path, shows) in [
        ("/", "visit"),
        ("/jobs", "flaky"),
        ("/metrics", "scheduled_one_build_info"),
        ("/console", "flaky"),
    ] {
        // The console shows a job as soon as its node has described it.
        wait_until(&format!("{path} shows {shows} on {url}"), BOUND, || {
            let page = get(&address, path);
            assert!(page.starts_with("HTTP/1.1 200"), "{url} {path}: {page}");
            page.contains(shows)
        });
    }
    service.stop();
}

#[test]
fn it_runs_on_redis() {
    let redis = RedisServer::start().expect("a Redis");
    runs_on(&redis.url());
}

#[test]
fn it_runs_on_postgresql() {
    let postgres = PostgresServer::start().expect("a PostgreSQL");
    runs_on(&postgres.url());
}

#[test]
fn it_runs_on_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    runs_on(&format!("sqlite://{}/jobs.db", folder.path().display()));
}

#[test]
fn with_nothing_installed_an_alert_fires_and_is_resolved() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(folder.path(), "memory://");
    service.address();
    let says = |text: &str| service.log().contains(text);
    wait_until("the alert fires", TWO_TURNS, || {
        says("[firing] flaky: failed")
    });
    wait_until("it is resolved", TWO_TURNS, || {
        says("[resolved] flaky: failed")
    });
    service.stop();
}
