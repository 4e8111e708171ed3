//! Brings the outcomes of runs to the store, in batches, until it has them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::event;
use crate::link::Link;
use scheduled_one_protocol::StoreError;
use scheduled_one_protocol::message::{Finish, Finished, MAX_BATCH, Recorded};
use scheduled_one_protocol::{LedgerRecord, Start, UnitName};

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

/// So many outcomes are kept that the store refuses; of more, the oldest are given up.
const MAX_KEPT: usize = 1_024;
/// When one that is refused is told again.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// So many of those at a time: each may have to be told alone, and new ones wait for it.
const AGAIN_AT_ONCE: usize = 16;

/// Tells what it is sent to the store; ends when all senders are gone and
/// everything is told. `freed` hears of units in which something waits, or
/// whose node waits for them to be free.
///
/// A run that ended before its deadline ended well, however late the store
/// learns it; so an outcome is repeated until it is answered. If its run was
/// written off meanwhile, the store notes it as finished without lease. What
/// the store refuses (a key that somebody made something else) is kept, and
/// told again now and then: it may be put right.
pub(crate) async fn tell_outcomes(
    link: Arc<Link>,
    mut reports: mpsc::UnboundedReceiver<Report>,
    freed: mpsc::UnboundedSender<Freed>,
) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    let mut kept = Kept::default();
    loop {
        let count = tokio::select! {
            biased;
            count = reports.recv_many(&mut batch, MAX_BATCH) => Some(count),
            () = kept.wait(&link) => None,
        };
        if count == Some(0) {
            break;
        }
        let mut finishes = Vec::with_capacity(batch.len());
        let mut lines = Vec::new();
        for report in batch.drain(..) {
            match report {
                Report::Finish(finish) => finishes.push((finish, None)),
                Report::Attempt(finish, heard) => finishes.push((finish, Some(heard))),
                Report::Line(line) => lines.push(line),
            }
        }
        let now = link.now();
        for batch in [finishes, kept.due(now)] {
            for told in tell_finishes(&link, batch, &freed).await {
                kept.keep(told, link.now(), &freed);
            }
        }
        if !lines.is_empty() {
            tell_lines(&link, &lines).await;
        }
    }
    // The last chance of those that are kept.
    while let Some(batch) = kept.rest() {
        for told in tell_finishes(&link, batch, &freed).await {
            give_up(told, &freed);
        }
    }
}

/// Outcomes that the store refuses, and when they are told again, the first in front.
#[derive(Default)]
struct Kept(VecDeque<(Duration, Told)>);

impl Kept {
    fn keep(&mut self, told: Told, now: Duration, freed: &mpsc::UnboundedSender<Freed>) {
        if self.0.len() >= MAX_KEPT
            && let Some((_, oldest)) = self.0.pop_front()
        {
            give_up(oldest, freed);
        }
        self.0.push_back((now + AGAIN_AFTER, told));
    }

    /// Until one is to be told again: for ever, if there is none.
    async fn wait(&self, link: &Link) {
        match self.0.front() {
            Some((at, _)) => link.sleep(at.saturating_sub(link.now())).await,
            None => std::future::pending().await,
        }
    }

    /// Takes those that are to be told again now.
    fn due(&mut self, now: Duration) -> Vec<Told> {
        let is_due = |(at, _): &&(Duration, Told)| *at <= now;
        let due = self.0.iter().take(AGAIN_AT_ONCE).take_while(is_due).count();
        self.0.drain(..due).map(|(_, told)| told).collect()
    }

    /// Takes a batch of those that are left.
    fn rest(&mut self) -> Option<Vec<Told>> {
        let most = self.0.len().min(MAX_BATCH);
        let rest = self.0.drain(..most).map(|(_, told)| told);
        Some(rest.collect()).filter(|rest: &Vec<Told>| !rest.is_empty())
    }
}

/// A unit whose run has ended.
#[derive(Debug)]
pub(crate) struct Freed {
    pub(crate) unit: UnitName,
    /// The tick of that run, and its last attempt that began.
    pub(crate) started: Start,
    /// Something waits in it.
    pub(crate) ready: bool,
}

