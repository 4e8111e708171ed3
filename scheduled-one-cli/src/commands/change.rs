//! `pause` and `resume`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use scheduled_one_control::{ChangeDirective, Changed};
use serde::Serialize;

use crate::args::{Change, Pause, Resume};
use crate::confirm::confirm;
use crate::exit::Exit;
use crate::failure::{Failure, hint};
use crate::output::now_ms;
use crate::session::Session;
use crate::table::Table;

/// What became of one job.
#[derive(Serialize)]
struct View {
    /// `*` for all.
    job: String,
    action: &'static str,
    changed: bool,
    directive_version: u64,
    dry_run: bool,
}

/// How a verb is written in sentences.
struct Words {
    verb: &'static str,
    done: &'static str,
    already: &'static str,
    dry: &'static str,
}

const PAUSE: Words = Words {
    verb: "pause",
    done: "paused",
    already: "was paused already",
    dry: "would be paused",
};
const RESUME: Words = Words {
    verb: "resume",
    done: "resumed",
    already: "was not paused",
    dry: "would be resumed",
};

pub(crate) async fn pause(session: &Session, args: &Pause) -> Result<Exit, Failure> {
    let in_ms = |length: Duration| {
        now_ms().saturating_add(length.as_millis().try_into().unwrap_or(i64::MAX))
    };
    let until_ms = match (args.until, args.length) {
        (Some(until), _) => Some(until.as_millisecond()),
        (None, length) => length.map(in_ms),
    };
    let until = match until_ms.map(u64::try_from) {
        None => None,
        Some(Ok(ms)) => Some(UNIX_EPOCH + Duration::from_millis(ms)),
        Some(Err(_)) => return Err(Failure::usage("--until: that instant is before 1970-01-01")),
    };
    if until.is_some_and(|until| until <= UNIX_EPOCH + Duration::from_millis(now_ms() as u64)) {
        return Err(Failure::usage(
            "--until: that instant is over; leave it out, or give a later one",
        ));
    }
    let request = |name: Option<&str>| {
        let change = match name {
            Some(name) => session.control.pause(name),
            None => session.control.pause_all(),
        };
        set_end(change, until)
    };
    change(session, &args.change, &PAUSE, request).await
}

fn set_end(change: ChangeDirective, until: Option<SystemTime>) -> ChangeDirective {
    match until {
        Some(until) => change.until(until),
        None => change,
    }
}

pub(crate) async fn resume(session: &Session, args: &Resume) -> Result<Exit, Failure> {
    let request = |name: Option<&str>| {
        let change = match name {
            Some(name) => session.control.resume(name),
            None => session.control.resume_all(),
        };
        match (args.catch_up, args.skip_missed) {
            (true, _) => change.catch_up(),
            (_, true) => change.skip_missed(),
            _ => change,
        }
    };
    change(session, &args.change, &RESUME, request).await
}

impl Change {
    /// The jobs that are named, and those of the group that is named.
    async fn named(&self, session: &Session) -> Result<Vec<String>, Failure> {
        let mut names = self.names.clone();
        if let Some(group) = &self.group {
            names.extend(session.ask(session.control.group(group)).await?);
            names.dedup();
        }
        Ok(names)
    }
}

/// Changes each job; a name that is wrong is found before anything is changed.
async fn change(
    session: &Session,
    args: &Change,
    words: &Words,
    request: impl Fn(Option<&str>) -> ChangeDirective,
) -> Result<Exit, Failure> {
    if args.expect.is_some() && (args.names.len() > 1 || args.group.is_some()) {
        return Err(Failure::usage(
            "--expect: each job has a version of its own; name one job",
        ));
    }
    let names = args.named(session).await?;
    let mut dry = Vec::new();
    for name in &names {
        dry.push(look(session, args, words, name).await?);
    }
    if args.dry_run {
        if args.all {
            dry.push(view("*", words, false, 0, true));
        }
        return show(session, words, &dry);
    }
    if args.all || names.len() > 1 {
        let jobs = match args.all {
            true => "all jobs of the namespace".to_owned(),
            false => format!("{} jobs ({})", names.len(), names.join(", ")),
        };
        confirm(&format!("{} {jobs}?", capital(words.verb)), session.yes)?;
    }
    let mut views = Vec::new();
    let mut failed = None;
    let names = names.iter().map(|name| Some(name.as_str()));
    for name in names.chain(args.all.then_some(None)) {
        let change = request(name).by(&session.by).note(&args.note);
        let change = match session.force {
            true => change.force(),
            false => change,
        };
        let change = match args.expect {
            Some(version) => change.expect(version),
            None => change,
        };
        match session.ask(async { change.await }).await {
            Ok(Changed {
                version, already, ..
            }) => {
                views.push(view(name.unwrap_or("*"), words, !already, version, false));
            }
            // The others are changed all the same; the first failure is the exit status.
            Err(failure) => match failed {
                None => failed = Some(failure),
                Some(_) => hint(&failure.message),
            },
        }
    }
    let exit = show(session, words, &views)?;
    failed.map_or(Ok(exit), Err)
}

/// What a change of this job would do.
async fn look(
    session: &Session,
    args: &Change,
    words: &Words,
    name: &str,
) -> Result<View, Failure> {
    let job = session.ask(session.control.describe(name)).await?;
    if let Some(expected) = args
        .expect
        .filter(|expected| args.dry_run && *expected != job.version)
    {
        let text = format!(
            "the directive of {name} has version {}, not {expected}",
            job.version
        );
        return Err(Failure::new(Exit::Conflict, text));
    }
    let is_paused = job.pauses.iter().any(|pause| !pause.of_all);
    let changes = match words.verb {
        "resume" => is_paused,
        _ => true,
    };
    Ok(view(name, words, changes, job.version, true))
}

fn view(job: &str, words: &Words, changed: bool, directive_version: u64, dry_run: bool) -> View {
    View {
        job: job.to_owned(),
        action: words.verb,
        changed,
        directive_version,
        dry_run,
    }
}

fn show(session: &Session, words: &Words, views: &[View]) -> Result<Exit, Failure> {
    let table = || {
        let mut table = Table::new(&["JOB", "RESULT", "VERSION"]);
        for view in views {
            let result = match (view.dry_run, view.changed) {
                (true, true) => words.dry,
                (true, false) if view.job == "*" => words.dry,
                (false, true) => words.done,
                (_, false) => words.already,
            };
            let job = match view.job.as_str() {
                "*" => "all jobs",
                job => job,
            };
            table.row([
                job.into(),
                result.into(),
                view.directive_version.to_string().into(),
            ]);
        }
        table
    };
    session
        .output
        .list("changes", views, |view| view.job.clone(), table)?;
    Ok(Exit::Done)
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
