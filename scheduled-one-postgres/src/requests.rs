//! What a step loads and saves of requests for runs.

use std::collections::{BTreeSet, HashMap};

use scheduled_one_protocol::fields::{REQUEST, blank_request};
use scheduled_one_protocol::machine::damage::Damage;
use scheduled_one_protocol::message::Request;
use scheduled_one_protocol::{StoreError, TickMs, UnitName, WorkingSet};
use tokio_postgres::{Client, Error, Row};

use crate::classify::{Failure, Stage, failure};
use crate::rows::{Column, columns, read};
use crate::step::Step;
use crate::trail;

/// The ids beyond those that are kept are deleted now and then: once in so many ids.
const FORGET_ONE_IN: i64 = 100;

/// What has to be saved.
#[derive(Debug)]
pub(crate) struct RequestChanges {
    /// Lanes, ticks and columns.
    new: Option<Vec<Column>>,
    /// Lanes and ticks.
    ended: Option<Vec<Column>>,
    /// Units, ids and ticks.
    known: Option<Vec<Column>>,
    forgets: bool,
    /// What somebody asked for and gets is entered into the trail.
    trail: Option<Vec<Column>>,
}

fn ticks(ticks: impl Iterator<Item = TickMs>) -> Column {
    Column::Int(ticks.map(|tick| Some(tick.ms())).collect())
}

impl RequestChanges {
    pub(crate) fn of(set: &WorkingSet) -> Self {
        let (new, ended, known) = (&set.new_requests, &set.ended_requests, &set.new_known);
        RequestChanges {
            new: (!new.is_empty()).then(|| {
                let requests: Vec<&Request> = new.iter().map(|(_, _, request)| request).collect();
                let mut all = vec![
                    Column::texts(new.iter().map(|(lane, _, _)| lane.as_str())),
                    ticks(new.iter().map(|(_, tick, _)| *tick)),
                ];
                all.extend(columns(REQUEST, &requests));
                all
            }),
            ended: (!ended.is_empty()).then(|| {
                vec![
                    Column::texts(ended.iter().map(|(lane, _)| lane.as_str())),
                    ticks(ended.iter().map(|(_, tick)| *tick)),
                ]
            }),
            known: (!known.is_empty()).then(|| {
                vec![
                    Column::texts(known.iter().map(|(unit, _, _)| unit.as_str())),
                    Column::texts(known.iter().map(|(_, id, _)| id.as_str())),
                    ticks(known.iter().map(|(_, _, tick)| *tick)),
                ]
            }),
            forgets: known
                .iter()
                .any(|(_, _, tick)| tick.ms() % FORGET_ONE_IN == 0),
            trail: trail::changes(set),
        }
    }

    pub(crate) fn is_nothing(&self) -> bool {
        let has_requests = self.new.is_some() || self.ended.is_some() || self.known.is_some();
        !has_requests && self.trail.is_none()
    }
}

impl Step<'_> {
    /// The ticks of the requests that are wanted, as far as they are known.
    pub(crate) async fn known_requests(
        &self,
        client: &Client,
    ) -> Result<HashMap<(UnitName, String), TickMs>, Error> {
        let wanted: &BTreeSet<(UnitName, String)> = &self.wanted.known_requests;
        let columns = (!wanted.is_empty()).then(|| {
            [
                Column::texts(wanted.iter().map(|(unit, _)| unit.as_str())),
                Column::texts(wanted.iter().map(|(_, id)| id.as_str())),
            ]
        });
        let columns = columns.as_ref().map(|columns| columns.iter().collect());
        let rows = self.execute(client, &self.statements.known_requests, columns);
        let known = rows.await?;
        let one = |row: &Row| {
            let unit: String = row.try_get(0)?;
            Ok((
                (UnitName::from(unit.as_str()), row.try_get(1)?),
                TickMs(row.try_get(2)?),
            ))
        };
        known.iter().map(one).collect()
    }

    /// Adds the first requests of the lanes that are wanted: a round trip of its own, because the records say which.
    pub(crate) async fn load_requests(
        &self,
        client: &Client,
        set: &mut WorkingSet,
    ) -> Result<(), Failure> {
        let failed = |error: Error| failure(&error, Stage::Load);
        let wanted = set.first_ticks(self.wanted);
        let columns = (!wanted.is_empty()).then(|| {
            [
                Column::texts(wanted.iter().map(|(lane, _)| lane.as_str())),
                ticks(wanted.iter().map(|(_, tick)| *tick)),
            ]
        });
        let columns = columns.as_ref().map(|columns| columns.iter().collect());
        let rows = self.execute(client, &self.statements.requests, columns);
        for row in &rows.await.map_err(failed)? {
            let lane: String = row.try_get(0).map_err(failed)?;
            let tick: i64 = row.try_get(1).map_err(failed)?;
            let lane = UnitName::from(lane.as_str());
            match read(REQUEST, row, 2, blank_request()).map_err(failed)? {
                Ok(request) => set.first_requests.insert(lane, (TickMs(tick), request)),
                Err(damage) => return Err(Failure::Fatal(damaged(&lane, &damage))),
            };
        }
        Ok(())
    }

    /// Writes what became of requests, and the trail.
    pub(crate) async fn save_requests(
        &self,
        client: &Client,
        changes: &RequestChanges,
    ) -> Result<(), Error> {
        fn all(columns: &Option<Vec<Column>>) -> Option<Vec<&Column>> {
            columns.as_ref().map(|columns| columns.iter().collect())
        }
        let texts = self.statements;
        let forgets = changes.forgets.then(Vec::new);
        self.execute(client, &texts.save_requests, all(&changes.new))
            .await?;
        self.execute(client, &texts.delete_requests, all(&changes.ended))
            .await?;
        self.execute(client, &texts.save_known, all(&changes.known))
            .await?;
        self.execute(client, &texts.forget_known, forgets).await?;
        let enters = || changes.trail.as_ref().map(|_| Vec::new());
        self.execute(client, &texts.order_trail, enters()).await?;
        self.execute(client, &texts.enter, all(&changes.trail))
            .await?;
        self.execute(client, &texts.forget_trail, enters()).await?;
        Ok(())
    }
}

fn damaged(lane: &UnitName, Damage { field, value }: &Damage) -> StoreError {
    StoreError::Refused(format!(
        "a request in the lane of {} has {value} as {field}: somebody edited it; delete that row",
        lane.without_slot()
    ))
}
