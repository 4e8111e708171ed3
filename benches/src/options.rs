//! Options of the command line.

use std::time::Duration;

use anyhow::{Result, anyhow, bail};

/// Figures that take so long that they are measured only with `--only`.
const ON_DEMAND: [&str; 1] = ["crowd-of-programs"];

/// What the user wants.
pub(crate) struct Options {
    pub(crate) smoke: bool,
    pub(crate) write: bool,
    pub(crate) scale: Scale,
    only: Vec<String>,
}

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// How long a window of measurement is.
    pub(crate) seconds: u64,
    /// Jobs of the figures `lateness`, `burst` and `idle`, and of `memory`.
    pub(crate) jobs: [usize; 4],
    /// Numbers of nodes of the figure `replicas`, and how many jobs they have.
    pub(crate) replicas: &'static [usize],
    pub(crate) replica_jobs: usize,
    /// Nodes and jobs of the figure `crowd`.
    pub(crate) crowds: &'static [(usize, usize)],
    /// Nodes, programs, and jobs of each program, of the figure `crowd-of-programs`.
    pub(crate) programs: (usize, usize, usize),
    /// Batches of 256 in one round of the figure `claims`, and how many rounds.
    pub(crate) claims: (usize, usize),
    /// The same on PostgreSQL.
    pub(crate) sql_claims: (usize, usize),
    /// How often the two sides of the figure `metrics` are measured, in turns.
    pub(crate) turns: usize,
    /// Ticks of each job of the figure `postgres-day`.
    pub(crate) day: usize,
    /// The lease of jobs. A store that is new to a namespace grants nothing for a lease and 1 s.
    pub(crate) lease: Duration,
    /// What else passes before a window opens.
    pub(crate) settle: Duration,
}

impl Scale {
    const FULL: Scale = Scale {
        seconds: 30,
        jobs: [1_000, 10_000, 10_000, 100_000],
        replicas: &[1, 2, 5, 10, 20, 50],
        replica_jobs: 200,
        crowds: &[(1_000, 100), (300, 1_000), (100, 2_000)],
        programs: (1_000, 100, 1_000),
        claims: (400, 8),
        sql_claims: (40, 8),
        turns: 8,
        day: 86_400,
        lease: Duration::from_secs(5),
        settle: Duration::from_secs(3),
    };

    /// Everything once, in a few seconds, in a debug build.
    const SMOKE: Scale = Scale {
        seconds: 1,
        jobs: [100, 500, 500, 1_000],
        replicas: &[1, 3],
        replica_jobs: 20,
        crowds: &[(6, 40)],
        programs: (6, 2, 20),
        claims: (4, 2),
        sql_claims: (2, 2),
        turns: 2,
        day: 100,
        lease: Duration::from_millis(500),
        settle: Duration::from_millis(200),
    };
}

impl Options {
    /// None if only help was wanted, which is printed here.
    pub(crate) fn parse(args: &[String], figures: &[(&str, &str)]) -> Result<Option<Options>> {
        let mut options = Options {
            smoke: args.iter().any(|arg| arg == "--smoke"),
            write: false,
            scale: Scale::FULL,
            only: Vec::new(),
        };
        if options.smoke {
            options.scale = Scale::SMOKE;
        }
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| anyhow!("`{arg}` needs a value"));
            match arg.as_str() {
                "--smoke" => {}
                "--write" => options.write = true,
                "--seconds" => options.scale.seconds = seconds(value()?)?,
                "--only" => options.only.push(known(value()?, figures)?),
                "help" | "--help" | "-h" => {
                    println!("{}", help(figures));
                    return Ok(None);
                }
                _ => bail!("there is no option `{arg}`\n\n{}", help(figures)),
            }
        }
        if options.smoke && options.write {
            bail!("`--smoke` measures nothing worth `--write`");
        }
        Ok(Some(options))
    }

    /// Whether a figure is to be measured.
    pub(crate) fn wants(&self, figure: &str) -> bool {
        let is_usual = self.smoke || !ON_DEMAND.contains(&figure);
        (self.only.is_empty() && is_usual) || self.only.iter().any(|only| only == figure)
    }
}

fn seconds(text: &str) -> Result<u64> {
    match text.parse() {
        Ok(seconds @ 1..=3600) => Ok(seconds),
        _ => bail!("`--seconds {text}`: 1 to 3600 are allowed"),
    }
}

fn known(name: &str, figures: &[(&str, &str)]) -> Result<String> {
    if figures.iter().any(|(known, _)| *known == name) {
        return Ok(name.to_owned());
    }
    let names: Vec<&str> = figures.iter().map(|(name, _)| *name).collect();
    bail!(
        "there is no figure `{name}`; there are: {}",
        names.join(", ")
    )
}

fn help(figures: &[(&str, &str)]) -> String {
    let mut help = "\
cargo xtask bench [options]

  --only NAME       one figure (may be repeated)
  --seconds N       how long a window of measurement is; default 30
  --write           writes benches/RESULTS.md, too
  --smoke           everything once, in a few seconds, to see that it works

figures:
"
    .to_owned();
    for (name, what) in figures {
        help.push_str(&format!("  {name:<17} {what}\n"));
    }
    help
}
