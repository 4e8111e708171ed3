//! Random jobs with random policies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use scheduled_one_runtime::clock::Clock;
use scheduled_one_runtime::{
    Job, JobContext, Misfire, OnLeaseLost, OnNodeLoss, Overlap, RetryOn, Route, Scope,
};

use scheduled_one_testkit::checker::{Deadline, Event, EventKind};

use super::{Random, World};

/// The label of every other node. All jobs run on any node if none with the label can.
pub(crate) const LABEL: &str = "large";

/// How often a run shows that it is polled.
const POLL_EVERY: Duration = Duration::from_millis(100);

#[derive(Clone, Debug)]
pub(crate) struct JobPlan {
    pub(crate) name: String,
    pub(crate) every: Duration,
    pub(crate) overlap: Overlap,
    pub(crate) misfire: Misfire,
    pub(crate) catch_up: Duration,
    pub(crate) start_deadline: Duration,
    pub(crate) reruns: u32,
    pub(crate) retries: u32,
    pub(crate) retry_on: RetryOn,
    pub(crate) timeout: Option<Duration>,
    pub(crate) timeout_total: Option<Duration>,
    pub(crate) on_lease_lost: OnLeaseLost,
    pub(crate) enabled: bool,
    pub(crate) jitter: Duration,
    pub(crate) shards: u32,
    pub(crate) scope: Scope,
    pub(crate) route: Route,
    /// Whether nodes with [`LABEL`] come first.
    pub(crate) on_label: bool,
    pub(crate) lease: Duration,
    /// Longest run, in ms.
    pub(crate) longest_ms: u64,
    seed: u64,
}

/// Shows an event among those of the scheduler.
fn tracing_event(event: &Event) {
    tracing::debug!(target: "simulation", ?event);
}

impl JobPlan {
    pub(crate) fn random(index: usize, random: &mut Random) -> Self {
        let scope = match random.chance(10) {
            true => Scope::EveryNode,
            false => Scope::One,
        };
        let one = scope == Scope::One;
        let retries = if random.chance(30) {
            random.range(1, 3) as u32
        } else {
            0
        };
        let reruns = if one && random.chance(40) {
            random.range(1, 3) as u32
        } else {
            0
        };
        let timeout = random.chance(30).then(|| random.ms(300, 3_000));
        JobPlan {
            name: format!("job-{index}"),
            every: Duration::from_secs(random.range(1, 5)),
            overlap: match random.range(0, 6) {
                0 if one => Overlap::QueueOne,
                1 if one => Overlap::QueueAll(random.range(1, 5) as u32),
                2 if one => Overlap::CancelRunning,
                3 if one => Overlap::Allow(random.range(2, 4) as u32),
                _ => Overlap::Skip,
            },
            misfire: match random.range(0, 3) {
                0 if one => Misfire::RunOnce,
                1 if one => Misfire::RunAll,
                _ => Misfire::Skip,
            },
            catch_up: random.ms(2_000, 30_000),
            start_deadline: random.ms(1_500, 20_000),
            reruns,
            retries,
            retry_on: retry_on(random),
            timeout,
            timeout_total: (retries > 0 && random.chance(30)).then(|| random.ms(3_000, 6_000)),
            on_lease_lost: match one && reruns == 0 && random.chance(10) {
                true => OnLeaseLost::Finish,
                false => OnLeaseLost::Cancel,
            },
            enabled: random.chance(95),
            jitter: if random.chance(20) {
                random.ms(1, 2_000)
            } else {
                Duration::ZERO
            },
            shards: if one && random.chance(20) {
                random.range(2, 3) as u32
            } else {
                1
            },
            scope,
            route: [
                Route::Sticky,
                Route::Sticky,
                Route::Spread,
                Route::LeastLoaded,
                Route::Fastest,
            ][random.range(0, 4) as usize],
            on_label: random.chance(25),
            lease: random.ms(500, 4_000),
            longest_ms: [50, 800, 3_000, 7_000][random.range(0, 3) as usize],
            seed: random.next(),
        }
    }

