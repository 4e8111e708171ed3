//! PagerDuty, by its Events API v2.

use scheduled_one_protocol::BoxFuture;
use serde_json::{Value, json};

use super::endpoint::Endpoint;
use super::reply::Receiver;
use super::{Channel, DeliveryError};
use crate::alert::{Alert, Severity, Status, instant};
use crate::http::Http;
use crate::secret::{Secret, SecretError};

/// Where events go, outside of Europe.
const EVENTS: &str = "https://events.pagerduty.com/v2/enqueue";

/// The longest summary, in characters.
const MAX_SUMMARY: usize = 1024;

const KEY: &str = "the routing key of PagerDuty";

/// An integration "Events API v2" of PagerDuty. One incident here is one there: its key is
/// [`incident`](Alert::incident), and the resolved message resolves it. What was over before it was said is triggered
/// first: PagerDuty has no incident otherwise.
///
/// ```
/// use scheduled_one_alerts::{PagerDuty, Secret};
///
/// let channel = PagerDuty::new(Secret::file("/run/secrets/pagerduty"));
/// # let _ = channel;
/// ```
#[derive(Clone, Debug)]
pub struct PagerDuty {
    endpoint: Endpoint,
    key: Secret,
}

impl PagerDuty {
    /// An integration with this routing key; its name is `pagerduty`.
    pub fn new(routing_key: impl Into<Secret>) -> Self {
        PagerDuty {
            endpoint: Endpoint::new("pagerduty", "the address of PagerDuty", EVENTS.into()),
            key: routing_key.into(),
        }
    }

    /// Another address: `https://events.eu.pagerduty.com/v2/enqueue` for the service in Europe.
    #[must_use]
    pub fn address(mut self, address: impl Into<Secret>) -> Self {
        self.endpoint = self.endpoint.at(address.into());
        self
    }

    /// Another name, to tell two channels apart.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.endpoint.name = name.into();
        self
    }

    /// How to speak HTTP.
    #[must_use]
    pub fn http(mut self, http: Http) -> Self {
        self.endpoint.http = http;
        self
    }

    async fn attempt(&self, alert: &Alert, now_ms: i64) -> Result<(), DeliveryError> {
        let uri = self.endpoint.uri().await?;
        let key = self.key.read(KEY).await?;
        for action in actions(alert) {
            let body = body(alert, action, &key).to_string().into_bytes();
            let reply = self.endpoint.post(&uri, Vec::new(), body).await?;
            let receiver = Receiver {
                uri: &uri,
                secrets: &[&key],
                now_ms,
            };
            receiver.judge(reply)?;
        }
        Ok(())
    }
}

impl Channel for PagerDuty {
    fn name(&self) -> &str {
        &self.endpoint.name
    }

    fn address(&self) -> BoxFuture<'_, String> {
        Box::pin(async {
            let (address, key) = (self.endpoint.digest().await, self.key.digest().await);
            match address.is_empty() || key.is_empty() {
                true => String::new(),
                false => address + &key,
            }
        })
    }

    fn check(&self) -> BoxFuture<'_, Result<(), SecretError>> {
        Box::pin(async {
            self.endpoint.check().await?;
            self.key.read(KEY).await.map(drop)
        })
    }

    fn deliver<'a>(
        &'a self,
        alert: &'a Alert,
        now_ms: i64,
    ) -> BoxFuture<'a, Result<(), DeliveryError>> {
        Box::pin(self.attempt(alert, now_ms))
    }
}

fn actions(alert: &Alert) -> &'static [&'static str] {
    match alert.status {
        Status::Firing => &["trigger"],
        Status::Resolved if alert.is_only => &["trigger", "resolve"],
        Status::Resolved => &["resolve"],
    }
}

fn body(alert: &Alert, action: &str, key: &str) -> Value {
    let summary: String = alert.title().chars().take(MAX_SUMMARY).collect();
    let severity = match alert.severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    };
    let links = alert.links().into_iter();
    let links: Vec<Value> = links
        .map(|(word, link)| json!({"href": link, "text": word}))
        .collect();
    json!({
        "routing_key": key,
        "event_action": action,
        "dedup_key": alert.incident,
        "client": "scheduled-one",
        "links": links,
        "payload": {
            "summary": summary,
            "source": alert.namespace,
            "severity": severity,
            "timestamp": instant(alert.since_ms, None),
            "class": alert.rule.as_str(),
            "component": alert.subjects.first().map(|subject| &*subject.name),
            "custom_details": {"id": alert.id, "lines": alert.lines()},
        },
    })
}
