//! `forget`, and `jobs --gone`: what jobs left that no living node has.

use scheduled_one_control::{ForgottenJob, GoneJob};
use serde::Serialize;

use crate::args::forget::Forget;
use crate::confirm::confirm;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::table::Table;
use crate::text::instant;

/// A job that no living node has, and what is stored of it.
#[derive(Serialize)]
struct View {
    job: String,
    last_seen: Option<String>,
    gone_since: Option<String>,
    units: usize,
    running: usize,
    waiting: usize,
    requests: usize,
    ledger_lines: usize,
    directive: bool,
    /// Whether it is forgotten now.
    forgotten: bool,
    dry_run: bool,
}

impl View {
    fn of(job: &GoneJob) -> Self {
        View {
            job: job.job.clone(),
            last_seen: Some(job.last_seen_ms).filter(|ms| *ms > 0).map(instant),
            gone_since: job.gone_since_ms.map(instant),
            units: job.units,
            running: job.running,
            waiting: job.waiting,
            requests: job.requests,
            ledger_lines: job.ledger_lines,
            directive: job.has_directive,
            forgotten: false,
            dry_run: false,
        }
    }
}

pub(crate) async fn list(session: &Session) -> Result<Exit, Failure> {
    let gone = session.ask(session.control.gone()).await?;
    let views: Vec<View> = gone.iter().map(View::of).collect();
    show(session, &gone, &views, "")?;
    Ok(Exit::Done)
}

/// A job of which decisions are taken back.
#[derive(Serialize)]
struct MarksView {
    job: String,
    units_taken_back: u32,
    dry_run: bool,
}

/// `--marks`.
async fn take_back(session: &Session, args: &Forget) -> Result<Exit, Failure> {
    let take_back = |name: &String| {
        let take_back = session.control.take_back(name);
        take_back.by(&session.by).note(&args.note)
    };
    let mut units = Vec::new();
    for name in &args.names {
        units.push(session.ask(take_back(name).preview()).await?);
    }
    if !args.dry_run {
        let names = args.names.join(", ");
        let question = format!(
            "Takes back what is decided of {names} ahead of the store's clock? Later ticks that ran already run again."
        );
        confirm(&question, session.yes)?;
        for (name, units) in args.names.iter().zip(&mut units) {
            *units = session.ask(async { take_back(name).await }).await?;
        }
    }
    let views: Vec<MarksView> = args
        .names
        .iter()
        .zip(units)
        .map(|(job, units)| MarksView {
            job: job.clone(),
            units_taken_back: units,
            dry_run: args.dry_run,
        })
        .collect();
    let table = || {
        let mut table = Table::new(&["JOB", "RESULT", "UNITS"]);
        for view in &views {
            let result = match (view.units_taken_back, view.dry_run) {
                (0, _) => "nothing is ahead",
                (_, true) => "would be taken back",
                (_, false) => "taken back",
            };
            table.row([
                view.job.clone().into(),
                result.into(),
                view.units_taken_back.to_string().into(),
            ]);
        }
        table
    };
    let name = |view: &MarksView| view.job.clone();
    session.output.list("jobs", &views, name, table)?;
    Ok(Exit::Done)
}

pub(crate) async fn run(session: &Session, args: &Forget) -> Result<Exit, Failure> {
    if args.marks {
        return take_back(session, args).await;
    }
    let forget = |name: &String| {
        let forget = session.control.forget(name);
        forget.by(&session.by).note(&args.note)
    };
    let mut left = Vec::new();
    for name in &args.names {
        left.push(session.ask(forget(name).preview()).await?);
    }
    if !args.dry_run {
        let lines: usize = left.iter().map(|job| job.ledger_lines).sum();
        let names = args.names.join(", ");
        let question =
            format!("Removes what is stored of {names}, with {lines} ledger lines, for good?");
        confirm(&question, session.yes)?;
        for (name, left) in args.names.iter().zip(&mut left) {
            let ForgottenJob { left: now, .. } = session.ask(async { forget(name).await }).await?;
            *left = now;
        }
    }
    let views: Vec<View> = left
        .iter()
        .map(|job| View {
            forgotten: !args.dry_run,
            dry_run: args.dry_run,
            ..View::of(job)
        })
        .collect();
    let result = match args.dry_run {
        true => "would be forgotten",
        false => "forgotten",
    };
    show(session, &left, &views, result)?;
    Ok(Exit::Done)
}

fn show(session: &Session, jobs: &[GoneJob], views: &[View], result: &str) -> Result<(), Failure> {
    let output = &session.output;
    let table = || {
        let mut headings = vec!["JOB", "LAST SEEN", "UNITS", "WAITING", "LINES", "DIRECTIVE"];
        if !result.is_empty() {
            headings.insert(1, "RESULT");
        }
        let mut table = Table::new(&headings);
        for job in jobs {
            let seen = match job.last_seen_ms {
                0 => String::new(),
                ms => output.when(ms),
            };
            let directive = match job.has_directive {
                true => "yes",
                false => "no",
            };
            let mut cells = vec![
                job.job.clone().into(),
                seen.into(),
                job.units.to_string().into(),
                (job.waiting + job.requests).to_string().into(),
                job.ledger_lines.to_string().into(),
                directive.into(),
            ];
            if !result.is_empty() {
                cells.insert(1, result.into());
            }
            table.row(cells);
        }
        table
    };
    output.list("jobs", views, |view| view.job.clone(), table)
}
