//! What alerts fire, as the nodes that evaluate them left it.

use scheduled_one_protocol::UnitName;
use scheduled_one_protocol::message::Checkpointed;
use serde::{Deserialize, Serialize};

use crate::control::Control;
use crate::error::Error;

/// The internal job that evaluates alerts.
const EVALUATES: &str = "$alerts";

/// Rules whose subject is no job.
const OF_ALL: [&str; 5] = [
    "nodes_below",
    "drift",
    "quarantine",
    "store_lost",
    "channel",
];

/// What alerts fire, and what was sent of them. Instants are ms since the Unix epoch, by the store's clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct AlertsNow {
    /// When the rules were last evaluated with a result that was new.
    pub at_ms: i64,
    /// What fires, the oldest first.
    pub firing: Vec<FiringAlert>,
    /// How many fire in addition to these: the first 500 are listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: usize,
    /// How many messages wait to be delivered.
    pub waiting: usize,
    /// The newest attempts to deliver messages, the newest first.
    pub sent: Vec<SentAlert>,
    /// Grows with each change of what is stored.
    #[serde(skip)]
    pub revision: u64,
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

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// The part of what is stored that is for readers.
#[derive(Deserialize)]
struct Stored {
    #[serde(default)]
    shown: AlertsNow,
    #[serde(default)]
    revision: u64,
}

impl Control {
    /// What alerts fire now, and what was sent; `None` if no node of the namespace has evaluated alerts yet. It costs
    /// one request. Who may not see all jobs has what fires for the jobs that may be seen, and nothing of what was
    /// sent.
    ///
    /// # Errors
    ///
    /// [`Error::Store`]; [`Error::Argument`] if what is stored is that of a newer release, or was edited.
    pub async fn alerts(&self) -> Result<Option<AlertsNow>, Error> {
        self.check_sees_something()?;
        let unit = UnitName::new(EVALUATES, 0);
        let found = self.reader(EVALUATES).checkpoint(&self.caller, unit);
        let found = found.await?.body;
        let Checkpointed::Found(Some(found)) = found else {
            return Ok(None);
        };
        let stored: Stored =
            serde_json::from_str(&found.text).map_err(|error| Error::Argument {
                argument: "alerts",
                message: format!("what is stored of the alerts cannot be read: {error}"),
            })?;
        let mut shown = stored.shown;
        shown.revision = stored.revision;
        if !self.sees_all() {
            let visible = self.visible().await?;
            let is_seen = |firing: &FiringAlert| {
                let unit = UnitName::from(firing.subject.as_str());
                visible.has(unit.job()) && !OF_ALL.contains(&&*firing.rule)
            };
            shown.firing.retain(is_seen);
            shown.more = 0;
            // They may name any job.
            shown.sent.clear();
        }
        Ok(Some(shown))
    }
}
