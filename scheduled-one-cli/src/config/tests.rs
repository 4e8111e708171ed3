use clap::Parser;

use super::*;
use crate::args::Args;

fn parse(text: &str) -> Result<Config, Failure> {
    Config::parse(text, Path::new("/home/ann/config.toml"))
}

fn global(arguments: &[&str]) -> Global {
    let words = ["scheduled-one", "jobs"];
    Args::parse_from(words.iter().chain(arguments)).global
}

#[test]
fn a_context_is_read_and_its_password_is_in_a_file() {
    let config = parse(
        r#"
        current = "production"
        [contexts.production]
        url = "redis://redis.internal?tls=true"
        namespace = "shop"
        by = "ann"
        password_file = "/run/my secrets/redis"
        [contexts.staging]
        url = "postgres://app@db/app"
        password_file = "pg"
        "#,
    )
    .unwrap();
    assert_eq!(config.current.as_deref(), Some("production"));
    let production = &config.contexts["production"];
    assert_eq!(
        production.url.as_deref(),
        Some("redis://redis.internal?tls=true&password_file=/run/my%20secrets/redis")
    );
    assert_eq!(production.namespace.as_deref(), Some("shop"));
    assert_eq!(production.by.as_deref(), Some("ann"));
    assert_eq!(
        config.contexts["staging"].url.as_deref(),
        Some("postgres://app@db/app?passfile=/home/ann/pg")
    );
    assert_eq!(parse("").unwrap(), Config::default());
}

#[test]
fn what_is_wrong_is_named_with_its_line_and_key_and_no_password() {
    let url = "url = \"redis://h\"\n";
    let cases = [
        ("current = \"a\n".to_owned(), "line 1: no TOML"),
        (
            "[contexts.a]\nurl = 3\n".to_owned(),
            "line 2: `contexts.a.url` is a text",
        ),
        (
            "[contexts.a]\nby = \"\"\n".to_owned(),
            "line 2: `contexts.a.by` is a text",
        ),
        (
            format!("[contexts.a]\n{url}usr = \"x\"\n"),
            "line 3: `contexts.a.usr` is unknown; a context has `url`",
        ),
        (
            format!("[contexts.a]\n{url}password = \"hunter2\"\n"),
            "line 3: `contexts.a.password`: a password is not",
        ),
        (
            "[contexts.a]\nurl = \"redis://ann:hunter2@h\"\n".to_owned(),
            "line 2: `contexts.a.url` has a password",
        ),
        (
            "[contexts.a]\nurl = \"redis://h?password=hunter2\"\n".to_owned(),
            "line 2: `contexts.a.url` has a password",
        ),
        (
            "contexts = \"redis://ann:hunter2@h\"\n".to_owned(),
            "line 1: `contexts` is a table",
        ),
        (
            "\n[context.a]\nurl = \"redis://h\"\n".to_owned(),
            "line 2: `context` is unknown; the file has `current`",
        ),
        (
            "[contexts.a]\npassword_file = \"/p\"\n".to_owned(),
            "line 2: `contexts.a.password_file`: it is that of a `url`",
        ),
        (
            "[contexts.a]\nurl = \"sqlite:///j\"\npassword_file = \"/p\"\n".to_owned(),
            "line 3: `contexts.a.password_file`: a file of SQLite",
        ),
    ];
    for (text, expected) in cases {
        let failure = parse(&text).unwrap_err();
        assert_eq!(failure.exit, crate::exit::Exit::Usage);
        let message = failure.message;
        assert!(message.contains("/home/ann/config.toml, "), "{message}");
        assert!(message.contains(expected), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
    let config = parse("[contexts.a]\n[contexts.b]\n").unwrap();
    let unknown = config.get("c", Path::new("/x.toml")).unwrap_err();
    assert!(
        unknown.message.contains("no context `c`; it has a, b"),
        "{}",
        unknown.message
    );
}

#[test]
fn an_argument_is_over_the_environment_and_that_over_the_current_context() {
    let context = Context {
        url: Some("redis://context".to_owned()),
        namespace: Some("shop".to_owned()),
        by: Some("ann".to_owned()),
    };
    let fill = |arguments: &[&str], url_is_set, namespace_is_set| {
        let global = filled(
            global(arguments),
            context.clone(),
            url_is_set,
            namespace_is_set,
        );
        (global.url, global.namespace, global.by.unwrap())
    };
    let of = |url: Option<&str>, namespace: Option<&str>, by: &str| {
        (
            url.map(str::to_owned),
            namespace.map(str::to_owned),
            by.to_owned(),
        )
    };
    let whole = of(Some("redis://context"), Some("shop"), "ann");
    assert_eq!(fill(&[], false, false), whole);
    assert_eq!(
        fill(&[], true, false),
        of(None, None, "ann"),
        "another store"
    );
    assert_eq!(
        fill(&[], false, true),
        of(Some("redis://context"), None, "ann")
    );
    assert_eq!(
        fill(&["--context", "a"], true, true),
        whole,
        "an argument is over the environment"
    );
    let arguments = ["--url", "redis://x", "--by", "bob"];
    assert_eq!(
        fill(&arguments, false, false),
        of(Some("redis://x"), None, "bob")
    );
    let named = fill(&["--namespace", "n"], false, false);
    assert_eq!(named, of(Some("redis://context"), Some("n"), "ann"));
}
