//! What people see and answer on a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::json;

use crate::world::{World, command};

/// Runs the command on a terminal, and answers. Returns the exit status, and what the terminal shows.
fn on_terminal(
    world: &World,
    arguments: &[&str],
    answer: &str,
    variables: &[(&str, &str)],
) -> (i32, String) {
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
    let mut child = command.spawn().unwrap();
    // Its copies of the terminal: without them, the end of the command is the end of what it writes.
    drop(command);
    let mut terminal = File::from(terminal);
    let mut writer = terminal.try_clone().unwrap();
    let reader = thread::spawn(move || {
        let (mut shown, mut part) = (Vec::new(), [0; 4_096]);
        // A terminal that nobody has open any more is an error.
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
