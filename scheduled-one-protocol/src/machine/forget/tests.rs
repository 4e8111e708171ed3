//! What keeps a job from being forgotten, and what is taken back.

use super::*;
use crate::catalog::CatalogEntry;
use crate::machine::{LivingNode, Nodes, Waiting};
use crate::message::{JobList, JobsDigest, NODE_GONE_MS};

const NOW: Now = Now { us: 50_000_000 };

struct World {
    meta: Meta,
    nodes: Nodes,
    catalog: Catalog,
    records: HashMap<UnitName, Record>,
    request: ForgetRequest,
}

impl World {
    /// A job that was described, has a unit, and nobody has it.
    fn new() -> Self {
        let entry = CatalogEntry {
            first_ms: 1,
            last_ms: 7,
            text: String::new(),
        };
        let unit = UnitName::new("a", 0);
        World {
            meta: Meta::default(),
            nodes: Nodes::default(),
            catalog: [("a".to_owned(), entry)].into(),
            records: [(unit.clone(), Record::default())].into(),
            request: ForgetRequest {
                job: "a".to_owned(),
                units: vec![unit],
                described_ms: 7,
                directive: Directive::default(),
                what: Forget::Everything,
            },
        }
    }

    fn node(&mut self, name: &str, silent_ms: i64, list: Option<&str>) {
        let jobs = JobsDigest(self.nodes.living.len() as u64);
        let node = LivingNode {
            beat_ms: NOW.ms() - silent_ms,
            name: name.to_owned(),
            jobs,
            ..LivingNode::default()
        };
        self.nodes.living.insert(name.to_owned(), node);
        let list = list.map(|list| (jobs, JobList::from_text(list)));
        self.nodes.job_lists.extend(list);
    }

    fn record(&mut self) -> &mut Record {
        self.records.get_mut("a").expect("its record")
    }

    fn refused(&self) -> Option<Forgotten> {
        let World {
            meta,
            nodes,
            catalog,
            records,
            request,
        } = self;
        let with_job = nodes.with_job(&request.job, NOW);
        forget_refused(meta, with_job, catalog, records, request, NOW)
    }
}

#[test]
fn a_node_that_may_have_the_job_keeps_it() {
    let mut world = World::new();
    world.node("other", 0, Some("*protocol=2 aa=01 b*3 b=01"));
    world.node("dead", NODE_GONE_MS + 1, Some("a=01"));
    assert_eq!(world.refused(), None);
    world.node("split", NODE_GONE_MS, Some("a*3"));
    world.node("starts", 0, None);
    let both = ["split", "starts"].map(str::to_owned).to_vec();
    assert_eq!(world.refused(), Some(Forgotten::Lives(both)));
}

#[test]
fn what_was_seen_otherwise_is_not_removed() {
    let mut world = World::new();
    world.request.described_ms = 6;
    assert_eq!(world.refused(), Some(Forgotten::Described));
    world.catalog.clear();
    assert_eq!(world.refused(), Some(Forgotten::Unknown));
    world.request.described_ms = 0;
    assert_eq!(
        world.refused(),
        None,
        "nodes of older releases describe nothing"
    );
    world.meta.quarantine_until_ms = NOW.ms() + 1;
    let until = Some(Forgotten::Quarantined(NOW.ms() + 1));
    assert_eq!(world.refused(), until);
}

#[test]
fn a_run_whose_lease_is_not_over_is_in_the_way() {
    let mut world = World::new();
    let record = world.record();
    record.running = true;
    record.run.lease_ms = 1_000;
    record.run.until_ms = NOW.ms();
    assert_eq!(world.refused(), None);
    world.record().run.until_ms = NOW.ms() + 900;
    let running = Some(Forgotten::Running(UnitName::new("a", 0)));
    assert_eq!(world.refused(), running);
    world.request.what = Forget::MarksAhead;
    assert_eq!(world.refused(), running);
    // No run has such a lease whose clock was right.
    world.record().run.until_ms = NOW.ms() + 1_000 + EARLY_TOLERANCE_MS + 1;
    assert_eq!(world.refused(), None);
    world.request.what = Forget::Everything;
    assert_eq!(world.refused(), running);
}

