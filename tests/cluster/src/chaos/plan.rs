//! The plan of faults: deployments, faults and their order follow from a seed.

use super::deployment::Kind;
use super::faults::{Fault, all};
use super::seed::Seed;

/// How many faults a round of a random plan has.
const FAULTS_A_ROUND: usize = 5;

/// One deployment, and what is done to it.
#[derive(Clone, Debug)]
pub struct Round {
    /// Everything random in it.
    pub seed: u64,
    /// On what.
    pub kind: Kind,
    /// What is done, in this order.
    pub faults: Vec<Fault>,
}

/// Rounds that come one after the other. Lanes go side by side: most of the
/// time, a round waits.
#[derive(Clone, Debug)]
pub struct Lane {
    rounds: Rounds,
}

#[derive(Clone, Debug)]
enum Rounds {
    Fixed(std::vec::IntoIter<Round>),
    Random {
        seed: Seed,
        kinds: Vec<Kind>,
        only: Option<String>,
        made: usize,
    },
}

impl Iterator for Lane {
    type Item = Round;

    fn next(&mut self) -> Option<Round> {
        match &mut self.rounds {
            Rounds::Fixed(rounds) => rounds.next(),
            Rounds::Random {
                seed,
                kinds,
                only,
                made,
            } => {
                let kind = kinds[*made % kinds.len()];
                *made += 1;
                let mut seed = Seed::new(seed.number());
                let faults = random_faults(kind, only.as_deref(), &mut seed);
                Some(Round {
                    seed: seed.number(),
                    kind,
                    faults,
                })
            }
        }
    }
}

/// The deployments of each lane of a random plan.
const LANES: [&[Kind]; 4] = [
    &[Kind::Alone, Kind::Aof],
    &[Kind::Sentinel, Kind::SentinelMin, Kind::SentinelWait],
    &[Kind::Cluster],
    &[
        Kind::Postgres,
        Kind::PostgresSync,
        Kind::PostgresAsync,
        Kind::Sqlite,
    ],
];

/// A plan without end: each lane has its deployments in turn, with faults as
/// they come; with `only`, no other than that; with `on`, no other deployments than these.
pub fn random(seed: u64, only: Option<&str>, on: &[Kind]) -> Vec<Lane> {
    let can = |kind: &Kind| {
        let here =
            |fault: &Fault| fault.on.contains(kind) && only.is_none_or(|only| fault.name == only);
        (on.is_empty() || on.contains(kind)) && all().iter().any(here)
    };
    let lanes = LANES.iter().map(|kinds| -> Vec<Kind> {
        let kinds = kinds.iter().filter(|kind| can(kind));
        kinds.copied().collect()
    });
    let lanes = lanes.filter(|kinds| !kinds.is_empty()).enumerate();
    let lane = |(index, kinds): (usize, Vec<Kind>)| Lane {
        rounds: Rounds::Random {
            seed: Seed::new(seed.wrapping_add(index as u64)),
            kinds,
            only: only.map(str::to_owned),
            made: 0,
        },
    };
    lanes.map(lane).collect()
}

fn random_faults(kind: Kind, only: Option<&str>, seed: &mut Seed) -> Vec<Fault> {
    let can =
        |fault: &Fault| fault.on.contains(&kind) && only.is_none_or(|only| only == fault.name);
    let mut faults: Vec<Fault> = all().into_iter().filter(can).collect();
    seed.shuffle(&mut faults);
    if only.is_some() {
        // Twice: the second time, the cluster has seen it once.
        return faults.iter().chain(&faults).copied().collect();
    }
    faults.truncate(FAULTS_A_ROUND);
    faults
}

/// Each family of faults once, on few deployments: what every test run does.
pub fn short(seed: u64) -> Vec<Lane> {
    let mut seed = Seed::new(seed);
    let kinds = [
        Kind::Alone,
        Kind::Aof,
        Kind::Sentinel,
        Kind::Cluster,
        Kind::Postgres,
        Kind::PostgresAsync,
        Kind::Sqlite,
    ];
    let mut rounds = kinds.map(|kind| Round {
        seed: seed.number(),
        kind,
        faults: Vec::new(),
    });
    let mut families: Vec<&str> = all().iter().map(|fault| fault.family).collect();
    families.dedup();
    families.sort_unstable();
    families.dedup();
    for family in families {
        let of_family = all().into_iter().filter(|it| it.family == family);
        let of_family: Vec<Fault> = of_family
            .filter(|it| kinds.iter().any(|kind| it.on.contains(kind)))
            .collect();
        let fault = *seed.pick(&of_family);
        // Where it can be made and the least is done so far.
        let can = rounds.iter_mut().filter(|it| fault.on.contains(&it.kind));
        if let Some(round) = can.min_by_key(|it| it.faults.len()) {
            round.faults.push(fault);
        }
    }
    let lane = |round| Lane {
        rounds: Rounds::Fixed(vec![round].into_iter()),
    };
    rounds.into_iter().map(lane).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn names(lanes: Vec<Lane>) -> Vec<(Kind, &'static str)> {
        let rounds = lanes.into_iter().flat_map(|lane| lane.take(3));
        let faults = rounds.flat_map(|it| it.faults.into_iter().map(move |f| (it.kind, f.name)));
        faults.collect()
    }

    #[test]
    fn a_seed_is_a_plan() {
        assert_eq!(names(random(7, None, &[])), names(random(7, None, &[])));
        assert_ne!(names(random(7, None, &[])), names(random(8, None, &[])));
    }

    #[test]
    fn a_short_plan_has_each_family_once() {
        let made = names(short(1));
        let all = all();
        let of = |name| all.iter().find(|it| it.name == name).expect("known").family;
        let families: Vec<&str> = made.iter().map(|(_, name)| of(*name)).collect();
        let known: HashSet<&str> = all.iter().map(|it| it.family).collect();
        assert_eq!(families.len(), known.len());
        assert_eq!(families.iter().copied().collect::<HashSet<_>>(), known);
    }

    #[test]
    fn only_one_fault_is_made_where_it_can_be() {
        let made = names(random(7, Some("flushall"), &[]));
        assert!(made.iter().all(|(_, name)| *name == "flushall"), "{made:?}");
        let kinds: HashSet<Kind> = made.into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds.len(), 6);
        let made = names(random(7, Some("cluster-slot-moves"), &[]));
        assert_eq!(made.len(), 6);
        let made = names(random(7, None, &[Kind::Sqlite, Kind::Aof]));
        let kinds: HashSet<Kind> = made.into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, HashSet::from([Kind::Sqlite, Kind::Aof]));
    }
}
