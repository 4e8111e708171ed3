//! Whether a failed attempt is followed by another one, and after which wait.
//! Pure: policies, schedule and the attempt in, wait out.

use std::time::Duration;

use scheduled_one_schedule::Schedule;

use crate::rules::Rules;
use scheduled_one_protocol::hash;
use scheduled_one_protocol::message::{Overlap, RunId};
use scheduled_one_protocol::{Outcome, TickMs};

/// An attempt that has ended, in a run that may make another one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndedAttempt {
    pub(crate) outcome: Outcome,
    pub(crate) tick: TickMs,
    /// Number of attempts in this run so far.
    pub(crate) tries: u32,
    /// Time since the first attempt of this run began.
    pub(crate) elapsed: Duration,
    /// The cluster's clock.
    pub(crate) now_ms: i64,
    /// Position of the wait between its bounds: 0 to 1.
    pub(crate) random: f64,
    /// Until when no tick waits for this run, because the job is paused, or because the run goes on next to others; 0
    /// if one may.
    pub(crate) alone_until_ms: i64,
}

/// The wait before the next attempt; `None` if there is none.
pub(crate) fn wait_before_retry(
    rules: &Rules,
    schedule: &Schedule,
    ended: &EndedAttempt,
) -> Option<Duration> {
    let retry_on = match ended.outcome {
        Outcome::Failed => rules.retry_on.error,
        Outcome::Panicked => rules.retry_on.panic,
        Outcome::TimedOut => rules.retry_on.timeout,
        _ => false,
    };
    if !retry_on || ended.tries > rules.retries {
        return None;
    }
    let wait = rules.backoff.wait(ended.tries + 1, ended.random);
    if let Some(timeout) = rules.timeout_total
        && ended.elapsed + wait >= timeout
    {
        return None;
    }
    // Where ticks do not wait for each other, the next tick goes first.
    let gives_way = matches!(rules.overlap, Overlap::Skip | Overlap::CancelRunning);
    let from_ms = ended.tick.ms().max(ended.alone_until_ms.saturating_sub(1));
    let next_ms = gives_way.then(|| schedule.next_after(from_ms));
    let starts_ms = ended.now_ms + wait.as_millis() as i64;
    if next_ms
        .flatten()
        .is_some_and(|next_ms| starts_ms >= next_ms)
    {
        return None;
    }
    Some(wait)
}

/// A number from 0 to 1 that differs between runs and attempts, and is the same whenever it is computed.
pub(crate) fn random_of(run: &RunId) -> f64 {
    let seed = run.tick.ms() as u64 ^ u64::from(run.attempt);
    (hash(&run.nonce, seed) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use scheduled_one_schedule::policy::{Backoff, RetryOn};

    use super::*;
    use scheduled_one_protocol::{FencingToken, UnitName};

    const S: Duration = Duration::from_secs(1);
    const FAILED: EndedAttempt = EndedAttempt {
        outcome: Outcome::Failed,
        tick: TickMs(60_000),
        tries: 1,
        elapsed: S,
        now_ms: 61_000,
        random: 1.0,
        alone_until_ms: 0,
    };

    /// Three retries, each after a wait of up to 4 s.
    fn rules() -> Rules {
        Rules {
            retries: 3,
            backoff: Backoff::new(4 * S, 4 * S),
            ..Rules::default()
        }
    }

    fn wait(rules: &Rules, ended: EndedAttempt) -> Option<Duration> {
        let schedule = Schedule::every(60 * S, Duration::ZERO).expect("a schedule");
        wait_before_retry(rules, &schedule, &ended)
    }

    #[test]
    fn as_many_retries_as_the_job_has() {
        for tries in 1..=3 {
            let wait = wait(&rules(), EndedAttempt { tries, ..FAILED });
            assert_eq!(wait, Some(4 * S), "after {tries}");
        }
        let last = EndedAttempt { tries: 4, ..FAILED };
        assert_eq!(wait(&rules(), last), None);
        assert_eq!(wait(&Rules::default(), FAILED), None);
    }

    #[test]
    fn only_after_the_failures_that_the_job_names() {
        let cases = [
            (Outcome::Failed, RetryOn::NONE.with_error(true)),
            (Outcome::Panicked, RetryOn::NONE.with_panic(true)),
            (Outcome::TimedOut, RetryOn::NONE.with_timeout(true)),
        ];
        for (named, retry_on) in cases {
            let rules = Rules {
                retry_on,
                ..rules()
            };
            for outcome in Outcome::ALL {
                let wait = wait(&rules, EndedAttempt { outcome, ..FAILED });
                assert_eq!(
                    wait.is_some(),
                    outcome == named,
                    "{outcome} of {retry_on:?}"
                );
            }
        }
    }

    #[test]
    fn no_retry_that_starts_after_the_timeout_of_all_attempts() {
        let rules = Rules {
            timeout_total: Some(10 * S),
            ..rules()
        };
        let elapsed = |elapsed| EndedAttempt { elapsed, ..FAILED };
        let just_in_time = 6 * S - Duration::from_millis(1);
        assert_eq!(wait(&rules, elapsed(just_in_time)), Some(4 * S));
        assert_eq!(wait(&rules, elapsed(6 * S)), None);
    }

    #[test]
    fn a_retry_gives_way_to_the_next_tick_unless_ticks_wait_or_run_concurrently() {
        let now = |now_ms| EndedAttempt { now_ms, ..FAILED };
        let overlaps = [
            (Overlap::Skip, true),
            (Overlap::CancelRunning, true),
            (Overlap::Queue(1), false),
            (Overlap::Allow(2), false),
        ];
        for (overlap, gives_way) in overlaps {
            let rules = Rules { overlap, ..rules() };
            assert!(wait(&rules, now(115_999)).is_some(), "{overlap:?}");
            let at_next_tick = wait(&rules, now(116_000));
            assert_eq!(at_next_tick.is_none(), gives_way, "{overlap:?}");
        }
    }

    /// The job is paused, or the run goes on next to others.
    #[test]
    fn a_run_that_no_tick_waits_for_gives_way_to_none() {
        for overlap in [Overlap::Skip, Overlap::CancelRunning] {
            let rules = Rules { overlap, ..rules() };
            let late = |alone_until_ms| EndedAttempt {
                now_ms: 200_000,
                alone_until_ms,
                ..FAILED
            };
            for alone_until_ms in [i64::MAX, 240_000, 200_000] {
                let wait = wait(&rules, late(alone_until_ms));
                assert!(wait.is_some(), "{overlap:?}, until {alone_until_ms}");
            }
            // The first tick after the pause is at 180,000.
            assert_eq!(wait(&rules, late(180_000)), None, "{overlap:?}");
        }
    }

    #[test]
    fn the_random_part_differs_between_attempts_and_stays_the_same_for_one() {
        let run = |attempt| RunId {
            unit: UnitName::new("u", 0),
            tick: TickMs(60_000),
            nonce: "n".to_owned(),
            token: FencingToken(1),
            attempt,
            lease_ms: 5_000,
            granted_at_ms: 60_000,
            takeovers: 0,
            origin: None,
        };
        let numbers: Vec<f64> = (1..=50).map(|attempt| random_of(&run(attempt))).collect();
        assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)));
        assert!(numbers.iter().any(|number| *number < 0.3));
        assert!(numbers.iter().any(|number| *number > 0.7));
        assert_eq!(random_of(&run(1)), numbers[0]);
    }
}
