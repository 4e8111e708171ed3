//! The first change of a namespace makes nodes of older releases stop: they know nothing of directives and requests,
//! and would ignore them. So it is refused while such nodes live.

use std::time::Duration;

use scheduled_one_protocol::machine::CONTROL_VERSION;

use crate::backfill::BackfillJob;
use crate::change::ChangeDirective;
use crate::control::Control;
use crate::error::Error;
use crate::reader::Reader;
use crate::run::RunJob;

/// Time from one heartbeat of a node to the next.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// Heartbeats after which the store has the list of the jobs of a node, which says its release: it is in the one after
/// that whose reply says that the store lacks it.
const HEARTBEATS: u32 = 3;

impl Control {
    /// # Errors
    ///
    /// Nodes live that would ignore what is asked for. As soon as anything was asked for, the store refuses them, so
    /// none lives.
    pub(crate) async fn check_older_nodes(&self, store: Reader<'_>) -> Result<(), Error> {
        let mut nodes = self.nodes(store).await?;
        for _ in 0..HEARTBEATS {
            if nodes.iter().all(|node| node.protocol.is_some()) {
                break;
            }
            tokio::time::sleep(HEARTBEAT_EVERY).await;
            nodes = self.nodes(store).await?;
        }
        // A node whose list stays unknown may be of any release.
        let is_older = |protocol: Option<u64>| protocol.is_none_or(|it| it < CONTROL_VERSION);
        let nodes = nodes.into_iter();
        let older = nodes.filter(|node| is_older(node.protocol));
        let mut nodes: Vec<String> = older.map(|node| node.node.name).collect();
        nodes.sort();
        match nodes.is_empty() {
            true => Ok(()),
            false => Err(Error::OlderNodes { nodes }),
        }
    }
}

impl ChangeDirective {
    /// Makes the change although nodes of older releases live, which know nothing of it: they stop from then on.
    /// Default: [`Error::OlderNodes`].
    pub fn force(mut self) -> Self {
        self.is_forced = true;
        self
    }
}

impl RunJob {
    /// Asks for the run although nodes of older releases live, which know nothing of requests: they stop from then on.
    /// Default: [`Error::OlderNodes`].
    pub fn force(mut self) -> Self {
        self.is_forced = true;
        self
    }
}

impl BackfillJob {
    /// Begins it although nodes of older releases live, which know nothing of backfills: they stop from then on.
    /// Default: [`Error::OlderNodes`].
    pub fn force(mut self) -> Self {
        self.is_forced = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use std::future::IntoFuture;
    use std::sync::Arc;
    use std::time::{Duration, UNIX_EPOCH};

    use scheduled_one_protocol::clock::{Clock, ManualClock};
    use scheduled_one_protocol::memory::MemoryStore;
    use scheduled_one_protocol::message::{
        Caller, ControlRequest, Heartbeat, JobList, LowerBounds, Occasion, Register,
    };
    use scheduled_one_protocol::{JobDescriptor, Store, UnitName};
    use scheduled_one_schedule::{Schedule, Zone};

    use super::*;
    use crate::backfill::BackfillOnly;
    use crate::error_kind::ErrorKind;

    const DAY: Duration = Duration::from_secs(86_400);

    fn caller(node: &str) -> Caller {
        Caller {
            node: node.to_owned(),
            name: node.to_owned(),
            quarantine_ms: 0,
            margin_ms: 0,
            ledger_limit: 9,
            buckets: 1,
        }
    }

    async fn beat(store: &MemoryStore, node: &str, list: JobList) {
        let heartbeat = Heartbeat {
            jobs: list.digest(),
            job_list: Some(list),
            ..Heartbeat::alive()
        };
        store.heartbeat(&caller(node), heartbeat).await.unwrap();
    }

    /// A job of every day, first seen when the clock began.
    async fn register(store: &MemoryStore) {
        let schedule = Schedule::cron("0 0 0 * * *", Zone::utc()).unwrap();
        let mut job = JobDescriptor::default();
        job.say("identity", schedule.identity().to_string());
        job.say("cron", "0 0 0 * * *");
        let described = ControlRequest {
            described: vec![("job".to_owned(), job.to_text())],
            ..ControlRequest::default()
        };
        let node = caller("new");
        store.control(&node, &described).await.unwrap();
        let now_ms = ManualClock::new().wall().as_millis() as i64;
        let unit = Register {
            unit: UnitName::new("job", 0),
            first_seen_ms: now_ms,
            lease_ms: 1_000,
            schedule: None,
            generation: 0,
            occasion: Occasion::Start {
                valid_until_ms: now_ms + 1_000,
            },
            decides: None,
            bounds: LowerBounds::default(),
            next_due_ms: None,
            requests: Vec::new(),
        };
        store.register(&node, &[unit]).await.unwrap();
    }

    /// Its list comes with its next heartbeat, or not at all.
    #[tokio::test(start_paused = true)]
    async fn a_node_whose_list_is_not_known_yet_is_waited_for() {
        let store = MemoryStore::new(Arc::new(ManualClock::new()));
        let control = Control::of_stores(vec![Arc::new(store.clone())]).unwrap();
        let says = format!("{}{CONTROL_VERSION}", JobList::PROTOCOL);
        let new = JobList::new(["job=0000000000000001", &says]);
        let caller = Caller {
            node: "new".to_owned(),
            name: "new".to_owned(),
            quarantine_ms: 0,
            margin_ms: 0,
            ledger_limit: 9,
            buckets: 1,
        };
        let first = Heartbeat {
            jobs: new.digest(),
            ..Heartbeat::alive()
        };
        store.heartbeat(&caller, first).await.unwrap();
        let error = control.pause_all().await.unwrap_err();
        assert!(error.to_string().contains("new"), "{error}");
        let later = async {
            tokio::time::sleep(HEARTBEAT_EVERY * 3 / 2).await;
            beat(&store, "new", new).await;
        };
        let (paused, ()) = tokio::join!(control.pause_all().into_future(), later);
        assert!(!paused.unwrap().already);
    }

    #[tokio::test]
    async fn the_first_change_is_refused_while_nodes_live_that_would_ignore_it() {
        let store = MemoryStore::new(Arc::new(ManualClock::new()));
        let control = Control::of_stores(vec![Arc::new(store.clone())]).unwrap();
        let says = format!("{}{CONTROL_VERSION}", JobList::PROTOCOL);
        beat(&store, "new", JobList::new(["job=0000000000000001", &says])).await;
        beat(&store, "old", JobList::new(["job=0000000000000001"])).await;
        register(&store).await;
        let end = UNIX_EPOCH + ManualClock::new().wall();
        let backfill = control.backfill("job", end - 10 * DAY..end);
        let backfill = backfill.only(BackfillOnly::Never);
        for error in [
            backfill.clone().await.unwrap_err(),
            control.pause("job").await.unwrap_err(),
            control.pause_all().await.unwrap_err(),
            control.resume("job").await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Refused);
            let text = error.to_string();
            assert!(text.contains("old") && !text.contains("new,"), "{text}");
        }
        assert_eq!(
            control.read(Reader::of(&store)).await.unwrap().body.version,
            0
        );
        assert_eq!(backfill.clone().force().await.unwrap().ticks.len(), 10);
        assert!(!control.pause("job").force().await.unwrap().already);
    }
}
