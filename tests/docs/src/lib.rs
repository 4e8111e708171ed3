//! The programs in the Markdown files, as documentation tests. Markdown that a
//! crate includes in its own documentation is tested there.

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
mod readme {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/deploying.md")]
mod deploying {}
