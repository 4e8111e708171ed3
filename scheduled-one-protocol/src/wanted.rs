//! What a store has to load for a request.

use std::collections::{BTreeMap, BTreeSet};

use crate::machine::LivingNode;
use crate::message::{
    Ask, Caller, CheckpointRequest, Claim, ControlRequest, ForgetRequest, Heartbeat, LowerBounds,
    Overlap, Register, Take, Target,
};
use crate::unit::UnitName;

/// What a store has to load for a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The units whose records are needed. A store that locks rows locks them in this order, so that two requests
    /// never wait for each other.
    pub units: BTreeSet<UnitName>,
    /// Whether the living nodes are needed.
    pub nodes: bool,
    /// Whether the units that a node has to attend to are needed: see
    /// [`WorkingSet::survey`](crate::WorkingSet::survey).
    pub survey: bool,
    /// The sign of life that the step records, if it brings no list of jobs and asks for none. A store may record it in
    /// fewer statements when nothing else has to be decided.
    pub beat: Option<Beat>,
    /// The lanes whose first request is needed, with what the caller saw of them: see
    /// [`WorkingSet::first_ticks`](crate::WorkingSet::first_ticks).
    pub first_requests: BTreeMap<UnitName, LowerBounds>,
    /// Units and ids of requests whose ticks are needed, as far as they are known.
    pub known_requests: BTreeSet<(UnitName, String)>,
    /// What the step has to do with directives.
    pub directives: Access,
    /// Whether the whole catalog is needed.
    pub catalog: bool,
    /// The jobs whose entries of the catalog are needed. Steps with such jobs come one after the other, and before or
    /// after no others: whoever describes jobs holds up no claim.
    pub entries: BTreeSet<String>,
    /// The unit whose checkpoint is needed.
    pub checkpoint: Option<UnitName>,
}

/// The sign of life of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The identity of the node.
    pub node: String,
    /// What is stored of it, but for the instant.
    pub living: LivingNode,
}

/// What a step has to do with directives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Nothing that depends on them.
    #[default]
    None,
    /// It decides by them.
    Reads,
    /// It may change them: it comes before or after each step that decides by them. Otherwise a tick that was decided
    /// before a pause could be granted after the reply to it.
    Changes,
}

