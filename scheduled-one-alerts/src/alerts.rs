//! Rules and channels together: evaluate, keep, deliver.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::alert::{Alert, MAX_SUBJECTS};
use crate::channel::{Channel, DeliveryError};
use crate::each_subject::{self, MAX_EACH};
use crate::engine::Condition;
use crate::facts::Input;
use crate::outbox::Delivery;
use crate::reading;
use crate::rule::{Rules, job_of};
use crate::rule_kind::RuleKind;
use crate::secret::SecretError;
use crate::source::{Keeper, Source, SourceError};
use crate::state::{AlertState, StateError};

/// How often a scheduler evaluates the rules.
const EVERY: Duration = Duration::from_secs(10);

/// The shortest and the longest time between two evaluations.
const PERIODS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));

/// Rules and channels of a namespace. Clones are cheap.
///
/// ```no_run
/// use scheduled_one_alerts::{Alerts, Keeper, Rules, Secret, Slack, Source, Webhook};
///
/// async fn every_ten_seconds(source: &dyn Source, keeper: &dyn Keeper) {
///     let alerts = Alerts::new(Rules::new("shop"))
///         .notify(Slack::new(Secret::env("SLACK_WEBHOOK")))
///         .notify(Webhook::new("https://ops.example/jobs").secret(Secret::env("WHSEC")));
///     match alerts.run_once(source, keeper).await {
///         Ok(report) => println!("{} new, {} attempts", report.alerts.len(), report.deliveries.len()),
///         Err(error) => eprintln!("{error}"),
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Alerts {
    rules: Arc<Rules>,
    pub(crate) channels: Vec<Route>,
    every: Duration,
}

/// A channel, and the jobs whose alerts go there.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) channel: Arc<dyn Channel>,
    /// Empty for all, and for what is about no job.
    jobs: Vec<String>,
}

/// What one evaluation did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunReport {
    /// The messages that were made.
    pub alerts: Vec<Alert>,
    /// What became of the attempts to deliver these and older ones.
    pub deliveries: Vec<Delivery>,
    /// How many subjects each rule fires for; rules that fire for none are left out.
    pub firing: BTreeMap<RuleKind, usize>,
    /// When the rules were evaluated, in milliseconds since the Unix epoch, by the store's clock.
    pub at_ms: i64,
}

/// Why an evaluation could not be made. Nothing is lost: the next one goes on where the last one was kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Facts or a ledger could not be read.
    #[error("alerts: cannot read {what}: {error}")]
    Source {
        /// What was read.
        what: String,
        /// The error of the source.
        error: SourceError,
    },
    /// The state could not be loaded or kept.
    #[error("alerts: cannot {what} the state: {error}")]
    Keeper {
        /// `load` or `save`.
        what: &'static str,
        /// The error of the keeper.
        error: SourceError,
    },
    /// The state that is kept cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Why alerts cannot be used as they are.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// A rule is out of its range.
    #[error("{0}")]
    Rules(String),
    /// A channel cannot be used.
    #[error("the channel `{name}`: {error}")]
    Channel {
        /// Its name.
        name: String,
        /// The secret or address that cannot be used.
        error: SecretError,
    },
}

impl Alerts {
    /// Rules without a channel.
    pub fn new(rules: Rules) -> Self {
        Alerts {
            rules: Arc::new(rules),
            channels: Vec::new(),
            every: EVERY,
        }
    }

    /// How often a scheduler evaluates the rules: every 10 s if not set; 1 s to 1 h.
    #[must_use]
    pub fn every(mut self, time: Duration) -> Self {
        self.every = time;
        self
    }

    /// How often a scheduler evaluates the rules.
    pub fn period(&self) -> Duration {
        self.every
    }

    /// The same for another namespace.
    #[must_use]
    pub fn with_namespace(mut self, namespace: &str) -> Self {
        let rules = Rules::clone(&self.rules);
        self.rules = Arc::new(rules.with_namespace(namespace));
        self
    }

    /// Adds a channel for all messages. Two channels with one name are one: the second gets the name `slack-2`.
    #[must_use]
    pub fn notify(self, channel: impl Channel) -> Self {
        self.route([], channel)
    }

