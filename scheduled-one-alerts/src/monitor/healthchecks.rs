//! Healthchecks, at hc-ping.com or of one's own.

use std::fmt;

use hyper::{Method, Uri};
use scheduled_one_protocol::BoxFuture;

use super::pace::Pace;
use super::{Monitor, RunEnd, RunInfo, persist, slug};
use crate::channel::DeliveryError;
use crate::channel::reply::Receiver;
use crate::http::{Http, Request};
use crate::secret::{Secret, SecretError};

/// The longest body of a ping, in bytes: what the smallest plan takes.
const MAX_BODY: usize = 10_000;

const KEY: &str = "the ping key of Healthchecks";

/// Pings of [Healthchecks](https://healthchecks.io): `<address>/<ping key>/<job>/start` when a run starts, and without
/// `/start`, or with `/fail` and the error, when it has ended. `rid` pairs the two.
/// The job is the slug of the check: in small letters, and with a digest where it has other characters.
///
/// Of a job that runs more than once a minute, one run a minute is reported, and each change between success and
/// failure.
///
/// ```
/// use scheduled_one_alerts::{Healthchecks, Secret};
///
/// let monitor = Healthchecks::new(Secret::env("HC_PING_KEY")).create();
/// # let _ = monitor;
/// ```
pub struct Healthchecks {
    address: Secret,
    key: Secret,
    create: bool,
    prefix: String,
    http: Http,
    pace: Pace,
}

impl Healthchecks {
    /// The project with this ping key, at hc-ping.com.
    pub fn new(ping_key: impl Into<Secret>) -> Self {
        Healthchecks {
            address: Secret::from("https://hc-ping.com"),
            key: ping_key.into(),
            create: false,
            prefix: String::new(),
            http: Http::new(),
            pace: Pace::default(),
        }
    }

    /// Another server: the address before the ping key, such as `https://hc.example/ping`.
    #[must_use]
    pub fn address(mut self, address: impl Into<Secret>) -> Self {
        self.address = address.into();
        self
    }

    /// A check that does not exist is made, with a period of a day: set its schedule there.
    #[must_use]
    pub fn create(mut self) -> Self {
        self.create = true;
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

    async fn ping(
        &self,
        run: &RunInfo,
        suffix: &str,
        body: &str,
        now_ms: i64,
    ) -> Result<(), DeliveryError> {
        let base = self.address.read_uri("the address of Healthchecks").await?;
        let key = self.key.read(KEY).await?;
        let create = if self.create { "&create=1" } else { "" };
        let (slug, id) = (slug(&self.prefix, &run.job), run.id());
        let base_path = base.path().trim_end_matches('/');
        let path = format!("{base_path}/{key}/{slug}{suffix}?rid={id}{create}");
        let mut parts = base.into_parts();
        let why = "has characters that no address can have".to_owned();
        let path = path.parse().map_err(|_| self.key.error(KEY, why))?;
        parts.path_and_query = Some(path);
        let uri = Uri::from_parts(parts).map_err(|it| DeliveryError::Refused(it.to_string()))?;
        let end = (0..=MAX_BODY.min(body.len())).rfind(|at| body.is_char_boundary(*at));
        let body = &body[..end.unwrap_or_default()];
        let request = Request {
            method: Method::POST,
            uri: &uri,
            content_type: "text/plain; charset=utf-8",
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        };
        let receiver = Receiver {
            uri: &uri,
            secrets: &[&key],
            now_ms,
        };
        let reply = receiver.judge(self.http.send(request).await?)?;
        // Healthchecks says these with a status of 200.
        match &*reply.body {
            said if said.contains("not found") => Err(DeliveryError::Refused(
                "Healthchecks has no such check: make it, or use `create`".to_owned(),
            )),
            said if said.contains("rate limited") => Err(DeliveryError::Refused(
                "Healthchecks takes no more pings of this check for now".to_owned(),
            )),
            _ => Ok(()),
        }
    }
}

impl Monitor for Healthchecks {
    fn name(&self) -> &str {
        "healthchecks"
    }

    fn check(&self) -> BoxFuture<'_, Result<(), SecretError>> {
        Box::pin(async {
            self.address.read_uri("the address of Healthchecks").await?;
            self.key.read(KEY).await.map(drop)
        })
    }

    fn started<'a>(&'a self, run: &'a RunInfo) -> BoxFuture<'a, Result<(), DeliveryError>> {
        Box::pin(async move {
            let (tick_ms, started_ms) = (run.tick_ms, run.started_ms);
            if !self.pace.start(&run.job, &run.id(), tick_ms, started_ms) {
                return Ok(());
            }
            persist(|| self.ping(run, "/start", "", run.started_ms)).await
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
            let (suffix, body) = match failed {
                true => ("/fail", format!("{}: {}", end.outcome, end.error)),
                false => ("", String::new()),
            };
            persist(|| self.ping(run, suffix, &body, end.ended_ms)).await
        })
    }
}

impl fmt::Debug for Healthchecks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Healthchecks")
            .field("key", &self.key)
            .field("create", &self.create)
            .finish_non_exhaustive()
    }
}
