//! Decodes what became of a job that was to be forgotten.

use deadpool_redis::redis::Value;
use scheduled_one_protocol::message::{Forgotten, Reply};
use scheduled_one_protocol::{StoreError, UnitName};

use super::Reader;
use crate::codes::ForgetCode;

pub(crate) fn forget(reply: Value) -> Result<Reply<Forgotten>, StoreError> {
    let mut reader = Reader::new("forget", reply)?;
    let head = reader.head()?;
    let body = match reader.code(ForgetCode::from_number)? {
        ForgetCode::Removed => Forgotten::Removed,
        ForgetCode::TakenBack => Forgotten::TakenBack(reader.small()?),
        ForgetCode::Unknown => Forgotten::Unknown,
        ForgetCode::Described => Forgotten::Described,
        ForgetCode::Lives => Forgotten::Lives(reader.names()?),
        ForgetCode::Quarantined => Forgotten::Quarantined(reader.int()?),
        ForgetCode::Running => Forgotten::Running(UnitName::from(&*reader.text()?)),
    };
    reader.end()?;
    Ok(Reply { head, body })
}
