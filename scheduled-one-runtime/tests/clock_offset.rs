//! What nodes say of their wall clocks: how far each is off the clock of the store. On the embedded store, in time that
//! the test moves.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod embedded;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use embedded::{Embedded, HOUR};
use scheduled_one_control::Control;
use scheduled_one_protocol::Store;
use scheduled_one_protocol::message::{Caller, Heartbeat};
use scheduled_one_runtime::clock::{Clock, ManualClock};
use scheduled_one_runtime::{Job, Scheduler};

/// The clock of a machine whose wall clock somebody has set.
#[derive(Clone, Debug)]
struct Wrong {
    right: ManualClock,
    ahead_ms: Arc<AtomicI64>,
}

impl Clock for Wrong {
    fn boottime(&self) -> Duration {
        self.right.boottime()
    }

    fn wall(&self) -> Duration {
        let ahead_ms = self.ahead_ms.load(Ordering::Relaxed);
        let right_ms = self.right.wall().as_millis() as i64;
        Duration::from_millis((right_ms + ahead_ms) as u64)
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.right.sleep(time)
    }

    fn is_virtual(&self) -> bool {
        true
    }
}

async fn offset_of(control: &Control, name: &str) -> Option<i64> {
    let nodes = control.living_nodes().await.unwrap();
    let node = nodes.into_iter().find(|node| node.name == name);
    node.and_then(|node| node.clock_offset_ms)
}

#[tokio::test]
async fn nodes_say_how_far_their_clocks_are_off() {
    let world = Embedded::new();
    let ahead_ms = Arc::new(AtomicI64::new(2_345));
    let wrong = Wrong {
        right: world.clock.clone(),
        ahead_ms: Arc::clone(&ahead_ms),
    };
    let node = |name: &str| {
        let builder = Scheduler::builder("memory://").store(world.store.clone());
        let builder = builder.node_name(name).clock(world.clock.clone());
        builder.job(Job::every("hourly", HOUR, || async {}))
    };
    let _right = node("right").start().await.unwrap();
    let _wrong = node("wrong").clock(wrong).start().await.unwrap();
    let control = Control::of_stores(vec![Arc::new(world.store.clone())]).unwrap();
    let are = async |right, wrong| {
        let found = (
            offset_of(&control, "right").await,
            offset_of(&control, "wrong").await,
        );
        found == (right, wrong)
    };
    world
        .until("both are known", || are(Some(0), Some(2_300)))
        .await;
    ahead_ms.store(-61_000, Ordering::Relaxed);
    world
        .until("it was set again", || are(Some(0), Some(-61_000)))
        .await;

    // A node of an older release lives next to them, and says nothing of its clock.
    let older = Caller {
        node: "older".to_owned(),
        name: "older".to_owned(),
        ..world.caller()
    };
    let reply = world.store.heartbeat(&older, Heartbeat::alive()).await;
    let members = reply.unwrap().body.membership.members.unwrap();
    assert_eq!(members.len(), 3);
    let nodes = control.living_nodes().await.unwrap();
    let older = nodes.iter().find(|node| node.name == "older").unwrap();
    assert_eq!(older.clock_offset_ms, None);
    assert!(are(Some(0), Some(-61_000)).await);
}
