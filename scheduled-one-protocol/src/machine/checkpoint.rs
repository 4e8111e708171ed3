//! The rule for checkpoints: no run overwrites what a later one left.

use super::Record;
use crate::message::{Checkpoint, CheckpointRequest, Checkpointed};

/// Reads or writes the checkpoint of a unit. A run writes only while no later run of its unit was granted: a node that
/// stood still does not put an old text back. A store that forgot the record has the token of the checkpoint itself.
pub fn checkpoint(
    record: &Record,
    stored: &mut Option<Checkpoint>,
    request: &CheckpointRequest,
) -> Checkpointed {
    let Some(write) = &request.write else {
        return Checkpointed::Found(stored.clone());
    };
    let of_stored = stored.as_ref().map(|stored| stored.token);
    if write.token < record.marks.token || Some(write.token) < of_stored {
        return Checkpointed::Superseded;
    }
    *stored = Some(write.clone());
    Checkpointed::Written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unit::UnitName;
    use crate::value::FencingToken;

    fn write(token: u64, text: &str) -> CheckpointRequest {
        let write = Checkpoint {
            token: FencingToken(token),
            text: text.to_owned(),
        };
        CheckpointRequest {
            unit: UnitName::new("a", 0),
            write: Some(write),
        }
    }

    #[test]
    fn a_run_that_was_followed_writes_nothing() {
        let (mut record, mut stored) = (Record::default(), None);
        record.marks.token = FencingToken(5);
        assert_eq!(
            checkpoint(&record, &mut stored, &write(4, "old")),
            Checkpointed::Superseded
        );
        let written = checkpoint(&record, &mut stored, &write(5, "new"));
        assert_eq!(written, Checkpointed::Written);
        // The same run writes again.
        assert_eq!(
            checkpoint(&record, &mut stored, &write(5, "newer")),
            Checkpointed::Written
        );
        // The store forgot the record.
        let forgotten = Record::default();
        let late = checkpoint(&forgotten, &mut stored, &write(4, "old"));
        assert_eq!(late, Checkpointed::Superseded);
        let read = CheckpointRequest::read(UnitName::new("a", 0));
        let Checkpointed::Found(Some(found)) = checkpoint(&record, &mut stored, &read) else {
            panic!("nothing is stored");
        };
        assert_eq!((found.token, &*found.text), (FencingToken(5), "newer"));
    }
}
