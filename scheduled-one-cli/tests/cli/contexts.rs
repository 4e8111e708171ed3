//! Contexts, as the command finds them.

use std::fs;
use std::path::Path;

use crate::world::{Ran, World, command};

/// Runs the command with this folder of settings, and without a URL in the environment unless one is given.
fn run(folder: &Path, url: Option<&str>, arguments: &[&str]) -> Ran {
    let mut command = command(url.unwrap_or_default(), arguments);
    if url.is_none() {
        command.env_remove("SCHEDULED_ONE_URL");
    }
    command.env("XDG_CONFIG_HOME", folder);
    command.output().unwrap().into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_context_names_store_and_operator() {
    let world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scheduled-one/config.toml");
    fs::create_dir(file.parent().unwrap()).unwrap();
    let here = format!("[contexts.here]\nurl = \"{}\"\nby = \"bob\"\n", world.url);
    let away = "[contexts.away]\nurl = \"redis://127.0.0.1:1/\"\n";
    let write = |current: &str| fs::write(&file, format!("{current}{here}{away}")).unwrap();
    write("");
    let run = |url, arguments: &[&str]| run(folder.path(), url, arguments);

    assert_eq!(run(None, &["jobs"]).status, 2, "no context is current");
    let named = run(None, &["jobs", "--context", "here", "-o", "name"]);
    assert_eq!(named.status, 0, "{}", named.err);
    assert!(named.out.contains("report"), "{}", named.out);
    write("current = \"here\"\n");
    assert_eq!(run(None, &["pause", "report"]).status, 0);
    let trail = run(None, &["trail", "-o", "json"]);
    assert!(trail.out.contains("\"by\": \"bob\""), "{}", trail.out);
    let away = ["jobs", "--context", "away", "--timeout", "300ms"];
    let ran = run(Some(&world.url), &away);
    assert_eq!(
        ran.status, 69,
        "the argument is over the environment: {}",
        ran.err
    );
    write("current = \"away\"\n");
    assert_eq!(
        run(Some(&world.url), &["jobs"]).status,
        0,
        "the environment is over the file"
    );

    let unknown = run(None, &["jobs", "--context", "hre"]);
    assert_eq!(unknown.status, 2);
    assert!(unknown.err.contains("it has away, here"), "{}", unknown.err);
    fs::write(&file, "[contexts.a]\nurl = \"redis://ann:hunter2@h\"\n").unwrap();
    let wrong = run(None, &["jobs"]);
    assert_eq!(wrong.status, 2);
    assert!(
        wrong.err.contains("config.toml, line 2: `contexts.a.url`"),
        "{}",
        wrong.err
    );
    assert!(!wrong.err.contains("hunter2"), "{}", wrong.err);
    // What needs no store needs no file.
    assert_eq!(run(None, &["completions", "bash"]).status, 0);
}
