//! The statements on requests for runs, of one bucket.

use std::collections::{BTreeSet, HashMap};

use rusqlite::{OptionalExtension, params, params_from_iter};
use scheduled_one_protocol::fields::{REQUEST, blank_request};
use scheduled_one_protocol::machine::damage::Damage;
use scheduled_one_protocol::message::{KNOWN_REQUESTS, Request};
use scheduled_one_protocol::{StoreError, TickMs, UnitName, WorkingSet};

use crate::rows::{names, parameters, read, replaced, values};
use crate::statements::{Failure, Rows};

impl Rows<'_> {
    /// The requests of these ticks of lanes, as far as they are stored.
    pub(crate) fn requests(
        &self,
        ticks: Vec<(UnitName, TickMs)>,
    ) -> Result<HashMap<UnitName, (TickMs, Request)>, Failure> {
        let select = format!(
            "SELECT {} FROM request WHERE bucket = ?1 AND lane = ?2 AND tick_ms = ?3",
            names(REQUEST)
        );
        let mut requests = HashMap::new();
        for (lane, tick) in ticks {
            let mut select = self.connection.prepare(&select)?;
            let found = select
                .query_row(params![self.bucket, lane.as_str(), tick.ms()], |row| {
                    read(REQUEST, row, 0, blank_request())
                })
                .optional()?;
            if let Some(found) = found {
                let request = found.map_err(|damage| Failure::Damaged(damaged(&lane, &damage)))?;
                requests.insert(lane, (tick, request));
            }
        }
        Ok(requests)
    }

    /// The ticks of these requests, as far as they are known.
    pub(crate) fn known_requests(
        &self,
        wanted: &BTreeSet<(UnitName, String)>,
    ) -> rusqlite::Result<HashMap<(UnitName, String), TickMs>> {
        let select = "SELECT tick_ms FROM asked WHERE bucket = ?1 AND unit = ?2 AND id = ?3";
        let mut known = HashMap::new();
        for (unit, id) in wanted {
            let mut select = self.connection.prepare(select)?;
            let tick = select
                .query_row(params![self.bucket, unit.as_str(), id], |row| row.get(0))
                .optional()?;
            if let Some(tick_ms) = tick {
                known.insert((unit.clone(), id.clone()), TickMs(tick_ms));
            }
        }
        Ok(known)
    }

    /// Writes what became of requests.
    pub(crate) fn save_requests(&self, set: &WorkingSet) -> rusqlite::Result<()> {
        let upsert = format!(
            "INSERT INTO request (bucket, lane, tick_ms, {}) VALUES (?1, ?2, ?3, {}) ON CONFLICT DO UPDATE SET {}",
            names(REQUEST),
            parameters(REQUEST, 3),
            replaced(REQUEST)
        );
        for (lane, tick, request) in &set.new_requests {
            let key = [
                self.bucket.to_owned().into(),
                lane.as_str().to_owned().into(),
                tick.ms().into(),
            ];
            let row = key.into_iter().chain(values(REQUEST, request));
            self.connection.execute(&upsert, params_from_iter(row))?;
        }
        let delete = "DELETE FROM request WHERE bucket = ?1 AND lane = ?2 AND tick_ms = ?3";
        for (lane, tick) in &set.ended_requests {
            let row = params![self.bucket, lane.as_str(), tick.ms()];
            self.connection.execute(delete, row)?;
        }
        let upsert = "INSERT INTO asked (bucket, unit, id, tick_ms) VALUES (?1, ?2, ?3, ?4) \
                      ON CONFLICT DO UPDATE SET tick_ms = excluded.tick_ms";
        for (unit, id, tick) in &set.new_known {
            let row = params![self.bucket, unit.as_str(), id, tick.ms()];
            self.connection.execute(upsert, row)?;
        }
        if !set.new_known.is_empty() {
            let forget = "DELETE FROM asked WHERE bucket = ?1 AND tick_ms < \
                          (SELECT tick_ms FROM asked WHERE bucket = ?1 ORDER BY tick_ms DESC LIMIT 1 OFFSET ?2)";
            let most = KNOWN_REQUESTS as i64 - 1;
            self.connection
                .execute(forget, params![self.bucket, most])?;
        }
        Ok(())
    }
}

fn damaged(lane: &UnitName, Damage { field, value }: &Damage) -> StoreError {
    StoreError::Refused(format!(
        "a request in the lane of {} has {value} as {field}: somebody edited it; delete that row",
        lane.without_slot()
    ))
}
