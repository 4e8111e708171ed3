//! Properties of the model: promises, which hold in every state, and events, which occur in some state.

use scheduled_one_protocol::machine::Record;
use scheduled_one_protocol::message::Overlap;
use scheduled_one_protocol::{Outcome, TickMs};
use stateright::Property;

use crate::config::{Config, Faults};
use crate::names::{
    C1, E1, E2, KNOWN, L, NEW, ONE, S1, S2, S3, S4, S5, S7, S8, S9, VALID, WANTED, WHOLE,
};
use crate::node::{Asked, Node, Phase, Run, true_deadline};
use crate::server::Memory;
use crate::world::World;

/// The promises of `docs/protocol.md`, and what must be seen so that the search has put them to the test.
pub(crate) fn all(config: &Config) -> Vec<Property<Config>> {
    let mut all = promises();
    all.extend(must_be_seen(config));
    all
}

/// What holds in every state.
fn promises() -> Vec<Property<Config>> {
    vec![
        Property::always(S1, |config: &Config, world: &World| {
            let history = &world.history;
            history.excused
                || history.starts_once() && (config.takeovers + config.retries > 0 || once(world))
        }),
        Property::always(S2, |_, world: &World| {
            world.history.unstated || runs_are_alone(world)
        }),
        Property::always(S3, |_, world: &World| {
            world.history.excused || world.history.tokens_increase()
        }),
        Property::always(S4, |_, world: &World| nothing_is_polled_too_late(world)),
        Property::always(S5, |_, world: &World| {
            world.history.excused || world.history.in_order()
        }),
        Property::always(S7, |_, world: &World| !world.history.granted_in_pause),
        Property::always(S8, |_, world: &World| {
            world.history.excused || world.history.id_starts_once()
        }),
        Property::always(S9, |_, world: &World| !world.history.cancelled_another),
        Property::always(C1, |_, world: &World| {
            world.nodes.iter().all(|node| follows(world, node))
        }),
        Property::always(E2, |_, world: &World| {
            world.history.excused || request_ends(world)
        }),
        Property::always(E1, |config: &Config, world: &World| {
            world.history.excused || one_outcome(config, world)
        }),
        Property::always(L, |_, world: &World| !world.history.too_late),
        Property::always(NEW, |_, world: &World| !world.history.from_before),
        Property::always(WHOLE, |config: &Config, world: &World| {
            config.faults.forgets == 0 || jobs_are_whole(config, world)
        }),
        Property::always(ONE, |_, world: &World| !world.history.wrong_schedule),
        Property::always(WANTED, |_, world: &World| !world.history.wrong_tick),
        Property::always(VALID, |config: &Config, world: &World| {
            config.faults.jumps > 0 || !world.history.revived
        }),
        Property::always(KNOWN, |config: &Config, world: &World| {
            let Memory { record, lane, .. } = &world.server.memory;
            // A copy of a claim of what waits, which arrives behind the reply *busy* to another, is granted to nobody.
            let takes_are_late = config.faults.late_requests + config.faults.copies > 0;
            recorded_may_be_old(config, world)
                || run_is_known(world, record)
                    && (takes_are_late || run_is_known(world, &lane.record))
        }),
    ]
}

/// Whether a node that has nothing to read, and nothing to repeat, follows the directive that is stored. Of one
/// version, there is one directive.
fn follows(world: &World, node: &Node) -> bool {
    let meta = &world.server.memory.meta;
    let stored = meta.directives.get(Config::unit().job());
    let stored = stored.cloned().unwrap_or_default();
    let known = &node.known;
    let has_read = known.read == meta.control_version && known.head == known.read;
    let is_settled = has_read && !known.unrepeated && known.asked.is_none();
    let is_one = stored.version != known.directive.version || stored == known.directive;
    is_one && (!node.up || !is_settled || stored.version == known.directive.version)
}

