//! The jobs of the attribute, collected at link time.
//!
//! A distributed slice (see the linkme crate) is laid out by the linker: no
//! code runs before `main`, nothing is allocated, and a job is there as soon
//! as its crate is linked. A crate that is only named in Cargo.toml and never
//! referred to is *not* linked: `use jobs as _;` cures that.
//!
//! The linker knows a slice by the name of its static alone, whatever the module:
//! so the name is one that no program chooses, with the version of this crate in
//! it. Two versions of this crate in one program would each have a part of the jobs,
//! so Cargo refuses them: the key `links` of the manifest exists once in a program.

use linkme::distributed_slice;

use crate::error::Error;
use crate::job::Job;
use crate::user_code;

/// One entry for each annotated function: makes the job.
#[distributed_slice]
pub static SCHEDULED_ONE_JOBS_0_1_0: [fn() -> Job];

/// All annotated functions of the crates linked into this program, in no
/// particular order. Fails if one of them cannot be made.
pub(crate) fn registered_jobs() -> Result<Vec<Job>, Error> {
    let jobs = SCHEDULED_ONE_JOBS_0_1_0.iter();
    jobs.map(user_code::call)
        .collect::<Result<_, _>>()
        .map_err(|panic| Error::Setting {
            setting: "job",
            message: format!(
                "an annotated job could not be made, it panicked: {}",
                panic.text
            ),
        })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_name_of_the_slice_has_the_version_of_this_crate() {
        let version = env!("CARGO_PKG_VERSION").replace(['.', '-', '+'], "_");
        let declared = format!("pub static SCHEDULED_ONE_JOBS_{version}: [fn() -> Job];");
        assert!(
            include_str!("registry.rs").contains(&declared),
            "{declared}"
        );
    }
}