impl Wanted {
    /// The records of these units.
    pub fn units<'a>(units: impl IntoIterator<Item = &'a UnitName>) -> Self {
        Wanted {
            units: units.into_iter().cloned().collect(),
            ..Wanted::default()
        }
    }

    /// The records of the units of runs, or of registrations. A lane concerns its unit, too.
    pub fn runs<'a>(units: impl IntoIterator<Item = &'a UnitName>) -> Self {
        let with_lane = |unit: &UnitName| {
            let own = unit.is_lane().then(|| unit.without_slot());
            own.into_iter().chain([unit.clone()]).collect::<Vec<_>>()
        };
        Wanted {
            units: units.into_iter().flat_map(with_lane).collect(),
            ..Wanted::default()
        }
    }

    /// What this heartbeat concerns.
    pub fn heartbeat(caller: &Caller, heartbeat: &Heartbeat) -> Self {
        let has_lists = heartbeat.job_list.is_some() || heartbeat.wanted_list.is_some();
        Wanted {
            nodes: true,
            survey: true,
            beat: (!heartbeat.leaving && !has_lists).then(|| Beat {
                node: caller.node.clone(),
                living: LivingNode::of(caller, heartbeat, 0),
            }),
            ..Wanted::default()
        }
    }

    /// The records that these claims decide on: the units, and their slots.
    pub fn claims(claims: &[Claim]) -> Self {
        let with_slots = |claim: &Claim| {
            let slots = (0..=slots(claim)).map(|slot| slot_of(&claim.unit, slot));
            let lane = has_lane(claim).then(|| claim.unit.lane());
            slots.chain(lane).collect::<Vec<_>>()
        };
        Wanted {
            units: claims.iter().flat_map(with_slots).collect(),
            directives: Access::Reads,
            ..Wanted::default()
        }
    }

    /// What these requests concern.
    pub fn asks(asks: &[Ask]) -> Self {
        let units = asks
            .iter()
            .flat_map(|ask| [ask.unit.clone(), ask.unit.lane()]);
        let known = asks.iter();
        Wanted {
            units: units.collect(),
            known_requests: known
                .map(|ask| (ask.unit.clone(), ask.request.id.clone()))
                .collect(),
            ..Wanted::default()
        }
    }

    /// What these claims of requests decide on: the lanes, their units, and the slots of these.
    pub fn takes(takes: &[Take]) -> Self {
        let units = takes.iter().flat_map(|take| {
            let unit = take.lane.without_slot();
            let slots = (0..=slots_of(take.overlap)).map(move |slot| slot_of(&unit, slot));
            slots.chain([take.lane.clone()])
        });
        Wanted {
            units: units.collect(),
            directives: Access::Reads,
            first_requests: takes
                .iter()
                .map(|take| (take.lane.clone(), take.bounds))
                .collect(),
            ..Wanted::default()
        }
    }

    /// What this request concerns.
    pub fn control(request: &ControlRequest) -> Self {
        let changes = request.change.is_some() || !request.seen.is_empty();
        let described = request.described.iter().map(|(job, _)| job.clone());
        Wanted {
            // Who only reads them decides nothing by them.
            directives: match changes {
                true => Access::Changes,
                false => Access::None,
            },
            catalog: request.wants_catalog,
            entries: described.collect(),
            ..Wanted::default()
        }
    }

    /// What this request concerns.
    pub fn checkpoint(request: &CheckpointRequest) -> Self {
        Wanted {
            checkpoint: Some(request.unit.clone()),
            ..Wanted::units([&request.unit])
        }
    }

    /// What this request concerns.
    pub fn forget(request: &ForgetRequest) -> Self {
        Wanted {
            nodes: true,
            entries: [request.job.clone()].into(),
            directives: Access::Changes,
            ..Wanted::units(&request.units)
        }
    }

    /// What these registrations concern.
    pub fn registrations(registrations: &[Register]) -> Self {
        let known = registrations.iter().flat_map(|registration| {
            let unit = registration.unit.without_slot();
            let ids = registration.requests.iter().map(|known| known.id.clone());
            ids.map(move |id| (unit.clone(), id))
        });
        Wanted {
            nodes: true,
            known_requests: known.collect(),
            ..Wanted::runs(registrations.iter().map(|registration| &registration.unit))
        }
    }
}

/// Whether a claim concerns the lane of its unit. No tick of a slot or a lane does.
pub(crate) fn has_lane(claim: &Claim) -> bool {
    claim.with_lane && claim.unit.is_whole()
}

pub(crate) fn slots_of(overlap: Overlap) -> u32 {
    match overlap {
        Overlap::Allow(most) => most,
        _ => 0,
    }
}

/// How many slots the runs of a claim may use. A claim from the queue names its slot itself, and a slot has no slots.
pub(crate) fn slots(claim: &Claim) -> u32 {
    match &claim.target {
        Target::Tick(due) if claim.unit.is_whole() => slots_of(due.overlap),
        _ => 0,
    }
}

fn slot_of(unit: &UnitName, slot: u32) -> UnitName {
    match slot {
        0 => unit.clone(),
        _ => unit.with_slot(slot),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_describes_jobs_wants_their_entries_and_holds_up_no_claim() {
        let described = ControlRequest {
            described: vec![
                ("b".to_owned(), String::new()),
                ("a".to_owned(), String::new()),
            ],
            ..ControlRequest::default()
        };
        let wanted = Wanted::control(&described);
        assert_eq!(wanted.entries, ["a".to_owned(), "b".to_owned()].into());
        assert_eq!((wanted.catalog, wanted.directives), (false, Access::None));
        let with_seen = ControlRequest {
            seen: vec![("a".to_owned(), Default::default())],
            ..described
        };
        assert_eq!(Wanted::control(&with_seen).directives, Access::Changes);
    }
}
