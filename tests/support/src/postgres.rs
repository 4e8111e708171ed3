//! A PostgreSQL of one's own: a cluster of databases in a temporary folder, on a free port.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};
use tempfile::TempDir;

use crate::find::locate_postgres;
use crate::port::free_port;
use crate::postgres_options::PostgresOptions;
use crate::postgres_user::other_user;
use crate::process::{Process, Program, children, succeed};
use crate::psql;
use crate::wait::POLL;

/// How long a server may take to be ready, and how long a restart tries.
const START_BOUND: Duration = Duration::from_secs(30);

/// Number of ports that a start tries.
const START_ATTEMPTS: u32 = 5;

/// The superuser.
pub(crate) const SUPERUSER: &str = "postgres";

/// A `postgres` of one's own on 127.0.0.1. Dropped, it is killed and its data removed.
pub struct PostgresServer {
    options: PostgresOptions,
    binaries: PathBuf,
    program: Program,
    port: u16,
    /// `None` between `kill()` and `restart()`. Above `dir`, so that it is dropped before it.
    process: Mutex<Option<Process>>,
    _dir: TempDir,
}

impl PostgresServer {
    /// Starts a server that trusts everybody, with the settings of a fresh installation.
    ///
    /// # Errors
    ///
    /// See [`PostgresOptions::start`].
    pub fn start() -> io::Result<Self> {
        Self::options().start()
    }

    /// Options for a server that differs from that of [`start`](Self::start).
    #[must_use]
    pub fn options() -> PostgresOptions {
        PostgresOptions::default()
    }

    /// A streaming standby of this server, which takes no writes until [`promote`](Self::promote).
    ///
    /// # Errors
    ///
    /// As [`PostgresOptions::start`].
    pub fn standby(&self) -> io::Result<Self> {
        let server = Self::in_folder(self.options.clone())?;
        server.copy_of(self)?;
        server.start_anywhere()
    }

    /// Kills the server if it is running, and starts it on its port as a standby of another one, with the data of that.
    ///
    /// # Errors
    ///
    /// As [`PostgresOptions::start`].
    pub fn follow(&self, primary: &Self) -> io::Result<()> {
        let _ = self.kill();
        fs::remove_dir_all(self.data())?;
        self.copy_of(primary)?;
        self.restart()
    }

    /// Fills the folder with the data of a primary.
    fn copy_of(&self, primary: &Self) -> io::Result<()> {
        let mut backup = self.command("pg_basebackup");
        backup
            .args(["--checkpoint", "fast", "--no-sync", "--write-recovery-conf"])
            .args(["--dbname", &primary.url(), "--pgdata"])
            .arg(self.data());
        succeed(&mut backup)
    }

    /// Makes a primary of a standby, and waits until it is one.
    ///
    /// # Errors
    ///
    /// It is none, or takes more than a minute.
    pub fn promote(&self) -> io::Result<()> {
        self.sql("SELECT pg_promote()").map(drop)
    }

    pub(crate) fn with_options(options: PostgresOptions) -> io::Result<Self> {
        let server = Self::in_folder(options)?;
        server.make_cluster()?;
        server.start_anywhere()
    }

    /// A server whose folder is still empty.
    fn in_folder(options: PostgresOptions) -> io::Result<Self> {
        let binaries = locate_postgres()?;
        let dir = tempfile::Builder::new().prefix("postgres-").tempdir()?;
        let scratch = dir.path().to_owned();
        let user = other_user()?;
        if let Some((user, group)) = user {
            chown(&scratch, Some(user), Some(group))?;
        }
        let log = scratch.join("postgres.log");
        Ok(Self {
            options,
            program: Program {
                binary: binaries.join("postgres"),
                scratch,
                log,
                user,
            },
            binaries,
            port: 0,
            process: Mutex::new(None),
            _dir: dir,
        })
    }

    /// Starts it on a free port.
    fn start_anywhere(mut self) -> io::Result<Self> {
        let mut attempt = 1;
        loop {
            self.port = free_port()?;
            match self.run() {
                Err(error)
                    if error.kind() == io::ErrorKind::AddrInUse && attempt < START_ATTEMPTS =>
                {
                    attempt += 1;
                }
                result => return result.map(|()| self),
            }
        }
    }

