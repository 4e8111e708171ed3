//! `backfill`: ticks of the past run once more.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use scheduled_one_control::{BackfillJob, BackfillPlan, BackfillState};
use scheduled_one_protocol::message::Cause;
use scheduled_one_protocol::{LedgerRecord, Outcome};
use serde::Serialize;

use super::next::{ms, system_time};
use crate::args::Backfill;
use crate::confirm::confirm;
use crate::exit::Exit;
use crate::failure::{Failure, hint};
use crate::session::Session;
use crate::table::Table;
use crate::text::{escape, instant};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Lines of a ledger that are looked at.
const LINES: usize = 10_000;
/// How often a backfill is looked for that the store has forgotten.
const LOOKS_IN_VAIN: u32 = 10;

#[derive(Default, Serialize)]
struct View {
    job: String,
    dry_run: bool,
    /// With --dry-run: what would become of the backfill that goes on, if that is anything.
    would: Option<&'static str>,
    directive_version: u64,
    total: u64,
    asked: u64,
    open: usize,
    paused: bool,
    ended: String,
    by: String,
    note: String,
    /// No living node runs the job; false of a state.
    waits_for_node: bool,
    /// Of a new backfill: what it runs, in that order.
    ticks: Vec<TickView>,
    /// With --wait: how many runs ended how.
    ok: Option<usize>,
    not_ok: Option<usize>,
    /// With --wait: of how many ticks the ledger has no end of a run.
    unknown: Option<usize>,
}

#[derive(Serialize)]
struct TickView {
    tick: String,
    shard: u32,
}

pub(crate) async fn run(session: &Session, args: &Backfill) -> Result<Exit, Failure> {
    let (control, name) = (&session.control, args.name.as_str());
    let of = &args.of_running;
    if let Some(from) = args.plan.from {
        return begin(session, args, from).await;
    }
    match args.dry_run {
        true => {}
        false if of.stop => {
            let stop = control.stop_backfill(name, &session.by, &args.note);
            session.ask(stop).await?;
        }
        false if of.pause || of.resume => {
            let pause = control.pause_backfill(name, of.pause, &session.by);
            session.ask(pause).await?;
        }
        false => {}
    }
    match session.ask(control.backfill_state(name)).await? {
        Some(state) => {
            let mut view = View::of(&state);
            if args.dry_run && !of.status {
                view.dry_run = true;
                view.would = would(args, &state);
            }
            show(session, &view)
        }
        None => {
            let text = format!("{name} never had a backfill");
            return Err(Failure::new(Exit::NotFound, text));
        }
    }?;
    Ok(Exit::Done)
}

/// What would become of a backfill.
fn would(args: &Backfill, state: &BackfillState) -> Option<&'static str> {
    let of = &args.of_running;
    let is_open = state.ended.is_empty() && state.asked < state.total;
    match (is_open, state.is_paused) {
        (false, _) => None,
        (true, _) if of.stop => Some("stop"),
        (true, false) if of.pause => Some("pause"),
        (true, true) if of.resume => Some("resume"),
        _ => None,
    }
}

