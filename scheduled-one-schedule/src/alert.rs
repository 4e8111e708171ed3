//! What of a job is worth an alert: the keys of `alert(…)`, for the attribute, the runtime and the catalog.
//!
//! To add a key: a row in the table below, its effect in `scheduled-one-alerts`, and its line in the documentation of
//! alerts.

use std::time::Duration;

use crate::duration::parse_duration;
use crate::policy::MAX_DURATION;

/// The longest runbook, in bytes.
pub const MAX_RUNBOOK_BYTES: usize = 500;

/// The most outcomes in a row that a rule counts.
const MAX_COUNT: u32 = 1_000;

/// The prefix of the keys of rules in what nodes say of a job.
const PREFIX: &str = "alert_";

/// The value of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RuleValue {
    /// How many in a row; 0 switches the rule off.
    Count(u32),
    /// How long; zero switches the rule off.
    Duration(Duration),
    /// Whether the rule is on.
    Flag(bool),
    /// An address.
    Text(String),
}

/// The form of the value of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RuleForm {
    /// A whole number.
    Count,
    /// A duration.
    Duration,
    /// `true` or `false`.
    Flag,
    /// A text.
    Text,
}

/// A key of `alert(…)`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RuleKey {
    /// The key, which is also the name of the method of [`JobRules`].
    pub name: &'static str,
    /// The form of its value.
    pub form: RuleForm,
    /// A value to paste.
    pub example: &'static str,
    getter: fn(&JobRules) -> Option<RuleValue>,
    setter: fn(&mut JobRules, RuleValue),
}