    /// Adds a channel for messages about some jobs alone.
    #[must_use]
    pub fn route<const N: usize>(mut self, jobs: [&str; N], channel: impl Channel) -> Self {
        self.channels.push(Route {
            channel: Arc::new(channel),
            jobs: jobs.map(str::to_owned).into(),
        });
        self
    }

    /// The names of the channels.
    pub fn channels(&self) -> Vec<String> {
        let own = self.channels.iter().map(|route| route.channel.name());
        let mut taken: BTreeSet<String> = own.map(str::to_owned).collect();
        let mut first = BTreeSet::new();
        let mut names = Vec::new();
        for route in &self.channels {
            let name = route.channel.name();
            let mut numbered = (2..).map(|number| format!("{name}-{number}"));
            names.push(match first.insert(name) {
                true => name.to_owned(),
                // The numbers have no end.
                false => numbered
                    .find(|it| taken.insert(it.clone()))
                    .unwrap_or_default(),
            });
        }
        names
    }

    /// Checks the rules, and reads the secrets and addresses of all channels. No message is sent.
    ///
    /// # Errors
    ///
    /// The first rule that is out of its range, or the first channel that cannot be used, with the way out.
    pub async fn check(&self) -> Result<(), CheckError> {
        let (least, most) = PERIODS;
        if !(least..=most).contains(&self.every) {
            let every = self.every;
            return Err(CheckError::Rules(format!(
                "`every` is {every:?}; 1 s to 1 h are allowed"
            )));
        }
        if let Some(why) = self.rules.fault() {
            return Err(CheckError::Rules(why));
        }
        for (name, route) in self.channels().into_iter().zip(&self.channels) {
            let checked = route.channel.check().await;
            checked.map_err(|error| CheckError::Channel { name, error })?;
        }
        Ok(())
    }

    /// Sends a message that says that it is a test over one channel: one attempt.
    ///
    /// # Errors
    ///
    /// Why it was not delivered; for an unknown channel, the names of those that there are.
    pub async fn test(&self, channel: &str, now_ms: i64) -> Result<(), DeliveryError> {
        let names = self.channels();
        let Some(at) = names.iter().position(|name| name == channel) else {
            return Err(DeliveryError::Refused(format!(
                "there is no channel `{channel}`; there are: {}",
                names.join(", ")
            )));
        };
        let alert = Alert::test(&self.rules.namespace, now_ms);
        self.channels[at].channel.deliver(&alert, now_ms).await
    }

    /// Reads facts and new lines, applies the rules, and puts new messages into the state. Nothing is sent: keep the
    /// state first, then [`deliver_once`](Self::deliver_once).
    ///
    /// Cancel safety: a dropped evaluation has changed nothing.
    ///
    /// # Errors
    ///
    /// [`RunError::Source`] if nothing could be read; then the state is unchanged. What could not be read next to
    /// others is a condition of the rule [`Unreadable`](RuleKind::Unreadable).
    pub async fn evaluate_once(
        &self,
        source: &dyn Source,
        state: &mut AlertState,
    ) -> Result<Vec<Alert>, RunError> {
        let failed = |what: String| move |error| RunError::Source { what, error };
        let facts = source.facts().await;
        let mut facts = facts.map_err(failed("what is the case".to_owned()))?;
        let mut next = state.clone();
        next.meet(facts.at_ms);
        if reading::note_absent(&mut next, &mut facts) {
            next.changed();
        }
        let read = reading::new_lines(source, &mut next, &facts).await;
        let read = read.map_err(|(job, error)| failed(format!("the ledger of `{job}`"))(error))?;
        if read.has_news {
            next.changed();
        }
        // While a store is away, that is said alone.
        if !facts.is_partial {
            facts.unreadable.extend(read.unreadable);
        }
        let lines = read.lines;
        let alerts = self.evaluate(&mut next, Input { lines, facts });
        *state = next;
        Ok(alerts)
    }

