//! What alerts say, for the log as well: it is there when no channel is.

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
