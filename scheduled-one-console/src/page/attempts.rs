//! The attempts of a run on a time line.

use maud::{Markup, html};
use scheduled_one_control::OpenRun;
use scheduled_one_protocol::LedgerRecord;

use super::health::{tone_of, word_of};
use super::parts::{Tone, duration, scaled};

const WIDTH: i64 = 1_000;

struct Bar {
    from_ms: i64,
    to_ms: i64,
    tone: Tone,
    words: String,
}

/// The bars of these attempts of a tick, oldest first, and of the one that goes on; nothing if none began.
pub(crate) fn time_line(
    tick: i64,
    lines: &[LedgerRecord],
    open: &[OpenRun],
    now_ms: i64,
) -> Markup {
    let ended = lines.iter().filter_map(|line| {
        let from_ms = line.fired_at_ms?;
        let attempt = line.attempt.unwrap_or(1);
        let took = duration(line.ended_at_ms.saturating_sub(from_ms));
        Some(Bar {
            from_ms,
            to_ms: line.ended_at_ms,
            tone: tone_of(line.outcome),
            words: format!("Attempt {attempt}: {} after {took}", word_of(line.outcome)),
        })
    });
    let last_ms = lines.iter().map(|line| line.ended_at_ms).max();
    let going = open.iter().filter(|run| run.token.is_some()).map(|run| {
        let from_ms = last_ms.unwrap_or(run.tick.ms()).min(now_ms);
        Bar {
            from_ms,
            to_ms: now_ms,
            tone: Tone::Running,
            words: format!(
                "Running, for {} at most",
                duration(now_ms.saturating_sub(from_ms))
            ),
        }
    });
    let bars: Vec<Bar> = ended.chain(going).collect();
    let tick_ms = lines
        .first()
        .filter(|line| line.cause.is_none())
        .map(|_| tick);
    let starts = bars.iter().map(|bar| bar.from_ms).chain(tick_ms);
    let (Some(from_ms), Some(to_ms)) = (starts.min(), bars.iter().map(|bar| bar.to_ms).max())
    else {
        return html! {};
    };
    let whole = to_ms.saturating_sub(from_ms).max(1);
    let x = |at_ms: i64| scaled(WIDTH, at_ms.saturating_sub(from_ms), whole);
    html! {
        ol.attempts {
            @for bar in &bars {
                li {
                    span.words { (bar.words) }
                    svg viewBox={ "0 0 " (WIDTH) " 10" } preserveAspectRatio="none" aria-hidden="true" {
                        rect.rail x="0" y="4" width=(WIDTH) height="2" {}
                        rect class=(bar.tone.class()) x=(x(bar.from_ms).min(WIDTH - 4)) y="0"
                            width=((x(bar.to_ms) - x(bar.from_ms)).max(4)) height="10" {}
                    }
                }
            }
        }
        p.small.quiet {
            (if tick_ms.is_some() { "From the tick" } else { "From the first start" })
            " to the last end: " (duration(whole)) "."
        }
    }
}
