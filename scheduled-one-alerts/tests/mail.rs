//! Mail, to a real server of SMTP: `aiosmtpd`, of the Python package index.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // in the helpers of tests, too
#![cfg(feature = "mail")]

mod server;

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use scheduled_one_alerts::{Alert, Channel, DeliveryError, Mail};

use server::{certificates, closed_port};

const NOW_MS: i64 = 1_767_225_600_000;

const PACKAGE: &str = "aiosmtpd==1.4.6";

/// Listens at a port of its own, prints it, then each mail; refuses receivers `full@…` for now and `none@…` for good.
const SCRIPT: &str = r#"
import asyncio, json, ssl, sys
from aiosmtpd.smtp import SMTP, AuthResult

class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("full@"): return "452 mailbox full"
        if address.startswith("none@"): return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"
    async def handle_DATA(self, server, session, envelope):
        mail = {"from": envelope.mail_from, "to": envelope.rcpt_tos, "text": envelope.content.decode()}
        print(json.dumps(mail), flush=True)
        return "250 OK"

def login(server, session, envelope, mechanism, data):
    right = (data.login, data.password) == (b"ops", b"right-password")
    return AuthResult(success=right, handled=right)

async def main():
    tls = None
    if len(sys.argv) > 1:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(sys.argv[1] + "/server.crt", sys.argv[1] + "/server.key")
    make = lambda: SMTP(Handler(), authenticator=login, auth_require_tls=False)
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0, ssl=tls)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"#;

struct Smtp {
    child: Child,
    lines: BufReader<Box<dyn Read + Send>>,
    port: u16,
}

impl Smtp {
    /// `None`, with a plain line, if the server cannot be had.
    fn start(arguments: &[&str]) -> Option<Self> {
        let python = python()?;
        let mut child = Command::new(python)
            .args(["-c", SCRIPT])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output: Box<dyn Read + Send> = Box::new(child.stdout.take().unwrap());
        let mut lines = BufReader::new(output);
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("a port");
        Some(Smtp { child, lines, port })
    }

    fn mail(&mut self) -> serde_json::Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    fn url(&self, login: &str) -> String {
        format!("smtp://{login}127.0.0.1:{}", self.port)
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A Python that has the server: that of the machine, or of a virtual environment in the build folder.
fn python() -> Option<PathBuf> {
    let has = |python: &PathBuf| {
        let mut import = Command::new(python);
        import.args(["-c", "import aiosmtpd"]).stderr(Stdio::null());
        import.status().is_ok_and(|status| status.success())
    };
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("smtp");
    let candidates = [PathBuf::from("python3"), folder.join("bin/python")];
    let found = || candidates.iter().find(|python| has(python)).cloned();
    if let Some(python) = found() {
        return Some(python);
    }
    // One suite at a time makes it: this runs in the first test that asks, and the others wait.
    static MAKING: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _making = MAKING.lock().unwrap();
    if found().is_none() {
        let pip = folder.join("bin/pip");
        let mut make = Command::new("python3");
        let _ = make.args(["-m", "venv"]).arg(&folder).output();
        let _ = Command::new(pip).args(["install", "-q", PACKAGE]).output();
    }
    let python = found();
    if python.is_none() {
        println!("skipped: no server of SMTP; install one by `python3 -m pip install {PACKAGE}`");
    }
    python
}

fn mail(url: String) -> Mail {
    Mail::new(url, "Jobs <jobs@shop.example>").to("ops@shop.example")
}

#[tokio::test]
async fn a_mail_arrives() {
    let Some(mut smtp) = Smtp::start(&[]) else {
        return;
    };
    let channel = mail(smtp.url("")).to("Second <second@shop.example>");
    channel.check().await.unwrap();
    let mut alert = Alert::test("shop", NOW_MS);
    alert.subjects[0].text = "Größe über 9000: 今日は".to_owned();
    channel.deliver(&alert, NOW_MS).await.unwrap();
    let mail = smtp.mail();
    assert_eq!(mail["from"], "jobs@shop.example");
    assert_eq!(
        mail["to"],
        serde_json::json!(["ops@shop.example", "second@shop.example"])
    );
    let text = mail["text"].as_str().unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(
        head.contains("Subject: [firing] test: a message to try this channel"),
        "{head}"
    );
    assert!(
        head.contains(&format!("Message-ID: <test.{NOW_MS}.f@scheduled-one>")),
        "{head}"
    );
    assert!(
        head.contains("Date: Thu, 01 Jan 2026 00:00:00 +0000"),
        "{head}"
    );
    assert!(head.contains("charset=utf-8"), "{head}");
    assert!(!body.is_empty());
}

#[tokio::test]
async fn a_login_is_used_and_never_shown() {
    let Some(mut smtp) = Smtp::start(&[]) else {
        return;
    };
    let alert = Alert::test("shop", NOW_MS);
    let right = mail(smtp.url("ops:right-password@"));
    right.deliver(&alert, NOW_MS).await.unwrap();
    smtp.mail();
    let wrong = mail(smtp.url("ops:wrong-password@"));
    let error = wrong.deliver(&alert, NOW_MS).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Refused(_)), "{error:?}");
    for shown in [
        error.to_string(),
        format!("{error:?}"),
        format!("{wrong:?}"),
    ] {
        assert!(!shown.contains("wrong-password"), "{shown}");
    }
}

