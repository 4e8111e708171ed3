//! The verb `mutants`: builds of the project with one guard removed each, which
//! the suites must catch. A guard that nobody misses is untested, or not
//! needed.
//!
//! A mutant is a change of the text of a copy of the sources, under
//! `target/mutants`: what is shipped has no switches.

mod beats;
mod commit;
mod control;
mod copy;
mod forget;
mod list;
mod overdue;
mod placement;
mod preference;
mod schedules;

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::command::{cargo, root};
use crate::process::{Output, run_bounded};
use crate::tools;
use copy::Copy;
use list::{Mutant, Suite};

/// How long the chaos suite may look for a mutant, in minutes and each fault.
const MINUTES: &str = "2";

/// How long a build or a suite may take, on a machine that does other things, too.
const LIMIT: Duration = Duration::from_secs(20 * 60);

/// Which plans it does that with.
const SEED: &str = "1";

/// All mutants.
fn all() -> impl Iterator<Item = &'static Mutant> {
    let lists = [
        list::MUTANTS,
        beats::MUTANTS,
        control::MUTANTS,
        commit::MUTANTS,
        forget::MUTANTS,
        overdue::MUTANTS,
        placement::MUTANTS,
        preference::MUTANTS,
        schedules::MUTANTS,
    ];
    lists.into_iter().flatten()
}

/// Makes each mutant (or only those of these names), and has it hunted.
pub(crate) fn mutants(names: &[&str]) -> Result<(), String> {
    if let Some(unknown) = names.iter().find(|name| !all().any(|it| it.name == **name)) {
        let known: Vec<&str> = all().map(|it| it.name).collect();
        return Err(format!(
            "there is no mutant {unknown}; there are: {}",
            known.join(", ")
        ));
    }
    let redis_server = tools::ensure(&[tools::REDIS_SERVER, tools::POSTGRES])?;
    let folder = root().join("target/mutants");
    let mut hunt = Hunt {
        copy: Copy::of(root(), &folder.join("source"))?,
        folder,
        redis_server,
    };
    let chosen = all().filter(|it| names.is_empty() || names.contains(&it.name));
    let mut escaped = Vec::new();
    println!("| guard removed | suite | caught by | after |\n| --- | --- | --- | ---: |");
    for mutant in chosen {
        hunt.copy.apply(mutant.edits)?;
        for suite in mutant.suites {
            let started = Instant::now();
            let found = hunt.look(mutant, *suite)?;
            let took = started.elapsed().as_secs();
            let caught_by = found.as_deref().unwrap_or("NOBODY");
            println!("| {} | {suite} | {caught_by} | {took} s |", mutant.name);
            if found.is_none() {
                escaped.push(format!("{} ({suite})", mutant.name));
            }
        }
        hunt.copy.restore()?;
    }
    match escaped.is_empty() {
        true => Ok(()),
        false => Err(format!("not caught: {}", escaped.join(", "))),
    }
}

/// Where mutants are made and looked for.
struct Hunt {
    copy: Copy,
    folder: PathBuf,
    redis_server: Option<(&'static str, PathBuf)>,
}

impl Hunt {
    /// What the suite says of the mutant, if it says that something is wrong.
    fn look(&self, mutant: &Mutant, suite: Suite) -> Result<Option<String>, String> {
        match suite {
            Suite::Chaos(fault, rules) => self.chaos(mutant, fault, rules),
            Suite::Model(test) => self.model(mutant, test),
            Suite::Contract(krate) => self.contract(mutant, krate),
            Suite::Postgres(test) => self.postgres(mutant, test),
            Suite::Machine(test) => self.machine(mutant, test),
            Suite::Test(target, test) => self.test(mutant, target, test),
        }
    }

    fn chaos(
        &self,
        mutant: &Mutant,
        fault: &str,
        rules: &[&str],
    ) -> Result<Option<String>, String> {
        self.must_build(mutant, &["build", "-p", "cluster-tests", "--bins"])?;
        let mut chaos = Command::new(self.folder.join("target/debug/chaos"));
        chaos.args(["--only", fault, "--minutes", MINUTES, "--seed", SEED]);
        chaos.arg("--stop-at-first");
        let (_, text) = self.output(mutant, fault, chaos)?;
        // `VIOLATION <rule> in <job>: …`; others say that it is broken, but not
        // that the guard was needed.
        let violations = text
            .lines()
            .filter_map(|line| line.split_once("VIOLATION "));
        let mut whats = violations.map(|(_, what)| what.split(':').next().unwrap_or(what));
        let of_rules = |what: &&str| rules.contains(&what.split(' ').next().unwrap_or(what));
        Ok(whats.find(of_rules).map(str::to_owned))
    }

