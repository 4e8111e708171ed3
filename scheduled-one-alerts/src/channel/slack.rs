//! Slack, Mattermost, Rocket.Chat, and what else takes their messages.

use scheduled_one_protocol::BoxFuture;
use serde_json::json;

use super::endpoint::Endpoint;
use super::reply::Receiver;
use super::{Channel, DeliveryError, Rate};
use crate::alert::{Alert, Severity, Status};
use crate::http::Http;
use crate::secret::{Secret, SecretError};

/// Slack takes one message a second.
const RATE: Rate = Rate {
    per_minute: 50,
    burst: 5,
};

/// An incoming webhook of Slack, or of a service that takes the same: Mattermost, Rocket.Chat, Discord (with `/slack`
/// behind its address). The text is an attachment, because Mattermost shows no blocks. The address is a secret.
///
/// ```
/// use scheduled_one_alerts::{Secret, Slack};
///
/// let channel = Slack::new(Secret::env("SLACK_WEBHOOK"));
/// # let _ = channel;
/// ```
#[derive(Clone, Debug)]
pub struct Slack {
    endpoint: Endpoint,
}

impl Slack {
    /// An incoming webhook; its name is `slack`.
    pub fn new(address: impl Into<Secret>) -> Self {
        let what = "the address of the Slack webhook";
        let endpoint = Endpoint::new("slack", what, address.into());
        Slack { endpoint }
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
        let body = body(alert).into_bytes();
        let reply = self.endpoint.post(&uri, Vec::new(), body).await?;
        let receiver = Receiver {
            uri: &uri,
            secrets: &[],
            now_ms,
        };
        receiver.judge(reply).map(drop)
    }
}

impl Channel for Slack {
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

fn body(alert: &Alert) -> String {
    let title = escape(&alert.title());
    let mut lines: Vec<String> = alert.lines().iter().map(|line| escape(line)).collect();
    for (word, link) in alert.links() {
        lines.push(format!("{word}: {}", escape(link)));
    }
    let color = match (alert.status, alert.severity) {
        (Status::Resolved, _) => "#2eb886",
        (Status::Firing, Severity::Warning) => "#daa038",
        (Status::Firing, Severity::Error) => "#a30200",
    };
    let attachment = json!({"color": color, "fallback": title, "text": lines.join("\n")});
    json!({"text": title, "attachments": [attachment]}).to_string()
}

/// No text of a job becomes a link, or calls people.
fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('@', "@\u{200b}")
}
