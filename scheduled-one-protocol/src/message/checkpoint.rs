//! What a run leaves for the next run of its unit.

use crate::unit::UnitName;
use crate::value::FencingToken;

/// The longest text of a checkpoint, in bytes.
pub const MAX_CHECKPOINT_BYTES: usize = 8 * 1024 * 1024;

/// A text that a run left for the next one, with the fencing token of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Checkpoint {
    /// The fencing token of the run that left it.
    pub token: FencingToken,
    /// What it left. No zero character.
    pub text: String,
}

/// Reads the checkpoint of a unit, or writes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CheckpointRequest {
    /// A job, or a shard of one.
    pub unit: UnitName,
    /// What to write; `None` to read.
    pub write: Option<Checkpoint>,
}

/// The answer to a [`CheckpointRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Checkpointed {
    /// What is stored, if anything is.
    Found(Option<Checkpoint>),
    /// It is stored.
    Written,
    /// A later run of the unit was granted, or has left a checkpoint: nothing is written.
    Superseded,
}

impl CheckpointRequest {
    /// To read the checkpoint of a unit.
    pub fn read(unit: UnitName) -> Self {
        CheckpointRequest { unit, write: None }
    }

    /// # Errors
    ///
    /// A unit or a text that no store takes.
    pub fn check(&self) -> Result<(), String> {
        let unit = &self.unit;
        if !unit.is_whole() {
            return Err(format!(
                "a checkpoint of {unit}: a job or a shard of one has a checkpoint"
            ));
        }
        let Some(Checkpoint { text, .. }) = &self.write else {
            return Ok(());
        };
        if text.len() > MAX_CHECKPOINT_BYTES {
            return Err(format!(
                "a checkpoint of {unit} with {} bytes; at most {MAX_CHECKPOINT_BYTES} are stored",
                text.len()
            ));
        }
        if text.contains('\0') {
            return Err(format!(
                "a checkpoint of {unit} with a zero character, which no database takes"
            ));
        }
        Ok(())
    }
}
