use std::sync::Arc;

use scheduled_one_protocol::clock::ManualClock;
use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_protocol::message::{Heartbeat, JobList};
use scheduled_one_protocol::{ALL_JOBS, Bucket, Store};

use super::*;
use crate::control::caller;
use scheduled_one_protocol::machine::CONTROL_VERSION;

/// A namespace of two buckets with the jobs `a` to `d`, on a clock that stands still.
async fn namespace() -> (Control, ManualClock) {
    let clock = ManualClock::new();
    let first: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
    let stores: Vec<Arc<dyn Store>> = Bucket::all(2).map(|bucket| first.open(bucket)).collect();
    let node = caller(2).expect("a caller");
    for store in &stores {
        let says = format!("{}{CONTROL_VERSION}", JobList::PROTOCOL);
        let list = JobList::new(["a", "b", "c", "d", &says]);
        let alive = Heartbeat {
            jobs: list.digest(),
            job_list: Some(list),
            ..Heartbeat::alive()
        };
        store.heartbeat(&node, alive).await.expect("a reply");
    }
    (Control::of_stores(stores).expect("a handle"), clock)
}

fn subjects(trail: &Trail) -> Vec<(&str, &str)> {
    let entries = trail.entries.iter();
    entries
        .map(|entry| (entry.action.as_str(), entry.subject.as_str()))
        .collect()
}

#[tokio::test]
async fn the_trail_has_who_did_what_in_the_order_of_time() {
    let (control, clock) = namespace().await;
    let tick = || clock.advance(std::time::Duration::from_millis(1));
    for job in ["a", "b", "c", "d"] {
        let paused = control.pause(job).by("ann").note("db migration").await;
        paused.expect("paused");
        tick();
    }
    let again = control.pause("a").by("ann").note("db migration");
    again.await.expect("paused before");
    control
        .run("b")
        .id("deploy-42")
        .by("bob")
        .await
        .expect("asked for");
    control
        .run("b")
        .id("deploy-42")
        .by("bob")
        .await
        .expect("known");
    tick();
    control.resume_all().by("ann").await.expect("not paused");

    let all = control.trail().await.expect("a trail");
    assert_eq!(
        subjects(&all),
        [
            ("pause", "a"),
            ("pause", "b"),
            ("pause", "c"),
            ("pause", "d"),
            ("run", "b")
        ],
        "what changes nothing has no entry"
    );
    let run = &all.entries[4];
    assert_eq!(
        (run.actor.as_str(), run.request.as_str()),
        ("bob", "deploy-42")
    );
    let pause = &all.entries[0];
    assert_eq!((pause.note.as_str(), pause.before), ("db migration", 0));
    assert!(pause.version > 0);
    let of_b = control
        .trail()
        .job("b")
        .actor("bob")
        .await
        .expect("a trail");
    assert_eq!(subjects(&of_b), [("run", "b")]);
    pages_miss_nothing(&control, &all).await;
}

async fn pages_miss_nothing(control: &Control, all: &Trail) {
    // Page by page from the beginning, although the buckets have their own places.
    let begin: TrailCursor = "0-0.0-0".parse().expect("a cursor");
    let (mut cursor, mut seen) = (begin, Vec::new());
    for _ in 0..5 {
        let page = control
            .trail()
            .after(cursor)
            .limit(1)
            .await
            .expect("a page");
        assert_eq!(page.entries.len(), 1);
        seen.extend(page.entries);
        cursor = page.cursor.to_string().parse().expect("a cursor");
    }
    assert_eq!(seen, all.entries);
    let rest = control.trail().after(cursor.clone()).await.expect("a page");
    assert_eq!((rest.entries.len(), &rest.cursor), (0, &cursor));
    assert_eq!(all.cursor, cursor);
    control.pause_all().by("ann").await.expect("paused");
    let news = control.trail().after(cursor).await.expect("a page");
    assert_eq!(
        subjects(&news),
        [("pause", ALL_JOBS)],
        "one, although each bucket has it"
    );
}

#[tokio::test]
async fn pages_go_back_to_the_beginning_and_have_each_entry_once() {
    let (control, clock) = namespace().await;
    for number in 0..1_200 {
        let job = ["a", "b", "c", "d"][number % 4];
        let paused = control.pause(job).note(number.to_string());
        paused
            .by(if number % 3 == 0 { "ann" } else { "bob" })
            .await
            .expect("paused");
        control.resume(job).await.expect("resumed");
        clock.advance(std::time::Duration::from_millis(1));
    }
    for (limit, actor) in [(1, "nobody"), (7, "ann"), (500, "ann"), (500, "")] {
        let read = |limit| {
            let trail = control.trail().limit(limit);
            if actor.is_empty() {
                trail
            } else {
                trail.actor(actor)
            }
        };
        let all = read(10_000).await.expect("a trail");
        assert_eq!(all.earlier, None);
        let (mut pages, mut before) = (Vec::new(), None::<TrailCursor>);
        loop {
            let page = match before {
                Some(before) => read(limit).before(before),
                None => read(limit),
            };
            let page = page.await.expect("a page");
            assert!(page.entries.len() <= limit);
            pages.push(page.entries);
            // What comes meanwhile is on no earlier page.
            control.pause("a").by("late").await.expect("paused");
            control.resume("a").by("late").await.expect("resumed");
            match page.earlier {
                Some(earlier) => before = Some(earlier.to_string().parse().expect("a cursor")),
                None => break,
            }
        }
        pages.reverse();
        let mut seen = pages.concat();
        seen.retain(|entry| entry.actor != "late");
        let mut wanted = all.entries;
        wanted.retain(|entry| entry.actor != "late");
        assert_eq!(seen, wanted, "{limit} a page, of {actor:?}");
    }
    let here: TrailCursor = "0-1.0-1".parse().expect("a cursor");
    let both = control.trail().after(here.clone()).before(here);
    assert!(both.await.is_err());
}

