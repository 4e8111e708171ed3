//! Alerts of a cluster: the node that sends is killed, stands still, or loses its store.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use cluster_tests::BOUND;
use cluster_tests::cluster::Cluster;
use cluster_tests::job::JobSpec;
use scheduled_one_runtime::{LedgerEntry, Outcome, Scheduler};
use test_support::{wait_until, wait_until_async};

const NODE: &str = env!("CARGO_BIN_EXE_node");
const LEASE: Duration = Duration::from_secs(2);
/// The internal job that evaluates alerts.
const EVALUATES: &str = "$alerts";

/// A message as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Message {
    /// The node that sent it.
    node: String,
    id: String,
    title: String,
}

/// A receiver of webhooks.
struct Receiver {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Message>>>,
}

impl Receiver {
    /// It never replies to the first message if it `hangs`.
    fn start(hangs: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let received = Arc::<Mutex<Vec<Message>>>::default();
        let kept = Arc::clone(&received);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let kept = Arc::clone(&kept);
                thread::spawn(move || serve(stream, &kept, hangs));
            }
        });
        Receiver { address, received }
    }

    /// The messages about failures, in the order in which they came.
    fn failures(&self) -> Vec<Message> {
        let received = self.received.lock().expect("the messages");
        let of_rule = received.iter().filter(|it| it.title.contains(": failed"));
        of_rule.cloned().collect()
    }

    fn wait_for(&self, what: &str, count: usize) -> Vec<Message> {
        wait_until(what, BOUND, || self.failures().len() >= count);
        self.failures()
    }
}

fn serve(stream: TcpStream, received: &Mutex<Vec<Message>>, hangs: bool) {
    let mut reader = BufReader::new(&stream);
    loop {
        let (mut line, mut id, mut length) = (String::new(), String::new(), 0);
        if reader.read_line(&mut line).unwrap_or_default() == 0 {
            return;
        }
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header).is_err() || header.trim().is_empty() {
                break;
            }
            let (name, value) = header.split_once(':').expect("a header");
            match name.to_ascii_lowercase().as_str() {
                "webhook-id" => id = value.trim().to_owned(),
                "content-length" => length = value.trim().parse().expect("a length"),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("a body");
        let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        let path = line.split(' ').nth(1).expect("a path");
        let message = Message {
            node: path.trim_start_matches('/').to_owned(),
            id,
            title: body["data"]["title"].as_str().expect("a title").to_owned(),
        };
        let is_first = {
            let mut received = received.lock().expect("the messages");
            received.push(message);
            received.len() == 1
        };
        if hangs && is_first {
            // Until the node is gone.
            let _ = reader.read(&mut [0]);
            return;
        }
        let reply = b"HTTP/1.1 204 No Content\r\n\r\n";
        if (&stream).write_all(reply).is_err() {
            return;
        }
    }
}

fn failing(name: &str) -> JobSpec {
    JobSpec::new(name, 500, 0).with(["fails=1"])
}

fn cluster(nodes: usize, receiver: &Receiver, jobs: Vec<JobSpec>) -> Cluster {
    let mut cluster = Cluster::new(NODE, LEASE, jobs);
    cluster.set_hook(receiver.address);
    cluster.start_nodes(nodes);
    cluster
}

/// Waits until rules were evaluated after an instant of the ledger's clock, so many times; returns the last.
async fn evaluated(observer: &Scheduler, after_ms: i64, times: usize) -> LedgerEntry {
    let is_later =
        |line: &LedgerEntry| line.outcome == Outcome::Ok && line.tick.as_millisecond() > after_ms;
    let mut lines = Vec::new();
    wait_until_async("rules are evaluated", BOUND, async || {
        lines = observer.ledger(EVALUATES, 1000).await.unwrap_or_default();
        lines.retain(is_later);
        lines.len() >= times
    })
    .await;
    lines.swap_remove(0)
}

async fn newest_ms(observer: &Scheduler) -> i64 {
    let lines = observer.ledger(EVALUATES, 1).await.expect("the ledger");
    lines.first().map_or(0, |line| line.tick.as_millisecond())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_killed_while_it_sends_is_followed_with_the_same_id() {
    let receiver = Receiver::start(true);
    let mut cluster = cluster(3, &receiver, vec![failing("bad")]);
    let observer = cluster.observer().await;
    let first = receiver.wait_for("a message is sent", 1).remove(0);
    assert_eq!(first.title, "[firing] bad: failed");
    cluster.node(&first.node).kill();

    let sent = receiver.wait_for("another node sends it", 2);
    assert_ne!(sent[1].node, first.node);
    assert_eq!((&sent[1].id, &sent[1].title), (&first.id, &first.title));
    // The job fails all the time, and nothing more is said of it.
    evaluated(&observer, newest_ms(&observer).await, 4).await;
    assert_eq!(receiver.failures(), sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stood_still_says_nothing_twice() {
    let receiver = Receiver::start(false);
    let mut cluster = cluster(3, &receiver, vec![failing("bad")]);
    let observer = cluster.observer().await;
    let first = receiver.wait_for("a message is sent", 1).remove(0);
    let before_ms = newest_ms(&observer).await;
    cluster.node(&first.node).pause();
    // Another node goes on, and says what is new.
    let mut next = evaluated(&observer, before_ms, 1).await;
    while next.node == first.node {
        next = evaluated(&observer, next.tick.as_millisecond(), 1).await;
    }
    cluster.set_jobs(vec![failing("bad"), failing("worse")]);
    cluster.start_nodes(1);
    let mut sent = receiver.wait_for("another node says something", 2);
    if sent[1].id == first.id {
        // The node stood still before it noted that its message was delivered.
        sent = receiver.wait_for("the new failure is said", 3);
    }
    let new = &sent[sent.len() - 1];
    assert_ne!(new.node, first.node);
    assert_eq!(new.title, "[firing] worse: failed", "{sent:?}");
    cluster.node(&first.node).resume();
    evaluated(&observer, newest_ms(&observer).await, 5).await;
    assert_eq!(receiver.failures(), sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_emptied_makes_nothing_be_said_again() {
    let receiver = Receiver::start(false);
    let cluster = cluster(3, &receiver, vec![failing("bad")]);
    let observer = cluster.observer().await;
    let sent = receiver.wait_for("a message is sent", 1);
    // Each node has a copy of what was said.
    evaluated(&observer, newest_ms(&observer).await, 14).await;
    let before_ms = newest_ms(&observer).await;
    cluster.store.kill().expect("killed");
    cluster.store.restart().expect("restarted, and empty");
    evaluated(&observer, before_ms, 5).await;
    assert_eq!(receiver.failures(), sent);
}
