//! What alerts fire, as the nodes that evaluate them left it.

use scheduled_one_protocol::UnitName;
use scheduled_one_protocol::message::{CheckpointRequest, Checkpointed};
use serde::{Deserialize, Serialize};

use crate::ask::ask;
use crate::control::Control;
use crate::error::Error;

/// The internal job that evaluates alerts.
const EVALUATES: &str = "$alerts";

/// What alerts fire, and what was sent of them. Instants are ms since the Unix epoch, by the store's clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct AlertsNow {
    /// When the rules were last evaluated with a result that was new.
    pub at_ms: i64,
    /// What fires, the oldest first.
    pub firing: Vec<FiringAlert>,
    /// How many messages wait to be delivered.
    pub waiting: usize,
    /// The newest attempts to deliver messages, the newest first.
    pub sent: Vec<SentAlert>,
}

/// A rule that fires.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct FiringAlert {
    /// The rule, such as `failed`.
    pub rule: String,
    /// The job or shard, the store or the channel; `cluster` for all nodes.
    pub subject: String,
    /// Since when.
    pub since_ms: i64,
    /// What is the case, in words.
    pub text: String,
}

/// An attempt to deliver a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SentAlert {
    /// When.
    pub at_ms: i64,
    /// The id of the message: the same in each attempt.
    pub id: String,
    /// What it says, in a line.
    pub title: String,
    /// The name of the channel.
    pub channel: String,
    /// Why the receiver does not have it; empty if it has.
    pub error: String,
}

/// The part of what is stored that is for readers.
#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    shown: AlertsNow,
}

impl Control {
    /// What alerts fire now, and what was sent; `None` if no node of the namespace has evaluated alerts yet. It costs
    /// one request.
    ///
    /// # Errors
    ///
    /// [`Error::Store`]; [`Error::Argument`] if what is stored is that of a newer release, or was edited.
    pub async fn alerts(&self) -> Result<Option<AlertsNow>, Error> {
        let request = CheckpointRequest::read(UnitName::new(EVALUATES, 0));
        let store = self.store(EVALUATES);
        let found = ask(|| store.checkpoint(&self.caller, &request)).await?.body;
        let Checkpointed::Found(Some(found)) = found else {
            return Ok(None);
        };
        let stored: Stored =
            serde_json::from_str(&found.text).map_err(|error| Error::Argument {
                argument: "alerts",
                message: format!("what is stored of the alerts cannot be read: {error}"),
            })?;
        Ok(Some(stored.shown))
    }
}