/// What occurs in some state, with the faults of this configuration.
fn must_be_seen(config: &Config) -> Vec<Property<Config>> {
    let mut seen = Vec::new();
    let faults = &config.faults;
    let mut sometimes = |wanted: bool, property: Property<Config>| {
        if wanted {
            seen.push(property);
        }
    };
    sometimes(
        true,
        Property::sometimes("all ticks start", |config: &Config, world: &World| {
            let starts = world.history.starts.iter();
            starts.filter(|start| !start.in_lane).count() >= config.ticks.len()
        }),
    );
    let dies = faults.crashes + faults.cuts + faults.pauses > 0 && config.horizon >= 7;
    sometimes(
        dies && config.takeovers == 0,
        Property::sometimes("a run is lost", |_, world: &World| {
            world.ends(Outcome::Lost)
        }),
    );
    sometimes(
        dies && config.takeovers > 0,
        Property::sometimes("a run is taken over", |_, world: &World| {
            world.history.starts.iter().any(|start| start.attempt > 1)
        }),
    );
    let forgets = faults.failovers + faults.flushes > 0;
    sometimes(
        forgets,
        Property::sometimes("a run is readopted", |_, world: &World| {
            let mut runs = world.nodes.iter().flat_map(|node| &node.runs);
            runs.any(|run| run.readopted)
        }),
    );
    sometimes(
        forgets,
        Property::sometimes("a quarantine", |_, world: &World| {
            let mut nodes = world.nodes.iter();
            nodes.any(|node| node.quarantine_until_ms > world.now + world.clock_ms)
        }),
    );
    sometimes(
        forgets && config.other_lease > config.first_lease,
        starts_before_another_job(),
    );
    let two_releases = !config.other_ticks.is_empty() && faults.restarts > 0;
    let (equal, unequal) = (config.other_generation == 0, config.other_generation > 0);
    sometimes(two_releases && equal, both_schedules_run());
    sometimes(two_releases && unequal, the_higher_generation_goes_on());
    sometimes(faults.gone > 0, starts_after_gone());
    let forgets_job = faults.forgets > 0 && faults.jumps == 0;
    sometimes(forgets_job && comes_back(faults), starts_after_forgotten());
    sometimes(faults.forgets > 0 && faults.jumps > 0, marks_come_back());
    sometimes(faults.reschedules > 1, both_plans_run());
    sometimes(faults.directives > 0, undecided_in_a_pause());
    sometimes(faults.asks > 0, a_request_starts());
    sometimes(faults.cancels > 0, a_run_is_cancelled());
    sometimes(matches!(config.overlap, Overlap::Queue(_)), a_tick_waits());
    let forgotten = forgets && faults.crashes > 0 && config.nodes > 1;
    sometimes(
        forgotten && faults.lost_writes + usize::from(faults.flushes) > 0 && config.starts_twice,
        Property::sometimes(
            "what only dead nodes saw starts twice",
            |_, world: &World| world.history.excused && !world.history.starts_once(),
        ),
    );
    seen
}

fn a_tick_waits() -> Property<Config> {
    Property::sometimes("a tick waits", |_, world: &World| {
        !world.server.memory.record.waiting.is_empty()
    })
}

fn a_request_starts() -> Property<Config> {
    Property::sometimes("a request starts", |_, world: &World| {
        world.history.starts.iter().any(|start| start.in_lane)
    })
}

fn a_run_is_cancelled() -> Property<Config> {
    Property::sometimes("a run is cancelled", |_, world: &World| {
        !world.history.cancelled.is_empty() && world.ends(Outcome::Cancelled)
    })
}

/// A node died and started again, perhaps the one with the lower generation: ticks of the higher one still start.
fn the_higher_generation_goes_on() -> Property<Config> {
    let what = "a tick of the higher generation starts, and a node has started again";
    Property::sometimes(what, |config: &Config, world: &World| {
        let newest = world.history.starts.last();
        let is_higher = newest.is_some_and(|start| {
            config
                .other_ticks
                .iter()
                .any(|it| Config::tick(*it) == start.tick)
        });
        is_higher && world.left.restarts == 0 && world.nodes.iter().all(|node| node.up)
    })
}

