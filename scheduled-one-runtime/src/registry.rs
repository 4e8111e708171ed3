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
use crate::job::{Job, check_version};
use crate::user_code::{self, Panic};
use scheduled_one_schedule::name::check_name;

/// One entry for each annotated function.
#[distributed_slice]
pub static SCHEDULED_ONE_JOBS_0_1_0: [Declared];

/// An annotated function.
pub struct Declared {
    /// Makes the job.
    pub make: fn() -> Job,
    /// The package that it is in; `None` if Cargo did not build it.
    pub package: Option<&'static str>,
    /// The version of that package.
    pub version: Option<&'static str>,
    /// The module that it is in, which begins with the crate.
    pub module: &'static str,
}

impl Declared {
    /// What the releases of its crate have in common: package and crate. A package may have several programs.
    fn label(&self) -> Option<String> {
        let crate_name = self.module.split("::").next().unwrap_or(self.module);
        let label = match self.package {
            Some(package) if package.replace('-', "_") != crate_name => {
                format!("{package}/{crate_name}")
            }
            Some(package) => package.to_owned(),
            None => crate_name.to_owned(),
        };
        check_name(&label).is_ok().then_some(label)
    }

    /// The version of its package, as lists of jobs have it.
    fn version(&self) -> Option<String> {
        let version = self
            .version
            .filter(|version| check_version(version).is_ok());
        version.map(str::to_owned)
    }
}

/// All annotated functions of the crates linked into this program, in no
/// particular order. Fails if one of them cannot be made.
pub(crate) fn registered_jobs() -> Result<Vec<Job>, Error> {
    let jobs = SCHEDULED_ONE_JOBS_0_1_0.iter();
    let make = |declared: &Declared| {
        let job = user_code::call(declared.make)?;
        Ok(job.labelled(declared.label(), declared.version()))
    };
    jobs.map(make)
        .collect::<Result<_, _>>()
        .map_err(|panic: Panic| Error::Setting {
            setting: "job",
            message: format!(
                "an annotated job could not be made, it panicked: {}",
                panic.text
            ),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_is_package_and_crate() {
        let label = |package, module| {
            let make = || Job::manual("a", || async {});
            let declared = Declared {
                make,
                package,
                version: None,
                module,
            };
            declared.label()
        };
        let is = |text: &str| Some(text.to_owned());
        assert_eq!(label(Some("bill-ing"), "bill_ing::a::b"), is("bill-ing"));
        assert_eq!(label(Some("billing"), "worker"), is("billing/worker"));
        assert_eq!(label(None, "worker::a"), is("worker"));
        assert_eq!(label(None, "été"), None);
    }

    #[test]
    fn the_name_of_the_slice_has_the_version_of_this_crate() {
        let version = env!("CARGO_PKG_VERSION").replace(['.', '-', '+'], "_");
        let declared = format!("pub static SCHEDULED_ONE_JOBS_{version}: [Declared];");
        assert!(
            include_str!("registry.rs").contains(&declared),
            "{declared}"
        );
    }
}