    fn model(&self, mutant: &Mutant, test: &str) -> Result<Option<String>, String> {
        let files = [
            "promises",
            "pauses",
            "lanes",
            "schedules",
            "forget",
            "preferences",
        ];
        let files = files.map(|file| ["--test", file]).concat();
        self.exactly(
            mutant,
            &[&["test", "-p", "model-tests"][..], &files].concat(),
            test,
        )
    }

    /// A test of the pure machine.
    fn machine(&self, mutant: &Mutant, test: &str) -> Result<Option<String>, String> {
        let target = ["test", "-p", "scheduled-one-protocol", "--lib"];
        self.exactly(mutant, &target, &format!("machine::{test}"))
    }

    /// A test of PostgreSQL as the store.
    fn postgres(&self, mutant: &Mutant, test: &str) -> Result<Option<String>, String> {
        let target = ["test", "-p", "scheduled-one-postgres", "--test", "server"];
        self.exactly(mutant, &target, test)
    }

    /// A test of the runtime, in this target.
    fn test(&self, mutant: &Mutant, target: &str, test: &str) -> Result<Option<String>, String> {
        let package = ["test", "-p", "scheduled-one-runtime"];
        match target {
            "--lib" => self.exactly(mutant, &[&package[..], &["--lib"]].concat(), test),
            name => self.exactly(mutant, &[&package[..], &["--test", name]].concat(), test),
        }
    }

    fn exactly(
        &self,
        mutant: &Mutant,
        target: &[&str],
        test: &str,
    ) -> Result<Option<String>, String> {
        self.must_build(mutant, &[target, &["--no-run"]].concat())?;
        let exactly = ["--", "--exact", test];
        let log = test.replace("::", ".");
        let (well, text) = self.output(mutant, &log, self.cargo(&[target, &exactly].concat()))?;
        if well && !text.contains("1 passed") {
            return Err(format!("there is no test {test}"));
        }
        // What follows the place of a panic: configuration and property.
        let mut lines = text
            .lines()
            .skip_while(|line| !line.contains("panicked at"));
        let broken = lines.nth(1).unwrap_or("no end").trim_end_matches(':');
        Ok((!well).then(|| broken.to_owned()))
    }

    fn contract(&self, mutant: &Mutant, krate: &str) -> Result<Option<String>, String> {
        let target = ["test", "-p", krate, "--test", "contract"];
        self.must_build(mutant, &[&target[..], &["--no-run"]].concat())?;
        let (well, text) = self.output(mutant, krate, self.cargo(&target))?;
        if well && !text.contains("1 passed") {
            return Err(format!("{krate} has no contract suite"));
        }
        // What follows the place of a panic: the breach.
        let mut lines = text
            .lines()
            .skip_while(|line| !line.contains("panicked at"));
        let breach = lines.nth(1).unwrap_or("the suite").to_owned();
        Ok((!well).then_some(breach))
    }

    fn cargo(&self, args: &[&str]) -> Command {
        let mut command = cargo(args.iter().copied());
        command
            .current_dir(self.copy.root())
            .env("CARGO_TARGET_DIR", self.folder.join("target"));
        command
    }

    /// A mutant that does not build is not caught, it is none.
    fn must_build(&self, mutant: &Mutant, args: &[&str]) -> Result<(), String> {
        let (well, _) = self.output(mutant, "build", self.cargo(args))?;
        match well {
            true => Ok(()),
            false => Err(format!(
                "{}: it does not build; see {}",
                mutant.name,
                self.log_of(mutant, "build").display()
            )),
        }
    }

    /// Runs a command to its end, or to that of the time limit: without its guard, a node may turn in a circle. Whether
    /// it succeeded, and what it printed, which is kept, too.
    fn output(
        &self,
        mutant: &Mutant,
        of: &str,
        mut command: Command,
    ) -> Result<(bool, String), String> {
        command.envs(self.redis_server.clone());
        let log = self.log_of(mutant, of);
        let at_log = |error| format!("{}: {error}", log.display());
        let file = File::create(&log).map_err(at_log)?;
        let ended = run_bounded(command, LIMIT, Output::Into(file));
        let text = fs::read(&log).map_err(at_log)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok((ended.is_ok(), text))
    }

    fn log_of(&self, mutant: &Mutant, of: &str) -> PathBuf {
        self.folder.join(format!("{}.{of}.log", mutant.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An edit whose text is gone, or stands twice, removes no guard.
    #[test]
    fn the_text_of_each_edit_stands_once_in_its_file() {
        for mutant in all() {
            for edit in mutant.edits {
                let text = fs::read_to_string(root().join(edit.file)).expect(edit.file);
                let times = text.matches(edit.old).count();
                assert_eq!(times, 1, "{}: {}: {:?}", mutant.name, edit.file, edit.old);
            }
        }
    }
}
