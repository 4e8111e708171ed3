//! Fuzz targets for all input from outside. Each target takes any bytes, and panics if a property does not hold. The
//! fuzzer of `fuzz/` drives the targets; `tests/corpus.rs` runs the corpora with a stable compiler.

mod attribute_target;
mod expression;
mod reply;
mod url;

// The attribute itself: the crate of a procedural macro exports nothing else,
// so its modules are compiled in.
#[path = "../../../scheduled-one-macros/src/alert.rs"]
mod alert;
#[path = "../../../scheduled-one-macros/src/args.rs"]
mod args;
#[path = "../../../scheduled-one-macros/src/attribute.rs"]
mod attribute;
#[path = "../../../scheduled-one-macros/src/errors.rs"]
mod errors;
#[path = "../../../scheduled-one-macros/src/expand.rs"]
mod expand;
#[path = "../../../scheduled-one-macros/src/fallback.rs"]
mod fallback;
#[path = "../../../scheduled-one-macros/src/item.rs"]
mod item;
#[path = "../../../scheduled-one-macros/src/job.rs"]
mod job;
#[path = "../../../scheduled-one-macros/src/keys.rs"]
mod keys;
#[path = "../../../scheduled-one-macros/src/policies.rs"]
mod policies;
#[path = "../../../scheduled-one-macros/src/suggest.rs"]
mod suggest;
#[path = "../../../scheduled-one-macros/src/validate.rs"]
mod validate;
#[path = "../../../scheduled-one-macros/src/values.rs"]
mod values;
#[path = "../../../scheduled-one-macros/src/when.rs"]
mod when;

pub use attribute_target::attribute;
pub use expression::expression;
pub use reply::reply;
pub use url::url;

/// Longer input finds nothing that shorter does not.
pub const MAX_BYTES: usize = 4096;

/// A target: its name, which is that of its corpus, too, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 4] = [
    ("expression", expression),
    ("url", url),
    ("reply", reply),
    ("attribute", attribute),
];
