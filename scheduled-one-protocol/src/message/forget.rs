//! What is stored of a job that no living node has is removed.

use crate::directive::Directive;
use crate::message::{MAX_ACTOR_BYTES, MAX_NOTE_BYTES};
use crate::unit::UnitName;

/// Most units of one job, slots and lanes included, that are removed: 1,024 shards with 32 slots and a lane each.
pub const MAX_FORGOTTEN_UNITS: usize = 1_024 * 34;

/// Removes what is stored of a job that no living node has, or takes back what was decided of it ahead of the clock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ForgetRequest {
    /// The job.
    pub job: String,
    /// The units of the job whose records the caller found, with slots and lanes.
    pub units: Vec<UnitName>,
    /// When the job was described last, as the caller saw it: see [`CatalogEntry`](crate::CatalogEntry); 0 if it never
    /// was. If it was described since, nothing is removed.
    pub described_ms: i64,
    /// Who asks for it, why and when, and nothing else: it takes the place of the directives of a job that is
    /// forgotten.
    /// The store gives it its version.
    pub directive: Directive,
    /// What is forgotten.
    pub what: Forget,
}

/// What a [`ForgetRequest`] forgets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Forget {
    /// Everything: the catalog entry, the units with their queues, requests and checkpoints, the ledger. Its directives
    /// become empty ones, because nodes would repeat one that is deleted.
    #[default]
    Everything,
    /// What a clock that was ahead has decided: the watermarks of its units come back to the store's clock, where they
    /// are further ahead than a claim may be ([`EARLY_TOLERANCE_MS`](super::EARLY_TOLERANCE_MS)). Ticks up to now stay
    /// decided. The nodes would raise them again, so this, too, needs that no living node has the job.
    MarksAhead,
}

/// The answer to a [`ForgetRequest`]. Unless it is one of the first two, nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Forgotten {
    /// Nothing is stored of the job any more, but its empty directives.
    Removed,
    /// The watermarks of so many units came back to the store's clock; 0 if none was ahead, and then nothing has
    /// changed.
    TakenBack(u32),
    /// The catalog has the job no more: somebody else has forgotten it, or an earlier copy of the request.
    Unknown,
    /// These living nodes have it, or have not said yet which jobs they have: their labels, at most
    /// [`MAX_NODES`](super::MAX_NODES).
    Lives(Vec<String>),
    /// A node has described it since the caller looked.
    Described,
    /// The store may have forgotten what runs, until this instant in ms.
    Quarantined(i64),
    /// In this unit a run is active whose lease is not over.
    Running(UnitName),
}

impl ForgetRequest {
    /// # Errors
    ///
    /// A value that no store takes.
    pub fn check(&self) -> Result<(), String> {
        let ForgetRequest {
            job,
            units,
            directive,
            ..
        } = self;
        if let Some(unit) = units.iter().find(|unit| unit.job() != job) {
            return Err(format!(
                "to forget {job}, with {unit}: that is no unit of it"
            ));
        }
        if units.len() > MAX_FORGOTTEN_UNITS {
            let many = units.len();
            return Err(format!(
                "to forget {job}, with {many} units; at most {MAX_FORGOTTEN_UNITS} are removed"
            ));
        }
        let blank = Directive {
            changed_at_ms: directive.changed_at_ms,
            by: directive.by.clone(),
            note: directive.note.clone(),
            ..Directive::default()
        };
        let is_text = |text: &str, most| text.len() <= most && !text.contains('\0');
        let is_said =
            is_text(&directive.by, MAX_ACTOR_BYTES) && is_text(&directive.note, MAX_NOTE_BYTES);
        if *directive != blank || !is_said || !directive.is_storable() {
            return Err(format!(
                "to forget {job}, with the directive `{directive}`: it says who forgets the job and why, in at most \
                 {MAX_ACTOR_BYTES} and {MAX_NOTE_BYTES} bytes, and nothing else"
            ));
        }
        Ok(())
    }
}
