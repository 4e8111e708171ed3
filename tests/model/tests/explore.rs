//! scratch
use model_tests::*;
#[test]
fn calm() { let c = Config::new("calm"); check(c); }
#[test]
fn crash() { let mut c = Config::new("crash"); c.faults.crashes=1; c.faults.restarts=1; check(c); }
#[test]
fn late() { let mut c = Config::new("late"); c.faults.late_requests=1; c.faults.late_replies=1; check(c); }
