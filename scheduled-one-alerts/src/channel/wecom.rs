//! A robot of a group in WeCom.

use scheduled_one_protocol::BoxFuture;
use serde_json::json;

use super::endpoint::Endpoint;
use super::reply::Receiver;
use super::{Channel, DeliveryError, Rate};
use crate::alert::Alert;
use crate::http::Http;
use crate::markdown;
use crate::secret::{Secret, SecretError};

/// WeCom takes 20 messages in each minute: burst and average together stay below.
const RATE: Rate = Rate {
    per_minute: 15,
    burst: 5,
};

/// "Exceeds the limit of the interface".
const TOO_FAST: [i64; 1] = [45_009];

/// The longest text, in bytes.
const MAX_TEXT: usize = 4_096;

/// A robot of a group in WeCom. The address has the key, and is a secret.
///
/// ```
/// use scheduled_one_alerts::{Secret, WeCom};
///
/// let channel = WeCom::new(Secret::file("/run/secrets/wecom"));
/// # let _ = channel;
/// ```
#[derive(Clone, Debug)]
pub struct WeCom {
    endpoint: Endpoint,
}

impl WeCom {
    /// A robot at `https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…`; its name is `wecom`.
    pub fn new(address: impl Into<Secret>) -> Self {
        let what = "the address of the WeCom robot";
        let endpoint = Endpoint::new("wecom", what, address.into());
        WeCom { endpoint }
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
        let markdown = json!({"content": markdown::of(alert, MAX_TEXT)});
        let body = json!({"msgtype": "markdown", "markdown": markdown});
        let body = body.to_string().into_bytes();
        let reply = self.endpoint.post(&uri, Vec::new(), body).await?;
        let receiver = Receiver {
            uri: &uri,
            secrets: &[],
            now_ms,
        };
        receiver.judge_code(reply, &["errcode"], &TOO_FAST)
    }
}

impl Channel for WeCom {
    fn name(&self) -> &str {
        &self.endpoint.name
    }

    fn rate(&self) -> Rate {
        RATE
    }

    fn address(&self) -> BoxFuture<'_, String> {
        Box::pin(self.endpoint.digest())
    }

    fn check(&self) -> BoxFuture<'_, Result<(), SecretError>> {
        Box::pin(self.endpoint.check())
    }

    fn deliver<'a>(
        &'a self,
        alert: &'a Alert,
        now_ms: i64,
    ) -> BoxFuture<'a, Result<(), DeliveryError>> {
        Box::pin(self.attempt(alert, now_ms))
    }
}
