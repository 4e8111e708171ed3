//! A node describes its jobs in the catalog of its bucket: when it starts, and again whenever the store may have
//! forgotten them. Nothing waits for that.

use std::sync::Arc;

use crate::compiled_job::CompiledJob;
use crate::metrics::labels::Op;
use crate::node::Node;
use crate::node::inbox::Event;
use crate::scheduler::program::Program;
use crate::store_client::{StoreHealth, StoreIdentity};
use scheduled_one_protocol::JobDescriptor;
use scheduled_one_protocol::message::{ControlRequest, MAX_BATCH};

/// How far the description of the jobs has come.
pub(super) struct Describing {
    jobs: Vec<Arc<CompiledJob>>,
    /// What is said of each of them in addition. It is added when a job is described: a text for each job would be kept
    /// for as long as the node lives.
    program: Arc<Program>,
    ledger_limit: usize,
    /// How many of them are described to the store of this identity.
    described: usize,
    identity: StoreIdentity,
    /// Whether a request has no reply yet.
    pending: bool,
}

impl Describing {
    pub(super) fn new(
        jobs: &[Arc<CompiledJob>],
        program: Arc<Program>,
        ledger_limit: usize,
        identity: StoreIdentity,
    ) -> Self {
        Describing {
            jobs: jobs.to_vec(),
            program,
            ledger_limit,
            described: 0,
            identity,
            pending: false,
        }
    }

    /// The request that is due, if one is; it counts as sent.
    fn take_due(&mut self, seen: &StoreHealth) -> Option<ControlRequest> {
        if !seen.up || self.pending {
            return None;
        }
        if seen.identity != self.identity {
            self.identity = seen.identity.clone();
            self.described = 0;
        }
        let jobs = self.jobs.iter().skip(self.described).take(MAX_BATCH);
        let described = jobs.map(|job| {
            let text = descriptor(job, &self.program, self.ledger_limit);
            (job.name.to_string(), text)
        });
        let described: Vec<(String, String)> = described.collect();
        if described.is_empty() {
            return None;
        }
        self.pending = true;
        self.described += described.len();
        Some(ControlRequest {
            described,
            ..ControlRequest::default()
        })
    }

    /// An operator may have made the store forget a job that was described.
    pub(super) fn again(&mut self) {
        self.described = 0;
    }

    /// The reply has come.
    pub(super) fn settle(&mut self) {
        self.pending = false;
    }

    /// The request was dropped.
    pub(super) fn abandon(&mut self) {
        self.pending = false;
        self.described = 0;
    }
}

/// What the catalog is to have of a job: the program's own words, the label of the program, and how many lines its
/// ledger keeps.
fn descriptor(job: &CompiledJob, program: &Program, ledger_limit: usize) -> String {
    let mut said = JobDescriptor::from_text(&job.descriptor);
    if let Some(application) = program.application_of(&job.name) {
        said.say("application", application);
    }
    if program.generation > 0 {
        said.say("generation", program.generation.to_string());
    }
    said.say("ledger_limit", ledger_limit.to_string());
    said.to_text()
}

impl Node {
    /// Describes the next jobs that the store may not have.
    pub(super) fn describe_jobs(&mut self, seen: &StoreHealth) {
        if let Some(request) = self.describing.take_due(seen) {
            let client = Arc::clone(&self.client);
            self.inbox.request(async move {
                let reply = client.request_until_reply(Op::Control, |store, caller| {
                    store.control(caller, &request)
                });
                reply.await;
                Event::Described
            });
        }
    }
}
