//! The jobs of a shop, for pictures: what happens is the same each time.

use std::time::Duration;

use scheduled_one_control::Control;
use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_runtime::alerts::{
    Alert, Alerts, BoxFuture, Channel, DeliveryError, JobRules, Rules,
};
use scheduled_one_runtime::{Job, JobContext, Overlap, Scheduler};
use scheduled_one_testkit::TokioClock;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// A number that follows from the tick and a name.
fn chance(ctx: &JobContext, of: u64) -> u64 {
    let tick = ctx.scheduled_at().as_second() as u64;
    let name = ctx.job().bytes().fold(7, |sum: u64, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(byte))
    });
    (tick / 60).wrapping_mul(2_654_435_761).wrapping_add(name) % of
}

/// Takes between half and one and a half times as long as said.
async fn work(ctx: &JobContext, time: Duration) {
    let percent = 50 + chance(ctx, 101) as u32;
    tokio::time::sleep(time * percent / 100).await;
}

fn jobs() -> Vec<Job> {
    vec![
        Job::every("sync_inventory", 5 * MINUTE, async |ctx: JobContext| {
            work(&ctx, 20 * SECOND).await;
            match chance(&ctx, 23) {
                0 => Err("the supplier answered 503 Service Unavailable"),
                _ => Ok(()),
            }
        })
        .description("Takes the stock of all suppliers over")
        .group("catalog")
        .timeout(2 * MINUTE)
        .retries(2),
        Job::every("refresh_prices", 10 * MINUTE, async |ctx: JobContext| {
            work(&ctx, 8 * SECOND).await
        })
        .description("Exchange rates, then all prices")
        .group("catalog"),
        Job::every("reindex_search", 15 * MINUTE, async |ctx: JobContext| {
            let hour = ctx.scheduled_at_local().hour();
            let time = if hour == 9 { 25 * MINUTE } else { 4 * MINUTE };
            work(&ctx, time).await;
        })
        .description("Rebuilds the index of the search")
        .group("catalog")
        .overlap(Overlap::QueueOne),
        Job::cron("nightly_report", "0 30 2 * * *", async |ctx: JobContext| {
            work(&ctx, 3 * MINUTE).await
        })
        .tz("Europe/Berlin")
        .description("Figures of the day, as a file for the accountants")
        .group("billing")
        .retries(3),
        Job::cron("invoices", "0 0 6 * * MON-FRI", async |ctx: JobContext| {
            work(&ctx, 90 * SECOND).await
        })
        .tz("Europe/Berlin")
        .description("Sends the invoices of the day before")
        .group("billing"),
        Job::every("charge_cards", 30 * MINUTE, async |ctx: JobContext| {
            work(&ctx, 12 * SECOND).await;
            let is_down = ctx.scheduled_at_local().hour() >= 11;
            if is_down {
                Err("connection to payments.example timed out")
            } else {
                Ok(())
            }
        })
        .description("Charges the cards of orders that were shipped")
        .group("billing")
        .timeout(MINUTE),
        Job::every("expire_carts", HOUR, async |ctx: JobContext| {
            work(&ctx, 2 * SECOND).await
        })
        .description("Removes carts that nobody came back to"),
        Job::manual("rebuild_thumbnails", async |ctx: JobContext| {
            work(&ctx, 2 * MINUTE).await
        })
        .description("After a change of the sizes, by hand"),
    ]
}

/// A receiver that takes everything, or is away.
#[derive(Debug)]
struct Receiver {
    name: &'static str,
    is_away: bool,
}

impl Channel for Receiver {
    fn name(&self) -> &str {
        self.name
    }

    fn deliver<'a>(&'a self, _: &'a Alert, _: i64) -> BoxFuture<'a, Result<(), DeliveryError>> {
        let away = DeliveryError::Unreachable("pager.example: connection refused".to_owned());
        let result = if self.is_away { Err(away) } else { Ok(()) };
        Box::pin(async { result })
    }
}

fn alerts() -> Alerts {
    let rules = Rules::default().all_jobs(JobRules::new().failed(2).paused_longer(3 * HOUR));
    let receiver = |name, is_away| Receiver { name, is_away };
    Alerts::new(rules)
        .every(MINUTE)
        .notify(receiver("slack", false))
        .notify(receiver("pager", true))
}

pub(crate) async fn node(name: &str, clock: TokioClock, store: &MemoryStore) -> Scheduler {
    let builder = Scheduler::builder("memory://")
        .clock(clock)
        .store(store.clone())
        .alerts(alerts())
        .node_name(name);
    let builder = jobs()
        .into_iter()
        .fold(builder, |builder, job| builder.job(job));
    builder.start().await.expect("started")
}

/// Twelve hours, with what operators did in them.
pub(crate) async fn live(control: &Control, nodes: &[Scheduler]) {
    assert_eq!(nodes.len(), 3);
    tokio::time::sleep(3 * HOUR).await;
    let thumbnails = control
        .run("rebuild_thumbnails")
        .note("new size for phones")
        .by("ann");
    let thumbnails = thumbnails.await.expect("asked for");
    thumbnails.finished(10 * MINUTE).await.expect("finished");
    tokio::time::sleep(5 * HOUR).await;
    let carts = control
        .pause("expire_carts")
        .note("support looks for a lost order")
        .by("ben");
    carts.await.expect("paused");
    tokio::time::sleep(4 * HOUR - 40 * SECOND).await;
}
