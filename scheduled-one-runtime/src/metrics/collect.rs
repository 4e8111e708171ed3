//! Collects what all instruments show into families. It reads what the node knows anyway, and nothing of the store.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::compiled_job::CompiledJob;
#[cfg(feature = "alerts")]
use crate::metrics::alert_metrics::AlertMetrics;
use crate::metrics::catalog::{self, Definition};
use crate::metrics::counters::{BOUNDS, Bounds, Counted};
use crate::metrics::family::{MetricFamily, MetricSample, MetricValue};
use crate::metrics::job_metrics::{DURATIONS, JobMetrics, LATENESSES};
use crate::metrics::labels::{
    CAUSES, JOB_GONE, JOB_NAME, MISSED_REASONS, OUTCOMES, Op, REFUSED, RESULTS, SKIP_REASONS,
    VERDICTS,
};
use crate::metrics::{BucketMetrics, Metrics, OTHER_JOBS, REQUEST_DURATIONS};

type Labels = Vec<(&'static str, Cow<'static, str>)>;

/// A job at the instant of the collection.
struct JobNow<'a> {
    job: &'a CompiledJob,
    active: u64,
    /// Age of its oldest run in ms.
    age_ms: i64,
    /// 0 if there is none, or if the job is disabled.
    next_tick_ms: i64,
}

/// Jobs that have one label: one job, or all that are folded.
struct Group<'a> {
    label: String,
    jobs: Vec<JobNow<'a>>,
}

impl Metrics {
    /// Everything. Of more jobs than `most`, those behind the first `most` by name have one label.
    pub(crate) fn collect(&self, most: usize) -> Vec<MetricFamily> {
        self.are_read.store(true, Ordering::Relaxed);
        self.count_runs();
        let groups = self.groups(most);
        let mut families = vec![self.build(), self.start()];
        families.extend(runs(&groups));
        families.extend(ticks(&groups, self.missed_in_gone.load(Ordering::Relaxed)));
        families.extend(gauges(&groups));
        families.extend(self.counters(&groups));
        families.extend(self.of_store());
        #[cfg(feature = "alerts")]
        families.extend(self.alerts().into_iter().flat_map(AlertMetrics::families));
        #[cfg(feature = "alerts")]
        families.extend(self.monitors.get().map(|monitors| monitors.family()));
        families
    }

    fn build(&self) -> MetricFamily {
        let version = ("version", env!("CARGO_PKG_VERSION").into());
        let namespace = ("namespace", self.namespace.clone().into());
        catalog::BUILD.with(vec![number(vec![version, namespace], 1.0)])
    }

    fn start(&self) -> MetricFamily {
        let buckets = self.buckets();
        let known = buckets.iter();
        let known = known.filter_map(|bucket| bucket.cluster.known_at_ms(bucket.started));
        let started = known.min().map(|ms| number(vec![], seconds(ms)));
        catalog::START.with(started.into_iter().collect())
    }