async fn begin(session: &Session, args: &Backfill, from: Timestamp) -> Result<Exit, Failure> {
    let plan = &args.plan;
    let backfill: BackfillJob = session
        .control
        .backfill(&args.name, system_time(from)..system_time(plan.to))
        .only(plan.only.into())
        .at_a_time(plan.at_a_time)
        .on_busy(plan.overlap.into())
        .by(&session.by)
        .note(&args.note);
    let backfill = match plan.newest_first {
        true => backfill.newest_first(),
        false => backfill,
    };
    let backfill = match session.force {
        true => backfill.force(),
        false => backfill,
    };
    let dry = session.ask(backfill.dry_run()).await?;
    if dry.waits_for_node {
        hint(&format!(
            "no living node runs {0}: the backfill waits until one does. `scheduled-one job {0}` shows its nodes",
            args.name
        ));
    }
    if args.dry_run || dry.ticks.is_empty() {
        show(session, &View::planned(session, args, &dry, true))?;
        return Ok(Exit::Done);
    }
    let question = format!("Run {} ticks of {} again?", dry.ticks.len(), args.name);
    confirm(&question, session.yes)?;
    let begun = session.ask(async { backfill.await }).await?;
    let mut view = View::planned(session, args, &begun, false);
    if !args.wait {
        show(session, &view)?;
        return Ok(Exit::Done);
    }
    let mut outcomes = Outcomes::of(&begun);
    let over = over(session, &args.name, &begun, &mut outcomes);
    let Ok(state) = tokio::time::timeout(session.outcome_timeout, over).await else {
        let text = format!(
            "the backfill of {} goes on; --status shows how far it is",
            args.name
        );
        return Err(Failure::new(Exit::TimedOut, text));
    };
    let state = state?;
    let (ok, not_ok, unknown) = outcomes.count();
    view = View {
        ticks: view.ticks,
        ok: Some(ok),
        not_ok: Some(not_ok),
        unknown: Some(unknown),
        total: begun.ticks.len() as u64,
        ..View::of(&state)
    };
    show(session, &view)?;
    Ok(match ok == begun.ticks.len() {
        true => Exit::Done,
        false => Exit::Negative,
    })
}

