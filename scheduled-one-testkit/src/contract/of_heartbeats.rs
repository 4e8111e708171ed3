//! What happened to heartbeats, by name.

use scheduled_one_protocol::message::HeartbeatReply;

use super::workload::Workload;

/// The reply to a heartbeat.
pub(super) fn replied(workload: &mut Workload, reply: &HeartbeatReply) {
    reply.overdue.iter().for_each(|_| workload.count("overdue"));
    reply
        .ready
        .iter()
        .for_each(|_| workload.count("heartbeat ready"));
    workload.count_if(!reply.unclaimed.is_empty(), "unclaimed");
    let is_news = reply.membership.members.is_some();
    workload.count_if(is_news, "members are named");
    workload.count_if(!is_news, "members are known");
    workload.count_if(reply.wanted_list.is_some(), "a list of jobs is returned");
    workload.count_if(!reply.has_job_list, "a list of jobs is missing");
}
