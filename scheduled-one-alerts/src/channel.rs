//! Where messages go.

pub(crate) mod alertmanager;
pub(crate) mod dingtalk;
mod endpoint;
pub(crate) mod feishu;
#[cfg(feature = "mail")]
pub(crate) mod mail;
pub(crate) mod pagerduty;
pub(crate) mod reply;
pub(crate) mod slack;
pub(crate) mod webhook;
pub(crate) mod wecom;

use std::fmt;

use scheduled_one_protocol::BoxFuture;

use crate::alert::Alert;
use crate::secret::SecretError;

/// Where messages go: one receiver.
///
/// A channel makes one attempt to deliver a message, and says how it went; attempts are repeated by
/// [`Alerts`](crate::Alerts). A receiver may get a message twice, always with the same [`id`](Alert::id).
///
/// ```
/// use scheduled_one_alerts::{Alert, Channel, DeliveryError};
/// use scheduled_one_protocol::BoxFuture;
///
/// #[derive(Debug)]
/// struct Bell;
///
/// impl Channel for Bell {
///     fn name(&self) -> &str {
///         "bell"
///     }
///
///     fn deliver<'a>(&'a self, alert: &'a Alert, _now_ms: i64) -> BoxFuture<'a, Result<(), DeliveryError>> {
///         Box::pin(async move { ring(&alert.title()) })
///     }
/// }
/// # fn ring(_: &str) -> Result<(), DeliveryError> { Ok(()) }
/// ```
pub trait Channel: fmt::Debug + Send + Sync + 'static {
    /// Tells the channel from the others, in events and in the state. Not secret.
    fn name(&self) -> &str;

    /// Whether the receiver takes each subject by itself: then it is informed when one recovers, although others of
    /// the same message go on.
    fn each_subject(&self) -> bool {
        false
    }

    /// How many messages the receiver takes.
    fn rate(&self) -> Rate {
        Rate::default()
    }

    /// A digest of the address, as it is now; empty if that is not known. A channel whose receiver was gone is used
    /// again when this changes.
    fn address(&self) -> BoxFuture<'_, String> {
        Box::pin(async { String::new() })
    }

    /// Whether the channel can be used, as far as that is known without a message: its secrets can be read, and its
    /// address has a form that is known.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    fn check(&self) -> BoxFuture<'_, Result<(), SecretError>> {
        Box::pin(async { Ok(()) })
    }

    /// Makes one attempt. `now_ms` is the current time, in milliseconds since the Unix epoch.
    ///
    /// Cancel safety: a dropped attempt may have delivered the message.
    ///
    /// # Errors
    ///
    /// Why the receiver does not have the message, or may not have it. The text holds no secret.
    fn deliver<'a>(
        &'a self,
        alert: &'a Alert,
        now_ms: i64,
    ) -> BoxFuture<'a, Result<(), DeliveryError>>;
}

/// How many messages a receiver takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// On the average.
    pub per_minute: u32,
    /// At once.
    pub burst: u32,
}

impl Default for Rate {
    fn default() -> Self {
        Rate {
            per_minute: 60,
            burst: 20,
        }
    }
}

/// Why a message was not delivered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// A secret, an address or a file of the channel cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The receiver could not be reached, or its reply not be read.
    #[error("{0}")]
    Unreachable(String),
    /// The receiver wants fewer messages, or cannot take any for now.
    #[error("{why}")]
    Slow {
        /// When it may be tried again, in milliseconds, if the receiver says so.
        retry_after_ms: Option<i64>,
        /// What the receiver said.
        why: String,
    },
    /// The receiver does not take the message.
    #[error("{0}")]
    Refused(String),
    /// The receiver is gone for good.
    #[error("{why}")]
    Gone {
        /// What the receiver said.
        why: String,
    },
}

impl DeliveryError {
    pub(crate) fn retry_after_ms(&self) -> Option<i64> {
        match self {
            DeliveryError::Slow { retry_after_ms, .. } => *retry_after_ms,
            _ => None,
        }
    }
}
