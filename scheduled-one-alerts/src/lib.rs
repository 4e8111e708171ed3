//! Alerts of scheduled-one: rules over ledgers, channels for their messages, and monitors outside.
//!
#![doc = include_str!("../docs/alerts.md")]

// The modules are listed in reading order. What is looked at, and by which rules …
mod cursor;
mod facts;
mod rule;
mod rule_kind;

// … what is said, and when: functions of their arguments …
mod alert;
mod engine;
mod outbox;
mod shown;
mod state;

// … who does it …
mod alerts;
mod at_once;
mod deliver;
mod each_subject;
mod reading;
mod source;

// … where messages go …
mod channel;
mod markdown;

// … over HTTP, signed …
mod http;
mod secret;
mod sign;
mod tls;

// … and who notices when all of this is dead.
mod monitor;

pub use crate::alert::{Alert, MAX_LISTED, MAX_SUBJECTS, Severity, Status, Subject};
pub use crate::alerts::{Alerts, CheckError, RunError, RunReport};
pub use crate::channel::alertmanager::Alertmanager;
pub use crate::channel::dingtalk::DingTalk;
pub use crate::channel::feishu::Feishu;
#[cfg(feature = "mail")]
pub use crate::channel::mail::Mail;
pub use crate::channel::pagerduty::PagerDuty;
pub use crate::channel::slack::Slack;
pub use crate::channel::webhook::Webhook;
pub use crate::channel::wecom::WeCom;
pub use crate::channel::{Channel, DeliveryError, Rate};
pub use crate::facts::{CLUSTER, Facts, Input, Outage, Quarantine, UnitFacts, Unreadable};
pub use crate::http::Http;
pub use crate::monitor::healthchecks::Healthchecks;
pub use crate::monitor::sentry::SentryCrons;
pub use crate::monitor::{Monitor, MonitorSchedule, RunEnd, RunInfo};
pub use crate::outbox::{Delivery, DeliveryResult};
pub use crate::rule::Rules;
pub use crate::rule_kind::RuleKind;
pub use crate::secret::{Secret, SecretError};
pub use crate::source::{Keeper, Source, SourceError};
pub use crate::state::{AlertState, StateError};
/// The future of a channel's attempt.
pub use scheduled_one_protocol::BoxFuture;
pub use scheduled_one_schedule::alert::JobRules;
