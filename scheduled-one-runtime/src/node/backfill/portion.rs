//! A look at the lanes of a job with a backfill, and what is asked for.

use std::sync::Arc;

use crate::event;
use crate::metrics::labels::Op;
use crate::node::inbox::Event;
use crate::node::succession::deciding;
use crate::store_client::StoreClient;
use crate::timer::UnitIndex;
use scheduled_one_control::backfill::PlannedTick;
use scheduled_one_protocol::message::{
    Ask, Asked, Cause, Changed, ControlRequest, DirectiveChange, MAX_BATCH, Request,
};
use scheduled_one_protocol::{Backfill, Directive, ScheduleId, StoreError, TickMs, UnitName};

/// Ticks between two notes of how far a backfill has come.
const NOTE_EVERY: u64 = 100;

/// A look at the lanes of a job, and what is asked for.
pub(super) struct Portion {
    pub(super) job: String,
    pub(super) unit: UnitIndex,
    /// The schedule in the code of this node.
    pub(super) own: ScheduleId,
    pub(super) directive: Directive,
    pub(super) plan: Arc<[PlannedTick]>,
    pub(super) position: usize,
    /// Most requests that may be open afterwards.
    pub(super) most: usize,
    /// The same while a tick of the schedule runs or waits.
    pub(super) most_while_busy: usize,
    pub(super) ended: String,
}

impl Portion {
    /// Carries it out, or learns that this node has no say in it: the backfill is one of another schedule, which
    /// decides.
    pub(super) async fn carry_out(self, client: &StoreClient) -> Event {
        let job = self.job.clone();
        let read = match self.ended.is_empty() {
            true => self.look(client).await,
            false => match deciding(client, &job).await {
                Ok(Some(decides)) if decides.id != self.own => {
                    return Event::StandsAside(self.unit, decides);
                }
                Ok(Some(_)) => self.end(client).await,
                // The store forgot, and learns it from the nodes.
                Ok(None) => Ok((0, 0)),
                Err(error) => Err(error),
            },
        };
        Event::Backfilled { job, read }
    }

    /// Ends the backfill, because the job has another schedule.
    async fn end(mut self, client: &StoreClient) -> Result<(usize, usize), StoreError> {
        self.note(client, self.position).await?;
        Ok((0, 0))
    }

    /// Looks at the lanes, asks for ticks, and notes how far the backfill has come. Returns how many requests were
    /// open, and how many ticks were asked for.
    async fn look(mut self, client: &StoreClient) -> Result<(usize, usize), StoreError> {
        let (open, is_busy) = self.open(client).await?;
        let most = if is_busy {
            self.most_while_busy
        } else {
            self.most
        };
        let asked = self.ask(client, most.saturating_sub(open)).await?;
        let position = self.position + asked;
        let noted = self.directive.backfill.as_ref().map_or(0, |own| own.asked);
        let is_end = position == self.plan.len();
        if is_end || position as u64 >= noted + NOTE_EVERY {
            self.note(client, position).await?;
        }
        Ok((open, asked))
    }

    /// How many requests wait or run in the lanes, whoever asked for them; and whether a tick of the schedule runs or
    /// waits in one of the units.
    async fn open(&self, client: &StoreClient) -> Result<(usize, bool), StoreError> {
        let mut shards: Vec<u32> = self.plan.iter().map(|tick| tick.shard).collect();
        shards.sort_unstable();
        shards.dedup();
        let units = shards.iter().map(|shard| UnitName::new(&self.job, *shard));
        let units: Vec<UnitName> = units.flat_map(|unit| [unit.lane(), unit]).collect();
        let (mut open, mut is_busy) = (0, false);
        for batch in units.chunks(MAX_BATCH) {
            let statuses =
                client.request(Op::Inspect, |store, caller| store.inspect(caller, batch));
            for (unit, status) in batch.iter().zip(statuses.await?.body) {
                let count = status.waiting.len() + usize::from(status.running.is_some());
                match unit.is_lane() {
                    true => open += count,
                    false => is_busy |= count > 0,
                }
            }
        }
        Ok((open, is_busy))
    }

    /// Asks for the next ticks, at most so many. Returns how many.
    async fn ask(&self, client: &StoreClient, room: usize) -> Result<usize, StoreError> {
        let room = room.min(MAX_BATCH);
        let next = self.plan.iter().skip(self.position).take(room);
        let asks: Vec<Ask> = next
            .map(|tick| Ask {
                unit: UnitName::new(&self.job, tick.shard),
                request: self.request(tick),
            })
            .collect();
        if asks.is_empty() {
            return Ok(0);
        }
        let replies = client.request(Op::Ask, |store, caller| store.ask(caller, &asks));
        let replies = replies.await?.body;
        let asked = replies.iter().take_while(|reply| **reply != Asked::Full);
        Ok(asked.count())
    }

    fn request(&self, tick: &PlannedTick) -> Request {
        let backfill = self.directive.backfill.as_ref();
        Request {
            id: Backfill::request_id(tick.tick_ms, tick.again),
            cause: Cause::Backfill,
            actor: self.directive.asked_by.clone(),
            note: self.directive.asked_note.clone(),
            logical: Some(TickMs(tick.tick_ms)),
            on_busy: backfill.map(|backfill| backfill.on_busy),
            parameters: String::new(),
        }
    }

    /// Notes how far the backfill has come, unless somebody else changed it meanwhile.
    async fn note(&mut self, client: &StoreClient, position: usize) -> Result<(), StoreError> {
        let version = self.directive.version;
        let Some(backfill) = self.directive.backfill.as_mut() else {
            return Ok(());
        };
        backfill.asked = position as u64;
        let is_end = position == self.plan.len() || !self.ended.is_empty();
        if is_end {
            backfill.end(&self.ended);
            if self.ended.is_empty() {
                backfill.total = backfill.asked;
            }
        }
        let request = ControlRequest {
            change: Some(DirectiveChange {
                subject: Backfill::subject(&self.job),
                seen: version,
                directive: self.directive.clone(),
                // Nobody asked for it: the trail has who asked for the backfill.
                action: String::new(),
            }),
            ..ControlRequest::default()
        };
        let reply = client.request(Op::Control, |store, caller| store.control(caller, &request));
        let changed = reply.await?.body.changed;
        if is_end && matches!(changed, Changed::To(_)) {
            event::backfill_ended(&self.job, position, &self.ended);
        }
        Ok(())
    }
}
