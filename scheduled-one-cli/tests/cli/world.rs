//! A scheduler in this process, and the command as a process.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use scheduled_one_runtime::jiff::Timestamp;
use scheduled_one_runtime::{Job, JobContext, Params, Route, Scheduler, SchedulerBuilder};
use serde_json::Value;
use tempfile::TempDir;

const BOUND: Duration = Duration::from_secs(60);
/// A store that is away.
pub(crate) const AWAY: &str = "redis://127.0.0.1:1/";
/// A tick that comes in no test.
const NEW_YEAR: &str = "0 0 0 1 1 *";
/// What a job says that wants to command a terminal.
pub(crate) const HOSTILE: &str = "\u{1b}[2J\u{9b}31mgone\nwild\r\u{202e}";

pub(crate) struct World {
    _scheduler: Scheduler,
    pub(crate) url: String,
    _folder: TempDir,
}

impl World {
    /// A node `n1` on a file of SQLite with the jobs `fails`, `hostile`, `import`, `report` and `slow`.
    pub(crate) async fn start() -> Self {
        Self::with(|builder| builder).await
    }

    /// The same, and what is added to the node.
    pub(crate) async fn with(add: impl FnOnce(SchedulerBuilder) -> SchedulerBuilder) -> Self {
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite://{}/jobs.db", folder.path().display());
        let world = World {
            _scheduler: started(add(builder(&url))).await,
            url,
            _folder: folder,
        };
        wait_until("the node's jobs are known", || {
            world.run(&["jobs", "-o", "name"]).out.lines().count() == 5
        });
        world
    }

    /// Runs the command, with this input.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run(&self.url, arguments)
    }

    /// The outcomes of a job, the newest first.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[arguments, &["-o", "json"]].concat());
        assert_eq!(ran.status, 0, "{arguments:?}: {}", ran.err);
        serde_json::from_str(&ran.out).unwrap()
    }
}

pub(crate) async fn scheduler(url: &str) -> Scheduler {
    started(builder(url)).await
}

async fn started(builder: SchedulerBuilder) -> Scheduler {
    Box::pin(builder.start()).await.unwrap()
}

fn builder(url: &str) -> SchedulerBuilder {
    let jobs = [
        Job::cron("report", NEW_YEAR, |_: JobContext| async {})
            .description("the sales of the day")
            .group("billing"),
        Job::cron("fails", NEW_YEAR, |_: JobContext| async {
            Err::<(), _>("no paper")
        }),
        Job::cron("hostile", NEW_YEAR, |_: JobContext| async {
            Err::<(), _>(HOSTILE)
        }),
        Job::cron(
            "import",
            NEW_YEAR,
            |Params(params): Params<Value>| async move { Err::<(), _>(params.to_string()) },
        ),
        Job::cron("slow", NEW_YEAR, |ctx: JobContext| async move {
            ctx.cancelled().await
        })
        .route(Route::Spread)
        .on(["gpu", "*"]),
    ];
    let builder = Scheduler::builder(url)
        .node_name("n1")
        .lease(Duration::from_secs(2));
    let builder = builder.only(["fails", "hostile", "import", "report", "slow"]);
    jobs.into_iter()
        .fold(builder, |builder, job| builder.job(job))
}

/// Asks until the answer is as it should be.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + BOUND;
    while !is_so() {
        assert!(Instant::now() < until, "{what}");
    }
}

/// How the command ended.
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Ran {
            status: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The command on a store, without input and without settings from the environment.
pub(crate) fn command(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scheduled-one"));
    command.args(arguments).stdin(Stdio::null());
    for name in [
        "REDIS_URL",
        "NO_COLOR",
        "SCHEDULED_ONE_NAMESPACE",
        "SCHEDULED_ONE_CONTEXT",
        "COLUMNS",
    ] {
        command.env_remove(name);
    }
    command.env("SCHEDULED_ONE_URL", url).env("USER", "ann");
    // Contexts of the machine that runs the tests are none of theirs.
    command.env("XDG_CONFIG_HOME", "/nonexistent");
    command
}

pub(crate) fn run(url: &str, arguments: &[&str]) -> Ran {
    command(url, arguments).output().unwrap().into()
}

/// Compares a text with a file; `SNAPSHOTS=overwrite` writes it.
#[track_caller]
pub(crate) fn same_as_snapshot(name: &str, text: &str) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/snapshots")
        .join(name);
    if env::var("SNAPSHOTS").is_ok_and(|value| value == "overwrite") {
        fs::write(&path, text).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == text,
        "{} is otherwise; if that is wanted, run the test with SNAPSHOTS=overwrite. It is now:\n{text}",
        path.display()
    );
}

/// A text in which instants, times and random ids are replaced, and columns are one space apart.
pub(crate) fn without_chance(text: &str) -> String {
    let line = |line: &str| {
        let indent = line.len() - line.trim_start().len();
        let words = line.split_whitespace().map(constant);
        format!(
            "{}{}\n",
            " ".repeat(indent),
            words.collect::<Vec<_>>().join(" ")
        )
    };
    text.lines().map(line).collect()
}

/// A word, or the JSON of an object in one line.
fn constant(word: &str) -> String {
    let parts = word.split_inclusive(|letter: char| "\",()[]{}".contains(letter));
    let constant = |part: &str| {
        let bare = part.trim_matches(|letter: char| "\",:()[]{}".contains(letter));
        let id = bare.rsplit_once('-').map_or(bare, |(_, id)| id);
        let is_id = id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = bare.strip_suffix("ms").or(bare.strip_suffix('s'));
        let is_time = number.is_some_and(|number| number.parse::<f64>().is_ok());
        match () {
            () if bare.parse::<Timestamp>().is_ok() => part.replace(bare, "<instant>"),
            () if is_time => part.replace(bare, "<time>"),
            () if is_id => part.replace(id, "<id>"),
            () => part.to_owned(),
        }
    };
    parts.map(constant).collect()
}
