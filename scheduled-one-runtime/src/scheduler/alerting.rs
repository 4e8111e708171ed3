//! The internal job that evaluates alerts: claimed like any other, so one node does it at a time. What it leaves for
//! the next evaluation is the checkpoint of its unit, which only the newest run writes.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use scheduled_one_alerts::{AlertState, Alerts, Keeper, SourceError};
use scheduled_one_protocol::message::{Checkpoint, CheckpointRequest, Checkpointed};
use scheduled_one_protocol::{BoxFuture, FencingToken, Store, UnitName};
use scheduled_one_schedule::policy::Scope;

use crate::compiled_job::CompiledJob;
use crate::context::JobContext;
use crate::error::Error;
use crate::event;
use crate::handler::BoxError;
use crate::job::Job;
use crate::metrics::Metrics;
use crate::metrics::labels::Op;
use crate::scheduler::alert_source::AlertSource;
use crate::scheduler::bucket_worker::BucketWorker;
use crate::scheduler::builder::SchedulerBuilder;
use crate::scheduler::control_of;
use crate::scheduler::monitoring::Monitoring;
use crate::scheduler::node_shared::NodeShared;
use crate::store_client::StoreClient;

/// The name of the internal job.
pub(crate) const ALERTS_JOB: &str = "$alerts";

/// The name of the internal job that reads what the other one left, on each node.
const COPY_JOB: &str = "$alerts-copy";

/// How many evaluations go by between two copies.
const EVALUATIONS_PER_COPY: u32 = 6;

/// What makes the rules of jobs count.
const WAY_OUT: &str = "add `.alerts(Alerts::new(Rules::default()).notify(…))` to the builder of this scheduler, or of \
                       another one of the namespace";

/// What the internal job works with.
pub(super) struct Alerting {
    alerts: Alerts,
    /// Set when the scheduler runs; gone when it is dropped.
    source: OnceLock<Weak<AlertSource>>,
    /// The last state that this node read or wrote: a store that was emptied has it back from here.
    seen: Mutex<Option<String>>,
}

/// Who looks at the runs of a scheduler, as far as the builder was given any.
pub(super) struct Observers {
    alerting: Option<Arc<Alerting>>,
    pub(super) monitoring: Option<Arc<Monitoring>>,
}

impl SchedulerBuilder {
    /// Evaluates rules over all jobs of the namespace, and sends what they find over channels: see
    /// [docs/alerts.md](https://github.com/scheduled-one/scheduled-one/blob/main/docs/alerts.md).
    ///
    /// A job of the scheduler's own, `$alerts`, does it every ten seconds on one of the nodes that were given alerts;
    /// give all of them the same. The namespace of the rules is that of the scheduler.
    ///
    /// At start the rules are checked and secrets are read; a mistake is [`Error::Setting`].
    ///
    /// ```
    /// use scheduled_one_runtime::alerts::{Alerts, JobRules, Rules, Secret, Webhook};
    /// use scheduled_one_runtime::Scheduler;
    ///
    /// let hook = Webhook::new("https://ops.example/jobs").secret(Secret::env("WEBHOOK_SECRET"));
    /// let rules = Rules::default().all_jobs(JobRules::new().failed(2));
    /// let builder = Scheduler::builder("memory://").alerts(Alerts::new(rules).notify(hook));
    /// # let _ = builder;
    /// ```
    pub fn alerts(mut self, alerts: Alerts) -> Self {
        self.alerts = Some(alerts);
        self
    }

    /// What alerts are made of, for this scheduler, which runs now.
    pub(super) async fn alert_source(
        &self,
        workers: &[BucketWorker],
        stores: &[Arc<dyn Store>],
        jobs: &[Arc<CompiledJob>],
        shared: &NodeShared,
        observers: &Observers,
    ) -> Result<Arc<AlertSource>, Error> {
        let control = control_of(stores, &self.calendars)?;
        let (workers, stores) = (workers.to_vec(), stores.to_vec());
        let source = AlertSource::new(
            workers,
            stores,
            jobs,
            shared.outlook.clone(),
            control,
            shared.zones.clone(),
        );
        let source = Arc::new(source);
        if let Some(alerting) = &observers.alerting {
            alerting.count_in(&shared.metrics);
        }
        if let Some(monitoring) = &observers.monitoring {
            shared.metrics.add_monitors(monitoring.metrics());
        }
        source.begin(observers.alerting.as_deref()).await;
        Ok(source)
    }

    /// Checks alerts and monitors, and makes what is needed for them.
    pub(super) async fn add_observers(&mut self) -> Result<Observers, Error> {
        Ok(Observers {
            alerting: self.add_alerting().await?,
            monitoring: self.add_monitoring().await?,
        })
    }

    /// Checks the alerts, and adds the internal job.
    async fn add_alerting(&mut self) -> Result<Option<Arc<Alerting>>, Error> {
        let Some(alerts) = self.alerts.take() else {
            return Ok(None);
        };
        alerts.check().await.map_err(|error| Error::Setting {
            setting: "alerts",
            message: error.to_string(),
        })?;
        let every = alerts.period();
        let alerting = Arc::new(Alerting {
            alerts: alerts.with_namespace(&self.namespace),
            source: OnceLock::new(),
            seen: Mutex::default(),
        });
        let (job, copy) = (Arc::clone(&alerting), Arc::clone(&alerting));
        self.jobs
            .internal
            .push(Job::internal(ALERTS_JOB, every, move |ctx: JobContext| {
                let alerting = Arc::clone(&job);
                async move { alerting.run(&ctx).await }
            }));
        let copy = Job::internal(COPY_JOB, every * EVALUATIONS_PER_COPY, move || {
            let alerting = Arc::clone(&copy);
            async move { alerting.copy().await }
        });
        self.jobs.internal.push(copy.scope(Scope::EveryNode));
        Ok(Some(alerting))
    }
}

