//! Histories in words.

use std::fmt;

use scheduled_one_protocol::message::{Claim, Target};

use crate::config::{EPOCH_MS, QUARTER_MS};
use crate::server::Request;
use crate::world::Action;

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = |n: &usize| char::from(b'a' + *n as u8);
        match self {
            Action::Begin(n, _) => write!(f, "{}: the run starts", node(n)),
            Action::Ask(n, request) => write!(f, "{}: {request}", node(n)),
            Action::AskAndPause(n, request) => {
                write!(f, "{}: {request}, then stands still", node(n))
            }
            Action::Late(n, request) => write!(f, "{}: {request}, under way", node(n)),
            Action::Unanswered(n, request) => {
                write!(f, "{}: {request}, executed, answer under way", node(n))
            }
            Action::Copied(n, request) => {
                write!(f, "{}: {request}, and a copy is under way", node(n))
            }
            Action::Arrives(index) => write!(f, "message {index} arrives"),
            Action::Returns(n, _) => write!(f, "{}: the run returns", node(n)),
            Action::Fails(n, _) => write!(f, "{}: the attempt fails", node(n)),
            Action::Crash(n) => write!(f, "{}: dies", node(n)),
            Action::Restart(n) => write!(f, "{}: a new node starts", node(n)),
            Action::Pause(n) => write!(f, "{}: stands still", node(n)),
            Action::Resume(n) => write!(f, "{}: goes on", node(n)),
            Action::Cut(n) => write!(f, "{}: is cut off", node(n)),
            Action::Heal(n) => write!(f, "{}: reaches the store", node(n)),
            Action::FailOver(lost) => write!(f, "failover, {lost} changes lost"),
            Action::Flush => write!(f, "flush"),
            Action::Jump(by_ms) => write!(f, "the store's clock is set by {by_ms} ms"),
            Action::Direct => write!(f, "an operator pauses or resumes the job"),
            Action::Reschedule => write!(f, "an operator changes the schedule"),
            Action::LookGone => write!(f, "somebody sees that no living node has the job"),
            Action::RegisterGone => write!(f, "the job is registered as gone"),
            Action::LookForgotten => write!(f, "an operator sees that no living node has the job"),
            Action::Forget(what) => write!(f, "an operator forgets: {what:?}"),
            Action::AskForRun => write!(f, "somebody asks for a run"),
            Action::CancelRun(start) => write!(f, "an operator cancels the run of start {start}"),
            Action::Time => write!(f, "time passes"),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Register(register) => write!(f, "register {}", register.unit),
            Request::Claim(claim) => write!(f, "{}", Short(claim)),
            Request::Renew(renew) => write!(f, "renew {}", renew.run.nonce),
            Request::Finish(finish) => {
                write!(f, "finish {} {}", finish.run.nonce, finish.outcome)?;
                let retried = if finish.retried { ", retried" } else { "" };
                write!(f, "{retried}")
            }
            Request::WriteOff(run) => write!(f, "write off {}", run.nonce),
            Request::Control(request) => {
                write!(f, "control, {} repeated", request.seen.len())
            }
            Request::Ask(ask) => write!(f, "ask for {}", ask.request.id),
            Request::Take(take) => write!(f, "take {}", take.nonce),
            Request::Cancel(cancel) => write!(f, "cancel {}", cancel.token),
            Request::Heartbeat => write!(f, "heartbeat"),
            Request::Beat(beat) if beat.job_list.is_some() => write!(f, "beat, with its jobs"),
            Request::Beat(_) => write!(f, "beat"),
            Request::Describe(_) => write!(f, "describe"),
            Request::Forget(it) => write!(f, "forget {:?}", it.what),
        }
    }
}

struct Short<'a>(&'a Claim);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let claim = self.0;
        match &claim.target {
            Target::Queued { .. } => write!(f, "claim {} from the queue", claim.nonce),
            Target::Tick(due) => {
                let quarter = (due.tick.ms() - EPOCH_MS) / QUARTER_MS;
                write!(f, "claim {} of tick {quarter}", claim.nonce)
            }
        }
    }
}
