//! What all requests share.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, header};
use maud::Markup;
use scheduled_one_control::{Action, Control, Error, JobSummary};
use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::{LedgerRecord, StoreError};
use tokio::task::JoinSet;

use crate::failure::{Failure, failed, is_api};
use crate::gate::Visitor;
use crate::live::Hub;
use crate::page::{self, Layout, Section};
use crate::run_logs::RunLogs;
use crate::text::millis;

/// Ledgers that are read at once.
const AT_ONCE: usize = 16;

/// The newest lines of a ledger, or why the store refuses to read it.
pub(crate) type Ledger = Result<Vec<LedgerRecord>, String>;

pub(crate) struct App {
    /// Not restricted: each visitor has one that is.
    control: Control,
    pub(crate) hub: Hub,
    name: String,
    clock: Arc<dyn Clock>,
    pub(crate) run_logs: Option<RunLogs>,
}

/// What a page shows, and where it belongs.
pub(crate) struct Shown {
    pub(crate) section: Section,
    pub(crate) title: String,
    /// The query of the events that the page follows; a page that does not change has none.
    pub(crate) follows: Option<String>,
    pub(crate) content: Markup,
}

impl App {
    pub(crate) fn new(
        control: Control,
        name: String,
        clock: Arc<dyn Clock>,
        run_logs: Option<RunLogs>,
    ) -> Self {
        App {
            hub: Hub::of(control.clone()),
            control,
            name,
            clock,
            run_logs,
        }
    }

    /// The handle that sees all, for what the streams of events compare with.
    pub(crate) fn unrestricted(&self) -> &Control {
        &self.control
    }

    pub(crate) fn now_ms(&self) -> i64 {
        millis(self.clock.wall())
    }

    /// The page, or the page that says why there is none; a page of a store that is away is loaded again by itself.
    pub(crate) fn answer(&self, visitor: &Visitor, shown: Result<Shown, Failure>) -> Response {
        match shown {
            Ok(shown) => Html(self.page(visitor, &shown)).into_response(),
            Err(failure) if failure.is_passing() => {
                let mut response = self.refuse(visitor, &failure);
                let headers = response.headers_mut();
                headers.insert(header::REFRESH, HeaderValue::from_static("5"));
                response
            }
            Err(failure) => self.refuse(visitor, &failure),
        }
    }

    /// The page that says why something cannot be shown or was not done.
    pub(crate) fn refuse(&self, visitor: &Visitor, failure: &Failure) -> Response {
        let shown = Shown {
            section: Section::Jobs,
            title: failure.title().to_owned(),
            // A page that follows the store shows this in its place, and goes on to follow.
            follows: failure.is_passing().then(String::new),
            content: page::error(visitor, failure, self.now_ms()),
        };
        (failure.status(), Html(self.page(visitor, &shown))).into_response()
    }

    fn page(&self, visitor: &Visitor, shown: &Shown) -> String {
        let layout = Layout {
            visitor,
            cluster: &self.name,
            section: shown.section,
            title: &shown.title,
            is_live: shown.follows.is_some(),
            events: shown.follows.as_deref().unwrap_or_default(),
            now_ms: self.now_ms(),
        };
        layout.page(shown.content.clone()).into_string()
    }

    /// The newest lines of each ledger. That the store refuses to read one is no reason not to show the others.
    pub(crate) async fn ledgers(
        &self,
        visitor: &Visitor,
        jobs: &[String],
        lines: usize,
    ) -> Result<BTreeMap<String, Ledger>, Failure> {
        let mut ledgers = BTreeMap::new();
        for batch in jobs.chunks(AT_ONCE) {
            let mut reads = JoinSet::new();
            for job in batch.iter().cloned() {
                let control = visitor.control.clone();
                reads.spawn(async move { (control.ledger(&job, lines).await, job) });
            }
            for (ledger, job) in reads.join_all().await {
                let ledger = match ledger {
                    Err(Error::Store(refused @ StoreError::Refused(_))) => Err(refused.to_string()),
                    ledger => Ok(ledger?),
                };
                ledgers.insert(job, ledger);
            }
        }
        Ok(ledgers)
    }
}

/// The middleware behind the gate: looks up the groups of jobs for a visitor whose rights depend on them. `Control`
/// would do so with each call.
pub(crate) async fn know_groups(State(app): Shared, mut request: Request, next: Next) -> Response {
    let visitor = request.extensions().get::<Visitor>().cloned();
    let Some(visitor) = visitor.filter(|visitor| visitor.user.rights.name_groups()) else {
        return next.run(request).await;
    };
    match app.control.jobs().await {
        Ok(jobs) => {
            let group = |job: JobSummary| Some((job.job, job.cataloged?.group?));
            let groups = jobs.into_iter().filter_map(group).collect();
            let rights = visitor.user.rights.of_groups(&groups);
            let visitor = visitor.with_rights(&app.control, rights);
            request.extensions_mut().insert(visitor);
            next.run(request).await
        }
        Err(error) if is_api(request.uri().path()) => failed(&error.into()),
        Err(error) => app.answer(&visitor, Err(error.into())),
    }
}

/// An error if the visitor may not do something with a job.
pub(crate) fn permit(visitor: &Visitor, action: Action, job: &str) -> Result<(), Failure> {
    match visitor.may(action, job) {
        true => Ok(()),
        false => Err(Failure::Forbidden {
            action,
            job: job.to_owned(),
        }),
    }
}

pub(crate) type Shared = State<Arc<App>>;
