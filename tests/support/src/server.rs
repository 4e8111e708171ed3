//! The handle to a server, which stays valid over restarts.

use std::fmt;
use std::fs;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::find::locate_redis_server;
use crate::options::{Kind, Login, Ports, RedisOptions, config_path};
use crate::port::BUS;
use crate::process::{Process, Program};
use crate::resp;
use crate::wait::POLL;

/// How long a server may take to answer, and how long a restart tries to get its port back.
const START_BOUND: Duration = Duration::from_secs(10);

/// Number of ports that a start tries. A port is lost only if another process takes it at the same moment.
const START_ATTEMPTS: u32 = 5;

/// A `redis-server` of one's own on 127.0.0.1; see the [crate](crate) for what it is good for.
///
/// All methods take `&self`, so a server can be shared, in a `static` too. Dropped, it is killed and
/// its data removed, also while a test unwinds. If the process that started it dies without
/// dropping it, a watcher does the same.
pub struct RedisServer {
    options: RedisOptions,
    program: Program,
    ports: Ports,
    /// `None` between `kill()` and `restart()`. Above `dir`, so that it is dropped before it.
    process: Mutex<Option<Process>>,
    /// Holds the log, and the data unless the options name a folder for it.
    _dir: TempDir,
}

impl RedisServer {
    /// Starts a server without persistence on a free port and waits until it answers.
    ///
    /// # Errors
    ///
    /// See [`RedisOptions::start`].
    pub fn start() -> io::Result<Self> {
        Self::options().start()
    }

    /// Options for a server that differs from that of [`start`](Self::start).
    #[must_use]
    pub fn options() -> RedisOptions {
        RedisOptions::default()
    }

    pub(crate) fn with_options(options: RedisOptions) -> io::Result<Self> {
        let binary = locate_redis_server()?;
        let dir = tempfile::Builder::new().prefix("redis-").tempdir()?;
        let scratch = dir.path().to_owned();
        let log = scratch.join("redis.log");
        let mut server = Self {
            options,
            program: Program {
                binary,
                scratch,
                log,
                user: None,
            },
            ports: Ports::default(),
            process: Mutex::new(None),
            _dir: dir,
        };
        let mut attempt = 1;
        loop {
            server.ports = server.options.free_ports()?;
            server.write_config()?;
            match server.run() {
                Err(error) if port_is_taken(&error) && attempt < START_ATTEMPTS => attempt += 1,
                result => return result.map(|()| server),
            }
        }
    }

