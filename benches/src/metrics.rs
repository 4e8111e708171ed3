//! What the instruments cost, while somebody reads them: the same burst with and without them, in turns.
//!
//! The medians are compared: of runs that differ in nothing, some have a p99 of 33 ms and others one of 46 ms, so the
//! best ones say only which side had more of the former.

use anyhow::{Result, ensure};
use test_support::RedisServer;

use crate::child;
use crate::options::Scale;
use crate::report::{Bound, Row, number};
use crate::task::{Found, Task};

/// Longest window of a round, in seconds.
const WINDOW_S: u64 = 10;
/// How much worse than without, at most.
const MOST: f64 = 1.03;

pub(crate) fn measure(scale: &Scale) -> Result<Vec<Row>> {
    let jobs = scale.jobs[1];
    let (mut with, mut without) = (Vec::new(), Vec::new());
    let scale = &Scale {
        seconds: scale.seconds.min(WINDOW_S),
        ..*scale
    };
    for _ in 0..scale.turns {
        with.push(round("lateness-and-reader", jobs, scale)?);
        without.push(round("lateness-without-metrics", jobs, scale)?);
    }
    type Of<'a, T> = &'a dyn Fn(f64) -> T;
    let row = |what: &str, unit, of: Of<'_, f64>, name, bound: Of<'_, Bound>| -> Result<Row> {
        let (ours, reference) = (of(median(&with, name)?), of(median(&without, name)?));
        let figure = format!("metrics, {} jobs, {what}", number(jobs as f64));
        Ok(Row::new(figure, unit, bound(reference), ours).beside(reference))
    };
    let at_most = |reference: f64| Bound::AtMost(reference * MOST);
    let at_least = |reference: f64| Bound::AtLeast(reference / MOST);
    // A burst is claimed, started and counted when the last function has started.
    let per_second = |us: f64| jobs as f64 * 1e6 / us;
    Ok(vec![
        row("p99 of lateness", "ms", &|us| us / 1e3, "p99_us", &at_most)?,
        row("claims", "/s", &per_second, "max_us", &at_least)?,
        row(
            "processor",
            "% of a core",
            &|it| it,
            "cpu_percent",
            &at_most,
        )?,
    ])
}

fn median(found: &[Found], name: &str) -> Result<f64> {
    let values: Result<Vec<f64>> = found.iter().map(|found| found.get(name)).collect();
    let mut values = values?;
    values.sort_unstable_by(f64::total_cmp);
    let half = values.len() / 2;
    Ok((values[half - 1] + values[half]) / 2.0)
}

fn round(child: &str, jobs: usize, scale: &Scale) -> Result<Found> {
    let redis = RedisServer::start()?;
    let found = child::run(child, &Task::new(&redis.url(), jobs, scale))?;
    ensure!(found.get("twice")? == 0.0, "a tick ran twice");
    Ok(found)
}
