//! Real `redis-server` and `postgres` processes for tests, examples and benches.
//!
//! A test that wants to know what happens when Redis stalls or dies needs a Redis of its own to
//! stall and kill. [`RedisServer::start`] gives it one on loopback, with a data folder of its own,
//! that can be frozen, thawed, killed and restarted, and that does not outlive the test process.
//!
//! ```
//! let redis = test_support::RedisServer::start()?;
//! assert_eq!(redis.command(&["SET", "greeting", "hello"])?, "OK");
//! redis.kill()?;
//! redis.restart()?;
//! assert_eq!(redis.command(&["GET", "greeting"])?, "(nil)"); // no persistence unless asked for
//! # std::io::Result::Ok(())
//! ```
//!
//! Unix only: freezing is a signal. The modules, in the order a started server meets them:
//! `find` (which binary), `options` (which arguments), `port` (where), `process` (one run of it),
//! `server` (the handle), `resp` (one command over the wire), `wait` (for a condition, bounded).
//!
//! Deployments of several servers: [`Sentinel`] and [`RedisCluster`], with failovers that keep all
//! writes or lose the last ones on purpose. `announce` (ports of proxies in front of servers) and
//! `settle` (waiting for all of them) belong to both.
//!
//! [`PostgresServer`] is a PostgreSQL of its own, in a cluster of databases that is made for it;
//! [`PgBouncer`] can be in front of it.
//!
//! [`Prometheus`] scrapes what a test serves, and answers queries about that.
//!
//! What else can go wrong: [`ClockShim`] moves the wall clock of a running process, [`DiskShim`] fills
//! its disk, [`FaultProxy`] is a network that delays, loses and cuts, and calls the test at an exact
//! point, [`ScriptGate`] a service that runs only some scripts. [`Log`] keeps what a program logs,
//! [`subscribe`] says who gets the events of a thread.

mod announce;
mod clock_shim;
mod disk_shim;
mod find;
mod log;
mod options;
mod pgbouncer;
mod port;
mod postgres;
mod postgres_options;
mod postgres_user;
mod preload;
mod process;
mod prometheus;
mod proxy;
mod psql;
mod redis_cluster;
mod resp;
mod script_gate;
mod sentinel;
mod server;
mod settle;
mod wait;

pub use clock_shim::ClockShim;
pub use disk_shim::DiskShim;
pub use find::{
    find_in_path, find_libfaketime, find_pgbouncer, find_postgres, find_prometheus,
    find_redis_server,
};
pub use log::{Log, subscribe};
pub use options::{RedisOptions, Tls};
pub use pgbouncer::PgBouncer;
pub use postgres::PostgresServer;
pub use postgres_options::PostgresOptions;
pub use prometheus::Prometheus;
pub use proxy::{FaultProxy, FaultProxyOptions, Hook, Matcher, RequestCounter, Verdict};
pub use redis_cluster::{RedisCluster, RedisClusterOptions, SlotMigration, key_slot};
pub use script_gate::{Refuses, ScriptGate};
pub use sentinel::{Sentinel, SentinelOptions};
pub use server::RedisServer;
pub use settle::Failover;
pub use wait::{wait_until, wait_until_async};
