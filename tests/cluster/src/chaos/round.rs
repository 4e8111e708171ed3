//! A round: a new world, one fault after the other, and at the end the audit and the checker.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use scheduled_one_testkit::checker::{Expectation, Expected, Rule, Violation};

use super::deployment::Kind;
use super::faults::{Fault, Made};
use super::plan::Round;
use super::seed::Seed;
use super::world::{Never, PULSE, Programs, World, now_us};
use crate::log::Kind as Sign;

/// What a noisy machine may add to a promise before it counts as broken.
const NOISE: Duration = Duration::from_secs(6);

/// What came of one fault.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name.
    pub fault: &'static str,
    /// On what.
    pub kind: Kind,
    /// How many runs started from it to the next one.
    pub ticks: usize,
    /// The longest gap in the ticks of the pulse, in ticks.
    pub gap: i64,
    /// How long after it was undone the next tick started, ms.
    pub healed_ms: Option<u64>,
    /// Violations that fell into its time.
    pub violations: usize,
    from_us: u64,
    every_ms: i64,
}

/// What came of a round.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Fault by fault.
    pub rows: Vec<Row>,
    /// Rules that were broken.
    pub violations: Vec<Violation>,
    /// How many flushes of the disk took long.
    pub stalls: usize,
    /// What kept the round from its end, if something did.
    pub broke_off: Option<String>,
    /// Where the logs are, if there is something to look for in them.
    pub folder: Option<PathBuf>,
}

/// Runs a round; `say` receives a line for each event.
pub fn run(round: &Round, programs: &Programs, say: &dyn Fn(&str)) -> Outcome {
    let mut outcome = Outcome::default();
    let mut world = match World::start(round.kind, programs) {
        Ok(world) => world,
        Err(error) => {
            outcome.broke_off = Some(format!("it does not start: {error}"));
            return outcome;
        }
    };
    if let Err(error) = go(&mut world, round, &mut outcome, say) {
        let fault = outcome.rows.last().map_or("the start", |row| row.fault);
        if Never::is(&error) {
            let what = format!("after {fault}: {error}");
            let never = world.history().violation(Rule::L, PULSE, now_us(), what);
            outcome.violations.push(never);
        }
        outcome.broke_off = Some(format!("{fault}: {error}"));
    }
    if outcome.broke_off.is_none()
        && let Err(error) = world.audit()
    {
        outcome.broke_off = Some(format!("audit: {error}"));
    }
    if let Err(error) = world.end() {
        let text = format!("end: {error}");
        outcome.broke_off.get_or_insert(text);
    }
    outcome.violations.extend(world.violations());
    outcome.stalls = world.stalls().len();
    count(&world, &mut outcome);
    if outcome.broke_off.is_some() || !outcome.violations.is_empty() {
        outcome.folder = Some(world.keep_folder());
    }
    outcome
}

fn go(
    world: &mut World,
    round: &Round,
    outcome: &mut Outcome,
    say: &dyn Fn(&str),
) -> io::Result<()> {
    let mut seed = Seed::new(round.seed);
    for fault in &round.faults {
        outcome.rows.push(Row {
            fault: fault.name,
            kind: round.kind,
            ticks: 0,
            gap: 0,
            healed_ms: None,
            violations: 0,
            from_us: now_us(),
            every_ms: world.every(PULSE).as_millis() as i64,
        });
        // Each fault has numbers of its own: those of one do not depend on how
        // many another one took.
        let mut own = Seed::new(seed.number());
        let made = fault.make(world, &mut own)?;
        let again_us = world.wait_for_pulse(made.healed_us)?;
        let healed_ms = (again_us - made.healed_us) / 1_000;
        say(&format!("{}: ticks again after {healed_ms} ms", fault.name));
        if let Some(row) = outcome.rows.last_mut() {
            row.healed_ms = Some(healed_ms);
        }
        expect(fault, &made, world)?;
        world.deployment.mend()?;
        world.replace_dead_nodes()?;
        world.wait_for_nodes()?;
        world.wait_for_starts(3)?;
    }
    Ok(())
}

/// Notes what is promised after the fault, and waits for what must come.
fn expect(fault: &Fault, made: &Made, world: &mut World) -> io::Result<()> {
    let expect = |world: &mut World, job: &str, expected| {
        world.expect(Expectation {
            fault: fault.name.to_owned(),
            job: job.to_owned(),
            healed_us: made.healed_us,
            expected,
        });
    };
    let within = fault.heals.within() + world.every(PULSE);
    expect(
        world,
        PULSE,
        Expected::NextStart {
            within,
            noise: NOISE,
        },
    );
    if let Some((job, time)) = made.stands_still {
        let healed_us = made.healed_us + time.as_micros() as u64;
        world.expect(Expectation {
            fault: fault.name.to_owned(),
            job: job.to_owned(),
            healed_us,
            expected: Expected::NextStart {
                within: fault.heals.within() + world.every(job),
                noise: NOISE,
            },
        });
    }
    if let Some((job, token)) = made.starts_not {
        expect(world, job, Expected::NoSign { token });
    }
    if let Some((job, tick_ms)) = made.runs {
        expect(world, job, Expected::Runs { tick_ms });
        world.must(
            &format!("{job} runs what it missed, or its next tick"),
            |world| {
                let mut events = world.log.events.iter();
                events.any(|it| it.kind == Sign::Start && it.job == job && it.tick_ms >= tick_ms)
            },
        )?;
    }
    Ok(())
}

/// Says of each fault what happened from it to the next one.
fn count(world: &World, outcome: &mut Outcome) {
    let starts = world.log.events.iter().filter(|it| it.kind == Sign::Start);
    let starts: Vec<(u64, Option<i64>)> = starts
        .map(|it| (it.boot_us, (it.job == PULSE).then_some(it.tick_ms)))
        .collect();
    let mut to_us = u64::MAX;
    for row in outcome.rows.iter_mut().rev() {
        let within = |us: u64| row.from_us <= us && us < to_us;
        row.ticks = starts.iter().filter(|(us, _)| within(*us)).count();
        let mut pulse: Vec<(u64, i64)> = Vec::new();
        pulse.extend(starts.iter().filter_map(|(us, tick)| Some((*us, (*tick)?))));
        pulse.sort_unstable();
        let gaps = pulse.windows(2).filter(|pair| within(pair[1].0));
        let gaps = gaps.map(|pair| (pair[1].1 - pair[0].1) / row.every_ms - 1);
        row.gap = gaps.max().unwrap_or(0).max(0);
        let found = outcome.violations.iter();
        row.violations = found.filter(|it| within(it.at_us)).count();
        to_us = row.from_us;
    }
}
