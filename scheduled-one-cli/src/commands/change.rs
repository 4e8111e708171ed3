//! `pause` and `resume`.

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use scheduled_one_control::{ChangeDirective, Changed};
use serde::Serialize;

use crate::args::{Change, Pause, Resume};
use crate::confirm::confirm;
use crate::exit::Exit;
use crate::failure::{Failure, hint};
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
    /// The pause of all jobs holds it.
    all_paused: bool,
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
    let until = match args
        .until
        .map(|until| u64::try_from(until.as_millisecond()))
    {
        None => None,
        Some(Ok(ms)) => Some(UNIX_EPOCH + Duration::from_millis(ms)),
        Some(Err(_)) => return Err(Failure::usage("--until: that instant is before 1970-01-01")),
    };
    let request = |name: Option<&str>| {
        let change = match name {
            Some(name) => session.control.pause(name),
            None => session.control.pause_all(),
        };
        match (until, args.length) {
            (Some(until), _) => change.until(until),
            (None, Some(length)) => change.lasting(length),
            (None, None) => change,
        }
    };
    change(session, &args.change, &PAUSE, request).await
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
    /// The jobs that are named, and those of the group that is named, each once.
    async fn named(&self, session: &Session) -> Result<Vec<String>, Failure> {
        let mut names = self.names.clone();
        if let Some(group) = &self.group {
            names.extend(session.ask(session.control.group(group)).await?);
        }
        let mut known = BTreeSet::new();
        names.retain(|name| known.insert(name.clone()));
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
    let names = args.named(session).await?;
    if args.expect.is_some() && (names.len() > 1 || args.group.is_some()) {
        return Err(Failure::usage(
            "--expect: each job has a version of its own; name one job",
        ));
    }
    let of_all = args.all.then_some(None);
    let subjects = || names.iter().map(|name| Some(name.as_str())).chain(of_all);
    let request = |name: Option<&str>| {
        let change = request(name).by(&session.by).note(&args.note);
        let change = match session.force {
            true => change.force(),
            false => change,
        };
        match args.expect {
            Some(version) => change.expect(version),
            None => change,
        }
    };
    let mut dry = Vec::new();
    for name in subjects() {
        let would = session.ask(request(name).dry_run()).await?;
        dry.push(view(name, words, would, true));
    }
    if args.dry_run {
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
    for name in subjects() {
        match session.ask(async { request(name).await }).await {
            Ok(changed) => views.push(view(name, words, changed, false)),
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

fn view(job: Option<&str>, words: &Words, changed: Changed, dry_run: bool) -> View {
    View {
        job: job.unwrap_or("*").to_owned(),
        action: words.verb,
        changed: !changed.already,
        directive_version: changed.version,
        dry_run,
        all_paused: changed.all_paused,
    }
}

/// Whether it is resumed, and stays paused with all jobs.
fn is_held(view: &View) -> bool {
    view.action == RESUME.verb && view.all_paused
}

fn show(session: &Session, words: &Words, views: &[View]) -> Result<Exit, Failure> {
    let table = || {
        let mut table = Table::new(&["JOB", "RESULT", "VERSION"]);
        for view in views {
            let result = match (view.dry_run, view.changed) {
                (true, true) => words.dry,
                (false, true) if is_held(view) => "resumed, still paused with all jobs",
                (false, true) => words.done,
                (_, false) if is_held(view) => "paused with all jobs",
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
    let mut held = views.iter().filter(|view| is_held(view)).peekable();
    if held.peek().is_none() {
        return Ok(Exit::Done);
    }
    hint(
        "all jobs are paused, and stay so whatever is asked for of one of them: `scheduled-one resume --all` ends that",
    );
    Ok(match held.any(|view| !view.changed) {
        true => Exit::Conflict,
        false => Exit::Done,
    })
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}