    fn groups(&self, most: usize) -> Vec<Group<'_>> {
        let mut active: HashMap<String, (u64, i64)> = HashMap::new();
        for id in self.active_runs.ids() {
            let known = active.entry(id.unit.job().to_owned()).or_default();
            let age_ms = self.now_ms(id.unit.job()) - id.granted_at_ms;
            *known = (known.0 + 1, known.1.max(age_ms));
        }
        let now = |job| self.job_now(job, &active);
        let mut groups: Vec<Group<'_>> = Vec::with_capacity(self.jobs.len().min(most + 1));
        let mut folded = Vec::new();
        for (index, job) in self.jobs.iter().enumerate() {
            match self.is_folded(index, most) {
                true => folded.push(now(job)),
                false => groups.push(Group {
                    label: job.name.to_string(),
                    jobs: vec![now(job)],
                }),
            }
        }
        if !folded.is_empty() {
            groups.push(Group {
                label: OTHER_JOBS.to_owned(),
                jobs: folded,
            });
        }
        groups
    }

    fn job_now<'a>(
        &self,
        job: &'a CompiledJob,
        active: &HashMap<String, (u64, i64)>,
    ) -> JobNow<'a> {
        let (count, age_ms) = active.get(&*job.name).copied().unwrap_or_default();
        let decided_to_ms = self.outlook.of(&job.name).decided_to_ms;
        let after_ms = self.now_ms(&job.name).max(decided_to_ms);
        let next_tick_ms = match job.rules.enabled {
            true => job.schedule().next_after(after_ms).unwrap_or_default(),
            false => 0,
        };
        JobNow {
            job,
            active: count,
            age_ms: age_ms.max(0),
            next_tick_ms,
        }
    }

    /// Counters of jobs without a further label.
    fn counters(&self, groups: &[Group<'_>]) -> Vec<MetricFamily> {
        let counter = |definition: Definition, counter: fn(&JobMetrics) -> &AtomicU64| {
            let read = |job: &JobMetrics| counter(job).load(Ordering::Relaxed) as f64;
            let samples = groups.iter().map(|group| {
                let values = group.jobs.iter().map(|now| read(&now.job.metrics));
                number(vec![job(group)], values.sum())
            });
            definition.with(samples.collect())
        };
        let elsewhere = |mut family: MetricFamily, counter: &AtomicU64| {
            let more = counter.load(Ordering::Relaxed) as f64;
            let others = Cow::from(OTHER_JOBS);
            match family
                .samples
                .iter_mut()
                .find(|it| it.labels[0].1 == others)
            {
                Some(MetricSample {
                    value: MetricValue::Number(known),
                    ..
                }) => *known += more,
                _ => family.samples.push(number(vec![(JOB_NAME, others)], more)),
            }
            family
        };
        vec![
            counter(catalog::RETRIES, |job| &job.retries),
            elsewhere(
                counter(catalog::TAKEOVERS, |job| &job.takeovers),
                &self.elsewhere.takeovers,
            ),
            elsewhere(
                counter(catalog::LOST, |job| &job.lost),
                &self.elsewhere.lost,
            ),
            counter(catalog::WITHOUT_LEASE, |job| &job.finished_without_lease),
            counter(catalog::UNACCOUNTED, |job| &job.unaccounted),
        ]
    }

    fn of_store(&self) -> Vec<MetricFamily> {
        let of_claims = VERDICTS.iter().chain([&REFUSED]).enumerate();
        let claims = of_claims.map(|(index, word)| {
            let verdict = ("verdict", Cow::from(*word));
            number(vec![verdict], self.claims.get(index) as f64)
        });
        let single =
            |counter: &AtomicU64| vec![number(vec![], counter.load(Ordering::Relaxed) as f64)];
        let mut requests = Vec::new();
        for op in Op::ALL {
            for (index, result) in RESULTS.iter().enumerate() {
                let labels = vec![("op", op.as_str().into()), ("result", (*result).into())];
                let counted = self.requests[op as usize][index].read();
                requests.push(histogram(labels, &REQUEST_DURATIONS, counted));
            }
        }
        let buckets = self.buckets();
        let of_buckets = |definition: Definition, value: &dyn Fn(&BucketMetrics) -> f64| {
            let sample = |bucket: &std::sync::Arc<BucketMetrics>| {
                let label = bucket.bucket.index().to_string();
                number(vec![("bucket", label.into())], value(bucket))
            };
            definition.with(buckets.iter().map(sample).collect())
        };
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        vec![
            catalog::CLAIMS.with(claims.collect()),
            catalog::LEASES_LOST.with(single(&self.leases_lost)),
            catalog::READOPTED.with(single(&self.readopted)),
            catalog::REQUESTS.with(requests),
            of_buckets(catalog::STORE_UP, &|bucket| {
                f64::from(bucket.up.load(Ordering::Relaxed))
            }),
            of_buckets(catalog::QUARANTINES, &|bucket| read(&bucket.quarantines)),
            of_buckets(catalog::QUARANTINE, &|bucket| self.quarantine_s(bucket)),
            of_buckets(catalog::CLOCK_OFFSET, &|bucket| {
                bucket.cluster.wall_offset_ms() as f64 / 1e3
            }),
            of_buckets(catalog::NODES, &|bucket| read(&bucket.nodes)),
        ]
    }

    /// How long until the last job of a bucket starts again.
    fn quarantine_s(&self, bucket: &BucketMetrics) -> f64 {
        let jobs = self.jobs.iter();
        let of_bucket = jobs.filter(|job| self.bucket_of(&job.name) == bucket.bucket);
        let from_ms = of_bucket.map(|job| self.outlook.of(&job.name).claims_from_ms);
        let left_ms = from_ms.max().unwrap_or_default() - bucket.cluster.now_ms();
        left_ms.max(0) as f64 / 1e3
    }
}

