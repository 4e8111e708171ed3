//! A robot of a group in DingTalk.

use hyper::Uri;
use scheduled_one_protocol::BoxFuture;
use serde_json::json;

use super::endpoint::Endpoint;
use super::reply::Receiver;
use super::{Channel, DeliveryError, Rate};
use crate::alert::Alert;
use crate::http::{Http, with_query};
use crate::markdown;
use crate::secret::{Secret, SecretError};
use crate::sign::hmac_sha256;

/// DingTalk takes 20 messages in each minute, and then none for ten: burst and average together stay below.
const RATE: Rate = Rate {
    per_minute: 15,
    burst: 5,
};

/// "Sends too fast".
const TOO_FAST: [i64; 1] = [130_101];

/// The longest text, in bytes.
const MAX_TEXT: usize = 18_000;

const KEY: &str = "the secret of the DingTalk robot";

/// A custom robot of a group in DingTalk. The address has the access token; with a secret, messages are signed.
///
/// ```
/// use scheduled_one_alerts::{DingTalk, Secret};
///
/// let channel = DingTalk::new(Secret::env("DINGTALK_ROBOT")).secret(Secret::env("DINGTALK_SECRET"));
/// # let _ = channel;
/// ```
#[derive(Clone, Debug)]
pub struct DingTalk {
    endpoint: Endpoint,
    mobiles: Vec<String>,
}

impl DingTalk {
    /// A robot at `https://oapi.dingtalk.com/robot/send?access_token=…`; its name is `dingtalk`.
    pub fn new(address: impl Into<Secret>) -> Self {
        let what = "the address of the DingTalk robot";
        DingTalk {
            endpoint: Endpoint::new("dingtalk", what, address.into()),
            mobiles: Vec::new(),
        }
    }

    /// The secret that DingTalk shows for "sign": `SEC…`.
    #[must_use]
    pub fn secret(mut self, secret: impl Into<Secret>) -> Self {
        self.endpoint = self.endpoint.signed_with(secret.into(), KEY);
        self
    }

    /// Calls the person with this telephone number.
    #[must_use]
    pub fn at(mut self, mobile: impl Into<String>) -> Self {
        self.mobiles.push(mobile.into());
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
        let address = self.endpoint.uri().await?;
        let uri = match self.endpoint.signing_secret().await? {
            Some(secret) => signed(&address, now_ms, &secret)?,
            None => address,
        };
        let mut text = markdown::of(alert, MAX_TEXT);
        for mobile in &self.mobiles {
            text += &format!(" @{mobile}");
        }
        let markdown = json!({"title": alert.title(), "text": text});
        let body =
            json!({"msgtype": "markdown", "markdown": markdown, "at": {"atMobiles": self.mobiles}});
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

impl Channel for DingTalk {
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

/// The address with `timestamp` and `sign`.
fn signed(address: &Uri, now_ms: i64, secret: &str) -> Result<Uri, DeliveryError> {
    let timestamp = now_ms.to_string();
    let sign = sign(&timestamp, secret);
    let parameters = [("timestamp", &*timestamp), ("sign", &*sign)];
    with_query(address, &parameters).map_err(DeliveryError::Refused)
}

fn sign(timestamp: &str, secret: &str) -> String {
    hmac_sha256(
        secret.as_bytes(),
        format!("{timestamp}\n{secret}").as_bytes(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf '1767225600000\nSECabc123' | openssl dgst -sha256 -hmac SECabc123 -binary | base64`
    #[test]
    fn the_signature_is_that_of_openssl() {
        let expected = "pvwH8bM5eQ0kH1kr+RPVoBxU5B9l7NCsCB86NIxp2WY=";
        assert_eq!(sign("1767225600000", "SECabc123"), expected);
        let address = "https://oapi.dingtalk.com/robot/send?access_token=t";
        let uri = signed(&address.parse().unwrap(), 1_767_225_600_000, "SECabc123").unwrap();
        let expected = crate::http::percent(expected);
        assert_eq!(
            uri.to_string(),
            format!("{address}&timestamp=1767225600000&sign={expected}")
        );
    }
}
