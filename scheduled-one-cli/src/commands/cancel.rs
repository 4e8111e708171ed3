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
    cancelling: bool,
    dry_run: bool,
}

/// Lines that are looked through for the end of a run.
const LOOKED_THROUGH: usize = 10_000;

pub(crate) async fn run(session: &Session, args: &Cancel) -> Result<Exit, Failure> {
    let Cancel {
        name,
        token,
        note,
        dry_run,
    } = args;
    let ended = |outcome: &str| {
        let text = format!("the run {token} of {name} has ended already: {outcome}");
        Failure::new(Exit::Conflict, text)
    };
    if *dry_run {
        let lines = session
            .ask(session.control.history(name, LOOKED_THROUGH))
            .await?;
        let of_run = |line: &&scheduled_one_protocol::LedgerRecord| {
            !line.retried && line.token.map(|it| it.get()) == Some(*token)
        };
        if let Some(line) = lines.iter().find(of_run) {
            return Err(ended(line.outcome.as_str()));
        }
    } else {
        let cancel = session.control.cancel(name, *token);
        let cancel = cancel.by(&session.by).note(note);
        match session.ask(async { cancel.await }).await? {
            CancelledRun::Cancelling => {}
            CancelledRun::Gone {
                outcome: Some(line),
            } => return Err(ended(line.outcome.as_str())),
            _ => {
                let text = format!(
                    "{name} has no run {token}, and its ledger has none that ended; `scheduled-one job {name}` shows the \
                     token of the run that is active"
                );
                return Err(Failure::new(Exit::NotFound, text));
            }
        }
    }
    let view = View {
        job: name.clone(),
        token: *token,
        cancelling: !dry_run,
        dry_run: *dry_run,
    };
    session.output.one("cancel", &view, &token.to_string(), || match dry_run {
        true => format!("would cancel the run {token} of {}, if it is active\n", escape(name)),
        false => format!(
            "cancelling the run {token} of {}: its node learns of it within a fifth of its lease, and 5 s at most\n",
            escape(name)
        ),
    })?;
    Ok(Exit::Done)
}
