//! The heartbeat of an idle node: one statement, as the log of the server counts them, and no write of it where there
//! is something to decide.

use std::sync::Arc;
use std::time::{Duration, Instant};

use scheduled_one_postgres::PostgresStore;
use scheduled_one_protocol::clock::SystemClock;
use scheduled_one_protocol::message::{Heartbeat, HeartbeatReply, JobList, Labels, Load, Room};
use scheduled_one_protocol::{Store, message::Reply};
use scheduled_one_testkit::contract::{check_in_turn, check_last_tick};
use test_support::{PostgresServer, wait_until};

use super::stranger::Stranger;
use super::{Database, caller, in_time, patience, registration};

const BOUND: Duration = Duration::from_secs(30);

/// What the server was sent in between, as its log has it.
fn statements(log: &str) -> Vec<&str> {
    let ours = log.lines().filter(|line| {
        let is_sent = line.contains("LOG:  statement: ") || line.contains("LOG:  execute ");
        is_sent && line.contains("[scheduled-one]")
    });
    ours.collect()
}

fn heartbeat() -> Heartbeat {
    Heartbeat {
        jobs: JobList::new(["a"]).digest(),
        ..Heartbeat::alive()
    }
}

async fn beat(store: &PostgresStore, heartbeat: Heartbeat) -> Reply<HeartbeatReply> {
    let reply = in_time(async || store.heartbeat(&caller(), heartbeat.clone()).await);
    reply.await.unwrap()
}

/// The node is known, with its list of jobs, and its last heartbeat had nothing to decide.
async fn idle(store: &PostgresStore) -> Reply<HeartbeatReply> {
    let with_list = Heartbeat {
        job_list: Some(JobList::new(["a"])),
        ..heartbeat()
    };
    beat(store, with_list).await;
    beat(store, heartbeat()).await
}

#[tokio::test]
async fn the_heartbeat_of_an_idle_node_is_one_statement() {
    let server = PostgresServer::options()
        .setting("fsync", "off")
        .setting("log_statement", "all")
        .setting("log_line_prefix", "[%a] ");
    let server = server.start().unwrap();
    let store = PostgresStore::new(&server.url(), "test").unwrap();
    let whole = idle(&store).await;
    let before = server.log().len();
    let beats = 5;
    for running in 0..beats {
        let at_ms = "SELECT at_ms FROM scheduled_one.node";
        let load = Load {
            running,
            room: Room::Busy,
        };
        let said = Heartbeat {
            load,
            wants_load: true,
            clock_offset_ms: Some(i64::from(running) * -100),
            known_version: whole.body.membership.version,
            ..heartbeat()
        };
        let reply = beat(&store, said).await;
        assert_eq!(reply.body.membership.version, whole.body.membership.version);
        assert_eq!(reply.body.membership.members, None);
        assert_eq!(reply.body.running, Some(u64::from(running)));
        assert_eq!(reply.body.busy, ["node"]);
        assert!(reply.body.has_job_list);
        let offset = server.sql("SELECT offset_ms FROM scheduled_one.node");
        assert_eq!(offset.unwrap(), (i64::from(running) * -100).to_string());
        let written: u64 = server.sql(at_ms).unwrap().parse().unwrap();
        assert_eq!(written, reply.head.now_us / 1_000);
    }
    let log = server.log();
    let sent = statements(&log[before..]);
    assert_eq!(sent.len(), beats as usize, "{sent:#?}");
    let of = |kind: &str| sent.iter().filter(|line| line.contains(kind)).count();
    assert_eq!(of("unnamed>: WITH limits "), sent.len(), "{sent:#?}");
    assert_eq!(
        beat(&store, heartbeat()).await.body.membership.members,
        whole.body.membership.members
    );
}

/// The table is as the release before made it, and a node of that release has written its row.
#[tokio::test]
async fn a_node_of_a_release_without_offsets_lives_next_to_others() {
    let database = Database::new();
    idle(&database.ready_store().await).await;
    database.sql(
        "ALTER TABLE scheduled_one.node DROP COLUMN offset_ms; \
         UPDATE scheduled_one.node SET node = 'older', name = 'older'",
    );
    let store = database.ready_store().await;
    let said = Heartbeat {
        clock_offset_ms: Some(-1_200),
        ..heartbeat()
    };
    // A step, and then the statement of an idle node.
    for _ in 0..2 {
        database.sql(
            "UPDATE scheduled_one.node SET at_ms = (SELECT max(at_ms) FROM scheduled_one.node)",
        );
        let members = beat(&store, said.clone()).await.body.membership.members;
        let offsets: Vec<Option<i64>> = members
            .unwrap()
            .iter()
            .map(|member| member.clock_offset_ms)
            .collect();
        assert_eq!(offsets, [Some(-1_200), None]);
    }
}

/// A store whose node is idle, in a database that counts how often its row is written.
async fn counted() -> (Database, PostgresStore, Reply<HeartbeatReply>) {
    let database = Database::new();
    let store = database.ready_store().await;
    let reply = idle(&store).await;
    database.sql(
        "CREATE TABLE written (node text);
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN INSERT INTO public.written VALUES (NEW.node); RETURN NEW; END $$;
         CREATE TRIGGER note AFTER INSERT OR UPDATE ON scheduled_one.node
         FOR EACH ROW EXECUTE FUNCTION note();",
    );
    // With the trigger, too, a heartbeat writes the row once.
    beat(&store, heartbeat()).await;
    assert_eq!(writes(&database), "1");
    (database, store, reply)
}

