//! The way from events of `tracing` to the log of the run in which they were emitted.

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use scheduled_one_protocol::UnitName;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::RunLogs;

/// Target and name of the span that the runtime opens around each run.
const TARGET: &str = "scheduled_one";
const SPAN: &str = "run";

/// Which run a span is: an extension of it.
struct OfRun {
    job: String,
    token: u64,
}

#[derive(Default)]
struct RunFields {
    unit: Option<String>,
    token: Option<u64>,
}

impl Visit for RunFields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "token" {
            self.token = Some(value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "job" {
            self.unit = Some(format!("{value:?}"));
        }
    }
}

/// The text of an event: its message, then its fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing into a `String` does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for RunLogs {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let metadata = attributes.metadata();
        if metadata.name() != SPAN || metadata.target() != TARGET {
            return;
        }
        let mut fields = RunFields::default();
        attributes.record(&mut fields);
        let RunFields {
            unit: Some(unit),
            token: Some(token),
        } = fields
        else {
            return;
        };
        // A shard, a slot and the lane of requests are units of the job.
        let job = UnitName::from(unit.as_str()).job().to_owned();
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(OfRun { job, token });
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(run) = span.extensions().get::<OfRun>() {
                let mut text = Text::default();
                event.record(&mut text);
                let metadata = event.metadata();
                let at = Timestamp::now().strftime("%FT%T.%3fZ");
                let line = format!(
                    "{at} {:>5} {}{}",
                    metadata.level(),
                    text.message,
                    text.fields
                );
                self.add(&run.job, run.token, line);
                return;
            }
        }
    }
}