/// Makes of the rows `JobRules`, with a field and a method for each key, and `RULE_KEYS`.
macro_rules! rule_keys {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident: $form:ident($type:ty), from $given:ty, as in $example:literal;
    )+) => {
        /// The rules of a job. What is not set is inherited from the rules for all jobs.
        ///
        /// ```
        /// use scheduled_one_schedule::alert::JobRules;
        /// use std::time::Duration;
        ///
        /// let nightly = JobRules::new()
        ///     .failed(3)
        ///     .no_success(Duration::from_secs(26 * 3600))
        ///     .runbook("https://wiki.example/nightly");
        /// assert_eq!(nightly.failed, Some(3));
        /// ```
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct JobRules {
            $(
                $(#[doc = $doc])+
                pub $name: Option<$type>,
            )+
        }

        impl JobRules {
            $(
                $(#[doc = $doc])+
                #[must_use]
                pub fn $name(mut self, value: $given) -> Self {
                    self.$name = Some(value.into());
                    self
                }
            )+

            /// What is set here, and from `base` what is not.
            #[must_use]
            pub fn over(&self, base: &JobRules) -> JobRules {
                JobRules {
                    $($name: self.$name.clone().or_else(|| base.$name.clone()),)+
                }
            }
        }

        /// All keys of `alert(…)`.
        pub const RULE_KEYS: &[RuleKey] = &[$(
            RuleKey {
                name: stringify!($name),
                form: RuleForm::$form,
                example: $example,
                getter: |rules| rules.$name.clone().map(RuleValue::$form),
                setter: |rules, value| {
                    if let RuleValue::$form(value) = value {
                        rules.$name = Some(value);
                    }
                },
            },
        )+];
    };
}

rule_keys! {
    /// Fires when that many outcomes in a row are failed, panicked, timed_out or lost; 1 if nobody says it, off if 0.
    /// An attempt that is retried does not count.
    failed: Count(u32), from u32, as in "3";

    /// A failure is over after that many runs in a row are ok: 1 if nobody says it.
    recover: Count(u32), from u32, as in "2";

    /// Fires when that many ticks in a row are missed; 1 if nobody says it, off if 0.
    missed: Count(u32), from u32, as in "1";

    /// Whether a lost run fires: yes if nobody says it.
    lost: Flag(bool), from bool, as in "true";

    /// Fires when no run was ok for this time, or since the job was first seen; off if zero. A paused job does not
    /// fire, and counts anew when it is resumed.
    no_success: Duration(Duration), from Duration, as in "\"26h\"";

    /// Fires while a tick is due for this time and has not started; off if zero.
    late: Duration(Duration), from Duration, as in "\"5m\"";

    /// Fires while a run has taken this time and continues; off if zero.
    runs_longer: Duration(Duration), from Duration, as in "\"1h\"";

    /// Fires while the job has been paused for this time; off if zero.
    paused_longer: Duration(Duration), from Duration, as in "\"3d\"";

    /// Whether ticks without an outcome fire: yes if nobody says it.
    unaccounted: Flag(bool), from bool, as in "true";

    /// Whether it fires that no node has the job: yes if nobody says it.
    no_node_has: Flag(bool), from bool, as in "true";

    /// Where to read what to do about this job; in each message about it.
    runbook: Text(String), from impl Into<String>, as in "\"https://wiki.example/nightly\"";
}

impl JobRules {
    /// No rule is set: all are inherited.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The first value that is out of its range: its key, and the reason with the way out.
    ///
    /// ```
    /// use scheduled_one_schedule::alert::JobRules;
    ///
    /// let (key, why) = JobRules::new().failed(5_000).fault().unwrap();
    /// assert_eq!(key, "failed");
    /// assert!(why.contains("1000"), "{why}");
    /// ```
    #[must_use]
    pub fn fault(&self) -> Option<(&'static str, String)> {
        RULE_KEYS.iter().find_map(|key| {
            let why = key.refuse(&key.get(self)?)?;
            Some((key.name, why))
        })
    }

    /// What is set, as a node says it in the catalog: keys with their values as text.
    pub fn said(&self) -> impl Iterator<Item = (String, String)> {
        let said = |key: &RuleKey| {
            let value = match key.get(self)? {
                RuleValue::Count(count) => count.to_string(),
                RuleValue::Duration(time) => format!("{}ms", time.as_millis()),
                RuleValue::Flag(flag) => flag.to_string(),
                RuleValue::Text(text) => text,
            };
            Some((format!("{PREFIX}{}", key.name), value))
        };
        RULE_KEYS.iter().filter_map(said)
    }

    /// Reads what [`said`](Self::said) said. `get` returns the value of a key. What cannot be read is left out: it is
    /// that of another release.
    pub fn from_said<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Self {
        let mut rules = JobRules::default();
        for key in RULE_KEYS {
            let text = get(&format!("{PREFIX}{}", key.name));
            let value = text.and_then(|text| match key.form {
                RuleForm::Count => text.parse().ok().map(RuleValue::Count),
                RuleForm::Duration => parse_duration(text).ok().map(RuleValue::Duration),
                RuleForm::Flag => text.parse().ok().map(RuleValue::Flag),
                RuleForm::Text => Some(RuleValue::Text(text.to_owned())),
            });
            if let Some(value) = value {
                key.set(&mut rules, value);
            }
        }
        rules
    }
}

impl RuleKey {
    /// The value of the key, if it is set.
    #[must_use]
    pub fn get(&self, rules: &JobRules) -> Option<RuleValue> {
        (self.getter)(rules)
    }

    /// Sets the key. A value of another form changes nothing.
    pub fn set(&self, rules: &mut JobRules, value: RuleValue) {
        (self.setter)(rules, value);
    }

    /// The key and a value, to paste.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{} = {}", self.name, self.example)
    }

    /// Why a value is refused.
    #[must_use]
    pub fn refuse(&self, value: &RuleValue) -> Option<String> {
        let name = self.name;
        match value {
            RuleValue::Count(count) if *count > MAX_COUNT => Some(format!(
                "`{name}` of an alert is at most {MAX_COUNT}: so many outcomes in a row"
            )),
            RuleValue::Duration(time) if *time > MAX_DURATION => {
                Some(format!("`{name}` of an alert is at most `366d`"))
            }
            RuleValue::Text(text)
                if !(text.starts_with("https://") || text.starts_with("http://")) =>
            {
                Some(format!(
                    "`{name}` of an alert is the address of a page; write it with `https://`"
                ))
            }
            RuleValue::Text(text)
                if text.len() > MAX_RUNBOOK_BYTES
                    || text.contains(|c: char| c.is_whitespace() || c.is_control()) =>
            {
                Some(format!(
                    "`{name}` of an alert is an address of at most {MAX_RUNBOOK_BYTES} bytes, without spaces"
                ))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn all_set() -> JobRules {
        let mut rules = JobRules::new();
        for (nth, key) in RULE_KEYS.iter().enumerate() {
            let value = match key.form {
                RuleForm::Count => RuleValue::Count(nth as u32 + 1),
                RuleForm::Duration => {
                    RuleValue::Duration(Duration::from_millis(nth as u64 * 7 + 1))
                }
                RuleForm::Flag => RuleValue::Flag(false),
                RuleForm::Text => RuleValue::Text("https://a.example".to_owned()),
            };
            key.set(&mut rules, value);
        }
        rules
    }

    #[test]
    fn what_was_said_is_read_and_is_over_what_was_not() {
        let rules = all_set();
        assert!(RULE_KEYS.iter().all(|key| key.get(&rules).is_some()));
        let said: BTreeMap<String, String> = rules.said().collect();
        let get = |key: &str| said.get(key).map(String::as_str);
        assert_eq!(JobRules::from_said(get), rules);
        assert_eq!(JobRules::from_said(|_| Some("?")).failed, None);
        assert_eq!(rules.fault(), None);
        assert_eq!(JobRules::new().over(&rules), rules);
        let own = JobRules::new().failed(9).over(&rules);
        assert_eq!((own.failed, own.recover), (Some(9), rules.recover));
    }

    #[test]
    fn what_is_out_of_range_is_refused_by_name() {
        let days = |n: u64| Duration::from_secs(n * 86_400);
        let bad = [
            JobRules::new().missed(1_001),
            JobRules::new().late(days(367)),
            JobRules::new().runbook("wiki/nightly"),
            JobRules::new().runbook("https://wiki example"),
        ];
        for (rules, name) in bad.iter().zip(["missed", "late", "runbook", "runbook"]) {
            let (key, why) = rules.fault().unwrap();
            assert!(key == name && why.contains(name), "{key}: {why}");
        }
    }
}
