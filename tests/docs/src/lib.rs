//! The programs in the Markdown files, as documentation tests. The tests of a crate cover the Markdown that its
//! documentation includes.

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
mod readme {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/deploying.md")]
mod deploying {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/metrics.md")]
mod metrics {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/stores.md")]
mod stores {}
