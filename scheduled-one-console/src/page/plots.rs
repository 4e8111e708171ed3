//! How long runs took, and how late they began: bars in SVG, whose colours are those of the style sheet.

use maud::{Markup, html};
use scheduled_one_protocol::LedgerRecord;

use super::health::{is_end, tone_of, word_of};
use super::parts::{duration, scaled};

/// Runs of a plot.
const RUNS: usize = 80;
const WIDTH: usize = 800;
const HEIGHT: i64 = 100;

struct Bar<'a> {
    line: &'a LedgerRecord,
    ms: i64,
}

/// The plots of the newest lines, which come newest first.
pub(crate) fn plots(lines: &[LedgerRecord]) -> Markup {
    let ran = || {
        lines
            .iter()
            .filter(|line| is_end(line) && line.fired_at_ms.is_some())
            .take(RUNS)
    };
    let took = ran().map(|line| Bar {
        line,
        ms: line.took_ms().unwrap_or_default(),
    });
    // A requested run has no instant at which it should have begun.
    let of_schedule = ran().filter(|line| line.cause.is_none());
    let late = of_schedule.map(|line| Bar {
        line,
        ms: line
            .fired_at_ms
            .unwrap_or_default()
            .saturating_sub(line.tick.ms()),
    });
    html! {
        section.card {
            h2 { "Duration and lateness" }
            @if ran().next().is_none() {
                p.quiet { "No run has ended yet." }
            } @else {
                div.plots {
                    (plot("Took", took.collect()))
                    (plot("Late", late.collect()))
                }
            }
        }
    }
}

/// One plot; the words below have what its bars show.
fn plot(title: &str, mut bars: Vec<Bar<'_>>) -> Markup {
    bars.reverse();
    let mut sorted: Vec<i64> = bars.iter().map(|bar| bar.ms.max(0)).collect();
    sorted.sort_unstable();
    let Some(most) = sorted.last().copied() else {
        return html! {};
    };
    let at = |percent: usize| sorted[(sorted.len() - 1) * percent / 100];
    let step = WIDTH / bars.len().max(20);
    let words = format!(
        "median {}, 95 % within {}, longest {}",
        duration(at(50)),
        duration(at(95)),
        duration(most)
    );
    html! {
        figure {
            svg.plot viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img"
                aria-label={ (title) ", the last " (bars.len()) " runs: " (words) } {
                @for (place, bar) in bars.iter().enumerate() { (rect(bar, place * step, step, most)) }
            }
            figcaption { b { (title) } " " span.quiet { (words) } }
        }
    }
}

fn rect(bar: &Bar<'_>, x: usize, step: usize, most: i64) -> Markup {
    let height = scaled(HEIGHT, bar.ms.max(0), most).max(2);
    html! {
        rect class=(tone_of(bar.line.outcome).class()) x=(x) y=(HEIGHT - height)
            width=(step.saturating_sub(2).max(1)) height=(height) {
            title { (duration(bar.ms)) ", " (word_of(bar.line.outcome)) }
        }
    }
}

/// The last outcomes of a row of a table: a bar each, as high as the run was long, and full if it went wrong.
pub(crate) fn strip(lines: &[LedgerRecord]) -> Markup {
    const BARS: usize = 30;
    let mut ends: Vec<&LedgerRecord> = lines
        .iter()
        .filter(|line| is_end(line))
        .take(BARS)
        .collect();
    ends.reverse();
    let took = |line: &LedgerRecord| line.took_ms().unwrap_or_default().max(0);
    let most = ends
        .iter()
        .map(|line| took(line))
        .max()
        .unwrap_or_default()
        .max(1);
    let count = |class: &str| {
        ends.iter()
            .filter(|line| tone_of(line.outcome).class() == class)
            .count()
    };
    let first = BARS - ends.len();
    html! {
        svg.strip viewBox="0 0 180 24" role="img"
            aria-label={ (ends.len()) " outcomes: " (count("ok")) " ok, " (count("bad")) " bad" } {
            @for (place, line) in ends.iter().enumerate() {
                @let tone = tone_of(line.outcome).class();
                @let height = match tone {
                    "bad" => 24,
                    "idle" => 4,
                    _ => 6 + scaled(14, took(line), most),
                };
                rect class=(tone) x=((first + place) * 6) y=(24 - height) width="4" height=(height) rx="1" {
                    title { (word_of(line.outcome)) }
                }
            }
        }
    }
}
