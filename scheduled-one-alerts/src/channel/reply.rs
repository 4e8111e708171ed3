//! What a reply of HTTP means for a message.

use hyper::Uri;
use jiff::Timestamp;
use serde_json::Value;

use super::DeliveryError;
use crate::engine::first_line;
use crate::http::{Reply, place};
use crate::secret::{redact, secrets_of};

/// How much of a reply is shown in an error, in characters.
const MAX_SHOWN: usize = 200;

/// Who replied: what of its address may be shown, and what may not.
pub(crate) struct Receiver<'a> {
    pub(crate) uri: &'a Uri,
    /// Keys that the request held.
    pub(crate) secrets: &'a [&'a str],
    pub(crate) now_ms: i64,
}

impl Receiver<'_> {
    /// A status of 2xx is the receiver's yes.
    pub(crate) fn judge(&self, reply: Reply) -> Result<Reply, DeliveryError> {
        let status = reply.status;
        if (200..300).contains(&status) {
            return Ok(reply);
        }
        let why = format!("{} replied {status}", self.said(&reply.body));
        Err(match status {
            410 => DeliveryError::Gone { why },
            408 | 425 | 429 | 500.. => DeliveryError::Slow {
                retry_after_ms: self.retry_after_ms(&reply),
                why,
            },
            300..400 => DeliveryError::Refused(format!(
                "{why}: redirects are not followed; give the address that it leads to"
            )),
            _ => DeliveryError::Refused(why),
        })
    }

    /// Chat services reply 200 with a number: 0 is a yes, and some mean "too fast".
    pub(crate) fn judge_code(
        &self,
        reply: Reply,
        names: &[&str],
        too_fast: &[i64],
    ) -> Result<(), DeliveryError> {
        let reply = self.judge(reply)?;
        let body: Value = serde_json::from_str(&reply.body).unwrap_or_default();
        let code = names.iter().find_map(|name| body[name].as_i64());
        match code {
            Some(0) => Ok(()),
            Some(code) if too_fast.contains(&code) => Err(DeliveryError::Slow {
                retry_after_ms: None,
                why: self.said(&reply.body),
            }),
            _ => Err(DeliveryError::Refused(self.said(&reply.body))),
        }
    }

    /// The receiver, with the first line of what it said.
    fn said(&self, body: &str) -> String {
        let mut secrets = secrets_of(self.uri);
        secrets.extend(self.secrets);
        let shown = redact(body, &secrets);
        let line: String = first_line(&shown).chars().take(MAX_SHOWN).collect();
        match line.is_empty() {
            true => place(self.uri),
            false => format!("{} ({line})", place(self.uri)),
        }
    }

    /// The header in milliseconds from now: it has seconds, or a date.
    fn retry_after_ms(&self, reply: &Reply) -> Option<i64> {
        let text = reply.retry_after.as_ref()?.trim();
        if let Ok(seconds) = text.parse::<u32>() {
            return Some(i64::from(seconds) * 1000);
        }
        let date = jiff::fmt::rfc2822::parse(text).ok()?;
        let at: Timestamp = date.timestamp();
        Some((at.as_millisecond() - self.now_ms).max(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, retry_after: Option<&str>, body: &str) -> Reply {
        Reply {
            status,
            retry_after: retry_after.map(str::to_owned),
            body: body.to_owned(),
        }
    }

    fn judged(reply: Reply) -> Result<(), DeliveryError> {
        let uri: Uri = "https://hooks.example/services/T0/TOKEN-TOKEN"
            .parse()
            .unwrap();
        let receiver = Receiver {
            uri: &uri,
            secrets: &["key-key"],
            now_ms: 1_445_412_420_000,
        };
        receiver.judge(reply).map(drop)
    }

    #[test]
    fn a_receiver_may_say_when_to_come_back() {
        let after = |text| {
            judged(reply(429, Some(text), ""))
                .unwrap_err()
                .retry_after_ms()
        };
        assert_eq!(after("120"), Some(120_000));
        assert_eq!(after("Wed, 21 Oct 2015 07:28:00 GMT"), Some(60_000));
        assert_eq!(after("Fri, 21 Oct 2005 07:28:00 GMT"), Some(0));
        assert_eq!(after("soon"), None);
    }

    #[test]
    fn an_error_shows_what_was_said_without_secrets() {
        let body = "no TOKEN-TOKEN with key-key at /services/T0/TOKEN-TOKEN\r\nmore";
        let error = judged(reply(404, None, body)).unwrap_err().to_string();
        assert_eq!(error, "hooks.example (no … with … at …) replied 404");
    }
}
