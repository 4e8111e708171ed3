//! Who did what.

use maud::{Markup, html};
use scheduled_one_control::{Trail, TrailEntry};
use scheduled_one_protocol::{ALL_JOBS, UnitName};
use serde::Deserialize;

use super::parts::{Tone, full_time, job_url, notice, time};
use crate::gate::Visitor;
use crate::text::encoded;

/// What the page is asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TrailPage {
    pub(crate) job: String,
    pub(crate) actor: String,
    pub(crate) action: String,
    /// The place before which the page ends; the newest entries if it is empty.
    pub(crate) before: String,
}

impl TrailPage {
    /// The address of the page with another end.
    fn url(&self, visitor: &Visitor, before: &str) -> String {
        let fields = [
            ("job", &*self.job),
            ("actor", &*self.actor),
            ("action", &*self.action),
            ("before", before),
        ];
        let fields = fields.iter().filter(|(_, value)| !value.is_empty());
        let fields = fields.map(|(name, value)| format!("{name}={}", encoded(value)));
        let query = fields.collect::<Vec<_>>().join("&");
        format!("{}/trail?{query}", visitor.mount)
    }
}

/// The entries, the newest first.
pub(crate) fn trail(visitor: &Visitor, page: &TrailPage, trail: &Trail, now_ms: i64) -> Markup {
    let entries = &trail.entries;
    html! {
        h1 { "Trail" }
        p.lede { "Who asked for what, from wherever: pages, programs and commands." }
        form.row method="get" action={ (visitor.mount) "/trail" } role="search" {
            div { label for="job" { "Job" } input #job name="job" value=(page.job); }
            div { label for="actor" { "Who" } input #actor name="actor" value=(page.actor); }
            div { label for="action" { "What" } input #action name="action" value=(page.action) placeholder="pause"; }
            button type="submit" { "Search" }
        }
        @if entries.is_empty() {
            (notice(Tone::Idle, "Nothing to show", html! {
                p { "Nobody has asked for anything like this since the store began to keep its trail." }
            }))
        } @else {
            section.card.flush {
                table.stack {
                    caption {
                        @match page.before.is_empty() {
                            true => { "The newest " (entries.len()) ", newest first" }
                            false => { (entries.len()) " earlier ones, newest first" }
                        }
                    }
                    thead {
                        tr {
                            th scope="col" { "When" } th scope="col" { "Who" } th scope="col" { "What" }
                            th scope="col" { "Job" } th scope="col" { "Why" } th scope="col" { "Details" }
                        }
                    }
                    tbody { @for entry in entries { (row(visitor, entry, now_ms)) } }
                }
            }
        }
        @if trail.earlier.is_some() || !page.before.is_empty() {
            nav.row aria-label="Pages" {
                @if !page.before.is_empty() { a.button href=(page.url(visitor, "")) { "Newest" } }
                @if let Some(earlier) = &trail.earlier {
                    a.button href=(page.url(visitor, &earlier.to_string())) { "Earlier" }
                }
            }
        }
    }
}

fn row(visitor: &Visitor, entry: &TrailEntry, now_ms: i64) -> Markup {
    let url = job_url(visitor, UnitName::from(entry.subject.as_str()).job());
    html! {
        tr {
            th scope="row" { (full_time(entry.at_ms)) div.small.quiet { (time(entry.at_ms, now_ms)) } }
            td data-label="Who" { (entry.actor) }
            td data-label="What" { b { (entry.action) } }
            td data-label="Job" {
                @match entry.subject == ALL_JOBS {
                    true => { "all jobs" }
                    false => a href=(url) { (entry.subject) },
                }
            }
            td data-label="Why" { (entry.note) }
            td data-label="Details" {
                @if entry.version > 0 { div.small.quiet { "version " (entry.before) " → " (entry.version) } }
                @if let Some(token) = entry.token {
                    div.small { a href={ (url) "/runs/" (token) } { "run " (token) } }
                }
                @if let Some(instant) = entry.instant_ms { div.small.quiet { (full_time(instant)) } }
                @if !entry.request.is_empty() { div.small.quiet { code { (entry.request) } } }
            }
        }
    }
}
