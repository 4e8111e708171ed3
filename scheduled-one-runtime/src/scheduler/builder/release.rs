//! The program that a node belongs to, and which of its releases this is.

use scheduled_one_protocol::MAX_GENERATION;

use crate::error::Error;
use crate::job::{check_name, check_version};
use crate::scheduler::builder::SchedulerBuilder;

impl SchedulerBuilder {
    /// The program that this node belongs to, the same in all its releases: two
    /// programs that share a namespace have different labels. When a release has
    /// dropped a job, and no living node has had it for two minutes, the job is
    /// *gone*: it has no ticks until a node with it starts again, and what waited
    /// in it ends.
    ///
    /// All processes with a label are to be given the same jobs, by
    /// [`job`](Self::job) or the attribute, and may leave some out by
    /// [`without`](Self::without): a job that only some of them are given is gone
    /// while those are down for two minutes. Default: package and crate of each
    /// job of the attribute, and none for jobs made by hand, which never go. 1 to
    /// 128 of `A-Z a-z 0-9 _ . : / -`.
    pub fn application(mut self, application: impl Into<String>) -> Self {
        self.application = Some(application.into());
        self
    }

    /// The generation of the schedules of this program. While nodes of two
    /// releases with different schedules of a job live, that of the higher
    /// generation decides its ticks; of the same generation, the one whose node
    /// started last. With a number that rises with each release, a node of an
    /// old one that restarts during a deployment does not take the ticks back;
    /// to roll back, stop the nodes of the newer release, or give the older one
    /// a higher number. Default 0; at most 1,000,000,000.
    pub fn generation(mut self, generation: u32) -> Self {
        self.generation = generation;
        self
    }

    /// The version of this program, as operators know its releases: a version, a tag, a commit. Nodes say it of their
    /// jobs, and nothing is decided by it; the command, the console and the doctor show which node has which version of
    /// a job. Default: of a job of the attribute, the version of the crate in which it is defined, as its Cargo.toml
    /// has it; none of jobs made by hand. Give it where the versions of crates do not rise with each release, such as
    /// in a workspace: `.version(env!("CARGO_PKG_VERSION"))`, or the commit. 1 to 64 of `A-Z a-z 0-9 . + - _ / :`.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Checks what was said of the program.
    pub(super) fn check_release(&self) -> Result<(), Error> {
        let bad = |setting| move |message| Error::Setting { setting, message };
        if let Some(name) = &self.application {
            check_name(name).map_err(bad("application"))?;
        }
        if let Some(version) = &self.version {
            check_version(version).map_err(bad("version"))?;
        }
        if self.generation > MAX_GENERATION {
            let message = format!("{}; at most {MAX_GENERATION} is allowed", self.generation);
            return Err(bad("generation")(message));
        }
        Ok(())
    }
}
