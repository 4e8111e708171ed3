//! Operators of the world, and what is noted of them.

use std::io::{self};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use scheduled_one_runtime::control::{Error, RunHandle};

use super::{BOUND, LOOK_AGAIN, World};
use crate::chaos::deployment::Deployment;
use crate::log::Event;
use crate::operator::Operator;

impl World {
    /// How an operator reaches the store; through this port, where there is one server.
    ///
    /// # Errors
    ///
    /// Nobody can say.
    pub fn operator_url(&self, port: Option<u16>) -> io::Result<String> {
        match &self.deployment {
            Deployment::One(server, _) => {
                let port = port.unwrap_or(server.port());
                Ok(format!("redis://127.0.0.1:{port}"))
            }
            Deployment::Sentinel(sentinel) => Ok(sentinel.url()),
            Deployment::Cluster(cluster) => Ok(cluster.url()),
            Deployment::Postgres(postgres) => Ok(postgres.url(port, &self.password_file)),
            Deployment::Sqlite(file) => Ok(file.url()),
        }
    }

    /// An operator, as soon as the store lets one in.
    ///
    /// # Errors
    ///
    /// It does not.
    pub fn operator(&self) -> io::Result<Operator> {
        let until = Instant::now() + BOUND;
        loop {
            let connected = Operator::connect(&self.operator_url(None)?);
            if connected.is_ok() || Instant::now() > until {
                return connected;
            }
            thread::sleep(LOOK_AGAIN * 10);
        }
    }

    /// Pauses a job, or ends its pause; again until the store replies, and knows the job.
    ///
    /// # Errors
    ///
    /// It does not.
    pub fn direct(&mut self, operator: &Operator, job: &str, pauses: bool) -> io::Result<()> {
        let mut first_us = None;
        let mut directed = self.served(|| {
            operator.direct(job, pauses).inspect_err(|_| {
                first_us.get_or_insert_with(super::now_us);
            })
        })?;
        directed.asked_us = first_us.unwrap_or(u64::MAX).min(directed.asked_us);
        self.operated.directed(directed);
        Ok(())
    }

    /// Asks for a run of a job; again with the same id until the store replies, and knows the job.
    ///
    /// # Errors
    ///
    /// It does not.
    pub fn request(&mut self, operator: &Operator, job: &str, id: &str) -> io::Result<RunHandle> {
        self.operated.asks(job, id);
        let handle = self.served(|| operator.run(job, id))?;
        self.operated.asked(id);
        Ok(handle)
    }

    /// Forgets a job that no living node has; again until the store does it. What was asked of it goes with it.
    ///
    /// # Errors
    ///
    /// It does not.
    pub fn forget(&mut self, operator: &Operator, job: &str) -> io::Result<()> {
        self.served(|| operator.forget(job))?;
        self.has_forgotten(job);
        Ok(())
    }

    /// The lines of the requests of a job are gone with it.
    pub fn has_forgotten(&mut self, job: &str) {
        self.operated.requests.retain(|it| it.job != job);
    }

    /// Waits until what was asked for has ended.
    ///
    /// # Errors
    ///
    /// It does not.
    pub fn wait_for_requests(
        &mut self,
        operator: &Operator,
        handles: &[RunHandle],
    ) -> io::Result<()> {
        self.must("the requests end", |_| {
            let mut open = handles.iter().map(|handle| operator.is_open(handle));
            open.all(|it| it.is_ok_and(|it| !it))
        })
    }

    /// Cancels a run; whether there was one.
    ///
    /// # Errors
    ///
    /// No reply comes.
    pub fn cancel(&mut self, operator: &Operator, run: &Event) -> io::Result<bool> {
        let (job, run) = (&run.job, (run.shard, run.token));
        self.operated.cancels(job, run);
        self.served(|| operator.cancel(job, run))
    }

    /// Starts an operator that is a process of its own; with its log.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn start_operator(&mut self, job: &str, id: &str) -> io::Result<(Child, PathBuf)> {
        let log = self.folder.path().join(format!("operator-{id}"));
        let child = Command::new(&self.programs.operator)
            .args([&*self.operator_url(None)?, job, id])
            .arg(&log)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        Ok((child, log))
    }

    /// What a call returns in the end.
    fn served<T>(&mut self, mut call: impl FnMut() -> Result<T, Error>) -> io::Result<T> {
        let (mut served, mut why) = (None, String::new());
        let waited = self.wait("an operator is served", |_| {
            match call() {
                Ok(reply) => served = Some(reply),
                Err(error) => why = error.to_string(),
            }
            served.is_some()
        });
        let said = |error: io::Error| io::Error::other(format!("{error}: {why}"));
        waited.map_err(said)?;
        served.ok_or_else(|| io::Error::other("just served"))
    }
}
