//! The jobs of the attribute, collected at link time.
//!
//! A distributed slice (see the linkme crate) is laid out by the linker: no
//! code runs before `main`, nothing is allocated, and a job is there as soon
//! as its crate is linked. A crate that is only named in Cargo.toml and never
//! referred to is *not* linked: `use jobs as _;` cures that.

use linkme::distributed_slice;

use crate::job::Job;

/// One entry for each annotated function: makes the job.
#[distributed_slice]
pub static JOBS: [fn() -> Job];

/// All annotated functions of the crates linked into this program, in no
/// particular order.
pub(crate) fn registered_jobs() -> impl Iterator<Item = Job> {
    JOBS.iter().map(|make| make())
}
