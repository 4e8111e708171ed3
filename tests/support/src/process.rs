//! One run of a server, from its spawn to its death.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// How long the kernel may take to stop a process that was sent SIGSTOP.
const STOP_BOUND: Duration = Duration::from_secs(5);

/// Reads its standard input, a pipe on which nobody writes and whose other end only this process
/// holds: the read returns when this process is gone, however it went. Then it kills the server and
/// removes the folder that no `Drop` removes any more (that of a `static`, for one).
///
/// The kernel's own means, a parent-death signal, fires when the *thread* that spawned the server
/// ends, and threads of tests end long before a server that several tests share.
///
/// Signals from the terminal go to the whole process group; this one must outlive them.
const WATCHER: &str = r#"trap '' HUP INT QUIT TERM; read -r _; kill -KILL "$1"; rm -rf -- "$2""#;

/// What to run, and where.
pub(crate) struct Program {
    pub(crate) binary: PathBuf,
    /// Removed by the watcher if this process cannot do it.
    pub(crate) scratch: PathBuf,
    /// Standard output and error, appended run by run.
    pub(crate) log: PathBuf,
    /// User and group that it runs as, if not those of this process.
    pub(crate) user: Option<(u32, u32)>,
}

impl Program {
    /// Spawns one run; does not wait for anything.
    pub(crate) fn spawn(
        &self,
        args: &[OsString],
        env: &[(OsString, OsString)],
    ) -> io::Result<Process> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let log_start = log.metadata()?.len();
        let mut command = Command::new(&self.binary);
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        let mut server = command
            .args(args)
            .envs(env.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("spawn {}: {error}", self.binary.display()),
                )
            })?;
        match self.watch(&server) {
            Ok(watcher) => Ok(Process {
                server,
                watcher,
                frozen: false,
                log: self.log.clone(),
                log_start,
            }),
            Err(error) => {
                end(&mut server);
                Err(io::Error::new(
                    error.kind(),
                    format!("spawn sh, to watch a server: {error}"),
                ))
            }
        }
    }

    fn watch(&self, server: &Child) -> io::Result<Child> {
        Command::new("sh")
            .args(["-c", WATCHER, "server-watcher"])
            .arg(server.id().to_string())
            .arg(&self.scratch)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
    }
}

/// A running (or frozen, or just exited) server. Dropped, it is killed and reaped.
pub(crate) struct Process {
    server: Child,
    /// Holds the end of the pipe that [`WATCHER`] waits for.
    watcher: Child,
    frozen: bool,
    log: PathBuf,
    /// Where the log of this run starts, in bytes.
    log_start: u64,
}

impl Process {
    pub(crate) fn pid(&self) -> u32 {
        self.server.id()
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// How it exited, or `None` while it runs.
    pub(crate) fn exited(&mut self) -> io::Result<Option<ExitStatus>> {
        self.server.try_wait()
    }

    /// Sends SIGSTOP and waits until the process has stopped: the signal alone only asks for it.
    pub(crate) fn freeze(&mut self) -> io::Result<()> {
        if self.frozen {
            return Ok(());
        }
        self.ensure_running()?;
        let pid = Pid::from_child(&self.server);
        kill_process(pid, Signal::STOP)?;
        let deadline = Instant::now() + STOP_BOUND;
        // STOPPED without EXITED: a server that died is still reaped by its `Child`.
        while waitid(
            WaitId::Pid(pid),
            WaitIdOptions::STOPPED | WaitIdOptions::NOHANG,
        )?
        .is_none()
        {
            if Instant::now() > deadline {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!(
                        "the server {} did not stop within {STOP_BOUND:?}",
                        self.pid()
                    ),
                ));
            }
            thread::sleep(Duration::from_millis(1));
        }
        self.frozen = true;
        Ok(())
    }

    /// Sends SIGCONT; harmless if the process is not frozen.
    pub(crate) fn thaw(&mut self) -> io::Result<()> {
        self.ensure_running()?;
        kill_process(Pid::from_child(&self.server), Signal::CONT)?;
        self.frozen = false;
        Ok(())
    }

    /// A process that has exited is reaped here, and its id may then belong to another one.
    fn ensure_running(&mut self) -> io::Result<()> {
        match self.exited()? {
            None => Ok(()),
            Some(status) => Err(io::Error::new(
                io::ErrorKind::NotConnected,
                format!(
                    "the server is gone ({status}): {}",
                    log_tail(&self.log, self.log_start)
                ),
            )),
        }
    }

    /// What this run has logged so far.
    pub(crate) fn log(&self) -> String {
        log_from(&self.log, self.log_start)
    }

    /// The end of what this run has logged so far, for an error.
    pub(crate) fn log_tail(&self) -> String {
        log_tail(&self.log, self.log_start)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL also ends a stopped process. The watcher goes last, and by SIGKILL as well: if its
        // pipe just closed, it would kill a process id that may belong to somebody else by then.
        end(&mut self.server);
        end(&mut self.watcher);
    }
}

/// The living children of a process.
pub(crate) fn children(parent: u32) -> Vec<Pid> {
    let is_child = |path: &Path| {
        let stat = fs::read_to_string(path.join("stat")).unwrap_or_default();
        // Name in brackets, then state and parent.
        let rest = stat.rsplit(") ").next().unwrap_or_default();
        rest.split(' ').nth(1) == Some(parent.to_string().as_str())
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter(|entry| is_child(&entry.path()))
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(Pid::from_raw)
        .collect()
}

/// Runs a program to its end.
pub(crate) fn succeed(command: &mut Command) -> io::Result<()> {
    let output = command.output()?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let program = command.get_program().display().to_string();
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(io::Error::other(format!("{program}: {text}")))
        }
    }
}

/// Kills and reaps; both only fail for a child that is already reaped.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// The text of a log from this byte on; empty if it cannot be read.
fn log_from(log: &Path, start: u64) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let start = usize::try_from(start)
        .unwrap_or(usize::MAX)
        .min(bytes.len());
    String::from_utf8_lossy(&bytes[start..]).into_owned()
}

/// The last lines of a log from this byte on.
fn log_tail(log: &Path, start: u64) -> String {
    const LINES: usize = 20;
    let text = log_from(log, start);
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines[lines.len().saturating_sub(LINES)..].join("\n");
    if tail.is_empty() {
        "it logged nothing".to_owned()
    } else {
        format!("its log ends:\n{tail}")
    }
}
