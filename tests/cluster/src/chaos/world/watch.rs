//! What is going on in a world, and waits for what must come.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::{BOUND, LOOK_AGAIN, PULSE, World, now_us};
use crate::log::{Event, Kind as Sign};

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
        self.wait(&format!("a run of {job} is going"), |world| {
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
        self.wait(&format!("{job} starts"), |world| {
            let recent = world.log.events.iter().rev();
            let mut starts = recent.filter(|it| it.job == job && it.kind == Sign::Start);
            found = starts.next().filter(|it| it.boot_us > from_us).cloned();
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
        self.wait("ticks start again", |world| {
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
        self.wait("ticks start", |world| {
            world.log.events.iter().filter(pulse).count() >= before + count
        })
    }

    /// Waits for something that must come.
    ///
    /// # Errors
    ///
    /// It does not.
    pub fn wait(
        &mut self,
        what: &str,
        mut condition: impl FnMut(&mut Self) -> bool,
    ) -> io::Result<()> {
        let until = Instant::now() + BOUND;
        loop {
            self.log.read_on();
            if condition(self) {
                return Ok(());
            }
            if Instant::now() > until {
                let text = format!("waited {BOUND:?} in vain until {what}");
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            thread::sleep(LOOK_AGAIN);
        }
    }
}
