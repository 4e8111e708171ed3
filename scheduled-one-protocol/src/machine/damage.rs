//! Damaged records: values that no request of the protocol stores. A store in
//! which others can write refuses every request that rests on one of them, and
//! names the field; nothing is guessed. A mark that counted as nothing could run
//! a tick twice, and one that is far ahead would be learned by the nodes.
//!
//! The Redis scripts have the same rules over texts (`shared.lua`, `unit.lua`),
//! with the bounds of this file; `redis_untrusted` holds the two together.

use super::{Now, Record, Waiting};
use crate::value::{Start, TickMs};

/// Above this, integers are no longer exact as doubles, which the numbers of
/// Lua are. Microseconds since the epoch get there in 2255.
pub const MAX_EXACT: u64 = 1 << 53;

/// Highest token: leaves room for as many grants as there may ever be.
pub const MAX_TOKEN: u64 = MAX_EXACT - (1 << 32);

/// Highest sequence number of a run.
pub const MAX_SEQ: u64 = MAX_EXACT / 2;

/// Most attempts at a tick, and most takeovers that a run has left.
pub const MAX_COUNT: u32 = 1_000_000;

/// No instant of a record is farther ahead: 366 days. Clocks that are wrong by
/// more are wrong by years.
pub const MAX_AHEAD_MS: i64 = 366 * 86_400_000;

/// Longest lease of a record: a day.
pub const MAX_LEASE_MS: i64 = 86_400_000;

/// Longest nonce.
pub const MAX_NONCE_BYTES: usize = 512;

/// Longest value that a report shows, in characters.
const MAX_SHOWN: usize = 40;

/// Which fields of a record a request rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// A claim: the marks, the nonce, the queue; the run only while it goes. A
    /// newest start that no request can have stored counts as none.
    Claim,
    /// A renewal, the end of a run, an enrolment: all but the time of the grant
    /// and the takeovers left.
    Run,
    /// A write-off and an inspection: the whole record.
    Whole,
    /// The list of overdue runs: nonce, lease and sequence number. A damaged run
    /// is left out of the list, and refused to the other requests.
    Overdue,
}

/// The first damaged field of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Name of the field, as it is stored.
    pub field: &'static str,
    /// Beginning of its value, fit for a log.
    pub value: String,
}

impl Damage {
    /// Damage in this field. Shows the beginning of the value, with `?` for characters that do not fit into a log.
    pub fn new(field: &'static str, value: &str) -> Self {
        let fit = |c: char| if c.is_ascii_graphic() { c } else { '?' };
        Damage {
            field,
            value: value.chars().take(MAX_SHOWN).map(fit).collect(),
        }
    }
}

/// Looks for damage in the fields of a record that a request rests on.
pub fn damage(record: &Record, now: Now, reads: Reads) -> Option<Damage> {
    let mut search = Search {
        far_ms: now.ms() + MAX_AHEAD_MS,
        hwm_ms: record.marks.decided.map_or(0, TickMs::ms),
        found: None,
    };
    match reads {
        Reads::Claim => {
            search.decisions(record);
            if record.running {
                search.run(record);
                search.instant("at", record.run.granted_at_ms);
            }
        }
        Reads::Run | Reads::Whole => {
            search.decisions(record);
            search.run(record);
            if let Some(start) = record.marks.start {
                search.newest_start(start);
            }
            if reads == Reads::Whole {
                search.instant("at", record.run.granted_at_ms);
                search.integer("rer", record.run.takeovers, MAX_COUNT);
            }
        }
        Reads::Overdue if record.running => {
            search.nonce(&record.run.nonce);
            search.lease(record);
        }
        Reads::Overdue => {}
    }
    search.found
}

/// A search that keeps the first damage it meets.
struct Search {
    /// The latest instant that a record may hold.
    far_ms: i64,
    /// The high-water mark of the record: starts and queued ticks are decided.
    hwm_ms: i64,
    found: Option<Damage>,
}

impl Search {
    fn report(&mut self, field: &'static str, value: &str) {
        self.found.get_or_insert_with(|| Damage::new(field, value));
    }

    /// An integer from 0 to `most`.
    fn integer(&mut self, field: &'static str, value: impl Into<i128>, most: impl Into<i128>) {
        let value = value.into();
        if !(0..=most.into()).contains(&value) {
            self.report(field, &value.to_string());
        }
    }

    fn instant(&mut self, field: &'static str, instant_ms: i64) {
        self.integer(field, instant_ms, self.far_ms);
    }

