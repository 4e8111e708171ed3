//! How a round ended: the accounts of the store, and what the checker says.

use std::fs;
use std::io;
use std::thread;
use std::time::Instant;

use super::{BOUND, LEASE, LOOK_AGAIN, World};
use crate::checker::{Account, Fate, History, Note, Violation, timeline};
use crate::node::{Node, Order};

impl World {
    /// Asks a node what became of every tick since it was asked last, until all
    /// are decided (or a long time has passed), and keeps it.
    ///
    /// # Errors
    ///
    /// No node answers.
    pub fn audit(&mut self) -> io::Result<()> {
        self.log.read_on();
        let (from_ms, to_ms) = (self.accounts_from_ms, self.newest_tick_ms() + 1);
        let until = Instant::now() + BOUND;
        loop {
            let accounts = self.audit_once(from_ms, to_ms);
            let late = Instant::now() > until;
            match accounts {
                Ok(accounts) if late || accounts.iter().all(|it| it.fate != Fate::Open) => {
                    self.accounts.extend(accounts);
                    self.accounts_from_ms = to_ms;
                    return Ok(());
                }
                Err(error) if late => return Err(error),
                _ => thread::sleep(LOOK_AGAIN * 10),
            }
        }
    }

    /// Leaves out what has come due since the last audit: some of it by another
    /// schedule.
    pub fn account_from_now(&mut self) {
        self.log.read_on();
        self.accounts_from_ms = self.newest_tick_ms() + 1;
    }

    fn audit_once(&mut self, from_ms: i64, to_ms: i64) -> io::Result<Vec<Account>> {
        self.audits += 1;
        let path = self.folder.path().join(format!("audit-{}", self.audits));
        let order = Order::Audit {
            from_ms,
            to_ms,
            path: path.clone(),
        };
        let node = self.nodes.first_mut();
        node.ok_or_else(|| io::Error::other("no node lives"))?
            .order(&order)?;
        self.wait("a node audits", |_| path.exists())?;
        let text = fs::read_to_string(&path)?;
        let account = |line: &str| {
            let account: Account = line.parse().map_err(io::Error::other)?;
            let every_ms = self.every(&account.job).as_millis() as i64;
            Ok(Account {
                every_ms,
                asked: from_ms as usize,
                ..account
            })
        };
        text.lines().map(account).collect()
    }

    /// Ends all nodes, gracefully if they can.
    ///
    /// # Errors
    ///
    /// One does not end.
    pub fn end(&mut self) -> io::Result<()> {
        self.nodes.iter().for_each(Node::terminate);
        let ended = self.must("all nodes have ended", |world| {
            world.nodes.iter_mut().all(Node::has_ended)
        });
        while !self.nodes.is_empty() {
            self.bury_by_itself(0);
        }
        ended
    }

    /// All violations, each with its timeline; of an ended world.
    pub fn violations(&mut self) -> Vec<(Violation, String)> {
        self.log.read_on();
        let mut events = self.log.events.clone();
        events.sort_by_key(|event| event.boot_us);
        let history = History {
            events: &events,
            windows: &self.windows,
            jobs: &self.jobs,
            lease: LEASE,
            accounts: &self.accounts,
        };
        let mut found = history.violations();
        let panics = self.notes.iter().filter(|it| it.text.contains("panicked"));
        found.extend(panics.map(|note| Violation {
            rule: "panic",
            text: note.text.clone(),
            job: String::new(),
            at_us: note.boot_us,
        }));
        found.extend(self.deaths.iter().map(|(boot_us, text)| Violation {
            rule: "death",
            text: text.clone(),
            job: String::new(),
            at_us: *boot_us,
        }));
        let with_timeline = |violation: Violation| {
            let text = timeline(&history, &self.notes, &violation);
            (violation, text)
        };
        found.into_iter().map(with_timeline).collect()
    }

    pub(super) fn newest_tick_ms(&self) -> i64 {
        let ticks = self.log.events.iter().map(|event| event.tick_ms);
        ticks.max().unwrap_or_default()
    }
}

/// The lines of a node's log; those without an instant belong to the one
/// before them.
pub(super) fn notes_of(node: &Node) -> Vec<Note> {
    let mut boot_us = 0;
    let text = node.stderr();
    let lines = text.lines().map(|line| {
        let first = line.split_whitespace().next().unwrap_or_default();
        boot_us = first.parse().unwrap_or(boot_us);
        let text = line.strip_prefix(first).unwrap_or(line);
        Note {
            boot_us,
            text: format!("{}: {}", node.name(), text.trim_start()),
        }
    });
    lines.collect()
}