    pub(crate) fn job(&self, world: World, dead: Arc<AtomicBool>) -> Job {
        let plan = self.clone();
        let job = Job::every(&self.name, self.every, move |ctx| {
            plan.clone().run(ctx, world.clone(), Arc::clone(&dead))
        });
        let mut job = job
            .start_deadline(self.start_deadline)
            .jitter(self.jitter)
            .retries(self.retries)
            .enabled(self.enabled)
            .scope(self.scope);
        if self.retries > 0 {
            job = job
                .backoff(Duration::from_millis(100), Duration::from_secs(1))
                .retry_on(self.retry_on);
            if let Some(timeout) = self.timeout_total {
                job = job.timeout_total(timeout);
            }
        }
        if let Some(timeout) = self.timeout {
            job = job.timeout(timeout);
        }
        if self.scope == Scope::EveryNode {
            return job;
        }
        if self.on_label {
            job = job.on([LABEL, "*"]);
        }
        if self.misfire != Misfire::Skip {
            job = job.catch_up(self.catch_up);
        }
        if self.reruns > 0 {
            job = job.on_node_loss(self.on_node_loss());
        }
        job.route(self.route)
            .overlap(self.overlap)
            .misfire(self.misfire)
            .on_lease_lost(self.on_lease_lost)
            .shards(self.shards)
            .lease(self.lease)
    }

    pub(crate) fn on_node_loss(&self) -> OnNodeLoss {
        match self.reruns {
            0 => OnNodeLoss::Record,
            most => OnNodeLoss::Rerun(most),
        }
    }

    async fn run(
        self,
        ctx: JobContext,
        world: World,
        dead: Arc<AtomicBool>,
    ) -> Result<(), &'static str> {
        let note = |kind| {
            if !dead.load(Ordering::Relaxed) {
                let event = self.event(kind, &ctx, &world);
                tracing_event(&event);
                world.note(event);
            }
        };
        note(EventKind::Start);
        let mut random = Random::new(
            self.seed ^ ctx.scheduled_at().as_millisecond() as u64 ^ u64::from(ctx.attempt()),
        );
        let polite = random.chance(50);
        let until = world.clock.boottime() + random.ms(0, self.longest_ms);
        while world.clock.boottime() < until {
            let pause = world.clock.sleep(POLL_EVERY);
            tokio::select! {
                biased;
                () = ctx.cancelled(), if polite => {
                    note(EventKind::Fail);
                    return Err("told to stop");
                }
                () = pause => note(EventKind::Poll),
            }
        }
        match random.range(0, 9) {
            0 | 1 => {
                note(EventKind::Fail);
                Err("no luck")
            }
            2 => {
                note(EventKind::Panic);
                std::panic::resume_unwind(Box::new("no nerves"))
            }
            _ => {
                note(EventKind::End);
                Ok(())
            }
        }
    }

    fn event(&self, kind: EventKind, ctx: &JobContext, world: &World) -> Event {
        let deadline_us = ctx.deadline().as_microsecond() + world.tick_offset_us();
        Event {
            kind,
            at_us: world.clock.boottime().as_micros() as u64,
            node: ctx.node().to_owned(),
            job: self.name.clone(),
            shard: ctx.shard().index,
            tick_ms: ctx.scheduled_at().as_millisecond(),
            attempt: ctx.attempt(),
            token: ctx.fencing_token(),
            coalesced: ctx.missed(),
            request: ctx.request_id().unwrap_or_default().to_owned(),
            deadline: deadline_us.try_into().ok().map(|at_us| Deadline {
                at_us,
                // The node's idea of the store's clock is off by a part of a round trip.
                uncertainty_us: 5_000,
            }),
            ..Event::default()
        }
    }
}

/// Which failures of a job are retried: most kinds, with most jobs.
fn retry_on(random: &mut Random) -> RetryOn {
    let mut retry_on = RetryOn::default();
    retry_on.error = random.chance(70);
    retry_on.panic = random.chance(70);
    retry_on.timeout = random.chance(70);
    retry_on
}
