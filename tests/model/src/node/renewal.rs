//! The lease of a run is renewed, each quarter of it.

use scheduled_one_protocol::message::{Renew, Renewed};

use super::{Node, Run, deadline};
use crate::config::Config;
use crate::history::History;
use crate::server::Request;

impl Node {
    /// Each run has its own time.
    pub(super) fn renewals_due(&self, config: &Config, now: i64) -> Vec<Request> {
        let runs = self.runs.iter();
        let due = runs.filter(|run| now - run.renewed >= run.id.lease_ms / 4);
        due.map(|run| Request::Renew(self.renewal(config, run)))
            .collect()
    }

    fn renewal(&self, config: &Config, run: &Run) -> Renew {
        Renew {
            run: run.id.clone(),
            valid_until_ms: match config.guards.valid_until {
                true => deadline(run) + self.clock_ms,
                false => i64::MAX,
            },
        }
    }

    /// The lease is longer, or lost.
    pub(super) fn renewed(
        &mut self,
        config: &Config,
        history: &mut History,
        renew: &Renew,
        renewed: Renewed,
        sent: i64,
        now: i64,
    ) {
        let Some(index) = self
            .runs
            .iter()
            .position(|run| run.id.nonce == renew.run.nonce)
        else {
            return;
        };
        match renewed {
            // Its function is signalled, and returns at once.
            Renewed::Cancelled { .. } => {
                let run = self.runs.remove(index);
                history.cancelled_another |= !history.cancelled.contains(&run.id.token);
                self.cancels(run);
            }
            Renewed::Until(_) | Renewed::Stop(_) | Renewed::Readopted(_) => {
                let run = &mut self.runs[index];
                run.readopted |= matches!(renewed, Renewed::Readopted(_));
                run.sent = run.sent.max(sent);
                let proven = match config.guards.counted_from_sending {
                    true => sent,
                    false => now,
                };
                run.proven = run.proven.max(proven);
            }
            Renewed::Lost => {
                let run = self.runs.remove(index);
                self.cancels(run);
            }
            Renewed::Late => {}
        }
    }
}
