//! A robot of a group in Feishu, or Lark.

use scheduled_one_protocol::BoxFuture;
use serde_json::{Value, json};

use super::endpoint::Endpoint;
use super::reply::Receiver;
use super::{Channel, DeliveryError, Rate};
use crate::alert::Alert;
use crate::http::Http;
use crate::secret::{Secret, SecretError};
use crate::sign::hmac_sha256;

/// Feishu takes 100 messages in a minute, and five in a second.
const RATE: Rate = Rate {
    per_minute: 60,
    burst: 5,
};

/// "Frequency limited".
const TOO_FAST: [i64; 2] = [11_232, 9_499];

/// The longest lines, in bytes of JSON. Feishu takes bodies of at most 20 kB; the title, the form and the signature
/// have the rest.
const MAX_LINES: usize = 18_000;

const KEY: &str = "the secret of the Feishu robot";

/// A custom robot of a group in Feishu or Lark. The address is a secret; with a secret of the robot, messages are
/// signed.
///
/// ```
/// use scheduled_one_alerts::{Feishu, Secret};
///
/// let channel = Feishu::new(Secret::env("FEISHU_ROBOT")).secret(Secret::env("FEISHU_SECRET"));
/// # let _ = channel;
/// ```
#[derive(Clone, Debug)]
pub struct Feishu {
    endpoint: Endpoint,
}

impl Feishu {
    /// A robot at `https://open.feishu.cn/open-apis/bot/v2/hook/…`; its name is `feishu`.
    pub fn new(address: impl Into<Secret>) -> Self {
        let what = "the address of the Feishu robot";
        Feishu {
            endpoint: Endpoint::new("feishu", what, address.into()),
        }
    }

    /// The secret that Feishu shows for "signature verification".
    #[must_use]
    pub fn secret(mut self, secret: impl Into<Secret>) -> Self {
        self.endpoint = self.endpoint.signed_with(secret.into(), KEY);
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
        let mut body = body(alert);
        if let Some(secret) = self.endpoint.signing_secret().await? {
            let timestamp = (now_ms / 1000).to_string();
            body["sign"] = Value::from(sign(&timestamp, &secret));
            body["timestamp"] = Value::from(timestamp);
        }
        let body = body.to_string().into_bytes();
        let reply = self.endpoint.post(&uri, Vec::new(), body).await?;
        let receiver = Receiver {
            uri: &uri,
            secrets: &[],
            now_ms,
        };
        receiver.judge_code(reply, &["code", "StatusCode"], &TOO_FAST)
    }
}

impl Channel for Feishu {
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

/// A "post": lines of plain text and links, in which nothing is markup, as many as Feishu takes.
fn body(alert: &Alert) -> Value {
    let text = |line: String| json!([{"tag": "text", "text": line}]);
    let lines = alert.lines().into_iter().map(text);
    let links = alert.links().into_iter();
    let links = links.map(|(word, link)| json!([{"tag": "a", "text": word, "href": link}]));
    let links: Vec<Value> = links.collect();
    let length = |line: &Value| line.to_string().len() + 1;
    let (mut content, mut bytes) = (Vec::new(), links.iter().map(length).sum::<usize>());
    for line in lines {
        bytes += length(&line);
        if bytes > MAX_LINES {
            content.push(text("…".to_owned()));
            break;
        }
        content.push(line);
    }
    content.extend(links);
    let post = json!({"title": alert.title(), "content": content});
    json!({"msg_type": "post", "content": {"post": {"zh_cn": post}}})
}

/// The text is the key, and the message is empty.
fn sign(timestamp: &str, secret: &str) -> String {
    hmac_sha256(format!("{timestamp}\n{secret}").as_bytes(), b"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::MAX_LISTED;

    #[test]
    fn long_errors_of_many_jobs_are_cut_to_what_feishu_takes() {
        let mut alert = Alert::test("shop", 0);
        let one = alert.subjects.remove(0);
        for number in 0..MAX_LISTED {
            let mut subject = one.clone();
            subject.name = format!("job-{number}");
            subject.text = "磁盘已满".repeat(150);
            alert.subjects.push(subject);
        }
        let whole = body(&alert);
        let bytes = whole.to_string().len();
        assert!((15_000..19_000).contains(&bytes), "{bytes}");
        let lines = &whole["content"]["post"]["zh_cn"]["content"];
        let lines = lines.as_array().expect("lines");
        assert_eq!(
            lines[0][0]["text"].as_str().map(|it| &it[..7]),
            Some("job-0: ")
        );
        assert_eq!(lines.last().map(|it| &it[0]["text"]), Some(&json!("…")));
    }

    /// `printf '' | openssl dgst -sha256 -mac HMAC -macopt hexkey:$(printf '1767225600\nabc123' | xxd -p) -binary |
    /// base64`
    #[test]
    fn the_signature_is_that_of_openssl() {
        assert_eq!(
            sign("1767225600", "abc123"),
            "lqwZLSD1JkZs0RdmobxU1E2KVD2tK/IFUN6m15s+8Bo="
        );
    }
}
