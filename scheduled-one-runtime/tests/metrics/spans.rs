//! The spans that an exporter of traces sees.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use scheduled_one_runtime::clock::ManualClock;
use scheduled_one_runtime::{Job, JobContext};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::{MINUTE, MS, SECOND, advance_until, on};

/// A span with its fields, and what was recorded later.
#[derive(Clone, Debug, Default)]
struct Seen {
    name: String,
    parent: Option<u64>,
    fields: BTreeMap<String, String>,
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let value = format!("{value:?}").trim_matches('"').to_owned();
        self.fields.insert(field.name().to_owned(), value);
    }
}

#[derive(Clone, Default)]
struct Spans {
    all: Arc<Mutex<Vec<Seen>>>,
    entered: Arc<Mutex<Vec<u64>>>,
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "scheduled_one"
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let current = self.entered.lock().expect("lock").last().copied();
        let mut seen = Seen {
            name: attributes.metadata().name().to_owned(),
            parent: current.filter(|_| attributes.is_contextual()),
            ..Seen::default()
        };
        attributes.record(&mut seen);
        let mut all = self.all.lock().expect("lock");
        all.push(seen);
        Id::from_u64(all.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut all = self.all.lock().expect("lock");
        values.record(&mut all[span.into_u64() as usize - 1]);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, span: &Id) {
        self.entered.lock().expect("lock").push(span.into_u64());
    }

    fn exit(&self, span: &Id) {
        assert_eq!(
            self.entered.lock().expect("lock").pop(),
            Some(span.into_u64())
        );
    }
}

/// What somebody asked for was started by no timer, and a fixed rate is no cron expression.
#[tokio::test]
async fn a_requested_run_and_a_fixed_rate_have_no_cron_expression() {
    let spans = Spans::default();
    let _guard = test_support::subscribe(spans.clone());
    let clock = ManualClock::new();
    let builder = on(&clock).job(Job::cron("asked", "0 0 0 1 1 *", || async {}));
    let builder = builder.job(Job::every("rate", MINUTE, || async {}));
    let scheduler = builder.start().await.expect("started");
    let control = scheduler.control().expect("control");
    let asked = tokio::spawn(async move { control.run("asked").await.map(drop) });
    let of = (&scheduler, &clock);
    for (job, cause) in [("asked", "manual"), ("rate", "schedule")] {
        let ok = [("job_name", job), ("outcome", "ok"), ("cause", cause)];
        clock.advance(MINUTE);
        advance_until(of, 100 * MS, "scheduled_one_runs_total", &ok, 1.0).await;
    }
    asked.await.expect("no panic").expect("asked for");
    let all = spans.all.lock().expect("lock").clone();
    for (job, trigger) in [("asked", "other"), ("rate", "timer")] {
        let is_run = |span: &&Seen| span.fields["otel.name"] == format!("run {job}");
        let run = all.iter().find(is_run).expect("its run");
        assert_eq!(run.fields["faas.trigger"], trigger, "{run:#?}");
        assert!(!run.fields.contains_key("faas.cron"), "{run:#?}");
    }
}

#[tokio::test]
async fn a_run_is_a_trace_with_a_span_for_each_attempt() {
    let spans = Spans::default();
    let _guard = test_support::subscribe(spans.clone());
    let clock = ManualClock::new();
    let second = |ctx: JobContext| async move {
        match ctx.attempt() {
            1 => Err("not yet"),
            _ => Ok(()),
        }
    };
    let job = Job::cron("j", "0 * * * * *", second)
        .retries(1)
        .backoff(SECOND, SECOND);
    let scheduler = on(&clock).job(job).start().await.expect("started");
    clock.advance(MINUTE);
    let ok = [("job_name", "j"), ("outcome", "ok"), ("cause", "schedule")];
    let of = (&scheduler, &clock);
    advance_until(of, 10 * MS, "scheduled_one_runs_total", &ok, 1.0).await;
    let all = spans.all.lock().expect("lock").clone();
    let [run, first, last] = &all[..] else {
        panic!("{all:#?}");
    };
    assert_eq!((run.name.as_str(), run.parent), ("run", None));
    for (field, value) in [
        ("job", "j"),
        ("cause", "schedule"),
        ("otel.name", "run j"),
        ("otel.kind", "internal"),
        ("otel.status_code", "OK"),
        ("faas.trigger", "timer"),
        ("faas.time", "2026-01-01T00:01:00.000Z"),
    ] {
        assert_eq!(run.fields[field], value, "{run:#?}");
    }
    assert_eq!(run.fields["faas.cron"], "0 * * * * *", "{run:#?}");
    assert!(run.fields["run_id"].contains('-'), "{run:#?}");
    for (attempt, number, status) in [(first, "1", "ERROR"), (last, "2", "OK")] {
        assert_eq!(
            (attempt.name.as_str(), attempt.parent),
            ("attempt", Some(1))
        );
        assert_eq!(attempt.fields["number"], number);
        assert_eq!(attempt.fields["otel.name"], format!("attempt {number}"));
        assert_eq!(attempt.fields["otel.status_code"], status);
    }
}
