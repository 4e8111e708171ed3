//! Effects in the store's database commit with the outcomes of their runs, whatever is killed: at the end there is one
//! row for each tick that the ledger has as `ok`, and no other.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use cluster_tests::BOUND;
use cluster_tests::cluster::{Cluster, SharedStore};
use cluster_tests::job::JobSpec;
use rusqlite::Connection;
use scheduled_one_runtime::Outcome;
use tempfile::TempDir;
use test_support::{PostgresServer, wait_until};

const NODE: &str = env!("CARGO_BIN_EXE_node");
const LEASE: Duration = Duration::from_secs(2);
const TABLE: &str = "CREATE TABLE effect (job TEXT, tick_ms BIGINT, attempt BIGINT)";
/// Runs that died with their nodes are over after their leases.
const ALL: &str = "SELECT tick_ms, attempt FROM effect WHERE job = 'pay' ORDER BY 1, 2";

/// A job that is taken over when its node dies, and whose first attempts fail after their effect was added.
fn pay(sign: &str) -> JobSpec {
    let commits = format!("commits={sign}");
    JobSpec::new("pay", 300, 20).with(["rerun=5", "retries=3", "fails=1", &commits])
}

/// Kills something, and waits until runs end well again, a few times; then compares.
async fn compare<S: SharedStore>(
    mut cluster: Cluster<S>,
    mut kill: impl FnMut(&mut Cluster<S>, usize),
    effects: impl Fn(&Cluster<S>) -> Vec<(i64, u32)>,
) {
    for round in 0..6 {
        cluster.start_nodes(2);
        let before = effects(&cluster).len();
        wait_until("effects are there", BOUND, || {
            effects(&cluster).len() > before + 3
        });
        kill(&mut cluster, round);
    }
    cluster.kill_all();
    let observer = cluster.observer().await;
    let lines = observer.ledger("pay", 10_000).await.expect("a ledger");
    let ok = lines.iter().filter(|line| line.outcome == Outcome::Ok);
    let mut ok: Vec<(i64, u32)> = ok
        .map(|line| (line.tick.as_millisecond(), line.attempt.unwrap_or(0)))
        .collect();
    ok.sort_unstable();
    assert_eq!(effects(&cluster), ok);
    assert!(ok.len() > 20, "{}", ok.len());
    cluster.check();
}

fn kill_newest<S: SharedStore>(cluster: &mut Cluster<S>) {
    cluster.nodes.last_mut().expect("a node").kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgresql_while_nodes_and_the_server_are_killed() {
    let server = PostgresServer::start().expect("a PostgreSQL");
    server.sql(TABLE).expect("a table");
    let cluster = Cluster::on(server, NODE, LEASE, vec![pay("$")]);
    let kill = |cluster: &mut Cluster<PostgresServer>, round: usize| {
        kill_newest(cluster);
        match round % 3 {
            0 => {
                cluster.store.kill().expect("killed");
                cluster.store.restart().expect("restarted");
            }
            1 => {
                let terminate = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                                 WHERE application_name = 'scheduled-one'";
                cluster.store.sql(terminate).expect("terminated");
            }
            _ => {}
        }
    };
    let effects = |cluster: &Cluster<PostgresServer>| {
        let text = cluster.store.sql(ALL).expect("rows");
        let rows = text.lines().map(|row| row.split_once('|').expect("two"));
        rows.map(|(tick, attempt)| {
            let number = "a number";
            (tick.parse().expect(number), attempt.parse().expect(number))
        })
        .collect()
    };
    compare(cluster, kill, effects).await;
}

/// A folder with the file.
struct SqliteFile(TempDir);

impl SqliteFile {
    fn path(&self) -> PathBuf {
        self.0.path().join("jobs.db")
    }

    fn connection(&self) -> Connection {
        let connection = Connection::open(self.path()).expect("the file");
        connection.busy_timeout(BOUND).expect("a time");
        connection
    }
}

impl SharedStore for SqliteFile {
    fn url(&self) -> String {
        format!("sqlite://{}", self.path().display())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_while_processes_are_killed() {
    let file = SqliteFile(tempfile::tempdir().expect("a folder"));
    let path = file.path();
    let mut cluster = Cluster::on(file, NODE, LEASE, vec![pay("?")]);
    // The nodes make the file; until the table is there, each attempt fails, and nothing is recorded as ok.
    cluster.start_nodes(1);
    wait_until("the file is there", BOUND, || {
        fs::metadata(&path).is_ok_and(|file| file.len() > 0) && cluster.starts("pay") > 0
    });
    let connection = cluster.store.connection();
    connection.execute_batch(TABLE).expect("a table");
    let effects = |_: &Cluster<SqliteFile>| {
        let mut rows = connection.prepare(ALL).expect("a table");
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.expect("rows").map(|row| row.expect("a row")).collect()
    };
    compare(cluster, |cluster, _| kill_newest(cluster), effects).await;
}