    /// A tick that has started, and so was decided.
    fn started_tick(&mut self, field: &'static str, tick_ms: i64) {
        if tick_ms > self.hwm_ms {
            self.report(field, &tick_ms.to_string());
        }
    }

    /// Marks, nonce and queue.
    fn decisions(&mut self, record: &Record) {
        self.instant("born", record.marks.first_seen_ms.unwrap_or(0));
        self.instant("hwm", self.hwm_ms);
        self.integer("tok", record.marks.token.get(), MAX_TOKEN);
        self.nonce(&record.run.nonce);
        record.waiting.iter().for_each(|one| self.queued(one));
    }

    fn nonce(&mut self, nonce: &str) {
        let printable = nonce.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if nonce.len() > MAX_NONCE_BYTES || !printable {
            self.report("non", nonce);
        }
    }

    fn queued(&mut self, waiting: &Waiting) {
        let is_decided = (0..=self.hwm_ms).contains(&waiting.tick.ms());
        // Attempts count from 1.
        let is_attempt = (1..=MAX_COUNT).contains(&waiting.attempt);
        if !is_decided || !is_attempt || waiting.takeovers > MAX_COUNT {
            let Waiting {
                tick,
                attempt,
                takeovers,
            } = waiting;
            self.report("wait", &format!("{tick}:{attempt}:{takeovers}"));
        }
    }

    fn lease(&mut self, record: &Record) {
        self.instant("until", record.run.until_ms);
        self.integer("seq", record.run.seq, MAX_SEQ);
        self.integer("lease", record.run.lease_ms, MAX_LEASE_MS);
    }

    fn run(&mut self, record: &Record) {
        let run = &record.run;
        self.integer("rtok", run.token.get(), MAX_TOKEN);
        self.lease(record);
        self.integer("att", run.attempt, MAX_COUNT);
        self.instant("tick", run.tick.ms());
        self.started_tick("tick", run.tick.ms());
    }

    fn newest_start(&mut self, start: Start) {
        self.instant("bt", start.tick.ms());
        self.integer("ba", start.attempt, MAX_COUNT);
        self.started_tick("bt", start.tick.ms());
    }
}

#[cfg(test)]
mod tests {
    use super::super::Run;
    use super::*;
    use crate::message::Watermarks;
    use crate::value::FencingToken;

    const NOW: Now = Now {
        us: 1_700_000_000_000_000,
    };
    const FAR_MS: i64 = 1_700_000_000_000 + MAX_AHEAD_MS;
    const ALL: [Reads; 4] = [Reads::Claim, Reads::Run, Reads::Whole, Reads::Overdue];

    /// A record with everything at its highest.
    fn record(running: bool) -> Record {
        Record {
            marks: Watermarks {
                first_seen_ms: Some(FAR_MS),
                decided: Some(TickMs(FAR_MS)),
                token: FencingToken(MAX_TOKEN),
                start: Some(Start {
                    tick: TickMs(FAR_MS),
                    attempt: MAX_COUNT,
                }),
            },
            running,
            run: Run {
                tick: TickMs(FAR_MS),
                owner: "\u{fffd}\n".to_owned(),
                nonce: "~".repeat(MAX_NONCE_BYTES),
                token: FencingToken(MAX_TOKEN),
                attempt: MAX_COUNT,
                lease_ms: MAX_LEASE_MS,
                granted_at_ms: FAR_MS,
                until_ms: FAR_MS,
                seq: MAX_SEQ,
                takeovers: MAX_COUNT,
                stop: running,
                stop_why: "\u{fffd}\n".to_owned(),
                origin: None,
            },
            has_lane: running,
            done: "\u{fffd}\n".to_owned(),
            waiting: [waiting(FAR_MS, MAX_COUNT, MAX_COUNT), waiting(0, 1, 0)].into(),
            quarantine_until_ms: i64::MAX,
            decides: None,
            next_due_ms: Some(i64::MAX),
        }
    }

    fn waiting(tick_ms: i64, attempt: u32, takeovers: u32) -> Waiting {
        Waiting {
            tick: TickMs(tick_ms),
            attempt,
            takeovers,
        }
    }

    #[test]
    fn the_least_and_the_most_of_everything_are_sound() {
        for record in [Record::default(), record(false), record(true)] {
            for reads in ALL {
                assert_eq!(damage(&record, NOW, reads), None, "{reads:?}");
            }
        }
    }

    fn start(tick_ms: i64, attempt: u32) -> Option<Start> {
        let tick = TickMs(tick_ms);
        Some(Start { tick, attempt })
    }

    type Break = fn(&mut Record);

