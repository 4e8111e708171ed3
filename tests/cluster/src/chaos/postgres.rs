//! A PostgreSQL for a round: alone, or with a standby that follows it.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use scheduled_one_postgres::schema;
use test_support::{DiskShim, PostgresServer};

use super::deployment::{PASSWORD, USER};

/// The password of the superuser, who makes the faults.
const SUPERUSER_PASSWORD: &str = "superuser";

/// Connections that the server allows.
pub const MOST_CONNECTIONS: usize = 60;

/// How long a standby may take to follow.
const BOUND: Duration = Duration::from_secs(30);

/// One server, or a primary and a standby, and a disk that can be full. The nodes log in as a user with exactly the
/// documented rights.
pub struct Postgres {
    servers: Vec<PostgresServer>,
    /// Which of them takes writes.
    primary: AtomicUsize,
    /// The other one has to be made a standby.
    is_deposed: AtomicBool,
    is_synchronous: bool,
    /// Of the first server.
    pub disk: DiskShim,
}

impl Postgres {
    /// Starts one server.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn alone() -> io::Result<Self> {
        Self::start(false, false)
    }

    /// Starts a primary and a standby. The primary waits for a synchronous one with each commit.
    ///
    /// # Errors
    ///
    /// A server does not start.
    pub fn pair(is_synchronous: bool) -> io::Result<Self> {
        Self::start(true, is_synchronous)
    }

    fn start(has_standby: bool, is_synchronous: bool) -> io::Result<Self> {
        let disk = DiskShim::new("/base/")?;
        let server = PostgresServer::options()
            .password(SUPERUSER_PASSWORD)
            .setting("max_connections", &MOST_CONNECTIONS.to_string())
            .setting("wal_retrieve_retry_interval", "200ms")
            .disk_shim(&disk)
            .start()?;
        server.sql(&format!("CREATE ROLE {USER} LOGIN"))?;
        server.sql(&schema("scheduled_one", Some(USER)))?;
        // Operators use it as well, and forget jobs.
        for table in ["unit", "job", "checkpoint"] {
            server.sql(&format!("GRANT DELETE ON scheduled_one.{table} TO {USER}"))?;
        }
        let mut servers = vec![server];
        if has_standby {
            servers.push(servers[0].standby()?);
        }
        let postgres = Postgres {
            servers,
            primary: AtomicUsize::new(0),
            is_deposed: AtomicBool::new(false),
            is_synchronous,
            disk,
        };
        postgres.set_password(PASSWORD)?;
        postgres.wait_for_standby()?;
        Ok(postgres)
    }

    /// The server that takes writes.
    pub fn primary(&self) -> &PostgresServer {
        &self.servers[self.primary.load(Ordering::SeqCst)]
    }

    /// The other one.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn standby(&self) -> io::Result<&PostgresServer> {
        let other = 1 - self.primary.load(Ordering::SeqCst);
        let standby = self.servers.get(other);
        standby.ok_or_else(|| io::Error::other("there is no standby"))
    }

    /// Whether each commit waits for the standby.
    pub fn is_synchronous(&self) -> bool {
        self.is_synchronous
    }

    /// The URL with which nodes reach the servers; for one server, through this port.
    pub fn url(&self, port: Option<u16>, password_file: &Path) -> String {
        let ports = self.servers.iter().map(PostgresServer::port);
        let hosts: Vec<String> = match port {
            Some(port) => vec![format!("127.0.0.1:{port}")],
            None => ports.map(|port| format!("127.0.0.1:{port}")).collect(),
        };
        format!(
            "postgres://{USER}@{}/postgres?passfile={}",
            hosts.join(","),
            password_file.display()
        )
    }

    /// Changes the password of the nodes' user, and closes the connections that know another one.
    ///
    /// # Errors
    ///
    /// The server refuses.
    pub fn set_password(&self, password: &str) -> io::Result<()> {
        self.primary()
            .sql(&format!("ALTER ROLE {USER} PASSWORD '{password}'"))?;
        self.terminate()
    }

    /// Closes all connections of the nodes.
    ///
    /// # Errors
    ///
    /// The server refuses.
    pub fn terminate(&self) -> io::Result<()> {
        let terminate = format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '{USER}'"
        );
        self.primary().sql(&terminate).map(drop)
    }

    /// Makes the standby the primary, as an operator does it: from now on, it waits for no standby.
    ///
    /// # Errors
    ///
    /// It does not become one.
    pub fn promote(&self) -> io::Result<()> {
        let standby = self.standby()?;
        wait_for(standby, "ALTER SYSTEM RESET synchronous_standby_names")?;
        standby.sql("SELECT pg_reload_conf()")?;
        standby.promote()?;
        self.is_deposed.store(true, Ordering::SeqCst);
        self.primary.fetch_xor(1, Ordering::SeqCst);
        Ok(())
    }

    /// Restarts the dead servers, and has a deposed primary follow the new one.
    ///
    /// # Errors
    ///
    /// One does not start.
    pub fn mend(&self) -> io::Result<()> {
        if self.is_deposed.swap(false, Ordering::SeqCst) {
            self.standby()?.follow(self.primary())?;
        }
        for server in &self.servers {
            match server.is_running() {
                true => server.thaw()?,
                false => server.restart()?,
            }
        }
        self.wait_for_standby()
    }

    /// Waits until the standby follows, if there is one. Then a synchronous one is waited for.
    fn wait_for_standby(&self) -> io::Result<()> {
        if self.servers.len() == 1 {
            return Ok(());
        }
        let until = Instant::now() + BOUND;
        while self.primary().sql(
            "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'walreceiver' AND state = 'streaming'",
        )? == "0" {
            if Instant::now() > until {
                return Err(io::Error::other("the standby does not follow"));
            }
            thread::sleep(Duration::from_millis(20));
        }
        if self.is_synchronous {
            let set = "ALTER SYSTEM SET synchronous_standby_names = 'walreceiver'";
            self.primary().sql(set)?;
            self.primary().sql("SELECT pg_reload_conf()")?;
        }
        Ok(())
    }
}

/// Runs a statement on a server that was just thawed or started.
fn wait_for(server: &PostgresServer, statement: &str) -> io::Result<()> {
    let until = Instant::now() + BOUND;
    loop {
        match server.sql(statement) {
            Err(_) if Instant::now() < until => thread::sleep(Duration::from_millis(20)),
            result => return result.map(drop),
        }
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("servers", &self.servers)
            .finish_non_exhaustive()
    }
}
