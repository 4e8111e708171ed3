//! Encodes the reading and writing of a checkpoint.

use scheduled_one_protocol::StoreError;
use scheduled_one_protocol::message::{Caller, CheckpointRequest};

use super::Draft;
use crate::keys::Keys;
use crate::script::{self, Request};

pub(crate) fn checkpoint<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    request: &'a CheckpointRequest,
) -> Result<Request<'a>, StoreError> {
    request.check().map_err(StoreError::Refused)?;
    let mut draft = Draft::new(&script::CHECKPOINT, keys, caller, 1);
    draft.unit(&request.unit);
    draft.request.key(keys.left.clone());
    draft.text(request.unit.as_str());
    match &request.write {
        None => draft.text("").text(""),
        Some(write) => draft.count(write.token.get()).text(&write.text),
    };
    draft.done()
}