    /// `redis://127.0.0.1:<port>`, with the login of the options if they have one.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.port())
    }

    /// The same with the port of a proxy.
    pub(crate) fn url_at(&self, port: u16) -> String {
        let login = Login::in_url(self.login());
        format!("redis://{login}127.0.0.1:{port}")
    }

    /// The port, the same for every run.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports.plain
    }

    /// The port that speaks TLS, if the options asked for one. There is no URL for it, because
    /// only the caller knows which host name the certificate is for.
    #[must_use]
    pub fn tls_port(&self) -> Option<u16> {
        self.ports.tls
    }

    /// The port of the cluster bus, of a server that is a node of a cluster.
    pub(crate) fn bus_port(&self) -> u16 {
        self.ports.plain + BUS
    }

    /// The process id of this run, or `None` after [`kill`](Self::kill).
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process().as_ref().map(Process::pid)
    }

    /// What this run has logged so far; empty after [`kill`](Self::kill).
    #[must_use]
    pub fn log(&self) -> String {
        self.process()
            .as_ref()
            .map(Process::log)
            .unwrap_or_default()
    }

    /// The last lines of that, for an error.
    pub(crate) fn log_tail(&self) -> String {
        self.process().as_ref().map_or_else(
            || "it is not running".to_owned(),
            |process| process.log_tail(),
        )
    }

    /// Whether it runs and is not frozen: whether a command can expect an answer.
    #[must_use]
    pub fn is_live(&self) -> bool {
        let process = self.process();
        process.as_ref().is_some_and(|process| !process.is_frozen())
    }

    /// Stops the server in its tracks (SIGSTOP): connections stay open, and nothing answers. When
    /// this returns, it has stopped. A server that is frozen already stays so.
    ///
    /// # Errors
    ///
    /// The server is not running.
    pub fn freeze(&self) -> io::Result<()> {
        self.process().as_mut().ok_or_else(not_running)?.freeze()
    }

    /// Lets a frozen server go on (SIGCONT), with the requests that have piled up meanwhile.
    ///
    /// # Errors
    ///
    /// The server is not running.
    pub fn thaw(&self) -> io::Result<()> {
        self.process().as_mut().ok_or_else(not_running)?.thaw()
    }

    /// Kills the server (SIGKILL), frozen or not. When this returns, it is gone, and connecting to
    /// its port is refused.
    ///
    /// # Errors
    ///
    /// The server is not running.
    pub fn kill(&self) -> io::Result<()> {
        self.process().take().map(drop).ok_or_else(not_running)
    }

    /// Starts the server again on its port, with its folder and options, and waits until it answers;
    /// kills it first if it is running. Data survive if the options ask Redis to persist them.
    ///
    /// # Errors
    ///
    /// As [`start`](RedisOptions::start), and when somebody else holds the port for 10 s.
    pub fn restart(&self) -> io::Result<()> {
        let deadline = Instant::now() + START_BOUND;
        loop {
            self.process().take();
            match self.run() {
                Err(error) if port_is_taken(&error) && Instant::now() < deadline => {
                    thread::sleep(POLL * 10);
                }
                result => return result,
            }
        }
    }

    /// Deletes all data (FLUSHALL). Loaded scripts and settings stay.
    ///
    /// # Errors
    ///
    /// As [`command`](Self::command).
    pub fn flush(&self) -> io::Result<()> {
        self.command(&["FLUSHALL"]).map(drop)
    }

    /// Sends one command on a connection of its own, logged in as the options say. Nil comes back
    /// as `(nil)`, an array as one element a line. Blocks: not for the inside of an async runtime,
    /// unless that test can spare the thread for 5 s.
    ///
    /// # Errors
    ///
    /// Redis answers with an error (its text is the error's), or not within 5 s, or not at all.
    pub fn command(&self, args: &[&str]) -> io::Result<String> {
        resp::command(self.port(), self.login(), args)
    }

    fn login(&self) -> Option<&Login> {
        self.options.login.as_ref()
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        // A test that panicked under the lock left at worst a process that `restart` replaces.
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Spawns one run and waits until it answers; on an error nothing is left running.
    fn run(&self) -> io::Result<()> {
        let dir = &self.program.scratch;
        let args = self.options.command_line(dir, &self.ports);
        let mut process = self.program.spawn(&args, &self.options.env)?;
        wait_until_ready(&mut process, self.port(), self.options.kind)?;
        *self.process() = Some(process);
        Ok(())
    }

    /// Only before the first run: afterwards the file is Redis's.
    fn write_config(&self) -> io::Result<()> {
        match &self.options.config_file {
            Some(text) => fs::write(config_path(&self.program.scratch), text),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the options: they may hold a password.
        f.debug_struct("RedisServer")
            .field("port", &self.port())
            .field("pid", &self.pid())
            .finish()
    }
}

/// Waits until this very process answers. An answer alone proves too little: if another server was
/// faster to take the port, it is that one which answers, until ours has noticed and exits.
fn wait_until_ready(process: &mut Process, port: u16, kind: Kind) -> io::Result<()> {
    let deadline = Instant::now() + START_BOUND;
    let line = match kind {
        Kind::Server | Kind::ClusterNode => "eady to accept connections",
        Kind::Sentinel => "Sentinel ID is",
    };
    while !(process.log().contains(line) && answers(port)) {
        if let Some(status) = process.exited()? {
            let kind = if process.log().contains("Address already in use") {
                io::ErrorKind::AddrInUse
            } else {
                io::ErrorKind::Other
            };
            let tail = process.log_tail();
            return Err(io::Error::new(
                kind,
                format!("redis-server exited ({status}); {tail}"),
            ));
        }
        if Instant::now() > deadline {
            let tail = process.log_tail();
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("redis-server on port {port} is not ready after {START_BOUND:?}; {tail}"),
            ));
        }
        thread::sleep(POLL);
    }
    Ok(())
}

/// Whether a PING is answered; that a password is missing is an answer, too.
fn answers(port: u16) -> bool {
    match resp::command(port, None, &["PING"]) {
        Ok(_) => true,
        Err(error) => {
            error.kind() == io::ErrorKind::Other && !error.to_string().starts_with("LOADING")
        }
    }
}

fn port_is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

fn not_running() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotConnected,
        "redis-server is not running: it was killed",
    )
}
