//! scratch
use model_tests::*;
use scheduled_one_runtime::store::message::Overlap;
macro_rules! cfg { ($name:ident, |$c:ident| $($b:stmt);*) => {
#[test]
fn $name() { let mut $c = Config::new(stringify!($name)); $($b)* check($c); }
} }
cfg!(crash2, |c| c.faults.crashes=2; c.faults.restarts=1; c.nodes=3);
cfg!(lost, |c| c.faults.crashes=1; c.faults.cuts=1; c.nodes=2);
cfg!(takeover, |c| c.faults.crashes=1; c.faults.cuts=1; c.nodes=2; c.reruns=1; c.horizon=10);
cfg!(takeover_retry, |c| c.faults.pauses=1; c.faults.late_replies=1; c.nodes=2; c.reruns=1; c.retries=1; c.horizon=9);
cfg!(pause, |c| c.faults.pauses=1; c.faults.late_replies=1; c.nodes=3);
cfg!(copies, |c| c.faults.copies=1; c.faults.late_requests=1; c.nodes=2);
cfg!(queue, |c| c.overlap=Overlap::Queue(1); c.faults.crashes=1; c.faults.late_replies=1; c.nodes=2);
cfg!(flush, |c| c.faults.flushes=1; c.faults.cuts=1; c.nodes=2; c.horizon=9);
cfg!(failover, |c| c.faults.failovers=1; c.faults.lost_writes=3; c.faults.crashes=1; c.nodes=3; c.horizon=9; c.starts_twice=true);
cfg!(failover_queue, |c| c.overlap=Overlap::Queue(1); c.faults.failovers=1; c.faults.lost_writes=3; c.nodes=2; c.horizon=9);
cfg!(failover_takeover, |c| c.reruns=1; c.faults.crashes=1; c.faults.failovers=1; c.faults.lost_writes=3; c.nodes=3; c.horizon=11);
cfg!(jump, |c| c.faults.jumps=1; c.faults.cuts=1; c.nodes=2; c.horizon=9);
