//! Lines of a ledger, as a table.

use jiff::tz::TimeZone;
use maud::{Markup, html};
use scheduled_one_protocol::LedgerRecord;

use super::health::{tone_of, word_of};
use super::parts::{duration, job_url, state, time, time_in};
use crate::gate::Visitor;

pub(crate) fn ledger(
    visitor: &Visitor,
    caption: &str,
    lines: &[LedgerRecord],
    zone: &TimeZone,
    now_ms: i64,
) -> Markup {
    html! {
        div.scroll {
            table.stack {
                caption { (caption) }
                thead {
                    tr {
                        th scope="col" { "Tick" }
                        th scope="col" { "Outcome" }
                        th scope="col" { "Ended" }
                        th.number scope="col" { "Late" }
                        th.number scope="col" { "Took" }
                        th scope="col" { "Attempt" }
                        th scope="col" { "Node" }
                        th scope="col" { "Why" }
                    }
                }
                tbody {
                    @for line in lines { (row(visitor, line, zone, now_ms)) }
                }
            }
        }
    }
}

fn row(visitor: &Visitor, line: &LedgerRecord, zone: &TimeZone, now_ms: i64) -> Markup {
    let url = job_url(visitor, line.unit.job());
    let url = match line.token {
        Some(token) => format!("{url}/runs/{token}"),
        None => format!("{url}/ticks/{}", line.tick),
    };
    let fired_ms = line.fired_at_ms;
    let late_ms = fired_ms.map(|fired_ms| fired_ms.saturating_sub(line.tick.ms()));
    html! {
        tr {
            th scope="row" {
                a href=(url) { (time_in(line.tick.ms(), zone)) }
                @if line.count > 1 {
                    div.small.quiet { (line.count) " ticks, to " (time_in(line.last_tick.ms(), zone)) }
                }
                @if line.unit.shard() > 0 { div.small.quiet { "shard " (line.unit.shard()) } }
            }
            td data-label="Outcome" {
                (state(tone_of(line.outcome), word_of(line.outcome)))
                @if line.retried { div.small.quiet { "another attempt follows" } }
            }
            td data-label="Ended" { (time(line.ended_at_ms, now_ms)) }
            td.number data-label="Late" { @if let Some(ms) = late_ms { (duration(ms)) } }
            td.number data-label="Took" { @if let Some(ms) = line.took_ms() { (duration(ms)) } }
            td data-label="Attempt" { @if let Some(attempt) = line.attempt { (attempt) } }
            td data-label="Node" { (line.node) }
            td data-label="Why" {
                @if let Some(cause) = line.cause {
                    div { (cause) @if !line.actor.is_empty() { ", by " (line.actor) } }
                }
                @if !line.reason.is_empty() { div { (line.reason) } }
                @if !line.error.is_empty() { div.code { (line.error) } }
            }
        }
    }
}
