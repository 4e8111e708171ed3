//! Child processes that end: each is bounded in time, and ends with this process.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often a child is looked at.
const TICK: Duration = Duration::from_millis(20);
/// How long a group may take to end after SIGTERM. What watches servers of tests cleans up meanwhile.
const GRACE: Duration = Duration::from_secs(5);

/// Reads its standard input, a pipe whose other end only this process holds, so that the loop ends
/// with this process, however that ends. Lines before say which process groups run. Those that then
/// still do are ended.
const REAPER: &str = r#"
trap '' HUP INT QUIT TERM
groups=' '
while read -r verb group; do
  case $verb in
    begin) groups="$groups$group " ;;
    end) groups="${groups%% "$group" *} ${groups#* "$group" }" ;;
  esac
done
for group in $groups; do kill -s TERM -- "-$group"; done 2>/dev/null
for round in 1 2 3 4 5; do
  left=
  for group in $groups; do kill -s 0 -- "-$group" && left="$left $group"; done 2>/dev/null
  [ -n "$left" ] || exit 0
  sleep 1
done
for group in $left; do kill -s KILL -- "-$group"; done 2>/dev/null
"#;

/// Where the output of a child goes.
pub(crate) enum Output {
    /// Both streams into this file.
    Into(File),
    /// The standard output into this file, the errors to the terminal.
    ErrorsShown(File),
}

/// Runs a command in a process group of its own, to its end or to that of the time limit.
pub(crate) fn run_bounded(
    mut command: Command,
    limit: Duration,
    output: Output,
) -> Result<(), String> {
    command.stdin(Stdio::null()).process_group(0);
    match output {
        Output::ErrorsShown(file) => command.stdout(file),
        Output::Into(file) => {
            let copy = file.try_clone().map_err(|error| error.to_string())?;
            command.stdout(copy).stderr(file)
        }
    };
    let reaper = reaper().map_err(|error| format!("sh, to watch children: {error}"))?;
    let mut child = command
        .spawn()
        .map_err(|error| format!("cannot run: {error}"))?;
    let _group = Group::begin(reaper, child.id());
    match wait(&mut child, limit) {
        Ok(Some(status)) if status.success() => Ok(()),
        Ok(Some(status)) => Err(ended(status)),
        Ok(None) => {
            end(&mut child);
            Err(format!("not finished after {} s: ended", limit.as_secs()))
        }
        Err(error) => {
            end(&mut child);
            Err(format!("cannot be waited for: {error}"))
        }
    }
}

fn ended(status: ExitStatus) -> String {
    match status.signal() {
        Some(signal) => format!("ended by signal {signal}"),
        None => format!("failed ({status})"),
    }
}

/// How the child ended; none if it runs longer.
fn wait(child: &mut Child, limit: Duration) -> io::Result<Option<ExitStatus>> {
    let until = Instant::now() + limit;
    loop {
        match child.try_wait()? {
            Some(status) => return Ok(Some(status)),
            None if Instant::now() > until => return Ok(None),
            None => thread::sleep(TICK),
        }
    }
}

/// Ends the group of a child: with SIGTERM first, so that tests clean up, and at last with SIGKILL.
fn end(child: &mut Child) {
    signal("TERM", child.id());
    if !matches!(wait(child, GRACE), Ok(Some(_))) {
        signal("KILL", child.id());
        let _ = child.wait();
    }
}

/// The shell has `kill` even where no program of this name is installed.
fn signal(name: &str, group: u32) {
    let mut kill = Command::new("sh");
    kill.args(["-c", r#"kill -s "$1" -- "-$2""#, "kill", name]);
    kill.arg(group.to_string()).stderr(Stdio::null());
    let _ = kill.status();
}

/// The pipe to the process that ends groups when this one is gone.
fn reaper() -> io::Result<&'static Mutex<ChildStdin>> {
    static REAPER_PIPE: OnceLock<Option<Mutex<ChildStdin>>> = OnceLock::new();
    let pipe = REAPER_PIPE.get_or_init(|| {
        let mut shell = Command::new("sh");
        shell.args(["-c", REAPER, "reaper"]).process_group(0);
        let shell = shell.stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        shell.ok()?.stdin.map(Mutex::new)
    });
    let missing = || io::Error::other("it does not start");
    pipe.as_ref().ok_or_else(missing)
}

/// A process group that the reaper knows for as long as this lives.
struct Group {
    reaper: &'static Mutex<ChildStdin>,
    id: u32,
}

impl Group {
    fn begin(reaper: &'static Mutex<ChildStdin>, id: u32) -> Self {
        let group = Self { reaper, id };
        group.say("begin");
        group
    }

    fn say(&self, verb: &str) {
        let mut pipe: MutexGuard<'_, ChildStdin> =
            self.reaper.lock().unwrap_or_else(PoisonError::into_inner);
        // Without its reaper a child that does not end is ended by hand.
        let _ = writeln!(pipe, "{verb} {}", self.id);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.say("end");
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use test_support::wait_until;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn lives(pid: &str) -> bool {
        let mut kill = shell(&format!("kill -s 0 {pid}"));
        kill.stderr(Stdio::null()).status().unwrap().success()
    }

    #[test]
    fn both_streams_go_into_the_file_in_their_order() {
        let mut file = tempfile::tempfile().unwrap();
        let output = Output::Into(file.try_clone().unwrap());
        let script = "echo one; echo two >&2; echo three; exit 3";
        let error = run_bounded(shell(script), LONG, output).unwrap_err();
        assert!(error.contains("exit status: 3"), "{error}");
        io::Seek::rewind(&mut file).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "one\ntwo\nthree\n");
    }

    #[test]
    fn a_child_that_does_not_end_is_ended_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", file.display());
        let short = Duration::from_secs(1);
        let output = Output::ErrorsShown(tempfile::tempfile().unwrap());
        let error = run_bounded(shell(&script), short, output).unwrap_err();
        assert_eq!(error, "not finished after 1 s: ended");
        let pid = std::fs::read_to_string(file).unwrap();
        let is_gone = || !lives(pid.trim());
        wait_until("the grandchild is gone", LONG, is_gone);
    }

    #[test]
    fn the_reaper_ends_what_began_and_did_not_end() {
        let mut groups = [1, 2, 3].map(|_| shell("sleep 600").process_group(0).spawn().unwrap());
        let ids = groups.each_ref().map(Child::id);
        let mut reaper = shell(REAPER).stdin(Stdio::piped()).spawn().unwrap();
        let mut pipe = reaper.stdin.take().unwrap();
        for id in ids {
            writeln!(pipe, "begin {id}").unwrap();
        }
        writeln!(pipe, "end {}", ids[1]).unwrap();
        drop(pipe);
        assert_eq!(groups[0].wait().unwrap().signal(), Some(15));
        assert_eq!(groups[2].wait().unwrap().signal(), Some(15));
        assert!(reaper.wait().unwrap().success());
        assert_eq!(groups[1].try_wait().unwrap(), None);
        end(&mut groups[1]);
    }
}
