//! What alerts fire, what was sent, and what waits.

use std::collections::BTreeSet;

use maud::{Markup, html};
use scheduled_one_control::{AlertsNow, FiringAlert, SentAlert};
use scheduled_one_protocol::UnitName;

use super::parts::{Tone, full_time, job_url, notice, state, time};
use crate::gate::Visitor;

pub(crate) struct AlertsPage {
    /// Nothing if no node has evaluated alerts.
    pub(crate) alerts: Option<AlertsNow>,
    /// The jobs that have a page.
    pub(crate) jobs: BTreeSet<String>,
    /// The visitor sees all jobs, and so what was sent.
    pub(crate) sees_all: bool,
    pub(crate) now_ms: i64,
}

pub(crate) fn alerts(visitor: &Visitor, page: &AlertsPage) -> Markup {
    html! {
        h1 { "Alerts" }
        @match &page.alerts {
            None => (notice(Tone::Idle, "No node evaluates alerts", html! {
                p { "Give a scheduler " code { ".alerts(…)" } ", and start it." }
            })),
            Some(alerts) => {
                @if !alerts.is_evaluated { (nobody(page, alerts)) }
                (firing(visitor, page, alerts))
                @if page.sees_all { (sent(alerts, page.now_ms)) }
            }
        }
    }
}

/// What is shown below is not of now.
fn nobody(page: &AlertsPage, alerts: &AlertsNow) -> Markup {
    let at_ms = alerts.evaluated_at_ms.unwrap_or(alerts.at_ms);
    notice(
        Tone::Bad,
        "Nobody evaluates alerts now",
        html! {
            p { "What is shown is of " (full_time(at_ms)) ", " (time(at_ms, page.now_ms)) "." }
            p {
                "Start a node whose scheduler has " code { ".alerts(…)" } "; if there is one, its log says why it does not."
            }
        },
    )
}

fn firing(visitor: &Visitor, page: &AlertsPage, alerts: &AlertsNow) -> Markup {
    html! {
        p.lede {
            @match alerts.waiting {
                0 => { "No message waits to be delivered." }
                1 => { "One message waits to be delivered." }
                waiting => { b { (waiting) } " messages wait to be delivered." }
            }
        }
        @if alerts.firing.is_empty() {
            @let (tone, title) = match alerts.is_evaluated {
                true => (Tone::Ok, "Nothing fires"),
                false => (Tone::Idle, "Nothing fired then"),
            };
            (notice(tone, title, html! {
                @if !page.sees_all { p.quiet { "Of the jobs that you may see." } }
            }))
        } @else {
            section.card.flush {
                table.stack {
                    caption { "What fires, the oldest first" }
                    thead {
                        tr {
                            th scope="col" { "Subject" } th scope="col" { "Rule" }
                            th scope="col" { "Since" } th scope="col" { "What is the case" }
                        }
                    }
                    tbody { @for firing in &alerts.firing { (row(visitor, page, firing)) } }
                }
                @if alerts.more > 0 { p { "And " (alerts.more) " more." } }
            }
        }
    }
}

fn row(visitor: &Visitor, page: &AlertsPage, firing: &FiringAlert) -> Markup {
    let job = UnitName::from(firing.subject.as_str()).job().to_owned();
    html! {
        tr {
            th scope="row" {
                @match page.jobs.contains(&job) {
                    true => a href=(job_url(visitor, &job)) { (firing.subject) },
                    false => (firing.subject),
                }
            }
            td data-label="Rule" { (state(Tone::Bad, &firing.rule)) }
            td data-label="Since" {
                (full_time(firing.since_ms)) div.small.quiet { (time(firing.since_ms, page.now_ms)) }
            }
            td data-label="What is the case" { (firing.text) }
        }
    }
}

fn sent(alerts: &AlertsNow, now_ms: i64) -> Markup {
    html! {
        @if !alerts.sent.is_empty() {
            section.card.flush {
                table.stack {
                    caption { "The newest attempts to deliver messages, newest first" }
                    thead {
                        tr {
                            th scope="col" { "When" } th scope="col" { "Message" }
                            th scope="col" { "Channel" } th scope="col" { "Result" }
                        }
                    }
                    tbody { @for sent in &alerts.sent { (attempt(sent, now_ms)) } }
                }
            }
        }
    }
}

fn attempt(sent: &SentAlert, now_ms: i64) -> Markup {
    html! {
        tr {
            th scope="row" { (full_time(sent.at_ms)) div.small.quiet { (time(sent.at_ms, now_ms)) } }
            td data-label="Message" { (sent.title) div.small.quiet { code { (sent.id) } } }
            td data-label="Channel" { (sent.channel) }
            td data-label="Result" {
                @match sent.error.is_empty() {
                    true => (state(Tone::Ok, "delivered")),
                    false => { (state(Tone::Warn, "not delivered")) div.code { (sent.error) } }
                }
            }
        }
    }
}