impl AlertSource {
    /// The scheduler runs. Without alerts of its own, it warns of rules that no node evaluates.
    async fn begin(self: &Arc<Self>, alerting: Option<&Alerting>) {
        if let Some(alerting) = alerting {
            return alerting.begin(self);
        }
        // A node with alerts left what it found, if there ever was one in this namespace.
        if !self.declared.is_empty() && !matches!(self.control.alerts().await, Ok(Some(_))) {
            event::rules_without_effect(self.declared.keys(), WAY_OUT);
        }
    }
}

impl Alerting {
    /// The scheduler runs.
    fn begin(&self, source: &Arc<AlertSource>) {
        source.read_every(self.alerts.period());
        let _ = self.source.set(Arc::downgrade(source));
    }

    /// What fires, and what becomes of messages, is counted there from now on.
    fn count_in(&self, metrics: &Metrics) {
        metrics.add_alerts(self.alerts.channels());
    }

    /// One run: an evaluation, or a message over the channel that a request names with `{"test": "…"}`.
    async fn run(&self, ctx: &JobContext) -> Result<(), BoxError> {
        let text = ctx.parameters();
        if text.is_empty() {
            return self.turn(FencingToken(ctx.fencing_token())).await;
        }
        let wanted: serde_json::Value = serde_json::from_str(text)?;
        let channel = wanted.get("test").and_then(serde_json::Value::as_str);
        let channel =
            channel.ok_or("a request for a run of this job has the parameter `test`, a channel")?;
        let source = self.source.get().and_then(Weak::upgrade);
        let source = source.ok_or("the scheduler starts or stops; try again")?;
        let now_ms = source.worker(ALERTS_JOB).map_or(0, BucketWorker::now_ms);
        Ok(self.alerts.test(channel, now_ms).await?)
    }

    /// Reads the state, so that any node can give it back to a store that was emptied.
    async fn copy(&self) -> Result<(), BoxError> {
        let Some(source) = self.source.get().and_then(Weak::upgrade) else {
            return Ok(());
        };
        let Some(worker) = source.worker(ALERTS_JOB) else {
            return Ok(());
        };
        let keeper = self.keeper(&worker.client, FencingToken::default());
        if let (Some(json), Some(metrics)) = (keeper.load().await?, worker.client.metrics.alerts())
        {
            metrics.fires(&AlertState::from_json(&json)?.firing_by_rule());
        }
        Ok(())
    }

    fn keeper<'a>(&'a self, client: &'a StoreClient, token: FencingToken) -> RunKeeper<'a> {
        RunKeeper {
            client,
            token,
            seen: &self.seen,
        }
    }

    /// One evaluation, in a run with this fencing token.
    async fn turn(&self, token: FencingToken) -> Result<(), BoxError> {
        // A run may begin while the scheduler still starts, or is being dropped.
        let Some(source) = self.source.get().and_then(Weak::upgrade) else {
            return Ok(());
        };
        let worker = source.worker(ALERTS_JOB);
        let worker = worker.ok_or("this node does not work in the bucket of its own job")?;
        let keeper = self.keeper(&worker.client, token);
        let report = self.alerts.run_once(&*source, &keeper).await?;
        for alert in &report.alerts {
            event::alerts::alert(alert);
        }
        let metrics = worker.client.metrics.alerts();
        for delivery in &report.deliveries {
            event::alerts::delivery(delivery);
            if let Some(metrics) = metrics {
                metrics.delivered(delivery);
            }
        }
        if let Some(metrics) = metrics {
            metrics.fires(&report.firing);
            metrics.evaluated(report.at_ms);
        }
        Ok(())
    }
}

/// Keeps the state as the checkpoint of the internal job.
struct RunKeeper<'a> {
    client: &'a StoreClient,
    token: FencingToken,
    seen: &'a Mutex<Option<String>>,
}

impl RunKeeper<'_> {
    async fn request(&self, write: Option<Checkpoint>) -> Result<Checkpointed, SourceError> {
        let request = CheckpointRequest {
            unit: UnitName::new(ALERTS_JOB, 0),
            write,
        };
        let reply = self.client.request(Op::Checkpoint, |store, caller| {
            store.checkpoint(caller, &request)
        });
        Ok(reply.await?.body)
    }

    fn saw(&self, json: Option<String>) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = json;
    }
}

impl Keeper for RunKeeper<'_> {
    fn load(&self) -> BoxFuture<'_, Result<Option<String>, SourceError>> {
        Box::pin(async {
            let stored = match self.request(None).await? {
                Checkpointed::Found(found) => found.map(|found| found.text),
                Checkpointed::Written | Checkpointed::Superseded => None,
            };
            let seen = self
                .seen
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            let read =
                |text: Option<String>| text.map(|text| AlertState::from_json(&text)).transpose();
            let newest =
                AlertState::newest(read(stored)?, read(seen)?).map(|state| state.to_json());
            self.saw(newest.clone());
            Ok(newest)
        })
    }

    fn save<'a>(&'a self, json: &'a str, _before: u64) -> BoxFuture<'a, Result<(), SourceError>> {
        Box::pin(async move {
            let write = Checkpoint {
                token: self.token,
                text: json.to_owned(),
            };
            match self.request(Some(write)).await? {
                Checkpointed::Written => {
                    self.saw(Some(json.to_owned()));
                    Ok(())
                }
                _ => Err("a later run of the job has gone on".into()),
            }
        })
    }
}
