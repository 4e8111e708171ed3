//! An override is bound to the schedule in the code that it replaces. When code with another schedule decides the
//! ticks of the job, the override is void, and is taken away: otherwise it would be in force again, perhaps months
//! later, when the code has the first schedule once more.

use std::sync::Arc;

use crate::metrics::labels::Op;
use crate::node::Node;
use crate::node::inbox::Event;
use crate::node::succession::deciding;
use scheduled_one_protocol::message::{ControlRequest, DirectiveChange};
use scheduled_one_protocol::{Directive, ScheduleId, UnitName};

/// Who takes it away.
const BY: &str = "scheduled-one";
const NOTE: &str = "the code has another schedule than the one that was replaced";

/// The directive without its override, if that is void for code with this schedule.
fn without_void(stored: &Directive, in_the_code: ScheduleId, now_ms: i64) -> Option<Directive> {
    let wanted = stored.schedule.as_ref()?;
    (wanted.base != in_the_code).then(|| Directive {
        schedule: None,
        changed_at_ms: now_ms,
        by: BY.to_owned(),
        note: NOTE.to_owned(),
        ..stored.clone()
    })
}

impl Node {
    /// Takes away overrides that are void, of jobs whose ticks this node's schedule decides, as the store says now: a
    /// node of another release may have started, and been given the override. Only if nobody has changed the directive
    /// since this node read it; after an error the next heartbeat finds it again.
    pub(super) fn take_void_overrides_away(&mut self) {
        if !self.claiming.preference.is_first_of_its_kind() {
            return;
        }
        let now_ms = self.runner.cluster.now_ms();
        for (job, stored) in self.directives.known().iter() {
            let Some(index) = self.units.find(&UnitName::new(job, 0)) else {
                continue;
            };
            if self.units.is_aside(index) {
                continue;
            }
            let own = self.units.get(index).schedule;
            let Some(directive) = without_void(stored, own, now_ms) else {
                continue;
            };
            let request = ControlRequest {
                change: Some(DirectiveChange {
                    subject: job.to_owned(),
                    seen: stored.version,
                    directive,
                    action: "reset".to_owned(),
                }),
                ..ControlRequest::default()
            };
            let (client, job) = (Arc::clone(&self.client), job.to_owned());
            self.inbox.request(async move {
                match deciding(&client, &job).await {
                    Ok(Some(decides)) if decides.id != own => Event::StandsAside(index, decides),
                    Ok(Some(_)) => {
                        let reply = client
                            .request(Op::Control, |store, caller| store.control(caller, &request));
                        // Whoever was faster, the head of the next reply says that directives have changed.
                        let _ = reply.await;
                        Event::Woken
                    }
                    // The next heartbeat finds it again.
                    Ok(None) | Err(_) => Event::Woken,
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scheduled_one_protocol::{Pause, ScheduleOverride};

    #[test]
    fn only_an_override_of_another_schedule_is_taken_away_and_nothing_else() {
        let pause = Some(Pause {
            since_ms: 3,
            until_ms: None,
        });
        let stored = Directive {
            version: 7,
            by: "ann".to_owned(),
            pause,
            schedule: Some(ScheduleOverride {
                base: ScheduleId(1),
                text: "every 1m".to_owned(),
                zone: String::new(),
                since_ms: 2,
                by: "ann".to_owned(),
            }),
            ..Directive::default()
        };
        assert_eq!(without_void(&stored, ScheduleId(1), 9), None);
        let left = without_void(&stored, ScheduleId(2), 9).expect("it is void");
        assert_eq!((left.schedule, left.pause), (None, pause));
        assert_eq!((left.changed_at_ms, left.by.as_str()), (9, BY));
        assert_eq!(without_void(&Directive::default(), ScheduleId(2), 9), None);
    }
}
