//! A server that runs only some scripts, as managed services and their proxies are.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::proxy::frame::{self, Frame};
use crate::server::RedisServer;

/// Which scripts a [`ScriptGate`] refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refuses {
    /// No script.
    Nothing,
    /// Those that call this command, as services do that leave commands out of scripts.
    Command(&'static str),
    /// Those with another name for `redis.call`, or with a key in a variable, as proxies do that read scripts to find
    /// their keys.
    Form,
    /// All scripts.
    All,
    /// Every call that has this key, with an error of no known kind.
    Key(&'static str),
}

/// A proxy in front of a Redis that refuses scripts, with the words of services that do. It keeps no script, so every
/// call by digest has to be repeated with the text.
///
/// ```
/// # use test_support::{RedisServer, Refuses, ScriptGate};
/// let redis = RedisServer::start()?;
/// let gate = ScriptGate::in_front_of(&redis)?;
/// gate.refuse(Refuses::Command("TIME"));
/// # drop(gate);
/// # std::io::Result::Ok(())
/// ```
///
/// Dropped, it accepts no more connections; open ones end with their clients.
pub struct ScriptGate {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    refuses: Mutex<Refuses>,
    refused: AtomicU64,
    stopped: AtomicBool,
}

impl ScriptGate {
    /// Starts a proxy that refuses nothing yet.
    ///
    /// # Errors
    ///
    /// There is no free port.
    pub fn in_front_of(server: &RedisServer) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            refuses: Mutex::new(Refuses::Nothing),
            refused: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        });
        let (accepting, target) = (Arc::clone(&shared), server.port());
        thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let shared = Arc::clone(&accepting);
                // An error ends the connection, which is all that a client of a proxy sees.
                thread::spawn(move || client.and_then(|client| shared.serve(client, target)));
            }
        });
        Ok(ScriptGate { port, shared })
    }

    /// What is refused from now on, on all connections.
    pub fn refuse(&self, what: Refuses) {
        *self.shared.refuses() = what;
    }

    /// How many calls were refused so far.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::SeqCst)
    }

    /// The URL of the server through the proxy, for a server without a login.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for ScriptGate {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl Shared {
    fn refuses(&self) -> std::sync::MutexGuard<'_, Refuses> {
        self.refuses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One request after the other: replies of the proxy and of the server keep their order.
    fn serve(&self, mut client: TcpStream, target: u16) -> io::Result<()> {
        let mut server = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, target)))?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (mut from_client, mut from_server) = (Vec::new(), Vec::new());
        while let Some(request) = next(&mut client, &mut from_client, frame::request)? {
            let reply = match self.refusal(&request) {
                Some(error) => format!("-{error}\r\n").into_bytes(),
                None => {
                    server.write_all(&request)?;
                    match next(&mut server, &mut from_server, frame::reply)? {
                        Some(reply) => reply,
                        None => return Ok(()),
                    }
                }
            };
            client.write_all(&reply)?;
        }
        Ok(())
    }

    /// The error for a request that does not go on.
    fn refusal(&self, request: &[u8]) -> Option<&'static str> {
        let refuses = *self.refuses();
        let contains = |text: &str| {
            let bytes = text.as_bytes();
            request.windows(bytes.len()).any(|window| window == bytes)
        };
        let words = frame::words(request);
        let error = match words.first().map(String::as_str) {
            Some("EVALSHA") => return Some("NOSCRIPT No matching script. Please use EVAL."),
            Some("EVAL") => match refuses {
                Refuses::Command(name) if contains(&format!("call('{name}'")) => {
                    "ERR This Redis command is not allowed from script script: 1f, on @user_script:1."
                }
                Refuses::Form if contains("= redis.call") || contains("local key = KEYS") => {
                    "ERR bad lua script for redis cluster, all the keys that the script uses should be passed using \
                     the KEYS array"
                }
                Refuses::All => "ERR command eval not support for normal user",
                Refuses::Key(key) if contains(key) => "ERR internal error 17",
                _ => return None,
            },
            _ => return None,
        };
        self.refused.fetch_add(1, Ordering::SeqCst);
        Some(error)
    }
}

/// The next message of a stream; `None` at its end. `rest` has what was read behind it.
fn next(
    stream: &mut TcpStream,
    rest: &mut Vec<u8>,
    framed: fn(&[u8]) -> Frame,
) -> io::Result<Option<Vec<u8>>> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match framed(rest) {
            Frame::Complete(end) if end > 0 => return Ok(Some(rest.drain(..end).collect())),
            Frame::Malformed => return Err(io::ErrorKind::InvalidData.into()),
            _ => {}
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(None),
            count => rest.extend_from_slice(&buffer[..count]),
        }
    }
}
