//! Decodes checkpoints.

use deadpool_redis::redis::Value;
use scheduled_one_protocol::StoreError;
use scheduled_one_protocol::message::{Checkpoint, Checkpointed, Reply};

use super::Reader;
use crate::codes::CheckpointCode;

pub(crate) fn checkpoint(reply: Value) -> Result<Reply<Checkpointed>, StoreError> {
    let mut reader = Reader::new("checkpoint", reply)?;
    let head = reader.head()?;
    let body = match reader.code(CheckpointCode::from_number)? {
        CheckpointCode::None => Checkpointed::Found(None),
        CheckpointCode::Found => Checkpointed::Found(Some(Checkpoint {
            token: reader.token()?,
            text: reader.shown()?,
        })),
        CheckpointCode::Written => Checkpointed::Written,
        CheckpointCode::Superseded => Checkpointed::Superseded,
    };
    reader.end()?;
    Ok(Reply { head, body })
}
