//! The table: a row for each line of the ledger.

use std::collections::HashMap;

use scheduled_one_runtime::{Error, LedgerEntry, Outcome, Scheduler};

use crate::REPLICAS;
use crate::jobs::{JOBS, Starts};

/// Lines asked for in one look; there are never that many new ones.
const LOOK_BACK: usize = 100;

/// Prints what is new, and keeps all that it printed.
pub(crate) struct Table {
    pub(crate) starts: Starts,
    /// The lines of each job's ledger, oldest first.
    pub(crate) lines: HashMap<&'static str, Vec<LedgerEntry>>,
    /// The store does not answer, and that was said.
    unreadable: bool,
}

impl Table {
    pub(crate) fn new(starts: Starts) -> Self {
        let lines = JOBS.map(|(job, _)| (job, Vec::new())).into();
        Table {
            starts,
            lines,
            unreadable: false,
        }
    }

    pub(crate) fn print_head(&self, replica: &Scheduler) {
        for job in replica.jobs() {
            println!("{:<10} {}", job.name, job.schedule);
        }
        let names = REPLICAS.map(|name| format!("{name:<3}")).join("");
        println!("\ntick (UTC)  job         {names}  ● ran there");
    }

    /// Prints the rows that are new.
    pub(crate) async fn print_news(&mut self, replica: &Scheduler) {
        match self.news(replica).await {
            Ok(rows) => {
                self.unreadable = false;
                rows.iter().for_each(|row| println!("{row}"));
            }
            Err(error) if !self.unreadable => {
                self.unreadable = true;
                println!("the ledger cannot be read: {error}");
            }
            Err(_) => {}
        }
    }

    /// Asks a replica, any of them, for the lines that are new.
    async fn news(&mut self, replica: &Scheduler) -> Result<Vec<String>, Error> {
        let mut rows = Vec::new();
        for (job, lines) in &mut self.lines {
            let mut news = replica.ledger(job, LOOK_BACK).await?; // newest first
            if let Some(known) = lines.last() {
                let new = news.iter().take_while(|line| *line != known).count();
                news.truncate(new);
            }
            for line in news.into_iter().rev() {
                rows.push((line.ended_at, row(job, &line, &self.starts)));
                lines.push(line);
            }
        }
        rows.sort();
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }
}

fn row(job: &str, line: &LedgerEntry, starts: &Starts) -> String {
    let started = starts.of(job, line.tick);
    let columns = REPLICAS.map(
        |name| match started.iter().filter(|by| *by == name).count() {
            0 => "·  ".to_owned(),
            1 => "●  ".to_owned(),
            more => format!("{more}! "),
        },
    );
    let tick = line.tick.strftime("%H:%M:%S");
    let mut outcome = in_words(line);
    if line.outcome == Outcome::Skipped
        && let Some((before, by)) = starts.last_before(job, line.tick)
    {
        let before = before.strftime("%H:%M:%S");
        outcome += &format!(", the run of {before} on {} is still going", by.join(", "));
    }
    let columns = columns.join("");
    format!("{tick}    {job:<10}  {columns}  {outcome}")
}

fn in_words(line: &LedgerEntry) -> String {
    let late = line.lateness().unwrap_or_default().as_millis();
    let took = line.took().unwrap_or_default();
    match line.outcome {
        Outcome::Ok if took.as_millis() < 1_000 => format!("ok, {late} ms late"),
        Outcome::Ok => format!("ok, {late} ms late, took {:.1} s", took.as_secs_f32()),
        Outcome::Failed | Outcome::Panicked => format!("{}: {}", line.outcome, line.error),
        Outcome::Missed if line.count > 1 => {
            let last = line.last_tick.strftime("%H:%M:%S");
            format!("{} ticks up to {last} missed: {}", line.count, line.reason)
        }
        outcome => format!("{outcome}: {}", line.reason),
    }
}
