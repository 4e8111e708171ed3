//! What fires, and what became of its messages.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_runtime::alerts::{
    Alert, Alerts, BoxFuture, Channel, DeliveryError, Rate, RuleKind, Rules,
};
use scheduled_one_runtime::clock::ManualClock;
use scheduled_one_runtime::{Job, Scheduler, State};
use test_support::wait_until_async;

use crate::{BOUND, MINUTE, SECOND, on, shown};

const FIRING: &str = "scheduled_one_alerts_firing";
const EVALUATED: &str = "scheduled_one_alerts_evaluated_timestamp_seconds";
const DELIVERIES: &str = "scheduled_one_alert_deliveries_total";

/// What a receiver replies with.
type Refusal = fn() -> DeliveryError;

/// A receiver whose replies the test chooses.
#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    name: &'static str,
    refuses: Arc<Mutex<Option<Refusal>>>,
    attempts: Arc<AtomicU64>,
}

impl Receiver {
    pub(crate) fn new(name: &'static str) -> Self {
        Receiver {
            name,
            refuses: Arc::default(),
            attempts: Arc::default(),
        }
    }

    fn refuse(&self, with: Refusal) {
        *self.refuses.lock().expect("lock") = Some(with);
    }
}

impl Channel for Receiver {
    fn name(&self) -> &str {
        self.name
    }

    fn rate(&self) -> Rate {
        Rate::default()
    }

    fn deliver<'a>(&'a self, _: &'a Alert, _: i64) -> BoxFuture<'a, Result<(), DeliveryError>> {
        Box::pin(async {
            self.attempts.fetch_add(1, Ordering::SeqCst);
            let refuses = *self.refuses.lock().expect("lock");
            refuses.map_or(Ok(()), |error| Err(error()))
        })
    }
}

async fn work(State(is_broken): State<Arc<AtomicBool>>) -> Result<(), std::io::Error> {
    match is_broken.load(Ordering::SeqCst) {
        true => Err(std::io::Error::other("disk full")),
        false => Ok(()),
    }
}

struct World {
    clock: ManualClock,
    store: MemoryStore,
    is_broken: Arc<AtomicBool>,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::new();
        World {
            store: MemoryStore::new(Arc::new(clock.clone())),
            is_broken: Arc::new(AtomicBool::new(true)),
            clock,
        }
    }

    async fn node(&self, node: &str, receivers: &[Receiver]) -> Scheduler {
        let mut alerts = Alerts::new(Rules::default());
        for receiver in receivers {
            alerts = alerts.notify(receiver.clone());
        }
        let builder = on(&self.clock)
            .store(self.store.clone())
            .node_name(node)
            .state(Arc::clone(&self.is_broken))
            .job(Job::every("j", MINUTE, work))
            .alerts(alerts);
        builder.start().await.expect("started")
    }

    /// Lets time go by until a value is reached.
    async fn until(&self, scheduler: &Scheduler, name: &str, labels: &[(&str, &str)], value: f64) {
        wait_until_async(&format!("{name}{labels:?} is {value}"), BOUND, async || {
            self.clock.advance(SECOND);
            tokio::task::yield_now().await;
            shown(scheduler).value(name, labels) == value
        })
        .await;
    }
}

fn delivery<'a>(channel: &'a str, result: &'a str) -> [(&'a str, &'a str); 2] {
    [("channel", channel), ("result", result)]
}

#[tokio::test]
async fn each_rule_and_each_result_of_each_channel_is_there_from_the_start() {
    let world = World::new();
    let receivers = ["chat", "chat", "pa\"g\\er\n"].map(Receiver::new);
    let scheduler = world.node("only", &receivers).await;
    let all = shown(&scheduler);
    let values = |name: &str, label: &str| -> BTreeSet<String> {
        let of_name = all.samples.iter().filter(|(of, ..)| of == name);
        let of_name = of_name.inspect(|(_, _, value)| assert!(*value == 0.0, "{name}"));
        of_name
            .map(|(_, labels, _)| labels[label].clone())
            .collect()
    };
    let rules = RuleKind::ALL.iter().map(|rule| rule.as_str().to_owned());
    assert_eq!(values(FIRING, "rule"), rules.collect());
    let names = ["chat", "chat-2", "pa\"g\\er\n"].map(str::to_owned);
    assert_eq!(values(DELIVERIES, "channel"), names.into());
    let results = ["delivered", "failed", "given_up", "disabled"].map(str::to_owned);
    assert_eq!(values(DELIVERIES, "result"), results.into());
    assert_eq!(all.value(EVALUATED, &[]), 0.0);
    // A scheduler without alerts says nothing of them.
    let without = on(&world.clock).job(Job::every("j", MINUTE, || async {}));
    let without = without.start().await.expect("started");
    assert!(!without.openmetrics().contains("alert"));
}

#[tokio::test]
async fn what_fires_and_each_attempt_are_counted_and_other_nodes_learn_what_fires() {
    let world = World::new();
    let receivers = ["chat", "pager", "gone"].map(Receiver::new);
    receivers[1].refuse(|| DeliveryError::Unreachable("refused".to_owned()));
    receivers[2].refuse(|| DeliveryError::Gone {
        why: "410".to_owned(),
    });
    let scheduler = world.node("first", &receivers).await;
    let failed = [("rule", "failed")];
    world.until(&scheduler, FIRING, &failed, 1.0).await;
    let gone = delivery("gone", "disabled");
    world.until(&scheduler, DELIVERIES, &gone, 1.0).await;
    // A receiver that is gone is an alert of its own, over the others.
    let channel = [("rule", "channel")];
    world.until(&scheduler, FIRING, &channel, 1.0).await;
    let delivered = delivery("chat", "delivered");
    world.until(&scheduler, DELIVERIES, &delivered, 2.0).await;
    let attempts = receivers[1].attempts.load(Ordering::SeqCst) as f64;
    let all = shown(&scheduler);
    assert!(attempts >= 1.0);
    assert_eq!(
        all.value(DELIVERIES, &delivery("pager", "failed")),
        attempts
    );
    assert_eq!(all.value(DELIVERIES, &delivery("gone", "failed")), 0.0);
    assert_eq!(receivers[2].attempts.load(Ordering::SeqCst), 1);
    assert!(all.value(EVALUATED, &[]) > 0.0);

    let second = world.node("second", &receivers).await;
    world.until(&second, FIRING, &failed, 1.0).await;
    world.is_broken.store(false, Ordering::SeqCst);
    world.until(&second, FIRING, &failed, 0.0).await;
    world.until(&scheduler, FIRING, &failed, 0.0).await;
    let sent = |node: &Scheduler| shown(node).value(DELIVERIES, &delivered);
    wait_until_async("the end is delivered, by one of them", BOUND, async || {
        world.clock.advance(SECOND);
        tokio::task::yield_now().await;
        sent(&scheduler) + sent(&second) == receivers[0].attempts.load(Ordering::SeqCst) as f64
            && sent(&scheduler) + sent(&second) >= 3.0
    })
    .await;
}
