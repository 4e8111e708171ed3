//! `run` and `rerun`.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use jiff::Timestamp;
use scheduled_one_control::RunJob;
use scheduled_one_protocol::{LedgerRecord, Outcome};
use serde::Serialize;
use serde_json::Value;

use super::next::ms;
use crate::args::Request;
use crate::exit::Exit;
use crate::failure::{Failure, hint};
use crate::session::Session;
use crate::text::{escape, instant};
use crate::view::{self, Line};

#[derive(Serialize)]
struct View {
    job: String,
    id: Option<String>,
    already: bool,
    /// Until when it may wait because the store lost its memory.
    quarantined_until: Option<String>,
    /// No living node runs the job.
    waits_for_node: bool,
    dry_run: bool,
    parameters: Option<Value>,
    lines: Vec<Line>,
}

pub(crate) async fn run(
    session: &Session,
    name: &str,
    tick: Option<Timestamp>,
    args: &Request,
) -> Result<Exit, Failure> {
    let parameters = parameters(args)?;
    let mut view = View {
        job: name.to_owned(),
        id: args.id.clone(),
        already: false,
        quarantined_until: None,
        waits_for_node: false,
        dry_run: args.dry_run,
        parameters,
        lines: Vec::new(),
    };
    if args.dry_run {
        let request = request(session, name, tick, args, view.parameters.as_ref())?;
        session.ask(request.dry_run()).await?;
        let id = view.id.clone().unwrap_or_default();
        session
            .output
            .one("run", &view, &id, || would(&view, tick))?;
        return Ok(Exit::Done);
    }
    let request = request(session, name, tick, args, view.parameters.as_ref())?;
    let handle = session.ask(async { request.await }).await?;
    view.id = Some(handle.id().to_owned());
    view.already = handle.already();
    let until = handle.quarantined_until();
    view.quarantined_until = until.map(|until| instant(ms(until)));
    if let Some(until) = &view.quarantined_until {
        hint(&format!(
            "the request is accepted, and waits: the store lost its memory or is new, and nothing starts before each run \
             that may be forgotten is over, {until} at the latest"
        ));
    }
    view.waits_for_node = !handle.has_node();
    if view.waits_for_node {
        hint(&format!(
            "no living node runs {name}: the request waits until one does. `scheduled-one job {name}` shows its nodes"
        ));
    }
    if !args.wait {
        let text = || {
            let how = match view.already {
                true => "was asked for before, and nothing was added",
                false => "is requested",
            };
            format!("{} {how}: id {}\n", escape(name), handle.id())
        };
        session.output.one("run", &view, handle.id(), text)?;
        return Ok(Exit::Done);
    }
    let lines = handle.finished(session.outcome_timeout).await?;
    view.lines = lines.iter().map(Line::from).collect();
    let text = || session.output.part(view::lines(&lines, &session.output));
    session.output.one("run", &view, handle.id(), text)?;
    let is_ok = |line: &LedgerRecord| line.outcome == Outcome::Ok;
    Ok(match lines.iter().all(is_ok) {
        true => Exit::Done,
        false => Exit::Negative,
    })
}

fn request(
    session: &Session,
    name: &str,
    tick: Option<Timestamp>,
    args: &Request,
    parameters: Option<&Value>,
) -> Result<RunJob, Failure> {
    let mut request = match tick {
        None => session.control.run(name),
        Some(tick) => {
            let ms = u64::try_from(tick.as_millisecond());
            let ms =
                ms.map_err(|_| Failure::usage("the tick: no schedule has one before 1970-01-01"))?;
            session
                .control
                .rerun(name, UNIX_EPOCH + Duration::from_millis(ms))
        }
    };
    request = request.by(&session.by).note(&args.note);
    if session.force {
        request = request.force();
    }
    if let Some(id) = &args.id {
        request = request.id(id);
    }
    if let Some(overlap) = args.overlap {
        request = request.on_busy(overlap.into());
    }
    if let Some(shard) = args.shard {
        request = request.shard(shard);
    }
    if let Some(parameters) = parameters {
        request = request.params(parameters);
    }
    Ok(request)
}

/// The parameters of the file, and over them those of the arguments.
fn parameters(args: &Request) -> Result<Option<Value>, Failure> {
    let of_file = args.params_file.as_deref().map(read).transpose()?;
    if args.params.is_empty() {
        return Ok(of_file);
    }
    let mut all = match of_file {
        None => serde_json::Map::new(),
        Some(Value::Object(of_file)) => of_file,
        Some(_) => {
            return Err(Failure::usage(
                "--param sets a key of an object, and --params-file has something else: give one of the two",
            ));
        }
    };
    all.extend(args.params.iter().cloned());
    Ok(Some(Value::Object(all)))
}

fn read(path: &Path) -> Result<Value, Failure> {
    let text = match path.to_str() {
        Some("-") => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).map(|_| text)
        }
        _ => fs::read_to_string(path),
    };
    let refuse = |why: String| Failure::usage(format!("--params-file {}: {why}", path.display()));
    let text = text.map_err(|error| refuse(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| refuse(format!("no JSON: {error}")))
}

fn would(view: &View, tick: Option<Timestamp>) -> String {
    let what = match tick {
        None => String::new(),
        Some(tick) => format!(" again for {tick}"),
    };
    let id = match &view.id {
        None => "a random id".to_owned(),
        Some(id) => format!("the id {}", escape(id)),
    };
    let parameters = match &view.parameters {
        None => "no parameters".to_owned(),
        Some(parameters) => format!("the parameters {}", escape(&parameters.to_string())),
    };
    format!(
        "would run {}{what} with {id} and {parameters}\n",
        escape(&view.job)
    )
}
