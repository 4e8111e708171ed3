//! One connection through the proxy: two ways, each with a thread that reads and one that writes.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::faults::{Due, Entrance, Shared, Turn, Way};
use super::frame::{self, Frame};
use super::hook::{Armed, Point, Verdict};

/// How many messages wait in each direction; then the sender has to wait, as with TCP.
const QUEUE: usize = 1024;

/// The longest that connecting to the server may take; one that is frozen still accepts.
const CONNECT_BOUND: Duration = Duration::from_secs(5);

pub(super) struct Connection {
    id: u64,
    pub(super) opened: Instant,
    client: TcpStream,
    /// Not set in a black hole.
    server: OnceLock<TcpStream>,
    closed: AtomicBool,
    /// Lost something, or leads nowhere: it will never be good again.
    dark: AtomicBool,
    /// What follows is no sequence of replies to requests: replication, subscriptions, MONITOR.
    raw: AtomicBool,
    peer: AtomicU8,
    /// For each request without a reply yet, what is to be done at the reply.
    awaited: Mutex<VecDeque<Vec<Armed>>>,
}

/// The kind of client, unknown until a request shows it.
const UNKNOWN: u8 = 0;
const INTERNAL: u8 = 1;
const CLIENT: u8 = 2;

/// A message on its way.
struct Message {
    bytes: Vec<u8>,
    due: Due,
}

impl Connection {
    /// Serves a connection that was just accepted; blocks until both ways have ended.
    pub(super) fn serve(shared: &Arc<Shared>, id: u64, client: TcpStream) {
        let connection = Arc::new(Self {
            id,
            opened: Instant::now(),
            client,
            server: OnceLock::new(),
            closed: AtomicBool::new(false),
            dark: AtomicBool::new(false),
            raw: AtomicBool::new(shared.is_raw),
            peer: AtomicU8::new(UNKNOWN),
            awaited: Mutex::default(),
        });
        let entrance = shared.change(|state| {
            state.connections.insert(id, Arc::clone(&connection));
            if state.stopped {
                return Entrance::Close;
            }
            if state.faults.entrance == Entrance::BlackHole {
                connection.darken();
            }
            state.faults.entrance
        });
        // Also when a thread panics: nothing may wait for it.
        let _end = End(shared, &connection);
        match entrance {
            Entrance::Close | Entrance::Refuse => {}
            Entrance::BlackHole => connection.swallow(),
            Entrance::Open => connection.forward(shared),
        }
    }

    fn swallow(&self) {
        let mut buffer = [0; 1024];
        while (&self.client)
            .read(&mut buffer)
            .is_ok_and(|count| count > 0)
        {}
    }

