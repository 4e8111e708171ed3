//! `history`: the newest lines of a ledger.

use crate::args::History;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::session::Session;
use crate::view::{self, Line};

/// Lines that are looked through for an outcome.
const LOOKED_THROUGH: usize = 10_000;

pub(crate) async fn run(session: &Session, args: &History) -> Result<Exit, Failure> {
    let wanted = match args.outcome {
        None => args.lines,
        Some(_) => LOOKED_THROUGH,
    };
    let lines = session
        .ask(session.control.history(&args.name, wanted))
        .await?;
    let is_wanted = |outcome| args.outcome.is_none_or(|wanted| wanted == outcome);
    let lines = lines.into_iter().filter(|line| is_wanted(line.outcome));
    let lines: Vec<_> = lines.take(args.lines).collect();
    let views: Vec<Line> = lines.iter().map(Line::from).collect();
    let output = &session.output;
    output.list(
        "lines",
        &views,
        |line| line.tick.clone(),
        || view::lines(&lines, output),
    )?;
    Ok(Exit::Done)
}