/// How often the row of the node was written since the last look.
fn writes(database: &Database) -> String {
    database.sql("WITH gone AS (DELETE FROM written WHERE node = 'node' RETURNING 1) SELECT count(*) FROM gone")
}

fn stored_version(database: &Database) -> u64 {
    let version = database.sql("SELECT membership_version FROM scheduled_one.meta");
    version.parse().unwrap()
}

#[tokio::test]
async fn a_directive_is_seen_by_the_next_heartbeat() {
    let (database, store, reply) = counted().await;
    database.sql("UPDATE scheduled_one.meta SET control_version = control_version + 7");
    let next = beat(&store, heartbeat()).await;
    assert_eq!(next.head.control_version, reply.head.control_version + 7);
    assert_eq!(writes(&database), "1");
}

#[tokio::test]
async fn a_namespace_of_a_newer_version_is_not_written() {
    let (database, store, _) = counted().await;
    database.sql("UPDATE scheduled_one.meta SET version = 99");
    store.heartbeat(&caller(), heartbeat()).await.unwrap_err();
    assert_eq!(writes(&database), "0");
}

#[tokio::test]
async fn a_node_that_is_gone_is_dropped_by_a_heartbeat_that_writes_once() {
    let (database, store, reply) = counted().await;
    database.sql(
        "INSERT INTO scheduled_one.node (bucket, node, at_ms, name, jobs) \
         SELECT bucket, 'other', at_ms - 60000, name, jobs FROM scheduled_one.node",
    );
    let next = beat(&store, heartbeat()).await;
    assert!(next.body.membership.version > reply.body.membership.version);
    assert_eq!(writes(&database), "1");
    let count = "SELECT count(*) FROM scheduled_one.node";
    assert_eq!(database.sql(count), "1");
}

#[tokio::test]
async fn a_node_that_was_silent_for_long_is_news() {
    let (database, store, reply) = counted().await;
    database.sql("UPDATE scheduled_one.node SET at_ms = at_ms - 60000; TRUNCATE written");
    let next = beat(&store, heartbeat()).await;
    assert!(next.body.membership.version > reply.body.membership.version);
    assert_eq!(next.body.membership.version, stored_version(&database));
    assert_eq!(writes(&database), "1");
}

#[tokio::test]
async fn other_labels_are_news_and_written_once() {
    let (database, store, reply) = counted().await;
    let labelled = Heartbeat {
        labels: Labels::new(["gpu"]),
        ..heartbeat()
    };
    let next = beat(&store, labelled).await;
    assert!(next.body.membership.version > reply.body.membership.version);
    assert_eq!(writes(&database), "1");
}

#[tokio::test]
async fn what_the_machine_would_change_in_addition_is_not_replied_before_it_is_written() {
    let (database, store, _) = counted().await;
    // The machine takes such a row for none, so to it the node is new.
    database.sql("UPDATE scheduled_one.node SET running = -1");
    let next = beat(&store, heartbeat()).await;
    assert_eq!(next.body.membership.version, stored_version(&database));
}

#[tokio::test]
async fn more_units_than_a_heartbeat_names_are_named_in_turn() {
    let database = Database::new();
    let store = database.ready_store().await;
    let checked = check_in_turn(&store, Arc::new(SystemClock)).await;
    assert_eq!(checked, Ok(()));
}

#[tokio::test]
async fn a_unit_without_a_next_tick_is_not_named() {
    let database = Database::new();
    let store = database.ready_store().await;
    let checked = check_last_tick(&store, Arc::new(SystemClock)).await;
    assert_eq!(checked, Ok(()));
}

/// A heartbeat is being committed, a step waits for it, and another heartbeat comes.
#[tokio::test(flavor = "multi_thread")]
async fn no_heartbeat_goes_ahead_of_a_step_that_waits() {
    let database = Database::new();
    let beats = Arc::new(database.ready_store().await);
    let steps = Arc::new(database.store());
    let under_way = "SELECT pg_advisory_xact_lock_shared(1936679528, hashtext('test')); \
                     SELECT 1 FROM scheduled_one.meta FOR SHARE";
    // Who waits for too long gives up: then it begins again.
    let until = patience();
    loop {
        idle(&beats).await;
        let under_way = Stranger::new(&database, under_way);
        let step = tokio::spawn({
            let steps = Arc::clone(&steps);
            async move { steps.register(&caller(), &[registration("a")]).await }
        });
        wait_until("the step waits", BOUND, || {
            step.is_finished() || database.waiting() == 1
        });
        let next = tokio::spawn({
            let beats = Arc::clone(&beats);
            async move { beats.heartbeat(&caller(), heartbeat()).await }
        });
        wait_until("the heartbeat waits", BOUND, || {
            step.is_finished() || next.is_finished() || database.waiting() == 2
        });
        let went_ahead = next.is_finished() && !step.is_finished();
        under_way.end();
        let (step, next) = (step.await.unwrap(), next.await.unwrap());
        // The step may have given up before, and be rolled back now.
        assert!(!(went_ahead && step.is_ok()), "{next:?}");
        match (step, next) {
            (Ok(_), Ok(_)) => break,
            late => assert!(Instant::now() < until, "{late:?}"),
        }
    }
}
