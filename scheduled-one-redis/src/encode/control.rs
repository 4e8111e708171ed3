//! Encodes directives.

use scheduled_one_protocol::message::{Caller, ControlRequest};
use scheduled_one_protocol::{ALL_JOBS, Backfill, StoreError, check_control};

use super::Draft;
use crate::keys::{Keys, is_job};
use crate::script::{self, Request};

pub(crate) fn control<'a>(
    keys: &'a Keys,
    caller: &'a Caller,
    request: &'a ControlRequest,
) -> Result<Request<'a>, StoreError> {
    check_control(request)?;
    let mut draft = Draft::new(&script::CONTROL, keys, caller, request.seen.len());
    draft
        .request
        .key(keys.ctl.clone())
        .key(keys.jobs.clone())
        .key(keys.trail.clone());
    draft.count(request.seen.len() as u64);
    for (subject, directive) in &request.seen {
        draft.subject(subject);
        draft.count(directive.version).text(directive.to_string());
    }
    match &request.change {
        None => draft
            .text("")
            .int(0)
            .text("")
            .text("")
            .text("")
            .text("")
            .int(0),
        Some(change) => {
            // The trail has the end of a pause with the pause alone.
            let pause = change.directive.pause.filter(|_| change.action == "pause");
            let until_ms = pause.and_then(|pause| pause.until_ms);
            draft.subject(&change.subject);
            draft
                .count(change.seen)
                .text(change.directive.text_without_version())
                .text(&change.action)
                .text(&change.directive.by)
                .text(&change.directive.note)
                .int(until_ms.unwrap_or(0))
        }
    };
    draft.count(u64::from(request.wants_catalog));
    for (job, descriptor) in &request.described {
        draft.subject(job);
        draft.text(descriptor);
    }
    draft.done()
}

impl<'a> Draft<'a> {
    /// What a directive is about.
    fn subject(&mut self, subject: &'a str) {
        let job = Backfill::job_of(subject).unwrap_or(subject);
        if subject != ALL_JOBS && !is_job(job) {
            self.refuse(format!(
                "a directive for {subject:?}: that is no name of a job"
            ));
        }
        self.text(subject);
    }
}