#[tokio::test]
async fn a_refusal_for_now_is_told_from_one_for_good() {
    let Some(smtp) = Smtp::start(&[]) else { return };
    let alert = Alert::test("shop", NOW_MS);
    let to = |receiver: &str| Mail::new(smtp.url(""), "jobs@shop.example").to(receiver);
    let error = to("full@shop.example")
        .deliver(&alert, NOW_MS)
        .await
        .unwrap_err();
    assert!(matches!(error, DeliveryError::Unreachable(_)), "{error:?}");
    let error = to("none@shop.example")
        .deliver(&alert, NOW_MS)
        .await
        .unwrap_err();
    assert!(matches!(error, DeliveryError::Refused(_)), "{error:?}");
    assert!(error.to_string().contains("no such user"), "{error}");
}

#[tokio::test]
async fn a_server_of_an_unknown_authority_gets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let Some(smtp) = Smtp::start(&[folder.path().to_str().unwrap()]) else {
        return;
    };
    let channel = mail(format!("smtps://localhost:{}", smtp.port));
    let alert = Alert::test("shop", NOW_MS);
    let error = channel.deliver(&alert, NOW_MS).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_away_or_hangs_is_unreachable() {
    let alert = Alert::test("shop", NOW_MS);
    let channel = mail(format!("smtp://127.0.0.1:{}", closed_port()));
    let error = channel.deliver(&alert, NOW_MS).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Unreachable(_)), "{error:?}");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp://{}", silent.local_addr().unwrap());
    let channel = mail(url).timeout(Duration::from_millis(300));
    let error = channel.deliver(&alert, NOW_MS).await.unwrap_err();
    assert!(matches!(error, DeliveryError::Unreachable(_)), "{error:?}");
}

#[tokio::test]
async fn a_wrong_address_is_refused_at_the_check() {
    let channel = Mail::new("smtp://localhost", "nobody").to("ops@shop.example");
    let error = channel.check().await.unwrap_err().to_string();
    assert!(error.contains("`nobody`; write name@host"), "{error}");
    let channel = Mail::new("http://hunter2@localhost", "a@b.example").to("ops@shop.example");
    let error = channel.check().await.unwrap_err().to_string();
    assert!(
        error.contains("smtps://user:password@host") && !error.contains("hunter2"),
        "{error}"
    );
    let channel = Mail::new("smtp://localhost", "a@b.example");
    let error = channel.check().await.unwrap_err().to_string();
    assert!(error.contains("no receiver"), "{error}");
}
