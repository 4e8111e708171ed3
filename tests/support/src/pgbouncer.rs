//! A PgBouncer of one's own in front of a PostgreSQL: it pools transactions, so a client has another connection to the
//! server in each.

use std::fs;
use std::io;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::find::find_pgbouncer;
use crate::port::free_port;
use crate::postgres::{PostgresServer, SUPERUSER};
use crate::postgres_user::other_user;
use crate::process::{Process, Program};
use crate::wait::POLL;

/// How long a start may take.
const START_BOUND: Duration = Duration::from_secs(10);

/// Number of ports that a start tries.
const START_ATTEMPTS: u32 = 5;

/// A `pgbouncer` in transaction mode on 127.0.0.1, which uses its connections to the server in turn. Dropped, it is
/// killed.
pub struct PgBouncer {
    port: u16,
    _process: Mutex<Process>,
    _dir: TempDir,
}

impl PgBouncer {
    /// Starts one with so many connections to the server, which has to trust everybody.
    ///
    /// # Errors
    ///
    /// No `pgbouncer` is installed, or it does not start; the error has the end of its log.
    pub fn start(server: &PostgresServer, connections: u32) -> io::Result<Self> {
        let mut attempt = 1;
        loop {
            match Self::start_at(free_port()?, server, connections) {
                Err(error)
                    if error.kind() == io::ErrorKind::AddrInUse && attempt < START_ATTEMPTS =>
                {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    fn start_at(port: u16, server: &PostgresServer, connections: u32) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("pgbouncer-").tempdir()?;
        let folder = dir.path();
        let users = folder.join("users");
        fs::write(&users, format!("\"{SUPERUSER}\" \"\"\n"))?;
        let config = folder.join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = transaction\n\
             default_pool_size = {connections}\nserver_round_robin = 1\n",
            server.port(),
            users.display()
        );
        fs::write(&config, text)?;
        let user = other_user()?;
        if let Some((user, group)) = user {
            for path in [folder, &users, &config] {
                chown(path, Some(user), Some(group))?;
            }
        }
        let program = Program {
            binary: binary()?,
            scratch: folder.to_owned(),
            log: folder.join("pgbouncer.log"),
            user,
        };
        let mut process = program.spawn(&[config.into()], &[])?;
        let deadline = Instant::now() + START_BOUND;
        while !process.log().contains("process up") {
            let is_late = Instant::now() > deadline;
            if process.exited()?.is_some() || is_late {
                let kind = match process.log().contains("in use") {
                    true => io::ErrorKind::AddrInUse,
                    false => io::ErrorKind::Other,
                };
                let text = format!("pgbouncer is not ready; {}", process.log_tail());
                return Err(io::Error::new(kind, text));
            }
            thread::sleep(POLL);
        }
        Ok(PgBouncer {
            port,
            _process: Mutex::new(process),
            _dir: dir,
        })
    }

    /// `postgres://postgres@127.0.0.1:<port>/postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/postgres", self.port)
    }
}

fn binary() -> io::Result<PathBuf> {
    find_pgbouncer().ok_or_else(|| {
        let text = "no pgbouncer; `cargo xtask test` installs it or says how";
        io::Error::new(io::ErrorKind::NotFound, text)
    })
}
