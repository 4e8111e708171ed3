//! What a node says of its jobs in the catalog.

#[cfg(feature = "alerts")]
use std::time::Duration;

use scheduled_one_protocol::JobDescriptor;
use scheduled_one_schedule::alert::JobRules;
#[cfg(feature = "alerts")]
use scheduled_one_schedule::name;
use scheduled_one_schedule::policy::POLICY_KEYS;
use scheduled_one_schedule::{Schedule, ZoneData};

use crate::environment::variable;
#[cfg(feature = "alerts")]
use crate::handler::Handler;
use crate::job::Job;
use crate::job::when::{Rate, When};

/// Most letters of a description that the catalog has.
const MAX_LETTERS: usize = 500;

impl Job {
    /// A sentence for people, shown by [`jobs`](crate::Scheduler::jobs).
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// A label that jobs share, such as `"billing"`: whoever pauses the group pauses the jobs that have it then. In the
    /// form of names.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    /// What of the job is worth an alert, as `alert(…)` of the attribute. It is said in the catalog, so that whichever
    /// node evaluates alerts knows it; and has no effect unless a node of the namespace does, see
    /// [docs/alerts.md](https://github.com/scheduled-one/scheduled-one/blob/main/docs/alerts.md).
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduled_one_runtime::{Job, JobRules};
    ///
    /// let job = Job::cron("billing", "0 30 2 * * *", || async {})
    ///     .alert(JobRules::new().failed(3).no_success(Duration::from_secs(26 * 3600)));
    /// # let _ = job;
    /// ```
    pub fn alert(mut self, rules: JobRules) -> Self {
        self.alert = rules;
        self
    }

    /// A job that the scheduler brings itself. Its name begins with [`name::INTERNAL`], as no other does.
    #[cfg(feature = "alerts")]
    #[track_caller]
    pub(crate) fn internal<Args: 'static>(
        name: &str,
        period: Duration,
        handler: impl Handler<Args>,
    ) -> Self {
        debug_assert!(name::is_internal(name));
        Job {
            is_internal: true,
            ..Job::every(name, period, handler)
        }
    }

    /// Says what the releases of the crate in which it is have in common, and which of them this is.
    pub(crate) fn labelled(self, label: Option<String>, version: Option<String>) -> Self {
        Job {
            label,
            version,
            ..self
        }
    }

    pub(crate) fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    pub(crate) fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }
}

/// Longest version of a program.
const MAX_VERSION_BYTES: usize = 64;

/// Checks the version of a program: it is a word in a list of words.
pub(crate) fn check_version(version: &str) -> Result<(), String> {
    let is_allowed = |it: char| it.is_ascii_alphanumeric() || ".+-_/:".contains(it);
    match version.chars().find(|it| !is_allowed(*it)) {
        _ if version.is_empty() => Err("it is empty; leave it out".to_owned()),
        _ if version.len() > MAX_VERSION_BYTES => Err(format!(
            "{} bytes; at most {MAX_VERSION_BYTES} are allowed",
            version.len()
        )),
        Some(other) => Err(format!(
            "{other:?} in it; A-Z a-z 0-9 . + - _ / : are allowed"
        )),
        None => Ok(()),
    }
}

/// The descriptor of a job, as the catalog stores it.
pub(super) fn descriptor(
    said: &Job,
    schedule: &Schedule,
    zones: &ZoneData,
    enabled: bool,
) -> Box<str> {
    let mut job = JobDescriptor::default();
    job.say("schedule", schedule.to_string());
    let words = schedule.in_words();
    job.say("words", words.chars().take(MAX_LETTERS).collect::<String>());
    job.say("identity", schedule.identity().to_string());
    for (key, value) in of_schedule(&said.when) {
        job.say(key, value);
    }
    if said.when.zone.is_some() {
        // Nodes with other rules have another identity; this says why.
        job.say("zone_data", zones.version().unwrap_or("unknown"));
    }
    for key in POLICY_KEYS {
        if let Some(value) = key.said(&said.policies) {
            job.say(key.name, value);
        }
    }
    if let Some(description) = &said.description {
        job.say(
            "description",
            description.chars().take(MAX_LETTERS).collect::<String>(),
        );
    }
    if let Some(group) = &said.group {
        job.say("group", group.clone());
    }
    for (key, value) in said.alert.said() {
        job.say(&key, value);
    }
    if !said.on.is_empty() {
        job.say("on", said.on.join(", "));
    }
    if !enabled {
        job.say("enabled", "false");
    }
    job.to_text().into()
}

/// The schedule in parts from which it can be made again.
fn of_schedule(when: &When) -> Vec<(&'static str, String)> {
    let mut parts = match &when.rate {
        Rate::Cron(expression) => {
            let name = when.cron_env.as_ref();
            let of_environment = name.and_then(|name| variable(name).ok().flatten());
            vec![("cron", of_environment.unwrap_or_else(|| expression.clone()))]
        }
        Rate::Every { period, offset } => vec![
            ("every_ms", period.as_millis().to_string()),
            ("offset_ms", offset.as_millis().to_string()),
        ],
        Rate::Manual => vec![("manual", "true".to_owned())],
    };
    let texts = [
        ("tz", &when.zone),
        ("start", &when.start),
        ("end", &when.end),
        ("within", &when.within),
    ];
    let said = texts.into_iter();
    parts.extend(said.filter_map(|(key, text)| Some((key, text.clone()?))));
    parts.extend(
        when.except
            .as_ref()
            .map(|items| ("except", items.join("\n"))),
    );
    parts
}
