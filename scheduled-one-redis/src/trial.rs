//! Tries the real scripts of the store, on keys of their own.
//!
//! Some servers, and proxies in front of servers, run only scripts of a certain kind. Whether they run those of the
//! store is only known by running these. So each script is called with a small request, in a namespace inside the
//! namespace (`so:{ns}:probe:…`), and the last command of the same pipeline deletes its keys.
//!
//! The start and the doctor try the scripts before any other request, and a request that the server refuses without a
//! reason of its own tries them again: if they run, only the request is refused, otherwise the store is unavailable.

mod messages;
mod requests;
mod samples;

use std::time::Duration;

use deadpool_redis::redis::{Pipeline, RedisError, Value};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::classify::{self, FailureKind, RedisFailure};
use crate::connection::Connection;
use crate::doctor::{ScriptResult, ScriptsRefused};
use crate::keys::Keys;
use crate::trial::requests::{Step, delete, steps};
use crate::trial::samples::{note_samples, samples};

/// How long a refusal holds for requests that fail one after the other.
const HOLDS: Duration = Duration::from_secs(1);

/// Longest time of a trial after a request that was refused.
const TIME_LIMIT: Duration = Duration::from_millis(1500);

/// The trials of one handle to a store.
pub(crate) struct Trial {
    keys: Keys,
    /// Begin and result of the last trial. Locked during a trial: requests that fail at the same time share one.
    last: Mutex<Option<(Instant, ScriptResult)>>,
}

impl Trial {
    /// `keys` are those of the store. The keys of the trial have a random part, because other nodes may try the
    /// scripts at the same time, with another version of the protocol or another number of buckets.
    pub(crate) fn new(keys: &Keys) -> Self {
        // Without random numbers the start of a scheduler fails for its identity.
        let id = getrandom::u64().unwrap_or_default();
        Trial {
            keys: keys.for_trial(id),
            last: Mutex::default(),
        }
    }

    /// Tries the scripts. Fails if the server does not reply until `deadline`.
    pub(crate) async fn run(
        &self,
        connection: &Connection,
        deadline: Instant,
    ) -> Result<ScriptResult, RedisFailure> {
        let mut last = self.last.lock().await;
        let began = Instant::now();
        let result = run(connection, &self.keys, deadline).await?;
        *last = Some((began, result.clone()));
        Ok(result)
    }

    /// The result for a request that was refused just now. A trial that began later holds for it, and a refusal that is
    /// a second old at most: the scripts are not tried for each of many requests.
    pub(crate) async fn after_refusal(&self, connection: &Connection) -> ScriptResult {
        let refused_at = Instant::now();
        let mut last = self.last.lock().await;
        if let Some((began, result)) = &*last {
            let still_holds = result.is_refusal() && began.elapsed() < HOLDS;
            if *began >= refused_at || still_holds {
                return result.clone();
            }
        }
        let began = Instant::now();
        let result = run(connection, &self.keys, began + TIME_LIMIT).await;
        let result = result.unwrap_or(ScriptResult::Unknown);
        *last = Some((began, result.clone()));
        result
    }
}

/// Runs every script once. If one is refused, short scripts show what the server refuses about it.
async fn run(
    connection: &Connection,
    keys: &Keys,
    deadline: Instant,
) -> Result<ScriptResult, RedisFailure> {
    let steps = match steps(keys) {
        Ok(steps) => steps,
        Err(error) => return Ok(refused(error.to_string(), false)),
    };
    let mut pipeline = Pipeline::new();
    for step in &steps {
        pipeline.add_command(step.command.clone());
    }
    pipeline.add_command(delete(keys)).ignore_errors();
    let replies = connection.send_all("scripts", &pipeline, deadline).await?;
    let mut result = judge(&steps, replies);
    if let ScriptResult::Refused(refusal) = &mut result
        && !refusal.denied
    {
        let samples = samples(keys);
        let replies = connection.send_all("scripts", &samples, deadline).await?;
        note_samples(refusal, &replies);
    }
    Ok(result)
}

/// The result of the replies to all steps.
fn judge(steps: &[Step], replies: Vec<Result<Value, RedisError>>) -> ScriptResult {
    let mut identity = String::new();
    for (step, reply) in steps.iter().zip(replies) {
        let value = match reply {
            Ok(value) => value,
            Err(error) => {
                let failure = classify::of_request(step.name, &error);
                return match failure.kind {
                    FailureKind::Denied => refused(failure.text(), true),
                    kind if kind.gives_up_connection() => ScriptResult::Unknown,
                    _ => refused(failure.text(), false),
                };
            }
        };
        match (step.read)(value) {
            Ok(None) => {}
            Ok(Some(serving)) => identity = serving,
            Err(error) => return refused(error.to_string(), false),
        }
    }
    match identity.as_str() {
        "" | ":" => ScriptResult::Nameless,
        _ => ScriptResult::Serving(identity),
    }
}

fn refused(why: String, denied: bool) -> ScriptResult {
    ScriptResult::Refused(ScriptsRefused {
        why,
        denied,
        ..ScriptsRefused::default()
    })
}
