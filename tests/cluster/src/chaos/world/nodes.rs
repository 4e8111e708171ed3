//! The nodes of a world: how they start, how they reach the store, and what is kept of those that are no more.

use std::io;
use std::path::PathBuf;

use test_support::{ClockShim, FaultProxy};

use super::verdict::notes_of;
use super::{LEASE, NODES, World, jobs, now_us, watch};
use crate::chaos::deployment::{Deployment, Kind, USER};
use crate::node::{Node, NodeSpec};

impl World {
    /// Starts one more node; returns its name.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn start_node(&mut self) -> io::Result<String> {
        self.started += 1;
        let name = format!("node-{}", self.started);
        let (store_url, password_file) = self.route(&name)?;
        let spec = NodeSpec {
            store_url,
            password_file,
            replicas: u32::from(self.kind == Kind::SentinelWait),
            name: name.clone(),
            lease: LEASE,
            jobs: self.jobs.clone(),
            log: self.folder.path().join("events"),
            sink: Some(self.sink.address),
            hook: None,
            can_hang: self.next_can_hang,
            placement: jobs::placement_of(self.started, &self.jobs, &self.nodes),
        };
        let env = match &self.deployment {
            // The clock of a file is that of the machine, the same for all.
            Deployment::Sqlite(file) => file.env(),
            _ => {
                let clock = ClockShim::new()?;
                let env = clock.env().to_vec();
                self.clocks.insert(name.clone(), clock);
                env
            }
        };
        let limit = spec.placement.max_running;
        self.limits.extend(limit.map(|runs| (name.clone(), runs)));
        let node = Node::start(&self.programs.node, &spec, self.folder.path(), &env);
        self.nodes.push(node);
        Ok(name)
    }

    /// How a node reaches its store: through a proxy of its own, where there is
    /// one server.
    fn route(&mut self, node: &str) -> io::Result<(String, Option<PathBuf>)> {
        match &self.deployment {
            Deployment::Sentinel(sentinel) => Ok((sentinel.url(), None)),
            Deployment::Cluster(cluster) => Ok((cluster.url(), None)),
            Deployment::Sqlite(file) => Ok((file.url(), None)),
            Deployment::Postgres(postgres) if self.kind != Kind::Postgres => {
                Ok((postgres.url(None, &self.password_file), None))
            }
            Deployment::Postgres(postgres) => {
                let proxy = FaultProxy::options()
                    .raw()
                    .start(postgres.primary().port())?;
                let url = postgres.url(Some(proxy.port()), &self.password_file);
                self.proxies.insert(node.to_owned(), proxy);
                Ok((url, None))
            }
            Deployment::One(server, _) => {
                let proxy = FaultProxy::options()
                    .seed(self.started as u64)
                    .start(server.port())?;
                let url = format!("redis://{USER}@127.0.0.1:{}", proxy.port());
                self.proxies.insert(node.to_owned(), proxy);
                Ok((url, Some(self.password_file.clone())))
            }
        }
    }

    /// Lets as many nodes live as there should be.
    ///
    /// # Errors
    ///
    /// One cannot be started.
    pub fn replace_dead_nodes(&mut self) -> io::Result<()> {
        let mut index = 0;
        while index < self.nodes.len() {
            match self.nodes[index].has_ended() {
                true => self.bury_by_itself(index),
                false => index += 1,
            }
        }
        while self.nodes.len() < NODES {
            self.start_node()?;
        }
        Ok(())
    }

    /// Takes out a node that has ended, and keeps its log.
    pub fn bury(&mut self, index: usize) {
        let node = self.nodes.remove(index);
        self.notes.extend(notes_of(&node));
        self.proxies.remove(node.name());
        self.clocks.remove(node.name());
    }

    /// Removes a node that was not killed. A node that has started must end without an error, and only after an order.
    pub(super) fn bury_by_itself(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        if let Some(how) = node.ended_badly().filter(|_| !watch::never_started(node)) {
            let text = format!("{} ended by itself: {how}", node.name());
            self.deaths.push((now_us(), text));
        }
        self.bury(index);
    }
}
