//! Two nodes on an embedded store, and what the rows have in common.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use scheduled_one_runtime::control::Control;
use scheduled_one_runtime::{Job, JobContext, Outcome, Params, Scheduler};
use serde::Deserialize;
use tokio::time::{sleep, timeout};

/// How long things that must happen may take to happen.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long runs may take to finish when a node is shut down.
pub(crate) const GRACE: Duration = Duration::from_secs(4);

/// The store of all nodes.
pub(crate) const STORE: &str = "memory://control-example";

/// The parameters of the job `import`.
#[derive(Debug, Default, Deserialize)]
struct Import {
    customer: Option<u64>,
}

/// The cluster that is operated.
pub(crate) struct World {
    pub(crate) control: Control,
    nodes: Vec<Scheduler>,
    /// Which customers were imported.
    imported: Arc<Mutex<Vec<u64>>>,
}

impl World {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let imported = Arc::default();
        let nodes = vec![node("A", &imported).await?, node("B", &imported).await?];
        let control = nodes[0].control()?;
        until("the jobs are known", async || {
            let jobs = control.jobs().await?;
            Ok(jobs.iter().filter(|job| job.nodes == 2).count() == 4)
        })
        .await?;
        Ok(World {
            control,
            nodes,
            imported,
        })
    }

    pub(crate) fn imported(&self) -> Vec<u64> {
        let imported = self.imported.lock();
        imported.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many ticks of a job ended ok by now.
    pub(crate) async fn ok(&self, job: &str) -> anyhow::Result<usize> {
        let lines = self.control.history(job, 1_000).await?;
        Ok(lines
            .iter()
            .filter(|line| line.outcome == Outcome::Ok && line.cause.is_none())
            .count())
    }

    /// All nodes are down for a while.
    pub(crate) async fn outage(&mut self, length: Duration) -> anyhow::Result<()> {
        self.stop().await;
        sleep(length).await;
        for name in ["A", "B"] {
            self.nodes.push(node(name, &self.imported).await?);
        }
        Ok(())
    }

    pub(crate) async fn stop(&mut self) {
        for node in self.nodes.drain(..) {
            node.shutdown(GRACE).await;
        }
    }
}

async fn node(name: &str, imported: &Arc<Mutex<Vec<u64>>>) -> anyhow::Result<Scheduler> {
    let imported = Arc::clone(imported);
    let second = Duration::from_secs(1);
    let jobs = [
        Job::every("report", second, |_: JobContext| async {}).group("billing"),
        Job::every("slow", 3_600 * second, |ctx: JobContext| async move {
            ctx.cancelled().await;
        }),
        Job::every("invoice", second, |_: JobContext| async {}).group("billing"),
        Job::manual("import", move |Params(import): Params<Import>| {
            let mut imported = imported.lock().unwrap_or_else(PoisonError::into_inner);
            imported.extend(import.customer);
            async {}
        }),
    ];
    let builder = Scheduler::builder(STORE)
        .node_name(name)
        .lease(second)
        .only(["report", "slow", "invoice", "import"]);
    let builder = jobs
        .into_iter()
        .fold(builder, |builder, job| builder.job(job));
    Ok(Box::pin(builder.start()).await?)
}

/// Waits until something is so.
pub(crate) async fn until<F: Future<Output = anyhow::Result<bool>>>(
    what: &str,
    is_so: impl Fn() -> F,
) -> anyhow::Result<()> {
    let looks = async {
        while !is_so().await? {
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    };
    match timeout(PATIENCE, looks).await {
        Ok(waited) => waited,
        Err(_) => anyhow::bail!("not within {PATIENCE:?}: {what}"),
    }
}

/// One thing that can be done, and what came of it.
pub(crate) struct Row {
    title: &'static str,
    asked: Vec<String>,
    statements: Vec<(bool, String)>,
}

impl Row {
    pub(crate) fn new(title: &'static str) -> Self {
        Row {
            title,
            asked: Vec::new(),
            statements: Vec::new(),
        }
    }

    /// What was asked for, as code.
    pub(crate) fn asks(&mut self, code: impl Into<String>) -> &mut Self {
        self.asked.push(code.into());
        self
    }

    pub(crate) fn states(&mut self, is_true: bool, statement: impl Into<String>) -> &mut Self {
        self.statements.push((is_true, statement.into()));
        self
    }

    pub(crate) fn is_good(&self) -> bool {
        self.statements.iter().all(|(is_true, _)| *is_true)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n== {} ==", self.title)?;
        for code in &self.asked {
            writeln!(f, "   {code}")?;
        }
        for (is_true, statement) in &self.statements {
            let mark = if *is_true { '✓' } else { '✗' };
            writeln!(f, " {mark} {statement}")?;
        }
        Ok(())
    }
}