/// Waits until the backfill is over, or another one has taken its place, which begins only after that.
async fn over(
    session: &Session,
    name: &str,
    begun: &BackfillPlan,
    outcomes: &mut Outcomes,
) -> Result<BackfillState, Failure> {
    let mut forgotten = 0;
    loop {
        let state = session.ask(session.control.backfill_state(name)).await;
        // One from before is not this one: the store has forgotten, and its nodes may repeat it.
        let state = state.map(|state| state.filter(|state| state.version >= begun.version));
        // The ledger before its oldest lines go: it may keep fewer than the backfill has ticks.
        if let Ok(lines) = session.ask(session.control.history(name, LINES)).await {
            outcomes.learn(&lines);
        }
        match state {
            Ok(Some(state)) if state.is_over() || state.is_after(begun) => {
                // What ended between the two looks.
                let ledger = session.control.history(name, LINES);
                outcomes.learn(&session.ask(ledger).await?);
                return Ok(state);
            }
            Ok(Some(_)) => forgotten = 0,
            Ok(None) if forgotten == LOOKS_IN_VAIN => {
                let text = format!("the store has forgotten the backfill of {name}");
                return Err(Failure::new(Exit::NotFound, text));
            }
            Ok(None) => forgotten += 1,
            Err(failure) if failure.exit == Exit::Away => {}
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What became of the ticks of a backfill, as far as the ledger has shown.
struct Outcomes(BTreeMap<(i64, u32), Option<Outcome>>);

impl Outcomes {
    fn of(plan: &BackfillPlan) -> Self {
        let ticks = plan.ticks.iter();
        Outcomes(
            ticks
                .map(|(tick, shard)| ((ms(*tick), *shard), None))
                .collect(),
        )
    }

    /// Takes lines into account, the newest first: of each tick, the newest run counts.
    fn learn(&mut self, lines: &[LedgerRecord]) {
        let is_end = |line: &&LedgerRecord| line.cause == Some(Cause::Backfill) && !line.retried;
        for line in lines.iter().rev().filter(is_end) {
            if let Some(outcome) = self.0.get_mut(&(line.tick.ms(), line.unit.shard())) {
                *outcome = Some(line.outcome);
            }
        }
    }

    /// How many ended ok, how many otherwise, and of how many it is not known.
    fn count(&self) -> (usize, usize, usize) {
        let ok = self.0.values().filter(|it| **it == Some(Outcome::Ok));
        let unknown = self.0.values().filter(|it| it.is_none()).count();
        let ok = ok.count();
        (ok, self.0.len() - ok - unknown, unknown)
    }
}

impl View {
    fn planned(session: &Session, args: &Backfill, plan: &BackfillPlan, dry_run: bool) -> Self {
        let ticks = plan.ticks.iter().map(|(tick, shard)| TickView {
            tick: instant(ms(*tick)),
            shard: *shard,
        });
        View {
            job: args.name.clone(),
            dry_run,
            directive_version: plan.version,
            total: plan.ticks.len() as u64,
            waits_for_node: plan.waits_for_node,
            by: session.by.clone(),
            note: args.note.clone(),
            ticks: ticks.collect(),
            ..View::default()
        }
    }

    fn of(state: &BackfillState) -> Self {
        View {
            job: state.job.clone(),
            directive_version: state.version,
            total: state.total,
            asked: state.asked,
            open: state.open,
            paused: state.is_paused,
            ended: state.ended.clone(),
            by: state.by.clone(),
            note: state.note.clone(),
            ..View::default()
        }
    }

    fn sentence(&self) -> String {
        let (job, total) = (escape(&self.job), self.total);
        if let (Some(ok), Some(not_ok)) = (self.ok, self.not_ok) {
            let unknown = match self.unknown {
                None | Some(0) => String::new(),
                Some(unknown) => format!(", and of {unknown} ticks the ledger has no end"),
            };
            return format!("{job}: {ok} runs ended ok, {not_ok} not{unknown}\n");
        }
        let is_plan = self.dry_run && self.asked == 0 && self.directive_version == 0;
        if is_plan {
            return match total {
                0 => format!("{job}: there is nothing to run\n"),
                _ => format!("would run {total} ticks of {job}\n"),
            };
        }
        if !self.ticks.is_empty() {
            return format!(
                "{job}: {total} ticks are to run; the nodes ask for them, a few at a time\n"
            );
        }
        let how = match (self.ended.is_empty(), self.paused) {
            (false, _) => format!("ended: {}", escape(&self.ended)),
            (true, true) => "paused".to_owned(),
            (true, false) if self.asked >= total => "all are asked for".to_owned(),
            (true, false) => "goes on".to_owned(),
        };
        let (asked, open) = (self.asked, self.open);
        let state = format!(
            "{job}: {asked} of {total} ticks asked for, {open} requests wait or run; {how}\n"
        );
        match (self.dry_run, self.would) {
            (false, _) => state,
            (true, None) => format!("nothing would change; {state}"),
            (true, Some(action)) => format!("would {action} the backfill; {state}"),
        }
    }
}

fn show(session: &Session, view: &View) -> Result<(), Failure> {
    let output = &session.output;
    output.one("backfill", view, &view.job, || {
        let mut text = view.sentence();
        if view.dry_run && !view.ticks.is_empty() {
            let mut table = Table::new(&["TICK", "SHARD"]);
            for tick in &view.ticks {
                table.row([tick.tick.as_str().into(), tick.shard.to_string().into()]);
            }
            text.push_str(&output.part(table));
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use scheduled_one_protocol::{SkipReason, TickMs, UnitName};

    use super::*;

    #[test]
    fn of_each_tick_the_newest_run_counts_and_what_has_no_line_is_unknown() {
        let mut plan = BackfillPlan::default();
        plan.ticks = (1..=4)
            .map(|tick| (UNIX_EPOCH + Duration::from_millis(tick), 0))
            .collect();
        let line = |tick, outcome| LedgerRecord {
            outcome,
            cause: Some(Cause::Backfill),
            ..LedgerRecord::skipped(
                &UnitName::new("job", 0),
                TickMs(tick),
                SkipReason::Overlap,
                "n1",
                9,
            )
        };
        let mut outcomes = Outcomes::of(&plan);
        outcomes.learn(&[line(2, Outcome::Failed), line(1, Outcome::Ok)]);
        // The newest first; the lines from before are gone.
        outcomes.learn(&[
            line(2, Outcome::Ok),
            line(2, Outcome::Failed),
            line(3, Outcome::Skipped),
        ]);
        assert_eq!(outcomes.count(), (2, 1, 1));
    }
}
