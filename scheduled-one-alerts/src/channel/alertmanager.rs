//! Alertmanager of Prometheus, by its API v2.

use hyper::Uri;
use scheduled_one_protocol::BoxFuture;
use serde_json::{Value, json};

use super::endpoint::Endpoint;
use super::reply::Receiver;
use super::{Channel, DeliveryError};
use crate::alert::{Alert, Severity, Status, Subject, instant};
use crate::http::Http;
use crate::secret::{Secret, SecretError};

/// How long after the next message is due Alertmanager takes an alert for over, if none comes.
const LEEWAY_MS: i64 = 15 * 60 * 1000;

/// How long after an attempt an alert ends that was over before it was said: Alertmanager notifies nobody of one that
/// has ended when it arrives, and waits for others of its group before.
const SHOWN_MS: i64 = 5 * 60 * 1000;

/// How many alerts one message becomes.
const MAX_ALERTS: usize = 1_000;

const TOKEN: &str = "the token for Alertmanager";

/// An Alertmanager: each subject of a message is an alert there, with the labels `alertname` (`ScheduledOneFailed`),
/// `namespace`, `job`, `rule` and `severity`. It groups, silences and routes them by its own configuration.
///
/// What was over before it was said ends there five minutes after it is sent: Alertmanager notifies nobody of what has
/// ended when it arrives.
///
/// ```
/// use scheduled_one_alerts::Alertmanager;
///
/// let channel = Alertmanager::new("http://alertmanager.monitoring:9093");
/// # let _ = channel;
/// ```
#[derive(Clone, Debug)]
pub struct Alertmanager {
    endpoint: Endpoint,
    token: Option<Secret>,
}

impl Alertmanager {
    /// The Alertmanager at an address, without `/api/v2/alerts`; its name is `alertmanager`.
    pub fn new(address: impl Into<Secret>) -> Self {
        let what = "the address of Alertmanager";
        Alertmanager {
            endpoint: Endpoint::new("alertmanager", what, address.into()),
            token: None,
        }
    }

    /// A bearer token, for an Alertmanager behind a proxy that wants one.
    #[must_use]
    pub fn bearer(mut self, token: impl Into<Secret>) -> Self {
        self.token = Some(token.into());
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
        let uri = endpoint(&self.endpoint.uri().await?)?;
        let token = match &self.token {
            Some(token) => token.read(TOKEN).await?,
            None => String::new(),
        };
        let mut headers = Vec::new();
        if !token.is_empty() {
            headers.push(("authorization", format!("Bearer {token}")));
        }
        let subjects = alert.subjects.iter().take(MAX_ALERTS);
        let alerts: Vec<Value> = subjects.map(|subject| of(alert, subject, now_ms)).collect();
        let body = Value::from(alerts).to_string().into_bytes();
        let reply = self.endpoint.post(&uri, headers, body).await?;
        let receiver = Receiver {
            uri: &uri,
            secrets: &[&token],
            now_ms,
        };
        receiver.judge(reply).map(drop)
    }
}

impl Channel for Alertmanager {
    fn name(&self) -> &str {
        &self.endpoint.name
    }

    fn each_subject(&self) -> bool {
        true
    }

    fn address(&self) -> BoxFuture<'_, String> {
        Box::pin(self.endpoint.digest())
    }

    fn check(&self) -> BoxFuture<'_, Result<(), SecretError>> {
        Box::pin(async {
            self.endpoint.check().await?;
            match &self.token {
                Some(token) => token.read(TOKEN).await.map(drop),
                None => Ok(()),
            }
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

fn endpoint(base: &Uri) -> Result<Uri, DeliveryError> {
    let path = format!("{}/api/v2/alerts", base.path().trim_end_matches('/'));
    let mut parts = base.clone().into_parts();
    parts.path_and_query = path.parse().ok();
    Uri::from_parts(parts).map_err(|error| DeliveryError::Refused(error.to_string()))
}

fn of(alert: &Alert, subject: &Subject, now_ms: i64) -> Value {
    let severity = match alert.severity {
        Severity::Warning => "warning",
        Severity::Error => "critical",
    };
    let until_ms = alert.again_ms.map(|again_ms| again_ms + LEEWAY_MS);
    let is_news = alert.is_only || alert.status == Status::Firing;
    let ends_ms = match subject.resolved_ms {
        Some(over_ms) if is_news => over_ms.max(now_ms + SHOWN_MS),
        over_ms => over_ms.or(until_ms).unwrap_or(alert.at_ms),
    };
    let mut annotations = json!({"summary": alert.title(), "description": subject.text});
    if let Some(runbook) = &subject.runbook {
        annotations["runbook_url"] = Value::from(runbook.as_str());
    }
    let mut value = json!({
        "labels": {
            "alertname": name(alert),
            "namespace": alert.namespace,
            "job": subject.name,
            "rule": alert.rule.as_str(),
            "severity": severity,
        },
        "annotations": annotations,
        "startsAt": instant(subject.since_ms, None),
        "endsAt": instant(ends_ms, None),
    });
    if let Some(link) = &subject.link {
        value["generatorURL"] = Value::from(link.as_str());
    }
    value
}

/// `ScheduledOneNoSuccess`.
fn name(alert: &Alert) -> String {
    let words = alert.rule.as_str().split('_').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    format!("ScheduledOne{}", words.collect::<String>())
}