    /// Each field one beyond its bounds, and which requests rest on it while a
    /// run goes and while none does.
    #[test]
    fn one_more_is_damage_to_those_who_read_it() {
        use Reads::{Claim, Run, Whole};
        let by_all: &[Reads] = &[Claim, Run, Whole];
        let by_those_of_runs: &[Reads] = &[Run, Whole];
        let table: [(&str, Break, &[Reads], &[Reads]); 22] = [
            (
                "born",
                |r| r.marks.first_seen_ms = Some(FAR_MS + 1),
                by_all,
                by_all,
            ),
            ("born", |r| r.marks.first_seen_ms = Some(-1), by_all, by_all),
            (
                "hwm",
                |r| r.marks.decided = Some(TickMs(FAR_MS + 1)),
                by_all,
                by_all,
            ),
            (
                "hwm",
                |r| r.marks.decided = Some(TickMs(-1)),
                by_all,
                by_all,
            ),
            ("tok", |r| r.marks.token.0 += 1, by_all, by_all),
            ("non", |r| r.run.nonce.push('~'), &ALL, by_all),
            ("non", |r| r.run.nonce = "\u{7f}".into(), &ALL, by_all),
            ("non", |r| r.run.nonce = "\n".into(), &ALL, by_all),
            ("wait", |r| r.waiting[0].tick.0 += 1, by_all, by_all),
            ("wait", |r| r.waiting[1].tick.0 = -1, by_all, by_all),
            ("wait", |r| r.waiting[0].attempt += 1, by_all, by_all),
            ("wait", |r| r.waiting[0].takeovers += 1, by_all, by_all),
            ("rtok", |r| r.run.token.0 += 1, by_all, by_those_of_runs),
            ("until", |r| r.run.until_ms += 1, &ALL, by_those_of_runs),
            ("seq", |r| r.run.seq += 1, &ALL, by_those_of_runs),
            ("lease", |r| r.run.lease_ms += 1, &ALL, by_those_of_runs),
            ("att", |r| r.run.attempt += 1, by_all, by_those_of_runs),
            ("tick", |r| r.run.tick.0 = -1, by_all, by_those_of_runs),
            (
                "bt",
                |r| r.marks.start = start(-1, 1),
                &[Run, Whole],
                by_those_of_runs,
            ),
            (
                "ba",
                |r| r.marks.start = start(FAR_MS, MAX_COUNT + 1),
                &[Run, Whole],
                by_those_of_runs,
            ),
            (
                "at",
                |r| r.run.granted_at_ms += 1,
                &[Claim, Whole],
                &[Whole],
            ),
            ("rer", |r| r.run.takeovers += 1, &[Whole], &[Whole]),
        ];
        for (field, break_it, running, idle) in table {
            for (goes, read_by) in [(true, running), (false, idle)] {
                let mut record = record(goes);
                break_it(&mut record);
                for reads in ALL {
                    let found = damage(&record, NOW, reads).map(|damage| damage.field);
                    let expected = read_by.contains(&reads).then_some(field);
                    assert_eq!(found, expected, "{field}, {reads:?}, running: {goes}");
                }
            }
        }
    }

    #[test]
    fn an_attempt_that_waits_is_the_first_or_a_later_one() {
        for reads in [Reads::Claim, Reads::Run, Reads::Whole] {
            let mut record = record(false);
            record.waiting[1].attempt = 0;
            let found = damage(&record, NOW, reads).map(|damage| damage.field);
            assert_eq!(found, Some("wait"), "{reads:?}");
        }
    }

    #[test]
    fn a_start_or_a_queued_tick_after_the_high_water_mark_is_damage() {
        let mut record = record(true);
        record.marks.decided = Some(TickMs(FAR_MS - 1));
        let mut expect = |field: Option<&str>, fix: Break| {
            let found = damage(&record, NOW, Reads::Whole);
            assert_eq!(found.as_ref().map(|damage| damage.field), field);
            fix(&mut record);
        };
        expect(Some("wait"), |r| r.waiting[0].tick.0 -= 1);
        expect(Some("tick"), |r| r.run.tick.0 -= 1);
        expect(Some("bt"), |r| r.marks.start = start(FAR_MS - 1, MAX_COUNT));
        expect(None, |_| ());
    }

    #[test]
    fn a_value_is_shown_short_and_printable() {
        let mut record = record(false);
        record.run.nonce = "a b\n".repeat(200);
        let found = damage(&record, NOW, Reads::Claim);
        let value = "a?b?".repeat(10);
        assert_eq!(
            found,
            Some(Damage {
                field: "non",
                value
            })
        );
    }
}
