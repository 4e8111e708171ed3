//! Directives: repeated, changed, read.

use crate::catalog::Catalog;
use crate::directive::{Directive, Directives};

/// Repeats directives that the store may have forgotten, changes one, and reads all. Describes jobs, and reads the
/// catalog.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ControlRequest {
    /// Directives that the caller saw, with their subjects, at most [`MAX_BATCH`](super::MAX_BATCH): those with a
    /// higher version than the stored ones take their place.
    pub seen: Vec<(String, Directive)>,
    /// A change of one directive, after that.
    pub change: Option<DirectiveChange>,
    /// Jobs of the caller with the texts of their [descriptors](crate::JobDescriptor), at most
    /// [`MAX_BATCH`](super::MAX_BATCH): they take the place of what is stored of these jobs.
    pub described: Vec<(String, String)>,
    /// Whether the reply is to have the catalog.
    pub wants_catalog: bool,
}

/// Another directive in the place of the one that the caller saw.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DirectiveChange {
    /// A job, or [`ALL_JOBS`](crate::ALL_JOBS).
    pub subject: String,
    /// The version that the caller saw, 0 for none. If there is another one, nothing is changed.
    pub seen: u64,
    /// The directive; the store gives it its version.
    pub directive: Directive,
    /// What is done, in a word for the trail; empty if nobody asked for it: then the trail has no entry.
    pub action: String,
}

/// The reply to a [`ControlRequest`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ControlReply {
    /// What became of the change.
    pub changed: Changed,
    /// [`Head::control_version`](super::Head::control_version) after the change.
    pub version: u64,
    /// All directives, after the change.
    pub directives: Directives,
    /// The catalog, if the caller asked for it.
    pub catalog: Option<Catalog>,
}

/// What became of a [`DirectiveChange`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Changed {
    /// None was asked for.
    #[default]
    Nothing,
    /// The directive has this version now.
    To(u64),
    /// Somebody else has changed the directive since the caller saw it.
    Conflict,
}
