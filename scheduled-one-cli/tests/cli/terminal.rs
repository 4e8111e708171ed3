//! What people see and answer on a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::json;

use crate::world::{World, command};

/// A command on a terminal.
struct OnTerminal {
    child: Child,
    terminal: File,
}

impl OnTerminal {
    fn start(world: &World, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let name = std::ffi::OsStr::from_bytes(name.as_bytes());
        let side = || {
            let side = File::options().read(true).write(true).open(name).unwrap();
            Stdio::from(side)
        };
        let mut command = command(&world.url, arguments);
        command.envs(variables.iter().copied());
        command.stdin(side()).stdout(side()).stderr(side());
        // Its copies of the terminal end with this function: without them, the end of the command is the end of what
        // it writes.
        OnTerminal {
            child: command.spawn().unwrap(),
            terminal: File::from(terminal),
        }
    }

    /// What it writes next; nothing at its end.
    fn read(&mut self) -> String {
        let mut part = [0; 4_096];
        // A terminal that nobody has open any more is an error.
        let length = self.terminal.read(&mut part).unwrap_or_default();
        String::from_utf8_lossy(&part[..length]).into_owned()
    }
}

/// Runs the command on a terminal, and answers. Returns the exit status, and what the terminal shows.
fn on_terminal(
    world: &World,
    arguments: &[&str],
    answer: &str,
    variables: &[(&str, &str)],
) -> (i32, String) {
    let OnTerminal {
        mut child,
        mut terminal,
    } = OnTerminal::start(world, arguments, variables);
    let mut writer = terminal.try_clone().unwrap();
    let reader = thread::spawn(move || {
        let (mut shown, mut part) = (Vec::new(), [0; 4_096]);
        while let Ok(length @ 1..) = terminal.read(&mut part) {
            shown.extend_from_slice(&part[..length]);
        }
        String::from_utf8(shown).unwrap()
    });
    writer.write_all(answer.as_bytes()).unwrap();
    let status = child.wait().unwrap().code().unwrap();
    drop(writer);
    (status, reader.join().unwrap())
}

fn paused(world: &World) -> usize {
    let jobs = world.json(&["jobs"]);
    let jobs = jobs["jobs"].as_array().unwrap().iter();
    jobs.filter(|job| job["paused"] == json!(true)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_is_answered_with_yes_or_no() {
    let world = World::start().await;
    let pause = ["pause", "report", "fails"];
    for no in ["n\n", "\n", "what\n"] {
        let (status, shown) = on_terminal(&world, &pause, no, &[]);
        assert_eq!(status, 1, "{shown}");
        assert!(
            shown.contains("Pause 2 jobs (report, fails)? [y/N]"),
            "{shown}"
        );
        assert!(shown.contains("nothing was changed"), "{shown}");
        assert_eq!(paused(&world), 0);
    }
    let (status, shown) = on_terminal(&world, &pause, "y\n", &[]);
    assert_eq!(status, 0, "{shown}");
    assert_eq!(paused(&world), 2);
    // One job needs no answer.
    let (status, shown) = on_terminal(&world, &["resume", "report"], "", &[]);
    assert_eq!(status, 0, "{shown}");
    assert_eq!(paused(&world), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn colours_are_for_terminals_whose_people_want_them() {
    let world = World::start().await;
    assert_eq!(world.run(&["pause", "report"]).status, 0);
    let colour = "\u{1b}[";
    let (status, shown) = on_terminal(&world, &["jobs"], "", &[]);
    assert_eq!(status, 0, "{shown}");
    assert!(shown.contains(colour), "{shown:?}");
    let without = [
        on_terminal(&world, &["jobs"], "", &[("NO_COLOR", "1")]),
        on_terminal(&world, &["jobs", "--no-color"], "", &[]),
    ];
    for (status, shown) in without {
        assert_eq!(status, 0, "{shown}");
        assert!(
            shown.contains("paused") && !shown.contains(colour),
            "{shown:?}"
        );
    }
    assert!(!world.run(&["jobs"]).out.contains(colour));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_are_drawn_anew_until_somebody_interrupts() {
    let world = World::start().await;
    let mut watch = OnTerminal::start(&world, &["jobs", "--watch"], &[("NO_COLOR", "1")]);
    let top = "\u{1b}[H";
    let mut shown = String::new();
    while !shown.contains("report") || !shown.contains("\u{1b}[J") {
        let part = watch.read();
        assert_ne!(part, "", "{shown:?}");
        shown.push_str(&part);
    }
    assert!(shown.contains("\u{1b}[2J\u{1b}[H"), "{shown:?}");
    assert_eq!(world.run(&["pause", "report"]).status, 0);
    let mut news = String::new();
    while !news.contains("paused") {
        let part = watch.read();
        assert_ne!(part, "", "{news:?}");
        news.push_str(&part);
    }
    assert!(
        news.contains(top) && !news.contains("\u{1b}[2J"),
        "in place: {news:?}"
    );
    let pid = Pid::from_child(&watch.child);
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(watch.child.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    loop {
        match watch.read() {
            part if part.is_empty() => break,
            part => rest.push_str(&part),
        }
    }
    assert!(
        rest.contains("\u{1b}[?7h"),
        "lines are wrapped again: {rest:?}"
    );
}
