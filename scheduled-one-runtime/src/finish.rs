//! Brings the outcomes of runs to the store, in batches, until it has them.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::event;
use crate::link::Link;
use crate::store::message::{Finish, Finished, MAX_BATCH};

/// Tells the outcomes it is sent to the store; ends when all senders are gone
/// and everything is told.
///
/// A run that ended before its deadline ended well, however late the store
/// learns it; so an outcome is repeated until it is answered. If its run was
/// written off meanwhile, the store notes it as finished without lease.
pub(crate) async fn tell_outcomes(link: Arc<Link>, mut outcomes: mpsc::UnboundedReceiver<Finish>) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    while outcomes.recv_many(&mut batch, MAX_BATCH).await > 0 {
        tell(&link, &batch).await;
        batch.clear();
    }
}

async fn tell(link: &Link, batch: &[Finish]) {
    let mut tries = 0;
    loop {
        let answer = link.ask(|store, caller| store.finish(caller, batch)).await;
        if let Ok(answer) = answer {
            for (finish, finished) in batch.iter().zip(answer.body) {
                if finished == Finished::Refused {
                    event::finish_refused(&finish.run.unit, finish.run.tick_ms);
                }
            }
            return;
        }
        tries += 1;
        link.back_off(tries).await;
    }
}
