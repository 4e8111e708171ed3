//! What the instruments cost: the same burst with and without them, in turns.

use anyhow::{Result, ensure};
use test_support::RedisServer;

use crate::child;
use crate::options::Scale;
use crate::report::{Bound, Row, number};
use crate::task::{Found, Task};

/// How often each is measured; the better one counts, because noise only costs.
const ROUNDS: usize = 3;
/// How much worse than without, at most.
const MOST: f64 = 1.03;

pub(crate) fn measure(scale: &Scale) -> Result<Vec<Row>> {
    let jobs = scale.jobs[1];
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        with.push(round("lateness", jobs, scale)?);
        without.push(round("lateness-without-metrics", jobs, scale)?);
    }
    let least = |found: &[Found], name: &str| -> Result<f64> {
        let values: Result<Vec<f64>> = found.iter().map(|found| found.get(name)).collect();
        Ok(values?.into_iter().fold(f64::INFINITY, f64::min))
    };
    type Of<'a, T> = &'a dyn Fn(f64) -> T;
    let row = |what: &str, unit, of: Of<'_, f64>, name, bound: Of<'_, Bound>| -> Result<Row> {
        let (ours, reference) = (of(least(&with, name)?), of(least(&without, name)?));
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

fn round(child: &str, jobs: usize, scale: &Scale) -> Result<Found> {
    let redis = RedisServer::start()?;
    let found = child::run(child, &Task::new(&redis.url(), jobs, scale))?;
    ensure!(found.get("twice")? == 0.0, "a tick ran twice");
    Ok(found)
}
