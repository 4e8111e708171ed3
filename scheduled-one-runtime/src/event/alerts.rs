//! What alerts say, for the log as well: it is there when no channel is. What monitors outside do not take.

use std::fmt;

use scheduled_one_alerts::{Alert, Delivery, DeliveryResult, Status};

use super::TARGET;
use crate::user_code;

/// A rule fires, or is resolved.
pub(crate) fn alert(alert: &Alert) {
    let (rule, id, title) = (alert.rule.as_str(), alert.id.as_str(), alert.title());
    match alert.status {
        Status::Firing => warn!(target: TARGET, rule, id, "alert: {title}"),
        _ => info!(target: TARGET, rule, id, "alert: {title}"),
    }
}

/// An attempt to deliver a message has ended.
pub(crate) fn delivery(delivery: &Delivery) {
    let (channel, id) = (delivery.channel.as_str(), delivery.id.as_str());
    match &delivery.result {
        DeliveryResult::Delivered => debug!(target: TARGET, channel, id, "alert delivered"),
        DeliveryResult::Again { in_ms, why } => {
            warn!(target: TARGET, channel, id, in_ms, why, "alert not delivered: another attempt follows");
        }
        DeliveryResult::GivenUp { why } => {
            error!(target: TARGET, channel, id, why, "alert given up: no attempt to deliver it had success");
        }
        DeliveryResult::Disabled { why } => {
            error!(target: TARGET, channel, id, why, "channel gone: no alert goes there until it has another address");
        }
        _ => {}
    }
}

/// A monitor outside did not take the sign of a run.
pub(crate) fn sign_failed(monitor: &str, job: &str, why: &dyn fmt::Display) {
    warn!(target: TARGET, monitor, job, %why, "monitor not informed of a run");
}

/// A monitor outside that learns schedules has none of a job.
pub(crate) fn schedule_not_watched(monitor: &str, job: &str) {
    warn!(target: TARGET, monitor, job, "monitor has no schedule of the job: set it there, or no missing run is noticed");
}

/// Too many signs wait for a monitor outside.
pub(crate) fn sign_dropped(monitor: &str, dropped: u64) {
    warn!(target: TARGET, monitor, dropped, "sign to a monitor dropped: too many wait");
}

/// The scheduler has stopped, and signs to monitors outside were not sent.
pub(crate) fn signs_lost_at_stop(signs: usize) {
    warn!(target: TARGET, signs, "monitors not informed of the last runs: the scheduler stops");
}
