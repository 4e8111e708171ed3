//! The settings of a console, up to the point at which it has an access and is a service.

use std::fmt;
use std::sync::Arc;

use http::Uri;
use scheduled_one_control::Control;
use scheduled_one_protocol::clock::{Clock, SystemClock};

use crate::access::Access;
use crate::app::App;
use crate::gate::Gate;
use crate::routes::routes;
use crate::run_logs::RunLogs;
use crate::service::ConsoleService;

/// A console that is being set up. It is no service before [`access`](Self::access) was given.
///
/// ```
/// use scheduled_one_console::Console;
/// use scheduled_one_console::access::Unprotected;
/// use scheduled_one_control::Control;
///
/// fn app(control: Control) -> axum::Router {
///     let console = Console::new(control).access(Unprotected::on_loopback());
///     axum::Router::new().nest_service("/jobs", console)
/// }
/// ```
///
/// Without an access it does not compile:
///
/// ```compile_fail,E0277
/// # use scheduled_one_console::Console;
/// # use scheduled_one_control::Control;
/// fn app(control: Control) -> axum::Router {
///     axum::Router::new().nest_service("/jobs", Console::new(control))
/// }
/// ```
#[derive(Clone)]
#[must_use = "it is a service once it has an access"]
pub struct Console {
    control: Control,
    name: String,
    public_url: Option<Uri>,
    hosts: Vec<String>,
    clock: Arc<dyn Clock>,
    run_logs: Option<RunLogs>,
}

impl Console {
    /// A console of the jobs that this handle controls.
    pub fn new(control: Control) -> Self {
        Console {
            control,
            name: String::new(),
            public_url: None,
            hosts: Vec::new(),
            clock: Arc::new(SystemClock),
            run_logs: None,
        }
    }

    /// What the head of each page calls the cluster, such as `"orders, production"`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The address under which people reach the console, if a proxy changes `Host` or removes a part of the path:
    /// `"https://ops.example/jobs".parse()?`.
    pub fn public_url(mut self, url: Uri) -> Self {
        self.public_url = Some(url);
        self
    }

    /// A name under which the console answers, without a port; each call adds one. Without any, it answers under all
    /// names, as a service behind a router does that looks at `Host` itself. A console on a port of its own should
    /// have them, against DNS rebinding.
    pub fn host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into());
        self
    }

    /// What the runs of this process log, for their pages.
    pub fn run_logs(mut self, logs: RunLogs) -> Self {
        self.run_logs = Some(logs);
        self
    }

    /// Another wall clock than that of the machine, from which "2 min ago" is counted: for tests.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Who may see the console and do what there; with it, the console is a service.
    pub fn access(self, access: impl Access) -> ConsoleService {
        let gate = Gate {
            control: self.control.clone(),
            access: Box::new(access),
            public_url: self.public_url,
            hosts: self.hosts,
        };
        let app = App::new(self.control, self.name, self.clock, self.run_logs);
        ConsoleService::new(routes(Arc::new(app), Arc::new(gate)))
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console")
            .field("name", &self.name)
            .field("public_url", &self.public_url)
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}