/// Two releases take the ticks from each other.
fn both_schedules_run() -> Property<Config> {
    let what = "ticks of both schedules start";
    Property::sometimes(what, |config: &Config, world: &World| {
        let of = |ticks: &[i64]| {
            let mut starts = world.history.starts.iter();
            starts.any(|start| ticks.iter().any(|tick| Config::tick(*tick) == start.tick))
        };
        of(&config.ticks) && of(&config.other_ticks)
    })
}

/// A job that was gone starts again.
fn starts_after_gone() -> Property<Config> {
    Property::sometimes("a job that was gone starts", |_, world: &World| {
        let history = &world.history;
        history
            .gone_at
            .is_some_and(|at| at > 0 && history.starts.len() > at)
    })
}

fn comes_back(faults: &Faults) -> bool {
    faults.restarts + faults.cuts > 0
}

/// A job that was forgotten starts again.
fn starts_after_forgotten() -> Property<Config> {
    Property::sometimes("a job that was forgotten starts", |_, world: &World| {
        let history = &world.history;
        history
            .forgotten_at
            .is_some_and(|at| at > 0 && history.starts.len() > at)
    })
}

/// A tick that ran ahead of its time starts again.
fn marks_come_back() -> Property<Config> {
    Property::sometimes("a tick that was taken back starts", |_, world: &World| {
        let newest = world.history.starts.last();
        newest.is_some_and(|start| world.history.dropped.is_some_and(|it| start.token > it))
    })
}

/// A tick starts that only operators want, and later one of the schedule in the code.
fn both_plans_run() -> Property<Config> {
    let what = "ticks of operators and then of the code start";
    Property::sometimes(what, |config: &Config, world: &World| {
        let has = |ticks: &[i64], tick: TickMs| ticks.iter().any(|it| Config::tick(*it) == tick);
        let starts = world.history.starts.iter().map(|start| start.tick);
        let mut from_wanted = starts.skip_while(|tick| !has(&config.wanted_ticks, *tick));
        from_wanted.any(|tick| has(&config.ticks, tick))
    })
}

/// A tick is due in a pause.
fn undecided_in_a_pause() -> Property<Config> {
    Property::sometimes(
        "a tick is undecided in a pause",
        |config: &Config, world: &World| {
            let mut ticks = config.ticks.iter().map(|tick| Config::tick(*tick));
            let decided_to = world.server.memory.record.marks.decided_to();
            let due = |tick: TickMs| tick.ms() <= world.now + world.clock_ms;
            world.history.pause.is_some() && ticks.any(|tick| due(tick) && Some(tick) > decided_to)
        },
    )
}

/// A unit waits for its own lease.
fn starts_before_another_job() -> Property<Config> {
    let what = "a run starts within the quarantine of another job";
    Property::sometimes(what, |_, world: &World| {
        let memory = &world.server.memory;
        let meta = &memory.meta;
        let others_wait = meta.quarantine_from_ms + 1..meta.quarantine_until_ms;
        memory.record.run.seq == 1 && others_wait.contains(&memory.record.run.granted_at_ms)
    })
}

impl World {
    fn ends(&self, outcome: Outcome) -> bool {
        self.server
            .memory
            .ledger
            .iter()
            .any(|line| line.outcome == outcome)
    }
}

fn once(world: &World) -> bool {
    let starts = world.history.starts.iter().filter(|start| !start.in_lane);
    let ticks: Vec<TickMs> = starts.map(|start| start.tick).collect();
    (0..ticks.len()).all(|n| !ticks[..n].contains(&ticks[n]))
}

/// A run that may be polled is the newest that has started.
fn runs_are_alone(world: &World) -> bool {
    let newest = world.history.starts.len();
    world.nodes.iter().all(|node| {
        let mut runs = node.runs.iter().filter(|run| node.polls(run, world.now));
        runs.all(|run| matches!(run.phase, Phase::Running(start) if start + 1 == newest))
    })
}

