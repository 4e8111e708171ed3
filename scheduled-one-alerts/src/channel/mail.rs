//! Mail, by SMTP.

use std::time::{Duration, UNIX_EPOCH};

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use scheduled_one_protocol::BoxFuture;

use super::{Channel, DeliveryError, Rate};
use crate::alert::Alert;
use crate::secret::{Secret, SecretError, redact};

const RATE: Rate = Rate {
    per_minute: 30,
    burst: 10,
};

const ADDRESS: &str = "the address of the mail server";
const MAILBOX: &str = "an address of mail";

/// Mail over a server of SMTP: `smtps://user:password@host`, `smtp://host:587?tls=required`, or, without TLS,
/// `smtp://host:25`. The messages of an incident are one thread.
///
/// ```
/// use scheduled_one_alerts::{Mail, Secret};
///
/// let channel = Mail::new(Secret::env("SMTP_URL"), "jobs@shop.example").to("ops@shop.example");
/// # let _ = channel;
/// ```
#[derive(Clone, Debug)]
pub struct Mail {
    name: String,
    address: Secret,
    from: String,
    to: Vec<String>,
    timeout: Duration,
}

impl Mail {
    /// A server, and the sender; the name of the channel is `mail`. Receivers are added by [`to`](Self::to).
    pub fn new(address: impl Into<Secret>, from: impl Into<String>) -> Self {
        Mail {
            name: "mail".to_owned(),
            address: address.into(),
            from: from.into(),
            to: Vec::new(),
            timeout: Duration::from_secs(15),
        }
    }

    /// Adds a receiver.
    #[must_use]
    pub fn to(mut self, receiver: impl Into<String>) -> Self {
        self.to.push(receiver.into());
        self
    }

    /// Another name, to tell two channels apart.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// How long a delivery may take: 15 s if not set.
    #[must_use]
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = time;
        self
    }

    fn mailbox(&self, text: &str) -> Result<Mailbox, SecretError> {
        let secret = Secret::from(text);
        let why = format!("is none: `{text}`; write name@host");
        text.parse().map_err(|_| secret.error(MAILBOX, why))
    }

    fn message(&self, alert: &Alert) -> Result<Message, DeliveryError> {
        let id = |name: &str| format!("<{name}@scheduled-one>");
        let at = UNIX_EPOCH + Duration::from_millis(alert.at_ms.try_into().unwrap_or_default());
        let mut message = Message::builder()
            .from(self.mailbox(&self.from)?)
            .subject(alert.title())
            .message_id(Some(id(&alert.id)))
            .date(at)
            .references(id(&alert.incident))
            .in_reply_to(id(&alert.incident))
            .header(ContentType::TEXT_PLAIN);
        for receiver in &self.to {
            message = message.to(self.mailbox(receiver)?);
        }
        let message = message.body(alert.plain() + "\n");
        message.map_err(|error| DeliveryError::Refused(format!("no mail can be made: {error}")))
    }

    async fn transport(&self) -> Result<(AsyncSmtpTransport<Tokio1Executor>, String), SecretError> {
        let url = self.address.read(ADDRESS).await?;
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(&url);
        let builder = builder.map_err(|_| {
            let why =
                "cannot be used: write smtps://user:password@host or smtp://host:587?tls=required";
            self.address.error(ADDRESS, why.to_owned())
        })?;
        Ok((builder.timeout(Some(self.timeout)).build(), url))
    }

    async fn attempt(&self, alert: &Alert) -> Result<(), DeliveryError> {
        let message = self.message(alert)?;
        let (transport, url) = self.transport().await?;
        let sent = tokio::time::timeout(self.timeout, transport.send(message)).await;
        match sent {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                let login = url.split_once("://").map_or("", |(_, rest)| rest);
                let login = login.rsplit_once('@').map_or("", |(login, _)| login);
                let secrets: Vec<&str> = login.split(':').collect();
                let why = format!("the mail server: {}", redact(&causes(&error), &secrets));
                Err(match error.is_permanent() {
                    true => DeliveryError::Refused(why),
                    false => DeliveryError::Unreachable(why),
                })
            }
            Err(_) => Err(DeliveryError::Unreachable(format!(
                "the mail server: no reply within {:?}",
                self.timeout
            ))),
        }
    }
}

/// An error with its causes, each said once.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text += &format!(": {more}");
        }
        cause = error.source();
    }
    text
}

impl Channel for Mail {
    fn name(&self) -> &str {
        &self.name
    }

    fn rate(&self) -> Rate {
        RATE
    }

    fn address(&self) -> BoxFuture<'_, String> {
        Box::pin(self.address.digest())
    }

    fn check(&self) -> BoxFuture<'_, Result<(), SecretError>> {
        Box::pin(async {
            self.transport().await?;
            for text in self.to.iter().chain([&self.from]) {
                self.mailbox(text)?;
            }
            match self.to.is_empty() {
                true => Err(self
                    .address
                    .error(ADDRESS, "has no receiver: add one by `to`".to_owned())),
                false => Ok(()),
            }
        })
    }

    fn deliver<'a>(
        &'a self,
        alert: &'a Alert,
        _now_ms: i64,
    ) -> BoxFuture<'a, Result<(), DeliveryError>> {
        Box::pin(self.attempt(alert))
    }
}
