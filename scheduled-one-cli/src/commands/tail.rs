//! `tail`: follows ledgers.

use std::collections::BTreeMap;
use std::time::Duration;

use scheduled_one_protocol::LedgerRecord;

use crate::args::{Format, Tail};
use crate::exit::Exit;
use crate::failure::{Failure, hint};
use crate::session::Session;
use crate::text::{self, escape};
use crate::view::{Line, detail};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Lines of a ledger that are read at each look.
const WINDOW: usize = 200;

pub(crate) async fn run(session: &Session, args: &Tail) -> Result<Exit, Failure> {
    if session.output.format == Format::Json {
        return Err(Failure::usage(
            "--output: tail has no end, so it is no document; say -o jsonl",
        ));
    }
    let mut args = args.clone();
    for name in &args.names {
        session.ask(session.control.history(name, 1)).await?;
    }
    if let Some(group) = &args.group {
        let jobs = session.ask(session.control.group(group)).await?;
        args.names.extend(jobs);
    }
    let args = &args;
    tokio::select! {
        ended = follow(session, args) => ended,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted?;
            Ok(Exit::Done)
        }
    }
}

async fn follow(session: &Session, args: &Tail) -> Result<Exit, Failure> {
    let mut seen = Seen::default();
    let mut first = Some(args.lines);
    let mut is_away = false;
    loop {
        match look(session, args, &mut seen).await {
            Ok(mut lines) => {
                is_away = false;
                lines.sort_by_key(|line| line.ended_at_ms);
                let shown = first.take().unwrap_or(usize::MAX);
                let surplus = lines.len().saturating_sub(shown);
                for line in &lines[surplus..] {
                    show(session, line)?;
                }
            }
            Err(failure) if failure.exit != Exit::Away => return Err(failure),
            Err(failure) if !is_away => {
                is_away = true;
                hint(&format!("{}; trying again", failure.message));
            }
            Err(_) => {}
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// All lines that were not seen before.
async fn look(
    session: &Session,
    args: &Tail,
    seen: &mut Seen,
) -> Result<Vec<LedgerRecord>, Failure> {
    let names = match args.names.is_empty() {
        false => args.names.clone(),
        true => {
            let jobs = session.ask(session.control.jobs()).await?;
            jobs.into_iter().map(|job| job.job).collect()
        }
    };
    let mut new = Vec::new();
    for name in names {
        match session.ask(session.control.history(&name, WINDOW)).await {
            Ok(lines) => new.extend(seen.take_new(&name, lines)),
            // It went in the meantime.
            Err(failure) if failure.exit == Exit::NotFound => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(new)
}

/// The newest line of each job that was seen.
#[derive(Default)]
struct Seen(BTreeMap<String, LedgerRecord>);

impl Seen {
    /// The lines that are new, of the newest lines of a ledger, the newest first.
    fn take_new(&mut self, job: &str, mut lines: Vec<LedgerRecord>) -> Vec<LedgerRecord> {
        if let Some(newest) = self.0.get(job) {
            let known = lines.iter().position(|line| line == newest);
            lines.truncate(known.unwrap_or(lines.len()));
        }
        if let Some(newest) = lines.first() {
            self.0.insert(job.to_owned(), newest.clone());
        }
        lines
    }
}

fn show(session: &Session, line: &LedgerRecord) -> Result<(), Failure> {
    let output = &session.output;
    match output.format {
        Format::Json | Format::Jsonl => output.json_line(&Line::from(line)),
        Format::Name => output.print(&(escape(line.unit.job()) + "\n")),
        Format::Table | Format::Wide => {
            let mut parts = vec![
                text::instant(line.ended_at_ms),
                line.unit.to_string(),
                line.outcome.to_string(),
                format!("tick {}", text::instant(line.tick.ms())),
            ];
            if line.count > 1 {
                parts.push(format!("×{}", line.count));
            }
            if let Some(took_ms) = line.took_ms() {
                parts.push(format!("took {}", text::took(took_ms)));
            }
            parts.push(format!("on {}", line.node));
            parts.push(detail(line));
            let text = parts.join("  ");
            output.print(&(escape(text.trim_end()) + "\n"))
        }
    }
}

#[cfg(test)]
mod tests {
    use scheduled_one_protocol::{SkipReason, TickMs, UnitName};

    use super::*;

    fn line(tick: i64) -> LedgerRecord {
        LedgerRecord::skipped(
            &UnitName::new("a", 0),
            TickMs(tick),
            SkipReason::Disabled,
            "n",
            tick,
        )
    }

    #[test]
    fn each_line_is_new_once() {
        let mut seen = Seen::default();
        assert_eq!(
            seen.take_new("a", vec![line(2), line(1)]),
            [line(2), line(1)]
        );
        assert_eq!(seen.take_new("a", vec![line(2), line(1)]), []);
        assert_eq!(
            seen.take_new("a", vec![line(3), line(2), line(1)]),
            [line(3)]
        );
        // The ledger was emptied, or has moved on by more than is read.
        assert_eq!(seen.take_new("a", vec![line(9)]), [line(9)]);
        assert_eq!(seen.take_new("a", vec![]), []);
        assert_eq!(seen.take_new("b", vec![line(9)]), [line(9)]);
    }
}