fn runs(groups: &[Group<'_>]) -> Vec<MetricFamily> {
    let (mut runs, mut durations, mut latenesses) = (Vec::new(), Vec::new(), Vec::new());
    for group in groups {
        for (index, outcome) in OUTCOMES.iter().enumerate() {
            let outcome = ("outcome", Cow::from(outcome.as_str()));
            for (place, cause) in CAUSES.iter().enumerate() {
                let count = |now: &JobNow<'_>| now.job.metrics.runs_with(place, index);
                let labels = vec![job(group), outcome.clone(), ("cause", (*cause).into())];
                runs.push(number(
                    labels,
                    group.jobs.iter().map(count).sum::<u64>() as f64,
                ));
            }
            let counted = merged(group, |metrics| metrics.durations_with(index));
            let labels = vec![job(group), outcome];
            durations.push(lazy_histogram(labels, &DURATIONS, counted));
        }
        let counted = merged(group, JobMetrics::latenesses);
        latenesses.push(histogram(vec![job(group)], &LATENESSES, counted));
    }
    vec![
        catalog::RUNS.with(runs),
        catalog::RUN_DURATION.with(durations),
        catalog::RUN_LATENESS.with(latenesses),
    ]
}

fn merged(group: &Group<'_>, of: impl Fn(&JobMetrics) -> Option<Counted>) -> Counted {
    let counted = group.jobs.iter().filter_map(|now| of(&now.job.metrics));
    counted.fold(Counted::default(), Counted::and)
}

fn ticks(groups: &[Group<'_>], missed_in_gone: u64) -> Vec<MetricFamily> {
    let (mut missed, mut skipped) = (Vec::new(), Vec::new());
    // Jobs that are gone are none of the node's, and may be any number.
    let gone = vec![(JOB_NAME, OTHER_JOBS.into()), ("reason", JOB_GONE.into())];
    missed.push(number(gone, missed_in_gone as f64));
    for group in groups {
        let sum = |count: &dyn Fn(&JobMetrics) -> u64| {
            let counts = group.jobs.iter().map(|now| count(&now.job.metrics));
            counts.sum::<u64>() as f64
        };
        for (index, reason) in MISSED_REASONS.iter().enumerate() {
            let labels = vec![job(group), ("reason", (*reason).into())];
            missed.push(number(labels, sum(&|metrics| metrics.missed_for(index))));
        }
        for (index, reason) in SKIP_REASONS.iter().enumerate() {
            let labels = vec![job(group), ("reason", reason.as_str().into())];
            skipped.push(number(labels, sum(&|metrics| metrics.skipped_for(index))));
        }
    }
    vec![
        catalog::TICKS_MISSED.with(missed),
        catalog::TICKS_SKIPPED.with(skipped),
    ]
}

/// Gauges of jobs. Of those that are folded, counts are added, and of instants and ages the one shows that worries
/// most.
fn gauges(groups: &[Group<'_>]) -> Vec<MetricFamily> {
    type Fold = fn(f64, f64) -> f64;
    const SUM: Fold = |all, one| all + one;
    // Jobs without a next tick do not hide that of the others.
    const EARLIEST: Fold = |all, one| match all > 0.0 && one > 0.0 {
        true => all.min(one),
        false => all.max(one),
    };
    let gauge = |definition: Definition, fold: Fold, value: fn(&JobNow<'_>) -> f64| {
        let sample = |group: &Group<'_>| {
            let value = group.jobs.iter().map(value).reduce(fold);
            number(vec![job(group)], value.unwrap_or_default())
        };
        definition.with(groups.iter().map(sample).collect())
    };
    vec![
        gauge(catalog::RUNS_ACTIVE, SUM, |now| now.active as f64),
        gauge(catalog::RUN_AGE, f64::max, |now| seconds(now.age_ms)),
        gauge(catalog::LAST_SUCCESS, f64::min, |now| {
            seconds(now.job.metrics.last_success_ms())
        }),
        gauge(catalog::LAST_RUN, f64::min, |now| {
            seconds(now.job.metrics.last_run_ms())
        }),
        gauge(catalog::NEXT_TICK, EARLIEST, |now| {
            seconds(now.next_tick_ms)
        }),
        gauge(catalog::PAUSED, SUM, |now| {
            f64::from(now.job.metrics.is_paused())
        }),
        gauge(catalog::FAILURES, f64::max, |now| {
            f64::from(now.job.metrics.consecutive_failures())
        }),
        gauge(catalog::WAITING, SUM, |now| {
            f64::from(now.job.metrics.waiting())
        }),
    ]
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1e3
}

fn job(group: &Group<'_>) -> (&'static str, Cow<'static, str>) {
    (JOB_NAME, group.label.clone().into())
}

pub(super) fn number(labels: Labels, value: f64) -> MetricSample {
    MetricSample {
        labels,
        value: MetricValue::Number(value),
    }
}

/// A histogram with all of its buckets from the start: a quantile over a rate needs the 0 of each. A bucket that
/// appeared with its first count would have no increase, while the one without limit has.
fn histogram(labels: Labels, bounds: &Bounds, counted: Counted) -> MetricSample {
    let mut within = 0;
    let cumulative = bounds.iter().zip(counted.counts).map(|(bound, count)| {
        within += count;
        (*bound, within)
    });
    let buckets = cumulative.collect();
    MetricSample {
        labels,
        value: MetricValue::Histogram {
            buckets,
            count: within + counted.counts[BOUNDS],
            sum: counted.sum_us as f64 / 1e6,
        },
    }
}

/// The same, with the bucket without limit alone if nothing was counted: most outcomes never happen to most jobs.
fn lazy_histogram(labels: Labels, bounds: &Bounds, counted: Counted) -> MetricSample {
    match counted.counts.iter().all(|count| *count == 0) {
        true => histogram_of_nothing(labels),
        false => histogram(labels, bounds, counted),
    }
}

fn histogram_of_nothing(labels: Labels) -> MetricSample {
    MetricSample {
        labels,
        value: MetricValue::Histogram {
            buckets: Vec::new(),
            count: 0,
            sum: 0.0,
        },
    }
}
