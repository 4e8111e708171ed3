//! Brings the outcomes of runs to the store, in batches, until it has them.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::event;
use crate::link::Link;
use crate::store::StoreError;
use crate::store::message::{Finish, Finished, LedgerRecord, MAX_BATCH, Recorded};

/// What there is to tell.
#[derive(Debug)]
pub(crate) enum Report {
    /// A run that has ended.
    Finish(Finish),
    /// An attempt that has ended, of a run that goes on with the next one when
    /// it hears that this one is recorded (false: its lease is gone). So no
    /// two nodes ever make an attempt of the same number.
    Attempt(Finish, oneshot::Sender<bool>),
    /// A line of a job that each node runs by itself.
    Line(LedgerRecord),
}

/// Tells what it is sent to the store; ends when all senders are gone and
/// everything is told. `freed` hears of units in which something waits, or
/// whose node waits for them to be free.
///
/// A run that ended before its deadline ended well, however late the store
/// learns it; so an outcome is repeated until it is answered. If its run was
/// written off meanwhile, the store notes it as finished without lease.
pub(crate) async fn tell_outcomes(
    link: Arc<Link>,
    mut reports: mpsc::UnboundedReceiver<Report>,
    freed: mpsc::UnboundedSender<Freed>,
) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    while reports.recv_many(&mut batch, MAX_BATCH).await > 0 {
        let mut finishes = Vec::with_capacity(batch.len());
        let mut lines = Vec::new();
        for report in batch.drain(..) {
            match report {
                Report::Finish(finish) => finishes.push((finish, None)),
                Report::Attempt(finish, heard) => finishes.push((finish, Some(heard))),
                Report::Line(line) => lines.push(line),
            }
        }
        if !finishes.is_empty() {
            tell_finishes(&link, finishes, &freed).await;
        }
        if !lines.is_empty() {
            tell_lines(&link, &lines).await;
        }
    }
}

/// A unit whose run has ended.
#[derive(Debug)]
pub(crate) struct Freed {
    pub(crate) unit: String,
    /// The tick of that run, and its last attempt.
    pub(crate) tick_ms: i64,
    pub(crate) attempt: u32,
    /// Something waits in it.
    pub(crate) ready: bool,
}

/// An outcome, and who waits to hear that it is recorded.
type Told = (Finish, Option<oneshot::Sender<bool>>);

async fn tell_finishes(link: &Link, batch: Vec<Told>, freed: &mpsc::UnboundedSender<Freed>) {
    let (finishes, heard): (Vec<Finish>, Vec<_>) = batch.into_iter().unzip();
    let answers = tell_all(link, &finishes).await;
    for ((finish, heard), finished) in finishes.into_iter().zip(heard).zip(answers) {
        if !finished.recorded {
            event::finish_refused(&finish.run.unit, finish.run.tick_ms);
        }
        // Whoever is to hear may be gone already: then others look after it.
        match heard {
            Some(heard) => drop(heard.send(finished.recorded)),
            None => drop(freed.send(Freed {
                tick_ms: finish.run.tick_ms,
                attempt: finish.run.attempt,
                unit: finish.run.unit,
                ready: finished.ready,
            })),
        }
    }
}

/// Tells a batch until it is answered. What the store refuses for good (a key
/// that somebody made something else) must not hold up the others: it is told
/// alone, and given up.
async fn tell_all(link: &Link, finishes: &[Finish]) -> Vec<Finished> {
    let mut tries = 0;
    loop {
        let answer = link.ask(|store, caller| store.finish(caller, finishes));
        match answer.await {
            Ok(answer) => return answer.body,
            Err(StoreError::Refused(why)) if tries > 0 => {
                if let [finish] = finishes {
                    event::refused(&finish.run.unit, finish.run.tick_ms, &why);
                    return vec![Finished {
                        recorded: false,
                        ready: false,
                    }];
                }
                let (first, second) = finishes.split_at(finishes.len() / 2);
                let mut answers = Box::pin(tell_all(link, first)).await;
                answers.extend(Box::pin(tell_all(link, second)).await);
                return answers;
            }
            Err(_) => {
                tries += 1;
                link.back_off(tries).await;
            }
        }
    }
}

/// As [`tell_all`].
async fn tell_lines(link: &Link, lines: &[LedgerRecord]) {
    let mut tries = 0;
    loop {
        let answer = link.ask(|store, caller| store.record(caller, lines));
        match answer.await {
            Ok(answer) => {
                for (line, recorded) in lines.iter().zip(answer.body) {
                    if let Recorded::Lost(why) = recorded {
                        event::refused(&line.unit, line.tick_ms, &why);
                    }
                }
                return;
            }
            Err(StoreError::Refused(why)) if tries > 0 => {
                if let [line] = lines {
                    return event::refused(&line.unit, line.tick_ms, &why);
                }
                let (first, second) = lines.split_at(lines.len() / 2);
                Box::pin(tell_lines(link, first)).await;
                return Box::pin(tell_lines(link, second)).await;
            }
            Err(_) => {
                tries += 1;
                link.back_off(tries).await;
            }
        }
    }
}