fn line(minor: u64, at_ms: i64) -> TrailLine {
    let entry = TrailEntry {
        at_ms,
        ..TrailEntry::default()
    };
    let id = TrailId { major: 0, minor };
    TrailLine { id, entry }
}

#[test]
fn pages_have_each_entry_once_although_a_clock_went_back() {
    let all = [
        (0, line(1, 100)),
        (0, line(2, 50)),
        (0, line(3, 60)),
        (0, line(4, 200)),
        (1, line(1, 70)),
        (1, line(2, 150)),
    ];
    for limit in 1..=all.len() {
        let (mut after, mut seen) = ([TrailId::default(); 2], Vec::new());
        for _ in 0..=all.len() {
            let rest = all.iter().filter(|(bucket, line)| line.id > after[*bucket]);
            let mut page = in_order(rest.cloned().collect());
            let mut cursor = [all[3].1.id, all[5].1.id];
            cut(&mut page, limit, &after, &mut cursor);
            seen.extend(page.iter().map(|(bucket, line)| (*bucket, line.id.minor)));
            after = cursor;
        }
        let in_time = [(1, 1), (0, 1), (0, 2), (0, 3), (1, 2), (0, 4)];
        assert_eq!(seen, in_time, "{limit} a page");
    }
}

#[tokio::test]
async fn a_cursor_of_another_namespace_is_refused() {
    let (control, _) = namespace().await;
    assert!("deploy".parse::<TrailCursor>().is_err());
    let one: TrailCursor = "0-1".parse().expect("a cursor");
    let error = control.trail().after(one).await.expect_err("refused");
    assert!(error.to_string().contains("1 buckets"), "{error}");
}

/// A line of what `ann` did to a subject, at this instant.
fn act(
    bucket: usize,
    minor: u64,
    (action, subject): (&str, &str),
    at_ms: i64,
) -> (usize, TrailLine) {
    let mut line = line(minor, at_ms);
    line.entry.action = action.to_owned();
    line.entry.subject = subject.to_owned();
    line.entry.actor = "ann".to_owned();
    if action == "run" {
        line.entry.request = "r1".to_owned();
    }
    (bucket, line)
}

fn folded(found: &[(usize, TrailLine)]) -> Vec<(String, String)> {
    let entries = fold::fold(found).into_iter();
    entries.map(|entry| (entry.action, entry.subject)).collect()
}

#[test]
fn what_was_done_once_is_one_entry() {
    let (pause, resume) = (("pause", ALL_JOBS), ("resume", ALL_JOBS));
    // Twice, with a resume between: each is one, although the second pause is near the first.
    let all = [
        act(0, 1, pause, 10),
        act(1, 1, pause, 11),
        act(0, 2, resume, 12),
        act(0, 3, pause, 13),
        act(1, 2, resume, 14),
        act(1, 3, pause, 15),
    ];
    let actions = |found: &[_]| -> Vec<String> {
        let entries = folded(found).into_iter();
        entries.map(|(action, _)| action).collect()
    };
    assert_eq!(actions(&all), ["pause", "resume", "pause"]);
    // Of another actor, with another note, or an hour later it is another one.
    for change in [
        (|entry: &mut TrailEntry| entry.actor = "bob".to_owned()) as fn(&mut TrailEntry),
        |entry| entry.note = "again".to_owned(),
        |entry| entry.at_ms += 3_600_000,
        |entry| entry.instant_ms = Some(1),
    ] {
        let mut other = act(1, 1, pause, 11);
        change(&mut other.1.entry);
        assert_eq!(actions(&[act(0, 1, pause, 10), other]).len(), 2);
    }
    // A request of three shards, and what somebody did meanwhile; a request of one shard names it.
    let mut another = act(0, 9, ("run", "report#2!"), 20);
    another.1.entry.request = "r2".to_owned();
    let run = [
        act(0, 1, ("run", "report!"), 10),
        act(0, 2, ("run", "report#1!"), 10),
        act(0, 3, ("pause", "import"), 11),
        act(0, 4, ("run", "report#2!"), 12),
        act(0, 5, ("run", "import!"), 12),
        another,
    ];
    let expected = [
        ("run", "report"),
        ("pause", "import"),
        ("run", "import!"),
        ("run", "report#2!"),
    ];
    let expected = expected.map(|(action, subject)| (action.to_owned(), subject.to_owned()));
    assert_eq!(folded(&run), expected);
}

#[test]
fn no_page_has_a_part_of_what_was_done_once() {
    let pause = ("pause", ALL_JOBS);
    let all = [
        act(0, 1, ("pause", "a"), 5),
        act(0, 2, pause, 10),
        act(0, 3, ("pause", "b"), 11),
        act(1, 1, pause, 12),
        act(0, 4, ("pause", "c"), 13),
    ];
    let ends = [1, 2, 3, 4, 5].map(|most| fold::end_of_page(&all, most));
    assert_eq!(ends, [1, 1, 1, 4, 5]);
    let begins = [1, 2, 3, 4, 5].map(|most| fold::begin_of_page(&all, most));
    assert_eq!(begins, [4, 4, 4, 1, 0]);
    // A page that is smaller than that goes on all the same.
    assert_eq!(fold::end_of_page(&all[1..], 2), 2);
    assert_eq!(fold::begin_of_page(&all[..4], 2), 2);
}
