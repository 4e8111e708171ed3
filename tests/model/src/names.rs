//! Names of the promises, with which tests say which one a history breaks.

/// Names of the properties.
pub const S1: &str = "S1 one start for each tick and attempt";
/// See [`S1`].
pub const S2: &str = "S2 runs do not overlap";
/// See [`S1`].
pub const S3: &str = "S3 tokens increase";
/// See [`S1`].
pub const S4: &str = "S4 no poll after the deadline";
/// See [`S1`].
pub const S5: &str = "S5 no tick after a later one";
/// See [`S1`].
pub const S7: &str = "S7 nothing is granted in a pause";
/// See [`S1`].
pub const S8: &str = "S8 one start for each id of a request";
/// See [`S1`].
pub const S9: &str = "S9 a cancel stops only the run that it names";
/// See [`S1`].
pub const C1: &str = "C1 who has read the version of the store follows the highest one";
/// See [`S1`].
pub const E2: &str = "E2 a request ends in one line";
/// See [`S1`].
pub const E1: &str = "E1 one outcome for each tick";
/// See [`S1`].
pub const L: &str = "L a due tick is decided soon";
/// See [`S1`].
pub const NEW: &str = "a forgotten job is a new one";
/// See [`S1`].
pub const WHOLE: &str = "a job of a node that has nothing to do is stored whole";
/// See [`S1`].
pub const ONE: &str = "one schedule decides, and none before its beginning";
/// See [`S1`].
pub const WANTED: &str = "each tick is of the schedule that operators want";
/// See [`S1`].
pub const VALID: &str = "nothing comes of an old request";
/// See [`S1`].
pub const KNOWN: &str = "a recorded run is known to its node";