#[test]
fn directives_become_empty_ones_under_new_versions() {
    let mut world = World::new();
    for (subject, version) in [("a", 3), ("a!", 4), ("b", 5)] {
        let directive = Directive {
            version,
            note: "before".to_owned(),
            ..Directive::default()
        };
        world.meta.directives.put(subject, directive);
    }
    world.meta.control_version = 5;
    world.request.directive.by = "ann".to_owned();
    let entry = forget(&mut world.meta, &mut world.catalog, &world.request, NOW);
    assert_eq!((entry.before, entry.version), (3, NOW.us));
    assert!(world.catalog.is_empty());
    let version = |subject: &str| {
        let stored = world.meta.directives.get(subject).expect("a directive");
        (stored.version, stored.by.as_str(), stored.note.as_str())
    };
    assert_eq!(version("a"), (NOW.us, "ann", ""));
    assert_eq!(version("a!"), (NOW.us + 1, "ann", ""));
    assert_eq!(version("b"), (5, "", "before"));
    assert_eq!(world.meta.control_version, NOW.us + 1);
}

#[test]
fn only_what_no_claim_can_have_decided_is_taken_back() {
    let unit = UnitName::new("a", 0);
    let mut record = Record::default();
    record.marks.first_seen_ms = Some(9);
    record.marks.decided = Some(TickMs(NOW.ms() + EARLY_TOLERANCE_MS));
    let before = record.clone();
    assert!(!take_back(&unit, &mut record, NOW));
    assert_eq!(record, before);
    record.marks.decided = Some(TickMs(NOW.ms() + EARLY_TOLERANCE_MS + 1));
    record.run.tick = TickMs(NOW.ms() + 60);
    record.run.takeovers = 2;
    record.quarantine_until_ms = 5;
    assert!(take_back(&unit, &mut record, NOW));
    assert_eq!(record.marks.decided, Some(TickMs(NOW.ms())));
    assert_eq!(
        (record.run.tick, record.run.takeovers),
        (TickMs(NOW.ms()), 0)
    );
    assert_eq!(
        (record.marks.first_seen_ms, record.quarantine_until_ms),
        (Some(9), 0)
    );
    assert!(!take_back(&unit, &mut record, NOW));
}

#[test]
fn requests_that_wait_are_kept() {
    let lane = UnitName::new("a", 0).lane();
    let mut record = Record::default();
    let far = TickMs(NOW.ms() + 3_600_000);
    record.marks.decided = Some(far);
    record.waiting.push_back(Waiting {
        tick: far,
        attempt: 1,
        takeovers: 0,
    });
    let before = record.clone();
    assert!(!take_back(&lane, &mut record, NOW));
    assert_eq!(record, before);
    // The run before them is one whose node died.
    record.running = true;
    record.run.tick = far;
    record.run.takeovers = 2;
    record.run.lease_ms = 1_000;
    (record.run.granted_at_ms, record.run.until_ms) = (far.ms(), far.ms() + 1_000);
    assert!(take_back(&lane, &mut record, NOW));
    let ends = (record.run.granted_at_ms, record.run.until_ms);
    assert_eq!(ends, (NOW.ms(), NOW.ms()));
    assert_eq!((record.run.tick, record.run.takeovers), (far, 2));
    assert_eq!(
        (&record.waiting, &record.marks),
        (&before.waiting, &before.marks)
    );
    // What waits in a unit is a tick, and those after now come again.
    let mut record = before;
    assert!(take_back(&UnitName::new("a", 0), &mut record, NOW));
    assert!(record.waiting.is_empty());
    assert_eq!(record.marks.decided, Some(TickMs(NOW.ms())));
}