/// The newest start there was. An attempt that did not begin is none: it may
/// wait in the unit, to be taken over, and would never run if nodes believed that
/// it has started.
fn started(finish: &Finish) -> Start {
    let begun = finish.fired_at_ms.is_some();
    Start {
        tick: finish.run.tick,
        attempt: finish.run.attempt - u32::from(!begun),
    }
}

/// An outcome, and who waits to hear that it is recorded.
type Told = (Finish, Option<oneshot::Sender<bool>>);

/// Returns those that the store refuses.
async fn tell_finishes(
    link: &Link,
    batch: Vec<Told>,
    freed: &mpsc::UnboundedSender<Freed>,
) -> Vec<Told> {
    if batch.is_empty() {
        return batch;
    }
    let (finishes, heard): (Vec<Finish>, Vec<_>) = batch.into_iter().unzip();
    let answers = tell_all(link, &finishes).await;
    let mut refused = Vec::new();
    for ((finish, heard), answer) in finishes.into_iter().zip(heard).zip(answers) {
        match answer {
            Some(finished) => answered((finish, heard), &finished, freed),
            None => refused.push((finish, heard)),
        }
    }
    refused
}

fn answered(told: Told, finished: &Finished, freed: &mpsc::UnboundedSender<Freed>) {
    let (finish, heard) = told;
    if !finished.recorded {
        event::finish_refused(&finish.run.unit, finish.run.tick.ms());
    }
    // Whoever is to hear may be gone already: then others look after it.
    match heard {
        Some(heard) => drop(heard.send(finished.recorded)),
        None => drop(freed.send(Freed {
            started: started(&finish),
            unit: finish.run.unit,
            ready: finished.ready,
        })),
    }
}

fn give_up((finish, heard): Told, freed: &mpsc::UnboundedSender<Freed>) {
    event::given_up(&finish.run.unit, finish.run.tick.ms(), finish.outcome);
    let nothing = Finished {
        recorded: false,
        ready: false,
    };
    answered((finish, heard), &nothing, freed);
}

/// Tells a batch until it is answered; `None` for what the store refuses. That
/// must not hold up the others: it is told alone, and twice, since it may be
/// but the ledger that takes no line.
async fn tell_all(link: &Link, finishes: &[Finish]) -> Vec<Option<Finished>> {
    let (mut tries, mut refusals) = (0, 0);
    loop {
        let answer = link.ask(|store, caller| store.finish(caller, finishes));
        match (answer.await, finishes) {
            (Ok(answer), _) => return answer.body.into_iter().map(Some).collect(),
            (Err(StoreError::Refused(_)), [_, _, ..]) => {
                let (first, second) = finishes.split_at(finishes.len() / 2);
                let mut answers = Box::pin(tell_all(link, first)).await;
                answers.extend(Box::pin(tell_all(link, second)).await);
                return answers;
            }
            (Err(StoreError::Refused(why)), [finish]) if refusals > 0 => {
                link.refused(&finish.run.unit, finish.run.tick.ms(), &why);
                return vec![None];
            }
            (Err(StoreError::Refused(_)), _) => refusals += 1,
            (Err(_), _) => {
                tries += 1;
                link.back_off(tries).await;
            }
        }
    }
}

/// As [`tell_all`], but what is refused is given up: these lines are many, and
/// nothing waits for them.
async fn tell_lines(link: &Link, lines: &[LedgerRecord]) {
    let (mut tries, mut refusals) = (0, 0);
    loop {
        let answer = link.ask(|store, caller| store.record(caller, lines));
        match (answer.await, lines) {
            (Ok(answer), _) => {
                for (line, recorded) in lines.iter().zip(answer.body) {
                    if let Recorded::Lost(why) = recorded {
                        event::refused(&line.unit, line.tick.ms(), &why);
                    }
                }
                return;
            }
            (Err(StoreError::Refused(_)), [_, _, ..]) => {
                let (first, second) = lines.split_at(lines.len() / 2);
                Box::pin(tell_lines(link, first)).await;
                return Box::pin(tell_lines(link, second)).await;
            }
            (Err(StoreError::Refused(why)), [line]) if refusals > 0 => {
                return event::refused(&line.unit, line.tick.ms(), &why);
            }
            (Err(StoreError::Refused(_)), _) => refusals += 1,
            (Err(_), _) => {
                tries += 1;
                link.back_off(tries).await;
            }
        }
    }
}
