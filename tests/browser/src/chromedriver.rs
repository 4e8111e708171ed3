//! The process that drives the browser.

use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::tools::Programs;

const START_BOUND: Duration = Duration::from_secs(60);

/// A chromedriver on a port of its own. The browser talks to it through a pipe, so that it ends with it.
pub(crate) struct Chromedriver {
    pub(crate) port: u16,
    _process: Child,
    /// What the browser writes, its profile included.
    _home: TempDir,
}

impl Chromedriver {
    pub(crate) async fn start(programs: &Programs) -> Self {
        let home = tempfile::Builder::new()
            .prefix("chromium-")
            .tempdir()
            .expect("a folder");
        let mut process = Command::new(&programs.driver)
            .arg("--port=0")
            .env("HOME", home.path())
            .env("TMPDIR", home.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver starts");
        let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        let port = async {
            while let Some(line) = lines.next_line().await.expect("a line") {
                // "ChromeDriver was started successfully on port 40405."
                let port = line.split("successfully on port ").nth(1);
                if let Some(port) = port.and_then(|port| port.trim_end_matches('.').parse().ok()) {
                    return port;
                }
            }
            panic!("chromedriver ended at once");
        };
        let port = tokio::time::timeout(START_BOUND, port)
            .await
            .expect("chromedriver says its port");
        // It may go on to write.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Chromedriver {
            port,
            _process: process,
            _home: home,
        }
    }
}
