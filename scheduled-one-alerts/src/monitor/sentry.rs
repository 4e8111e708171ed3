//! Sentry Crons: check-ins, as envelopes.

use std::fmt;
use std::time::Duration;

use hyper::{Method, Uri};
use scheduled_one_protocol::BoxFuture;
use serde_json::{Value, json};

use super::pace::Pace;
use super::{Monitor, MonitorSchedule, RunEnd, RunInfo, persist, slug};
use crate::alert::instant;
use crate::channel::DeliveryError;
use crate::channel::reply::Receiver;
use crate::http::{Http, Request, place};
use crate::secret::{Secret, SecretError};

const DSN: &str = "the DSN of Sentry";

/// Check-ins of [Sentry Crons](https://docs.sentry.io/product/crons/): `in_progress` when a run starts, `ok` or `error`
/// when it has ended. The first makes the monitor, if its schedule is one that Sentry knows: five fields of cron, or
/// whole minutes. Another schedule leaves the monitor's as it is.
///
/// Of a job that runs more than once a minute, one run a minute is reported, and each change between success and
/// failure.
///
/// ```
/// use scheduled_one_alerts::{Secret, SentryCrons};
/// use std::time::Duration;
///
/// let monitor = SentryCrons::dsn(Secret::env("SENTRY_DSN"))
///     .environment("production")
///     .max_runtime(Duration::from_secs(3600));
/// # let _ = monitor;
/// ```
pub struct SentryCrons {
    dsn: Secret,
    environment: Option<String>,
    margin: Option<Duration>,
    max_runtime: Option<Duration>,
    prefix: String,
    http: Http,
    pace: Pace,
}

/// What is in a DSN: `https://<key>@<host>/<path>/<project>`.
struct Dsn {
    envelopes: Uri,
    key: String,
}

impl SentryCrons {
    /// The project with this DSN.
    pub fn dsn(dsn: impl Into<Secret>) -> Self {
        SentryCrons {
            dsn: dsn.into(),
            environment: None,
            margin: None,
            max_runtime: None,
            prefix: String::new(),
            http: Http::new(),
            pace: Pace::default(),
        }
    }

    /// The environment: `production`, if Sentry is left the choice.
    #[must_use]
    pub fn environment(mut self, name: impl Into<String>) -> Self {
        self.environment = Some(name.into());
        self
    }

    /// How late a check-in may be before Sentry takes it for missed, in whole minutes.
    #[must_use]
    pub fn margin(mut self, time: Duration) -> Self {
        self.margin = Some(time);
        self
    }

    /// How long a run may take before Sentry takes it for failed, in whole minutes.
    #[must_use]
    pub fn max_runtime(mut self, time: Duration) -> Self {
        self.max_runtime = Some(time);
        self
    }

    /// What stands before the job in slugs: `shop-`, where several namespaces share a project.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// How to speak HTTP.
    #[must_use]
    pub fn http(mut self, http: Http) -> Self {
        self.http = http;
        self
    }

    async fn parts(&self) -> Result<Dsn, SecretError> {
        let text = self.dsn.read(DSN).await?;
        parse(&text).ok_or_else(|| {
            let why = "is none: write https://<key>@<host>/<project>".to_owned();
            self.dsn.error(DSN, why)
        })
    }

    async fn send(&self, check_in: &Value, now_ms: i64) -> Result<(), DeliveryError> {
        let dsn = self.parts().await?;
        let auth = format!(
            "Sentry sentry_version=7, sentry_client=scheduled-one/{}, sentry_key={}",
            env!("CARGO_PKG_VERSION"),
            dsn.key
        );
        let item = check_in.to_string();
        let head = json!({"sent_at": instant(now_ms, None)});
        let about = json!({"type": "check_in", "length": item.len()});
        let request = Request {
            method: Method::POST,
            uri: &dsn.envelopes,
            content_type: "application/x-sentry-envelope",
            headers: vec![("x-sentry-auth", auth)],
            body: format!("{head}\n{about}\n{item}\n").into_bytes(),
        };
        let receiver = Receiver {
            uri: &dsn.envelopes,
            secrets: &[&dsn.key],
            now_ms,
        };
        receiver.judge(self.http.send(request).await?).map(drop)
    }

