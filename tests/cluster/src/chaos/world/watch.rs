//! Observations of a world, and waits for conditions.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::{BOUND, LOOK_AGAIN, PULSE, World, now_us};
use crate::log::{Event, Kind as Sign};
use crate::node::Node;

/// What the cluster had to do and never did: a violation, not a trouble of the
/// harness.
#[derive(Debug, thiserror::Error)]
#[error("waited {BOUND:?} in vain until {0}")]
pub struct Never(String);

impl Never {
    /// Whether this is one.
    pub fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|error| error.is::<Never>())
    }
}

fn has_started(node: &Node) -> bool {
    node.stderr().contains("scheduled_one: started: ")
}

/// Whether it ended because the store did not serve it in time.
pub(super) fn never_started(node: &Node) -> bool {
    let text = node.stderr();
    !has_started(node) && text.contains("Error: the store is not available")
}

impl World {
    /// The period of a job, for nodes that start now.
    ///
    /// # Panics
    ///
    /// If there is no such job.
    pub fn every(&self, job: &str) -> Duration {
        let found = self.jobs.iter().find(|it| it.name == job);
        found
            .unwrap_or_else(|| panic!("{job} is among the jobs"))
            .every
    }

    /// Waits until the job runs on some node, polled a moment ago; returns the
    /// sign.
    ///
    /// # Errors
    ///
    /// It never does.
    pub fn wait_for_run(&mut self, job: &str) -> io::Result<Event> {
        let mut found = None;
        self.must(&format!("a run of {job} is going"), |world| {
            let mut signs = world.log.events.iter().rev().filter(|it| it.job == job);
            let last = signs.next();
            found = last
                .filter(|last| last.kind == Sign::Poll && last.boot_us + 200_000 > now_us())
                .cloned();
            found.is_some()
        })?;
        found.ok_or_else(|| io::Error::other("just found"))
    }

    /// Waits for the next start of a job.
    ///
    /// # Errors
    ///
    /// None comes.
    pub fn wait_for_start_of(&mut self, job: &str) -> io::Result<Event> {
        let from_us = now_us();
        let mut found = None;
        self.must(&format!("{job} starts"), |world| {
            let recent = world.log.events.iter().rev();
            let starts = recent.filter(|it| it.job == job && it.kind == Sign::Start);
            let mut starts = starts.filter(|it| it.request.is_empty());
            found = starts.next().filter(|it| it.boot_us > from_us).cloned();
            found.is_some()
        })?;
        found.ok_or_else(|| io::Error::other("just found"))
    }

    /// Waits until a requested run has started, at any time; returns the start.
    ///
    /// # Errors
    ///
    /// It does not.
    pub fn wait_for_start_of_request(&mut self, id: &str) -> io::Result<Event> {
        let mut found = None;
        self.must(&format!("request {id} starts"), |world| {
            let mut events = world.log.events.iter().rev();
            found = events
                .find(|it| it.request == id && it.kind == Sign::Start)
                .cloned();
            found.is_some()
        })?;
        found.ok_or_else(|| io::Error::other("just found"))
    }

    /// The start of the pulse that came first after an instant, once there is
    /// one.
    ///
    /// # Errors
    ///
    /// None comes.
    pub fn wait_for_pulse(&mut self, after_us: u64) -> io::Result<u64> {
        let mut found = None;
        self.must("ticks start again", |world| {
            let events = world.log.events.iter().rev();
            let recent = events.take_while(|it| it.boot_us + 2_000_000 > after_us);
            let starts = recent.filter(|it| it.job == PULSE && it.kind == Sign::Start);
            found = starts
                .map(|it| it.boot_us)
                .filter(|us| *us > after_us)
                .min();
            found.is_some()
        })?;
        found.ok_or_else(|| io::Error::other("just found"))
    }

    /// Waits until so many more ticks of the pulse have started.
    ///
    /// # Errors
    ///
    /// They do not.
    pub fn wait_for_starts(&mut self, count: usize) -> io::Result<()> {
        let pulse = |it: &&Event| it.job == PULSE && it.kind == Sign::Start;
        self.log.read_on();
        let before = self.log.events.iter().filter(pulse).count();
        self.must("ticks start", |world| {
            world.log.events.iter().filter(pulse).count() >= before + count
        })
    }

    /// Waits until all nodes have started. One that does not reach the store while it starts ends with an error, on a
    /// machine that is slow enough without a fault: another one takes its place.
    ///
    /// # Errors
    ///
    /// One does not start.
    pub fn wait_for_nodes(&mut self) -> io::Result<()> {
        let mut restarted = Ok(());
        self.must("all nodes have started", |world| {
            let ended = world
                .nodes
                .iter_mut()
                .position(|node| node.has_ended() && never_started(node));
            if let Some(index) = ended {
                world.bury(index);
                restarted = world.start_node().map(drop);
                return restarted.is_err();
            }
            world.nodes.iter().all(has_started)
        })?;
        restarted
    }

    /// Waits for something that the cluster must do.
    ///
    /// # Errors
    ///
    /// It does not: [`Never`].
    pub fn must(&mut self, what: &str, condition: impl FnMut(&mut Self) -> bool) -> io::Result<()> {
        match self.waited(condition) {
            true => Ok(()),
            false => Err(io::Error::other(Never(what.to_owned()))),
        }
    }

    /// Waits for something else.
    ///
    /// # Errors
    ///
    /// It does not come.
    pub fn wait(&mut self, what: &str, condition: impl FnMut(&mut Self) -> bool) -> io::Result<()> {
        if self.waited(condition) {
            return Ok(());
        }
        let text = format!("waited {BOUND:?} in vain until {what}");
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    }

    fn waited(&mut self, mut condition: impl FnMut(&mut Self) -> bool) -> bool {
        let until = Instant::now() + BOUND;
        loop {
            self.log.read_on();
            if condition(self) {
                return true;
            }
            if Instant::now() > until {
                return false;
            }
            thread::sleep(LOOK_AGAIN);
        }
    }
}
