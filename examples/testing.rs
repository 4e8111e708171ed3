//! How to test jobs: with time that moves only when the test says so.
//!
//! ```sh
//! cargo test --example testing   # a job of each Monday, and the tests of it; takes no time
//! ```

#![allow(clippy::print_stdout, reason = "an example talks to its reader")]

use std::sync::{Arc, Mutex};

use scheduled_one_runtime::{Error, JobContext, Scheduler, State, scheduled_one};

/// Sends mail. In tests it is a fake, which is slow to accept and remembers what it was given.
#[derive(Clone, Default)]
struct Mailer {
    sent: Arc<Mutex<Vec<String>>>,
    busy: Arc<Mutex<u32>>,
}

impl Mailer {
    async fn send(&self, text: String) -> Result<(), &'static str> {
        let mut busy = self.busy.lock().expect("no panic in here");
        if *busy > 0 {
            *busy -= 1;
            return Err("the mail server is busy");
        }
        println!("{text}");
        self.sent.lock().expect("no panic in here").push(text);
        Ok(())
    }
}

/// Each Monday at nine in Berlin.
#[scheduled_one(
    cron = "0 0 9 * * MON",
    tz = "Europe/Berlin",
    name = "weekly_report",
    retries = 2,
    backoff = "1s..1m"
)]
async fn weekly_report(ctx: JobContext, State(mailer): State<Mailer>) -> Result<(), &'static str> {
    let day = ctx.scheduled_at_local().strftime("%F");
    mailer.send(format!("report of {day}")).await
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let builder = Scheduler::builder("memory://").state(Mailer::default());
    builder.start().await?.run_until_signal().await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use scheduled_one_runtime::Outcome;
    use scheduled_one_runtime::testing::TestScheduler;

    use super::*;

    impl Mailer {
        fn sent(&self) -> Vec<String> {
            self.sent.lock().expect("no panic in there").clone()
        }
    }

    const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

    /// The jobs of this program, the embedded store, and a clock that begins on Thursday,
    /// 2026-01-01.
    async fn kit(mailer: &Mailer) -> TestScheduler {
        let kit = TestScheduler::start(|builder| builder.state(mailer.clone()));
        kit.await.expect("it starts")
    }

    #[tokio::test]
    async fn the_report_is_sent_on_monday() {
        let mailer = Mailer::default();
        let kit = kit(&mailer).await;
        let line = kit.run_next("weekly_report").await;
        assert_eq!(line.tick.to_string(), "2026-01-05T08:00:00Z"); // nine in Berlin
        assert_eq!(line.outcome, Outcome::Ok);
        assert_eq!(mailer.sent(), ["report of 2026-01-05"]);
    }

    #[tokio::test]
    async fn a_busy_mail_server_is_asked_again() {
        let mailer = Mailer::default();
        *mailer.busy.lock().expect("lock") = 2;
        let kit = kit(&mailer).await;
        // Between attempts time must pass: not much at once, or the run would lose its lease.
        let time_passes = async {
            loop {
                tokio::time::sleep(Duration::from_millis(1)).await;
                kit.advance(Duration::from_millis(100));
            }
        };
        let line = tokio::select! {
            biased;
            line = kit.run_next("weekly_report") => line,
            () = time_passes => unreachable!("it goes on"),
        };
        assert_eq!((line.outcome, line.attempt), (Outcome::Ok, Some(3)));
        assert_eq!(mailer.sent().len(), 1);
    }

    #[tokio::test]
    async fn reports_that_are_days_late_are_not_sent() {
        let mailer = Mailer::default();
        let kit = kit(&mailer).await;
        let [first, second, ..] = kit.scheduler().jobs()[0].next_ticks[..] else {
            panic!("it is due each week");
        };
        kit.advance(2 * WEEK); // nobody was there for two weeks
        let line = kit.outcome_of("weekly_report", second).await;
        assert_eq!((line.tick, line.last_tick, line.count), (first, second, 2));
        assert_eq!(
            (line.outcome, line.reason.as_str()),
            (Outcome::Missed, "node was behind")
        );
        assert!(mailer.sent().is_empty());
    }
}
