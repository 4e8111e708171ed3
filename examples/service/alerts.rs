//! The alerts of the service: rules over all jobs, and a channel that needs nothing installed. It logs; a real service
//! has a webhook, Slack or mail in its place, see `docs/alerts.md`.

use std::time::Duration;

use scheduled_one_runtime::SchedulerBuilder;
use scheduled_one_runtime::alerts::{
    Alert, Alerts, Channel, DeliveryError, Healthchecks, Rules, Secret,
};
use tracing::warn;

/// Rules and channel. The job `flaky` shows that they work: it fails for a minute, then it is well for a minute.
pub(crate) fn alerts(console: &str) -> Alerts {
    let rules = Rules::default()
        .group_within(Duration::from_secs(5))
        .console(console);
    Alerts::new(rules).every(Duration::from_secs(5)).notify(Log)
}

/// A monitor outside, if there is a key for one: it notices when all replicas are dead.
pub(crate) fn monitored(builder: SchedulerBuilder) -> SchedulerBuilder {
    match std::env::var_os("HC_PING_KEY") {
        Some(_) => builder.monitor(Healthchecks::new(Secret::env("HC_PING_KEY")).create()),
        None => builder,
    }
}

/// A channel of one's own is a few lines.
#[derive(Debug)]
struct Log;

impl Channel for Log {
    fn name(&self) -> &str {
        "log"
    }

    fn deliver<'a>(
        &'a self,
        alert: &'a Alert,
        _now_ms: i64,
    ) -> scheduled_one_runtime::alerts::BoxFuture<'a, Result<(), DeliveryError>> {
        Box::pin(async move {
            for subject in &alert.subjects {
                warn!(id = alert.id, "{}: {}", alert.title(), subject.text);
            }
            Ok(())
        })
    }
}