    fn forward(&self, shared: &Shared) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, shared.target));
        let Ok(server) = TcpStream::connect_timeout(&address, CONNECT_BOUND) else {
            return;
        };
        let _ = self.client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        let server = self.server.get_or_init(|| server);
        thread::scope(|scope| {
            for (way, from, to) in [
                (Way::Requests, &self.client, server),
                (Way::Replies, server, &self.client),
            ] {
                let (sender, receiver) = sync_channel(QUEUE);
                scope.spawn(move || self.read(shared, way, from, &sender));
                scope.spawn(move || {
                    let _end = EndOfWay(self, shared, way, to);
                    self.write(shared, way, to, receiver);
                });
            }
        });
    }

    /// Cuts the stream into messages until it ends.
    fn read(&self, shared: &Shared, way: Way, mut from: &TcpStream, sender: &SyncSender<Message>) {
        let mut buffer = vec![0; 64 * 1024];
        let mut bytes = Vec::new();
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            bytes.extend_from_slice(&buffer[..count]);
            while let Some(end) = self.next_message(way, &bytes) {
                let message = Message {
                    bytes: bytes.drain(..end).collect(),
                    due: shared.due(self, way),
                };
                if sender.send(message).is_err() {
                    return;
                }
            }
        }
    }

    /// Where the first message ends, if all of it is there.
    fn next_message(&self, way: Way, bytes: &[u8]) -> Option<usize> {
        if bytes.is_empty() {
            return None;
        }
        let frame = match way {
            _ if self.raw.load(Ordering::SeqCst) => return Some(bytes.len()),
            Way::Requests => frame::request(bytes),
            Way::Replies => frame::reply(bytes),
        };
        match frame {
            Frame::Complete(end) => Some(end),
            Frame::Incomplete => None,
            Frame::Malformed => {
                self.raw.store(true, Ordering::SeqCst);
                Some(bytes.len())
            }
        }
    }

    /// Lets each message go on when its time has come, until the way ends or the connection does.
    fn write(&self, shared: &Shared, way: Way, mut to: &TcpStream, messages: Receiver<Message>) {
        let mut lost = false;
        for message in messages {
            // What came behind a loss is lost, too: a stream has no gaps.
            if lost {
                continue;
            }
            if way == Way::Requests {
                self.look_at(&message.bytes);
            }
            let turn = shared.wait_for_turn(self, way, message.due);
            if turn == Turn::Closed {
                return;
            }
            match self.run_hooks(shared, way, &message.bytes) {
                Verdict::Cut => return self.close(),
                Verdict::Drop => lost = true,
                Verdict::Deliver => lost = turn == Turn::Lost,
                Verdict::Delay(delay) => {
                    let due = shared.due_after(delay);
                    match shared.wait_for_turn(self, way, due) {
                        Turn::Closed => return,
                        Turn::Lost => lost = true,
                        Turn::Go => {}
                    }
                }
            }
            if lost {
                self.darken();
                continue;
            }
            self.note_forwarded(shared, way, &message.bytes);
            if to.write_all(&message.bytes).is_err() {
                return self.close();
            }
        }
    }

    /// Learns from a request the kind of its client, and which hooks its reply has.
    fn look_at(&self, request: &[u8]) {
        let words = frame::words(request);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let unknown = self.peer.load(Ordering::SeqCst) == UNKNOWN;
        let peer = match *words {
            ["PSYNC" | "SYNC" | "REPLCONF", ..] => INTERNAL,
            ["CLIENT", "SETNAME", name] if name.starts_with("SENTINEL-") => INTERNAL,
            // Everybody begins like this.
            ["AUTH" | "PING" | "HELLO", ..] => UNKNOWN,
            _ => CLIENT,
        };
        if unknown {
            self.peer.store(peer, Ordering::SeqCst);
        }
        let raw = [
            "PSYNC",
            "SYNC",
            "MONITOR",
            "SUBSCRIBE",
            "PSUBSCRIBE",
            "SSUBSCRIBE",
        ];
        if words.first().is_some_and(|word| raw.contains(word)) {
            self.raw.store(true, Ordering::SeqCst);
        }
    }

    /// Runs the actions that wait for this request, or for the reply to the oldest one.
    fn run_hooks(&self, shared: &Shared, way: Way, bytes: &[u8]) -> Verdict {
        let hooks = match way {
            Way::Requests => shared.hooks().take(Point::Request, bytes),
            // A push message is not a reply.
            Way::Replies if bytes.starts_with(b">") => Vec::new(),
            Way::Replies => self.awaited().pop_front().unwrap_or_default(),
        };
        let mut verdict = Verdict::Deliver;
        for hook in hooks {
            // Asked now and not before: while an action runs, all may be healed.
            let current = shared.hooks().is_current(&hook);
            if current {
                verdict = verdict.max(hook.fire());
            }
        }
        verdict
    }

    /// Before it is written: the reply may be there as soon as that is done.
    fn note_forwarded(&self, shared: &Shared, way: Way, bytes: &[u8]) {
        match way {
            Way::Requests => {
                shared.requests.fetch_add(1, Ordering::SeqCst);
                let mut hooks = shared.hooks();
                hooks.note_forwarded(bytes);
                if !self.raw.load(Ordering::SeqCst) {
                    let at_reply = hooks.take(Point::Reply, bytes);
                    self.awaited().push_back(at_reply);
                }
            }
            Way::Replies => {
                shared.replies.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    fn awaited(&self) -> MutexGuard<'_, VecDeque<Vec<Armed>>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_client(&self) -> bool {
        self.peer.load(Ordering::SeqCst) == CLIENT
    }

    /// Under the lock of the state, where that tells it to: who heals must not miss it.
    pub(super) fn darken(&self) {
        self.dark.store(true, Ordering::SeqCst);
    }

    pub(super) fn is_dark(&self) -> bool {
        self.dark.load(Ordering::SeqCst)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Cuts it; who waits for its turn must be woken afterwards.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        let _ = self.client.shutdown(Shutdown::Both);
        if let Some(server) = self.server.get() {
            let _ = server.shutdown(Shutdown::Both);
        }
    }
}

/// The end of one way: the other side learns that no more will come. After the replies, all is over.
struct EndOfWay<'a>(&'a Connection, &'a Shared, Way, &'a TcpStream);

impl Drop for EndOfWay<'_> {
    fn drop(&mut self) {
        let Self(connection, shared, way, to) = self;
        let over = *way == Way::Replies || connection.is_closed() || thread::panicking();
        if over {
            connection.close();
            shared.change(|_| ());
        } else {
            let _ = to.shutdown(Shutdown::Write);
        }
    }
}

/// The end of a connection.
struct End<'a>(&'a Shared, &'a Connection);

impl Drop for End<'_> {
    fn drop(&mut self) {
        let Self(shared, connection) = self;
        connection.close();
        shared.change(|state| state.connections.remove(&connection.id));
        let unanswered = std::mem::take(&mut *connection.awaited());
        shared.hooks().arm_again(unanswered.into_iter().flatten());
    }
}
