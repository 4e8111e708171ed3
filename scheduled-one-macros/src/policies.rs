//! How the ticks are run. The words are listed here; which values are in
//! range and which contradict each other is the runtime's own rule.

use std::time::Duration;

use proc_macro2::TokenStream;
use scheduled_one_schedule::policy::{
    Backoff, Misfire, OnLeaseLost, OnNodeLoss, Overlap, Policies, RetryOn, Scope,
};
use syn::Error;

use crate::args::Args;
use crate::errors::Errors;
use crate::keys::{Key, Row};
use crate::validate::duration;
use crate::values::Meaning::{Alone, Counted};
use crate::values::{self, Choice};

#[rustfmt::skip]
const OVERLAP: [Choice<Overlap>; 5] = [
    Choice { word: "skip", means: Alone(Overlap::Skip), aliases: &["forbid", "drop", "none"] },
    Choice { word: "queue_one", means: Alone(Overlap::QueueOne), aliases: &["queue", "wait", "coalesce"] },
    Choice { word: "queue_all", means: Counted("n", 10, Overlap::QueueAll), aliases: &[] },
    Choice { word: "cancel_running", means: Alone(Overlap::CancelRunning),
             aliases: &["replace", "cancel", "restart", "cancel_previous"] },
    Choice { word: "allow", means: Counted("n", 2, Overlap::Allow), aliases: &["concurrent", "parallel"] },
];

#[rustfmt::skip]
const MISFIRE: [Choice<Misfire>; 3] = [
    Choice { word: "skip", means: Alone(Misfire::Skip), aliases: &["do_nothing", "ignore", "drop"] },
    Choice { word: "run_once", means: Alone(Misfire::RunOnce),
             aliases: &["once", "coalesce", "fire_once_now", "fire_and_proceed"] },
    Choice { word: "run_all", means: Alone(Misfire::RunAll), aliases: &["all", "catch_up", "backfill"] },
];

#[rustfmt::skip]
const ON_NODE_LOSS: [Choice<OnNodeLoss>; 2] = [
    Choice { word: "record", means: Alone(OnNodeLoss::Record), aliases: &["skip", "ignore", "lost"] },
    Choice { word: "rerun", means: Counted("max", 1, OnNodeLoss::Rerun), aliases: &["retry", "restart", "run"] },
];

#[rustfmt::skip]
const ON_LEASE_LOST: [Choice<OnLeaseLost>; 2] = [
    Choice { word: "cancel", means: Alone(OnLeaseLost::Cancel), aliases: &["abort", "stop"] },
    Choice { word: "finish", means: Alone(OnLeaseLost::Finish), aliases: &["continue", "ignore", "go_on"] },
];

#[rustfmt::skip]
const SCOPE: [Choice<Scope>; 2] = [
    Choice { word: "one", means: Alone(Scope::One), aliases: &["cluster", "one_node", "single"] },
    Choice { word: "every_node", means: Alone(Scope::EveryNode),
             aliases: &["all", "every", "each", "node", "broadcast", "all_nodes", "each_node"] },
];

#[derive(Clone, Copy, PartialEq)]
enum End {
    Error,
    Panic,
    Timeout,
}

#[rustfmt::skip]
const RETRY_ON: [Choice<End>; 3] = [
    Choice { word: "error", means: Alone(End::Error), aliases: &["err", "failure", "failed"] },
    Choice { word: "panic", means: Alone(End::Panic), aliases: &["unwind"] },
    Choice { word: "timeout", means: Alone(End::Timeout), aliases: &["timed_out", "deadline"] },
];

/// Reads and checks all policies.
pub(crate) fn read(args: &Args, errors: &mut Errors) -> Policies {
    let mut reader = Reader {
        args,
        errors,
        read: Vec::new(),
    };
    let policies = Policies {
        lease: reader.duration(Key::Lease),
        timeout: reader.duration(Key::Timeout),
        timeout_total: reader.duration(Key::TimeoutTotal),
        overlap: reader.choice(Key::Overlap, &OVERLAP),
        misfire: reader.choice(Key::Misfire, &MISFIRE),
        catch_up: reader.duration(Key::CatchUp),
        start_deadline: reader.duration(Key::StartDeadline),
        on_node_loss: reader.choice(Key::OnNodeLoss, &ON_NODE_LOSS),
        on_lease_lost: reader.choice(Key::OnLeaseLost, &ON_LEASE_LOST),
        retries: reader.bare(Key::Retries, values::count),
        backoff: reader.backoff(),
        retry_on: reader.retry_on(),
        jitter: reader.duration(Key::Jitter),
        scope: reader.choice(Key::Scope, &SCOPE),
        shards: reader.bare(Key::Shards, values::count),
    };
    reader.check(&policies);
    policies
}

struct Reader<'a> {
    args: &'a Args,
    errors: &'a mut Errors,
    /// The keys whose values are known.
    read: Vec<Key>,
}

impl Reader<'_> {
    fn keep<T>(&mut self, key: Key, result: syn::Result<T>) -> Option<T> {
        let value = self.errors.keep(result)?;
        self.read.push(key);
        Some(value)
    }

    fn bare<T>(
        &mut self,
        key: Key,
        read: impl FnOnce(&Row, &TokenStream) -> syn::Result<T>,
    ) -> Option<T> {
        let value = read(key.row(), self.args.bare(key)?);
        self.keep(key, value)
    }

    fn choice<T: Copy>(&mut self, key: Key, choices: &[Choice<T>]) -> Option<T> {
        self.bare(key, |row, tokens| values::choice(row, choices, tokens))
    }

    fn duration(&mut self, key: Key) -> Option<Duration> {
        let value = duration(self.args, key)?;
        self.keep(key, value)
    }

    fn backoff(&mut self) -> Option<Backoff> {
        let text = self.args.text(Key::Backoff)?;
        let value = values::backoff(&text.value())
            .map_err(|(message, help)| Error::new(text.span(), format!("{message}\nhelp: {help}")));
        self.keep(Key::Backoff, value)
    }

    fn retry_on(&mut self) -> Option<RetryOn> {
        let ends = self.bare(Key::RetryOn, |row, tokens| {
            values::list(row, &RETRY_ON, tokens)
        })?;
        Some(RetryOn {
            error: ends.contains(&End::Error),
            panic: ends.contains(&End::Panic),
            timeout: ends.contains(&End::Timeout),
        })
    }

    /// A value that is out of range is told at the value; what does not go
    /// together at the key that came later.
    fn check(&mut self, policies: &Policies) {
        // What seems to be missing may be what another mistake is about.
        let all_known = self.errors.is_empty();
        let read = |name| self.read.iter().any(|key| key.row().name == name);
        for found in policies.contradictions() {
            let (key, other) = (found.key, found.other);
            if key == other {
                self.errors
                    .push(self.args.error_at_value(key, &found.message));
            } else if all_known || (read(key) && read(other)) {
                let error = self.args.error_at_later([key, other], &found.message);
                self.errors.push(error);
            }
        }
    }
}