fn nothing_is_polled_too_late(world: &World) -> bool {
    world.nodes.iter().all(|node| {
        let mut runs = node.runs.iter().filter(|run| node.polls(run, world.now));
        runs.all(|run| world.now < true_deadline(run))
    })
}

/// A node that the store sees, and that has nothing to do, has its job in the catalog, and the unit of it has a
/// beginning and a schedule.
fn jobs_are_whole(config: &Config, world: &World) -> bool {
    let Memory {
        record, catalog, ..
    } = &world.server.memory;
    let is_whole = record.marks.first_seen_ms.is_some()
        && record.decides.is_some()
        && catalog.contains_key(Config::unit().job());
    let news = world.news();
    let rests = |node: &Node| {
        let is_seen = node.reaches() && node.seen.is_known() && node.runs.is_empty();
        is_seen && node.duties(config, world.now, &news).is_empty()
    };
    is_whole || !world.nodes.iter().any(rests)
}

fn one_outcome(config: &Config, world: &World) -> bool {
    let ticks = config.ticks.iter().chain(&config.other_ticks);
    ticks.chain(&config.wanted_ticks).all(|tick| {
        let tick = Config::tick(*tick);
        let ledger = world.server.memory.ledger.iter();
        let of_tick =
            ledger.filter(|line| line.is_outcome() && (line.first..=line.last).contains(&tick));
        of_tick.count() <= 1
    })
}

/// The request has one line at most; and one that the store took, and remembers, has it unless it waits or runs.
fn request_ends(world: &World) -> bool {
    let Memory { lane, ledger, .. } = &world.server.memory;
    let lines = ledger
        .iter()
        .filter(|line| line.of_request && line.is_final());
    let (lines, record) = (lines.count(), &lane.record);
    let is_held = |node: &Node, tick: TickMs| {
        let runs = node.runs.iter().map(|run| &run.id);
        let mut all = runs.chain(node.ends.iter().map(|ended| &ended.finish.run));
        all.any(|run| run.unit.is_lane() && run.tick == tick)
    };
    let is_kept = |tick: TickMs| {
        let waits = record.waiting.iter().any(|waiting| waiting.tick == tick);
        let runs = record.running && record.run.tick == tick;
        // A run that the store forgot is written back by its node; if it was granted before, that counts.
        let is_held = world.nodes.iter().any(|node| is_held(node, tick));
        let other = lane.known.values().next() != Some(&tick);
        lines == 1 || waits || runs || is_held || other
    };
    lines <= 1 && world.history.asked.is_none_or(is_kept)
}

/// Whether the store may have a run recorded as active that has ended: after a failover, which restores older records,
/// or after a flush with a late request. A flush alone restores nothing.
fn recorded_may_be_old(config: &Config, world: &World) -> bool {
    let faults = &config.faults;
    let late = faults.late_requests + faults.copies > 0;
    let forgot = world.history.loss.is_some() || world.server.memory.meta.quarantine_from_ms > 0;
    world.server.serving > 0 || (late && forgot)
}

/// Whether the run that is recorded as active is one that its node continues, has claimed, or is about to report. True
/// if the node is gone.
fn run_is_known(world: &World, record: &Record) -> bool {
    if !record.running {
        return true;
    }
    let nonce = &record.run.nonce;
    let Some(node) = world.nodes.iter().find(|node| node.id == record.run.owner) else {
        return true;
    };
    let goes_on = |run: &Run| run.id.nonce == *nonce && run.phase != Phase::Ended;
    let asks = |asked: &Option<Asked>| {
        asked
            .as_ref()
            .is_some_and(|asked| asked.claim.nonce == *nonce)
    };
    !node.up
        || node.runs.iter().any(goes_on)
        || node
            .ends
            .iter()
            .any(|ended| ended.finish.run.nonce == *nonce)
        || asks(&node.claim)
        || asks(&node.next)
        || node
            .lane
            .take
            .as_ref()
            .is_some_and(|asked| asked.take.nonce == *nonce)
}