    /// Applies the rules to an input: [`evaluate_once`](Self::evaluate_once) without its I/O, for who has the new lines
    /// already. The lines are not compared with those that were read before.
    pub fn evaluate(&self, state: &mut AlertState, input: Input) -> Vec<Alert> {
        let disabled = state
            .outbox
            .disabled()
            .map(|(name, since_ms, why)| Condition {
                rule: RuleKind::Channel,
                subject: name.to_owned(),
                since_ms,
                hold_ms: 0,
                text: why.to_owned(),
            });
        let disabled: Vec<Condition> = disabled.collect();
        state.meet(input.facts.at_ms);
        let before = state.engine.clone();
        let rules = self.rules.with_declared(&input.facts.declared);
        let takes_each = self
            .channels
            .iter()
            .any(|route| route.channel.each_subject());
        let said = takes_each.then(|| state.engine.said(&rules));
        let alerts = state.engine.step(&rules, input, disabled);
        if let Some(said) = said {
            let (now, now_ms) = (state.engine.said(&rules), state.engine.clock_ms());
            for alert in each_subject::messages(&rules, said, &alerts, &now, now_ms) {
                let channels = self.receivers(&alert, state, true);
                state.outbox.push(alert.capped(MAX_EACH), &channels);
            }
        }
        let alerts = alerts.into_iter().map(|alert| {
            let channels = self.receivers(&alert, state, false);
            let alert = alert.capped(MAX_SUBJECTS);
            state.outbox.push(alert.clone(), &channels);
            alert
        });
        let alerts = alerts.collect();
        if state.engine.differs(&before) {
            state.changed();
        }
        alerts
    }

    /// The channels that an alert goes to: those that take each subject by itself, or the others.
    fn receivers(&self, alert: &Alert, state: &AlertState, each: bool) -> Vec<String> {
        let wants = |route: &Route| {
            let about = |job: &String| {
                let mut subjects = alert.subjects.iter();
                subjects.any(|subject| job_of(&subject.name) == job)
            };
            let is_meant = route.channel.each_subject() == each;
            is_meant && (route.jobs.is_empty() || route.jobs.iter().any(about))
        };
        let names = self.channels().into_iter().zip(&self.channels);
        names
            .filter(|(name, route)| wants(route) && !state.outbox.is_disabled(name))
            .map(|(name, _)| name)
            .collect()
    }

    /// One turn: loads the state, evaluates, keeps the state, delivers, keeps the state. Nothing is kept that is not
    /// new. If it stops in between, the
    /// next turn, on whichever node, says the same with the same ids.
    ///
    /// # Errors
    ///
    /// [`RunError`]; after an error of `save` the messages of this turn were made, and those that were delivered may
    /// be delivered again.
    pub async fn run_once(
        &self,
        source: &dyn Source,
        keeper: &dyn Keeper,
    ) -> Result<RunReport, RunError> {
        let kept = keeper.load().await;
        let kept = kept.map_err(|error| RunError::Keeper {
            what: "load",
            error,
        })?;
        let is_new = kept.is_none();
        let mut state = match kept {
            Some(json) => AlertState::from_json(&json)?,
            None => {
                let facts = source.facts().await;
                let facts = facts.map_err(|error| RunError::Source {
                    what: "the time".to_owned(),
                    error,
                })?;
                AlertState::new(facts.at_ms)
            }
        };
        let before = state.revision();
        let alerts = self.evaluate_once(source, &mut state).await?;
        if is_new || state.revision() != before {
            save(keeper, &state, before).await?;
        }
        let before = state.revision();
        let now_ms = state.engine.clock_ms();
        let deliveries = self.deliver_once(&mut state, now_ms).await;
        if state.revision() != before {
            save(keeper, &state, before).await?;
        }
        Ok(RunReport {
            alerts,
            deliveries,
            firing: state.firing_by_rule(),
            at_ms: now_ms,
        })
    }
}

async fn save(keeper: &dyn Keeper, state: &AlertState, before: u64) -> Result<(), RunError> {
    let saved = keeper.save(&state.to_json(), before).await;
    saved.map_err(|error| RunError::Keeper {
        what: "save",
        error,
    })
}

impl fmt::Debug for Alerts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alerts")
            .field("namespace", &self.rules.namespace)
            .field("channels", &self.channels)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