    /// `postgres://postgres@127.0.0.1:<port>/postgres`, with the password of the options if they have one.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of(SUPERUSER)
    }

    /// The same for another user, who has the same password.
    #[must_use]
    pub fn url_of(&self, user: &str) -> String {
        let password = self.options.password.as_ref();
        let password = password.map(|it| format!(":{it}")).unwrap_or_default();
        format!(
            "postgres://{user}{password}@127.0.0.1:{}/postgres",
            self.port
        )
    }

    /// The port, the same for every run.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of the cluster of databases.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.program.scratch.join("data")
    }

    /// What this run has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process()
            .as_ref()
            .map(Process::log)
            .unwrap_or_default()
    }

    /// Runs statements as the superuser, with `psql`; returns their rows, without headers. Blocks.
    ///
    /// # Errors
    ///
    /// A statement fails; the error has the text of the server.
    pub fn sql(&self, statements: &str) -> io::Result<String> {
        psql::run(&self.binaries, &self.url(), statements)
    }

    /// The same in another database.
    ///
    /// # Errors
    ///
    /// As [`sql`](Self::sql).
    pub fn sql_in(&self, database: &str, statements: &str) -> io::Result<String> {
        let url = self.url();
        let (server, _) = url.rsplit_once('/').unwrap_or((&url, ""));
        psql::run(&self.binaries, &format!("{server}/{database}"), statements)
    }

    /// Begins to run statements as the superuser, and does not wait for their end.
    ///
    /// # Errors
    ///
    /// `psql` does not start.
    pub fn spawn_sql(&self, statements: &str) -> io::Result<Child> {
        let mut psql = psql::command(&self.binaries, &self.url(), statements);
        psql.stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    }

    /// Whether the server lives, frozen or not.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let mut process = self.process();
        let living = process.as_mut().map(Process::exited);
        living.is_some_and(|exited| matches!(exited, Ok(None)))
    }

    /// Stops all processes of the server in their tracks (SIGSTOP).
    ///
    /// # Errors
    ///
    /// The server is not running.
    pub fn freeze(&self) -> io::Result<()> {
        let mut process = self.process();
        let process = process.as_mut().ok_or_else(not_running)?;
        process.freeze()?;
        // No child comes in addition, as their parent has stopped.
        for child in children(process.pid()) {
            // One that has just ended stands still, too.
            let _ = kill_process(child, Signal::STOP);
        }
        Ok(())
    }

    /// Lets a frozen server go on (SIGCONT).
    ///
    /// # Errors
    ///
    /// The server is not running.
    pub fn thaw(&self) -> io::Result<()> {
        let mut process = self.process();
        let process = process.as_mut().ok_or_else(not_running)?;
        for child in children(process.pid()) {
            let _ = kill_process(child, Signal::CONT);
        }
        process.thaw()
    }

    /// Kills the server (SIGKILL), as a loss of power does but for the caches of the system.
    ///
    /// # Errors
    ///
    /// The server is not running.
    pub fn kill(&self) -> io::Result<()> {
        let mut process = self.process();
        let pid = process.as_ref().ok_or_else(not_running)?.pid();
        let children = children(pid);
        process.take();
        // They would notice in moments that their parent is gone; until then a new server does not start.
        for child in children {
            let _ = kill_process(child, Signal::KILL);
        }
        Ok(())
    }

    /// Starts the server again on its port, with its data; kills it first if it is running.
    ///
    /// # Errors
    ///
    /// It does not start within 30 s.
    pub fn restart(&self) -> io::Result<()> {
        let _ = self.kill();
        let deadline = Instant::now() + START_BOUND;
        loop {
            match self.run() {
                Err(_) if Instant::now() < deadline => thread::sleep(POLL * 10),
                result => return result,
            }
        }
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make_cluster(&self) -> io::Result<()> {
        let mut initdb = self.command("initdb");
        initdb
            .args(["--username", SUPERUSER, "--encoding", "UTF8"])
            .args(["--locale", "C", "--no-sync", "--pgdata"])
            .arg(self.data());
        if let Some(password) = &self.options.password {
            let file = self.program.scratch.join("password");
            fs::write(&file, password)?;
            if let Some((user, group)) = self.program.user {
                chown(&file, Some(user), Some(group))?;
            }
            initdb
                .args(["--auth", "scram-sha-256", "--pwfile"])
                .arg(file);
        } else {
            initdb.args(["--auth", "trust"]);
        }
        succeed(&mut initdb)
    }

    /// A program of PostgreSQL that writes into the folder.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.join(program));
        if let Some((user, group)) = self.program.user {
            command.uid(user).gid(group);
        }
        command
            .current_dir(&self.program.scratch)
            .stdin(Stdio::null());
        command
    }

    /// Spawns one run and waits until it answers; on an error nothing is left running.
    fn run(&self) -> io::Result<()> {
        let mut args: Vec<OsString> = vec!["-D".into(), self.data().into()];
        let mut set = |name: &str, value: &str| {
            args.extend(["-c".into(), format!("{name}={value}").into()]);
        };
        set("listen_addresses", "127.0.0.1");
        set("port", &self.port.to_string());
        set("unix_socket_directories", "");
        set("logging_collector", "off");
        for (name, value) in &self.options.settings {
            set(name, value);
        }
        let mut process = self.program.spawn(&args, &self.options.env)?;
        let deadline = Instant::now() + START_BOUND;
        while !(process.log().contains("ready to accept") && self.answers()) {
            if let Some(status) = process.exited()? {
                let kind = match process.log().contains("Address already in use") {
                    true => io::ErrorKind::AddrInUse,
                    false => io::ErrorKind::Other,
                };
                let text = format!("postgres exited ({status}); {}", process.log_tail());
                return Err(io::Error::new(kind, text));
            }
            if Instant::now() > deadline {
                let text = format!("postgres is not ready; {}", process.log_tail());
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            thread::sleep(POLL);
        }
        *self.process() = Some(process);
        Ok(())
    }

    fn answers(&self) -> bool {
        self.sql("SELECT 1").is_ok()
    }
}

impl fmt::Debug for PostgresServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the options: they may hold a password.
        f.debug_struct("PostgresServer")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

fn not_running() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotConnected,
        "the PostgreSQL server is not running",
    )
}
