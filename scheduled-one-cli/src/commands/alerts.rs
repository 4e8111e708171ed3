//! `alerts`: what fires, and a message to try a channel.

use std::fmt::Write as _;

use scheduled_one_control::{AlertsNow, OnBusy};
use scheduled_one_protocol::Outcome;
use serde::Serialize;
use serde_json::json;

use crate::args::Alerts;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::text::escape;

/// The job that evaluates alerts.
const EVALUATES: &str = "$alerts";

#[derive(Serialize)]
struct TestView {
    channel: String,
    delivered: bool,
    node: String,
    error: String,
}

pub(crate) async fn run(session: &Session, alerts: &Alerts) -> Result<Exit, Failure> {
    match alerts {
        Alerts::Test { channel } => test(session, channel).await,
        Alerts::Show => show(session).await,
    }
}

/// A node that evaluates alerts sends the message: it has the channel, its secret, and the way to the receiver.
async fn test(session: &Session, channel: &str) -> Result<Exit, Failure> {
    let params = json!({ "test": channel });
    let request = session
        .control
        .run(EVALUATES)
        .params(&params)
        .by(&session.by)
        .on_busy(OnBusy::Wait)
        .note("a message to try a channel");
    let handle = session.ask(request.into_future()).await.map_err(no_node)?;
    let lines = handle.finished(session.outcome_timeout).await?;
    let Some(line) = lines.first() else {
        return Err(Failure::new(Exit::TimedOut, "the message has no outcome"));
    };
    let view = TestView {
        channel: channel.to_owned(),
        delivered: line.outcome == Outcome::Ok,
        node: line.node.clone(),
        error: match line.error.is_empty() && line.outcome != Outcome::Ok {
            true => format!("{} {}", line.outcome, line.reason)
                .trim()
                .to_owned(),
            false => line.error.clone(),
        },
    };
    let text = || {
        let (channel, node) = (escape(channel), escape(&line.node));
        match view.delivered {
            true => format!("{channel}: delivered by {node}\n"),
            false => format!(
                "{channel}: not delivered by {node}: {}\n",
                escape(&view.error)
            ),
        }
    };
    session.output.one("alerts", &view, channel, text)?;
    Ok(match view.delivered {
        true => Exit::Done,
        false => Exit::Negative,
    })
}

async fn show(session: &Session) -> Result<Exit, Failure> {
    let found = session.ask(session.control.alerts()).await?;
    let Some(alerts) = found else {
        return Err(no_alerts());
    };
    let text = || as_text(&alerts);
    session.output.one("alerts", &alerts, "", text)?;
    Ok(Exit::Done)
}

fn as_text(alerts: &AlertsNow) -> String {
    let mut text = String::new();
    if !alerts.is_evaluated {
        let at = view_instant(alerts.evaluated_at_ms.unwrap_or(alerts.at_ms));
        // Writing into a `String` does not fail.
        let _ = writeln!(text, "nobody evaluates alerts now; this is of {at}");
    }
    for firing in &alerts.firing {
        let (rule, subject) = (escape(&firing.rule), escape(&firing.subject));
        let since = view_instant(firing.since_ms);
        let _ = writeln!(
            text,
            "{subject}: {rule} since {since}: {}",
            escape(&firing.text)
        );
    }
    if alerts.more > 0 {
        let _ = writeln!(text, "and {} more", alerts.more);
    }
    if alerts.firing.is_empty() {
        text.push_str(match alerts.is_evaluated {
            true => "nothing fires\n",
            false => "nothing fired then\n",
        });
    }
    let _ = writeln!(text, "{} messages wait to be delivered", alerts.waiting);
    text
}

fn view_instant(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |at| at.to_string())
}

fn no_alerts() -> Failure {
    Failure::new(
        Exit::NotFound,
        "no node evaluates alerts: give a scheduler `.alerts(…)`, and start it; or look at another --namespace",
    )
}

fn no_node(failure: Failure) -> Failure {
    let is_unknown = failure.exit == Exit::NotFound;
    match is_unknown {
        true => no_alerts(),
        false => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_evaluates_is_said_to_be_old() {
        let mut alerts = AlertsNow::default();
        alerts.evaluated_at_ms = Some(1_767_225_600_000);
        assert_eq!(
            as_text(&alerts),
            "nobody evaluates alerts now; this is of 2026-01-01T00:00:00Z\n\
             nothing fired then\n0 messages wait to be delivered\n"
        );
        alerts.is_evaluated = true;
        assert_eq!(
            as_text(&alerts),
            "nothing fires\n0 messages wait to be delivered\n"
        );
    }
}
