//! The spans `run` and `attempt`, with the fields that `tracing-opentelemetry` reads. A run is a trace of its own: it
//! has no parent, and all that its function does is inside.

use tracing::field::Empty;
use tracing::{Level, Span, span};

use super::TARGET;
use crate::user_code;
use scheduled_one_protocol::Outcome;
use scheduled_one_protocol::message::RunId;
use scheduled_one_schedule::Schedule;

/// `run`: one execution of a tick, with all attempts of this node.
pub(crate) fn run_span(
    run: &RunId,
    tick: jiff::Timestamp,
    node: &str,
    cause: &str,
    schedule: &Schedule,
) -> Span {
    // The words of OpenTelemetry: what a request started was started by no timer.
    let of_schedule = run.origin.is_none();
    let trigger = if of_schedule { "timer" } else { "other" };
    let cron = schedule.cron_text().filter(|_| of_schedule);
    let span = || {
        span!(
            target: TARGET,
            parent: None,
            Level::INFO,
            "run",
            job = %run.unit,
            tick = format_args!("{tick:.3}"),
            node,
            attempt = run.attempt,
            token = run.token.get(),
            request = run.origin.as_ref().map(|origin| origin.request.as_str()),
            run_id = run.nonce.as_str(),
            cause,
            otel.name = format_args!("run {}", run.unit.job()),
            otel.kind = "internal",
            otel.status_code = Empty,
            faas.trigger = trigger,
            faas.cron = cron,
            faas.time = format_args!("{tick:.3}"),
        )
    };
    user_code::call(span).unwrap_or_else(|_| Span::none())
}

/// `attempt`: one call of the function. The job's own events are inside it.
pub(crate) fn attempt_span(attempt: u32) -> Span {
    let span = || {
        span!(
            target: TARGET,
            Level::INFO,
            "attempt",
            number = attempt,
            otel.name = format_args!("attempt {attempt}"),
            otel.kind = "internal",
            otel.status_code = Empty,
        )
    };
    user_code::call(span).unwrap_or_else(|_| Span::none())
}

/// Notes in the span how the run or the attempt ended.
pub(crate) fn set_status(span: &Span, outcome: Outcome) {
    let status = match outcome {
        Outcome::Ok => "OK",
        _ => "ERROR",
    };
    user_code::ignore(|| {
        span.record("otel.status_code", status);
    });
}
