//! `cancel`: one run, named by its fencing token.

use scheduled_one_control::CancelledRun;
use serde::Serialize;

use crate::args::Cancel;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::text::escape;

#[derive(Serialize)]
struct View {
    job: String,
    token: u64,
    /// The one that was named.
    shard: Option<u32>,
    cancelling: bool,
    dry_run: bool,
}

pub(crate) async fn run(session: &Session, args: &Cancel) -> Result<Exit, Failure> {
    let (name, token, dry_run) = (&args.name, args.token, args.dry_run);
    let cancel = session.control.cancel(name, token);
    let cancel = cancel.by(&session.by).note(&args.note);
    let cancel = match args.shard {
        Some(shard) => cancel.shard(shard),
        None => cancel,
    };
    let cancelled = match dry_run {
        true => session.ask(cancel.dry_run()).await?,
        false => session.ask(async { cancel.await }).await?,
    };
    match cancelled {
        CancelledRun::Cancelling => {}
        CancelledRun::Gone {
            outcome: Some(line),
        } => {
            let outcome = line.outcome.as_str();
            let text = format!("the run {token} of {name} has ended already: {outcome}");
            return Err(Failure::new(Exit::Conflict, text));
        }
        _ => {
            let text = format!(
                "{name} has no run {token}, and its ledger has none that ended; `scheduled-one job {name}` shows the \
                 token of the run that is active"
            );
            return Err(Failure::new(Exit::NotFound, text));
        }
    }
    let view = View {
        job: name.clone(),
        token,
        shard: args.shard,
        cancelling: !dry_run,
        dry_run,
    };
    session.output.one("cancel", &view, &token.to_string(), || match dry_run {
        true => format!("would cancel the run {token} of {}\n", escape(name)),
        false => format!(
            "cancelling the run {token} of {}: its node learns of it by its next renewal, 5.5 s at most\n",
            escape(name)
        ),
    })?;
    Ok(Exit::Done)
}