    fn check_in(&self, run: &RunInfo, status: &str, took_ms: Option<i64>) -> Value {
        let mut check_in = json!({
            "check_in_id": run.id().replace('-', ""),
            "monitor_slug": slug(&self.prefix, &run.job),
            "status": status,
        });
        if let Some(took_ms) = took_ms {
            check_in["duration"] = Value::from(took_ms as f64 / 1000.0);
        }
        if let Some(environment) = &self.environment {
            check_in["environment"] = Value::from(environment.as_str());
        }
        if let Some(config) = self.config(run) {
            check_in["monitor_config"] = config;
        }
        check_in
    }

    /// How Sentry is to watch the job; none for a schedule that it does not know.
    fn config(&self, run: &RunInfo) -> Option<Value> {
        let schedule = match &run.schedule {
            MonitorSchedule::Crontab(fields) => json!({"type": "crontab", "value": fields}),
            MonitorSchedule::Minutes(minutes) => {
                json!({"type": "interval", "value": minutes, "unit": "minute"})
            }
            MonitorSchedule::Other => return None,
        };
        let mut config = json!({"schedule": schedule, "timezone": run.zone});
        let minutes = |time: Duration| time.as_secs().div_ceil(60).max(1);
        if let Some(margin) = self.margin {
            config["checkin_margin"] = Value::from(minutes(margin));
        }
        if let Some(time) = self.max_runtime {
            config["max_runtime"] = Value::from(minutes(time));
        }
        Some(config)
    }
}

fn parse(text: &str) -> Option<Dsn> {
    let uri: Uri = text.parse().ok()?;
    let (login, _) = uri.authority()?.as_str().rsplit_once('@')?;
    let key = login.split(':').next()?.to_owned();
    let (path, project) = uri.path().rsplit_once('/')?;
    let is_project = !project.is_empty() && project.bytes().all(|byte| byte.is_ascii_digit());
    let scheme = uri.scheme_str()?;
    let envelopes = format!("{scheme}://{}{path}/api/{project}/envelope/", place(&uri));
    let is_dsn = is_project && !key.is_empty() && matches!(scheme, "http" | "https");
    is_dsn.then_some(Dsn {
        envelopes: envelopes.parse().ok()?,
        key,
    })
}

impl Monitor for SentryCrons {
    fn name(&self) -> &str {
        "sentry"
    }

    fn learns_schedules(&self) -> bool {
        true
    }

    fn check(&self) -> BoxFuture<'_, Result<(), SecretError>> {
        Box::pin(async { self.parts().await.map(drop) })
    }

    fn started<'a>(&'a self, run: &'a RunInfo) -> BoxFuture<'a, Result<(), DeliveryError>> {
        Box::pin(async move {
            let (tick_ms, started_ms) = (run.tick_ms, run.started_ms);
            if !self.pace.start(&run.job, &run.id(), tick_ms, started_ms) {
                return Ok(());
            }
            let check_in = self.check_in(run, "in_progress", None);
            persist(|| self.send(&check_in, run.started_ms)).await
        })
    }

    fn ended<'a>(
        &'a self,
        run: &'a RunInfo,
        end: &'a RunEnd,
    ) -> BoxFuture<'a, Result<(), DeliveryError>> {
        Box::pin(async move {
            let Some(failed) = end.failed() else {
                return Ok(());
            };
            if !self.pace.end(&run.job, &run.id(), end.ended_ms, failed) {
                return Ok(());
            }
            let status = if failed { "error" } else { "ok" };
            let took_ms = (end.ended_ms - run.started_ms).max(0);
            let check_in = self.check_in(run, status, Some(took_ms));
            persist(|| self.send(&check_in, end.ended_ms)).await
        })
    }
}

impl fmt::Debug for SentryCrons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SentryCrons")
            .field("dsn", &self.dsn)
            .field("environment", &self.environment)
            .finish_non_exhaustive()
    }
}
