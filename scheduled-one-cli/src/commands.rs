//! The verbs, a file each.

mod alerts;
mod audit;
mod backfill;
mod cancel;
mod change;
mod completions;
#[cfg(feature = "console")]
mod console;
mod doctor;
mod forget;
mod history;
mod job;
mod jobs;
mod next;
mod nodes;
mod reschedule;
mod run;
mod schema;
mod tail;
mod trail;

use crate::args::{Args, Command};
use crate::config::with_context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::session::Session;

/// Does what was asked for.
pub(crate) async fn run(args: Args) -> Result<Exit, Failure> {
    let Args { global, command } = args;
    let output = Output::new(&global);
    match &command {
        Command::Completions { shell } => return completions::run(&output, *shell),
        Command::Schema(args) => return schema::run(&output, args),
        _ => {}
    }
    let global = with_context(global)?;
    match command {
        Command::Doctor => doctor::run(&global, &output).await,
        #[cfg(feature = "console")]
        Command::Console(args) => console::run(&global, &args).await,
        command => on_store(&Session::open(&global).await?, command).await,
    }
}

/// A verb that needs the store.
async fn on_store(session: &Session, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Jobs(args) if args.gone => forget::list(session).await,
        Command::Jobs(args) => jobs::run(session, &args).await,
        Command::Job { name } => job::run(session, &name).await,
        Command::Next(args) => next::run(session, &args).await,
        Command::Audit(args) => audit::run(session, &args).await,
        Command::Backfill(args) => backfill::run(session, &args).await,
        Command::Trail(args) => trail::run(session, &args).await,
        Command::History(args) => history::run(session, &args).await,
        Command::Run(args) => run::run(session, &args.name, None, &args.request).await,
        Command::Rerun(args) => run::run(session, &args.name, Some(args.tick), &args.request).await,
        Command::Cancel(args) => cancel::run(session, &args).await,
        Command::Pause(args) => change::pause(session, &args).await,
        Command::Resume(args) => change::resume(session, &args).await,
        Command::Reschedule(args) => reschedule::reschedule(session, &args).await,
        Command::Reset(args) => reschedule::reset(session, &args).await,
        Command::Forget(args) => forget::run(session, &args).await,
        Command::Alerts(args) => alerts::run(session, &args).await,
        Command::Nodes => nodes::run(session).await,
        Command::Tail(args) => tail::run(session, &args).await,
        #[cfg(feature = "console")]
        Command::Console(_) => Ok(Exit::Done),
        Command::Completions { .. } | Command::Schema(_) | Command::Doctor => Ok(Exit::Done),
    }
}
