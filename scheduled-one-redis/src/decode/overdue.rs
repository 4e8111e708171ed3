//! Decodes the reply of the second script of a heartbeat.

use deadpool_redis::redis::Value;
use scheduled_one_protocol::message::OverdueRun;
use scheduled_one_protocol::{StoreError, UnitName};

use super::{Reader, overdue_run};
use crate::codes::OverdueCode;

pub(crate) fn read_overdue(
    reply: Value,
    units: &[UnitName],
) -> Result<Vec<OverdueRun>, StoreError> {
    let mut reader = Reader::new("read_overdue", reply)?;
    let mut overdue = Vec::with_capacity(units.len());
    for unit in units {
        if reader.code(OverdueCode::from_number)? == OverdueCode::Overdue {
            overdue.push(overdue_run(&mut reader, unit)?);
        }
    }
    reader.end()?;
    Ok(overdue)
}
