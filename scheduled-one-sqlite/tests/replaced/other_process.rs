//! Another process with the same file: this program once more, with the name of the test and a path in its
//! environment. It does what it reads from its standard input, line by line.

use std::env;
use std::io::{BufRead, BufReader, Write, stdin};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::{register, serving, store};

const PATH: &str = "REPLACED_TEST_PATH";

/// Before each reply, because the harness of the tests writes to the same output.
const REPLY: &str = "\nreply: ";

/// In the other process: the path of the file.
pub(crate) fn is_this() -> Option<String> {
    env::var(PATH).ok()
}

/// The other process: `serving` replies with the identity of the store, and `register NAME` registers a unit.
pub(crate) async fn serve(path: &str) {
    let store = store(path);
    for line in stdin().lock().lines() {
        let line = line.unwrap();
        let reply = match line.split_once(' ') {
            Some(("register", unit)) => {
                register(&store, unit).await;
                "registered".to_owned()
            }
            _ => serving(&store).await,
        };
        println!("{REPLY}{reply}");
    }
}

pub(crate) struct OtherProcess {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl OtherProcess {
    /// Starts it in `test`, which calls [`serve`] there.
    pub(crate) fn start(test: &str, path: &str) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(PATH, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        OtherProcess {
            child,
            input,
            output,
        }
    }

    /// Has it do something. Fails if it died.
    pub(crate) fn request(&mut self, line: &str) -> String {
        writeln!(self.input, "{line}").unwrap();
        for line in (&mut self.output).lines() {
            if let Some(reply) = line.unwrap().strip_prefix(REPLY.trim_start()) {
                return reply.to_owned();
            }
        }
        panic!("no reply to {line}: {:?}", self.child.wait());
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it has ended as a process does that stops in order.
    pub(crate) fn stop(self) {
        let OtherProcess {
            mut child, input, ..
        } = self;
        drop(input);
        assert!(child.wait().unwrap().success());
    }
}
