//! A webhook, as Standard Webhooks specifies it.

use scheduled_one_protocol::BoxFuture;
use serde_json::{Value, json};

use super::endpoint::Endpoint;
use super::reply::Receiver;
use super::{Channel, DeliveryError};
use crate::alert::{Alert, Status, instant};
use crate::http::Http;
use crate::secret::{Secret, SecretError};
use crate::sign::{hmac_sha256, webhook_key};

/// The longest body, in bytes: what the specification allows.
const MAX_BODY: usize = 20_000;

const KEY: &str = "the secret of the webhook";

/// A webhook as [Standard Webhooks](https://www.standardwebhooks.com) specifies it: `POST` of
/// `{"type": "scheduled_one.alert.firing", "timestamp": …, "data": …}`, where `data` is the [`Alert`] with its `title`,
/// in at most 20 kB; subjects that do not fit are counted in `data.more`.
///
/// `webhook-id` is the same in all deliveries of a message. With a secret, `webhook-signature` has a signature
/// (HMAC-SHA256) for each secret, so that a secret is changed without a gap: add the new one, let receivers change,
/// and remove the old one.
///
/// ```
/// use scheduled_one_alerts::{Secret, Webhook};
///
/// let channel = Webhook::new("https://ops.example/hooks/jobs")
///     .secret(Secret::file("/run/secrets/whsec"))
///     .secret(Secret::file("/run/secrets/whsec-next"));
/// # let _ = channel;
/// ```
#[derive(Clone, Debug)]
pub struct Webhook {
    endpoint: Endpoint,
    secrets: Vec<Secret>,
}

impl Webhook {
    /// A webhook at an address; its name is `webhook`.
    pub fn new(address: impl Into<Secret>) -> Self {
        let what = "the address of the webhook";
        Webhook {
            endpoint: Endpoint::new("webhook", what, address.into()),
            secrets: Vec::new(),
        }
    }

    /// Adds a secret to sign with: `whsec_` and 24 to 64 bytes in base64.
    #[must_use]
    pub fn secret(mut self, secret: impl Into<Secret>) -> Self {
        self.secrets.push(secret.into());
        self
    }

    /// Another name, to tell two webhooks apart.
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

    async fn keys(&self) -> Result<Vec<Vec<u8>>, SecretError> {
        let mut keys = Vec::new();
        for secret in &self.secrets {
            let text = secret.read(KEY).await?;
            let key = webhook_key(&text);
            keys.push(key.map_err(|why| secret.error(KEY, why.to_owned()))?);
        }
        Ok(keys)
    }

    async fn attempt(&self, alert: &Alert, now_ms: i64) -> Result<(), DeliveryError> {
        let uri = self.endpoint.uri().await?;
        let body = body(alert);
        let seconds = (now_ms / 1000).to_string();
        let signed = format!("{}.{seconds}.{}", alert.id, String::from_utf8_lossy(&body));
        let keys = self.keys().await?.into_iter();
        let signatures: Vec<String> = keys
            .map(|key| format!("v1,{}", hmac_sha256(&key, signed.as_bytes())))
            .collect();
        let mut headers = vec![
            ("webhook-id", alert.id.clone()),
            ("webhook-timestamp", seconds),
        ];
        if !signatures.is_empty() {
            headers.push(("webhook-signature", signatures.join(" ")));
        }
        let reply = self.endpoint.post(&uri, headers, body).await?;
        let receiver = Receiver {
            uri: &uri,
            secrets: &[],
            now_ms,
        };
        receiver.judge(reply).map(drop)
    }
}

impl Channel for Webhook {
    fn name(&self) -> &str {
        &self.endpoint.name
    }

    fn address(&self) -> BoxFuture<'_, String> {
        Box::pin(self.endpoint.digest())
    }

    fn check(&self) -> BoxFuture<'_, Result<(), SecretError>> {
        Box::pin(async {
            self.endpoint.check().await?;
            self.keys().await.map(drop)
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

/// The same for each delivery of a message.
fn body(alert: &Alert) -> Vec<u8> {
    let kind = match alert.status {
        Status::Firing => "scheduled_one.alert.firing",
        Status::Resolved => "scheduled_one.alert.resolved",
    };
    let mut kept = alert.clone();
    loop {
        let mut data = serde_json::to_value(&kept).unwrap_or_default();
        data["title"] = Value::from(alert.title());
        data["count"] = Value::from(alert.count());
        data["more"] = Value::from(alert.count() - kept.subjects.len());
        let timestamp = instant(alert.at_ms, None);
        let body = json!({"type": kind, "timestamp": timestamp, "data": data}).to_string();
        if body.len() <= MAX_BODY || kept.subjects.len() <= 1 {
            return body.into_bytes();
        }
        let fewer = kept.subjects.len() * MAX_BODY / body.len();
        kept.subjects
            .truncate(fewer.clamp(1, kept.subjects.len() - 1));
    }
}
