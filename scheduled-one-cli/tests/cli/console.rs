//! The console, served by the command.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::world::{AWAY, World, run};

/// A console that ends with the test.
struct Served {
    process: Child,
    /// Host and port.
    address: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn serve(url: &str, more: &[&str]) -> Served {
    serve_on("127.0.0.1:0", url, more)
}

fn serve_on(bind: &str, url: &str, more: &[&str]) -> Served {
    let mut process = Command::new(env!("CARGO_BIN_EXE_scheduled-one"))
        .args(["console", "--url", url, "--bind", bind, "--by", "ann"])
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line
        .trim()
        .strip_prefix("http://")
        .unwrap()
        .trim_end_matches('/')
        .to_owned();
    Served { process, address }
}

impl Served {
    /// The whole answer to a request with these lines of its head and this body.
    fn ask(&self, first: &str, head: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let length = body.len();
        let request = format!(
            "{first} HTTP/1.1\r\nconnection: close\r\ncontent-length: {length}\r\n{head}\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn status(&self, first: &str, head: &str, body: &str) -> u16 {
        let answer = self.ask(first, head, body);
        answer
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or_else(|| panic!("{answer}"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_console_is_for_this_machine_alone() {
    let world = World::start().await;
    let served = serve(&world.url, &[]);
    let own = format!("host: {}\r\n", served.address);
    let page = served.ask("GET /", &own, "");
    assert!(
        page.starts_with("HTTP/1.1 200") && page.contains("/jobs/report"),
        "{page}"
    );
    let second = serve_on("127.0.0.2:0", &world.url, &[]);
    let own_of_second = format!("host: {}\r\n", second.address);
    assert_eq!(second.status("GET /", &own_of_second, ""), 200);
    // DNS rebinding, and headers that a proxy or an attacker adds.
    assert_eq!(served.status("GET /", "host: evil.example\r\n", ""), 421);
    for forged in [
        "x-forwarded-for: 127.0.0.1",
        "forwarded: for=127.0.0.1",
        "x-forwarded-host: localhost",
    ] {
        assert_eq!(
            served.status("GET /", &format!("{own}{forged}\r\n"), ""),
            403,
            "{forged}"
        );
    }
    let form = format!("{own}content-type: application/x-www-form-urlencoded\r\n");
    let other = format!("{form}origin: http://evil.example\r\n");
    assert_eq!(
        served.status("POST /jobs/report/pause", &other, "note=evil"),
        403
    );
    let same = format!("{form}origin: http://{}\r\n", served.address);
    assert_eq!(
        served.status("POST /jobs/report/pause", &same, "note=by+hand"),
        303
    );
    let job = world.json(&["job", "report"]).to_string();
    assert!(job.contains("by hand") && job.contains("ann"), "{job}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_stall_hold_nobody_up() {
    let world = World::start().await;
    let served = serve(&world.url, &["--read-only"]);
    let stalled: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(&served.address).unwrap();
            let half = b"POST /jobs/report/pause HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99\r\n\r\nno";
            stream.write_all(half).unwrap();
            stream
        })
        .collect();
    let own = format!("host: {}\r\n", served.address);
    assert_eq!(served.status("GET /", &own, ""), 200);
    // Whoever only looks changes nothing.
    let same = format!("{own}origin: http://{}\r\n", served.address);
    assert_eq!(
        served.status("POST /api/v1/jobs/report:pause", &same, "{}"),
        403
    );
    drop(stalled);
}

#[test]
fn it_listens_on_this_machine_alone_and_says_what_is_wrong() {
    let open = run(AWAY, &["console", "--bind", "0.0.0.0:0"]);
    assert_eq!(open.status, 2, "{}", open.err);
    assert!(open.err.contains("ssh -L"), "{}", open.err);
    let wrong = run(AWAY, &["console", "--bind", "nonsense"]);
    assert_eq!(wrong.status, 2, "{}", wrong.err);
}
