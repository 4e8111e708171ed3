//! Snapshots of expansions, as `cargo expand` shows them to a user. To accept new ones:
//! `MACRO_SNAPSHOTS=overwrite cargo test -p scheduled-one-macros`.

use std::path::PathBuf;
use std::{env, fs};

use proc_macro2::TokenStream;

/// Expands the first attribute of a file's only function, as rustc would.
fn expanded(input: &str) -> String {
    let mut function: syn::ItemFn = syn::parse_str(input).expect("a function");
    let attribute = function.attrs.remove(0);
    let args = match attribute.meta {
        syn::Meta::List(list) => list.tokens,
        syn::Meta::Path(_) | syn::Meta::NameValue(_) => TokenStream::new(),
    };
    let output = crate::attribute::scheduled(args, quote::quote!(#function));
    let file = syn::parse2(output).expect("the expansion has items only");
    prettyplease::unparse(&file)
}

/// Compares the expansion with the file of that name, or writes the file.
fn check(name: &str, input: &str) {
    let output = format!("// Input:\n{input}\n// Output:\n{}", expanded(input));
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("src/snapshots")
        .join(format!("{name}.rs"));
    if env::var_os("MACRO_SNAPSHOTS").is_some_and(|value| value == "overwrite") {
        fs::write(&path, output).expect("the folder is there");
        return;
    }
    let pinned = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        pinned == output,
        "the expansion differs from {}; MACRO_SNAPSHOTS=overwrite accepts it:\n{}",
        path.display(),
        diff(&pinned, &output)
    );
}

/// The lines that differ, without the equal lines before and after them.
fn diff(pinned: &str, output: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (pinned.lines().collect(), output.lines().collect());
    let same = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| {
        pairs.take_while(|(old, new)| old == new).count()
    };
    let before = same(&mut old.iter().zip(&new));
    let after = same(&mut old[before..].iter().rev().zip(new[before..].iter().rev()));
    let lines = |sign: &str, lines: &[&str]| -> String {
        let changed = &lines[before..lines.len() - after];
        changed
            .iter()
            .map(|line| format!("{sign} {line}\n"))
            .collect()
    };
    format!(
        "line {}:\n{}{}",
        before + 1,
        lines("-", &old),
        lines("+", &new)
    )
}

#[test]
fn minimal() {
    check(
        "minimal",
        r#"#[scheduled_one(every = "90s")]
async fn minimal() {}
"#,
    );
}

#[test]
fn every_key_of_cron() {
    check(
        "every_key_of_cron",
        r#"#[scheduled_one(
    cron = "0 0 9 * * MON",
    tz = "Asia/Shanghai",
    lease = "10s",
    timeout = "1h30m",
    name = "weekly-report",
    description = "Sends the \"weekly\" report",
    alert(failed = 3, lost = false, no_success = "26h", runbook = "https://wiki.example/report"),
)]
/// Stays.
#[must_use]
pub(crate) async fn report(State(db): State<Db>, ctx: JobContext) -> Result<(), Error> {
    db.report(ctx.scheduled_at()).await
}
"#,
    );
}

#[test]
fn every_key_of_every() {
    check(
        "every_key_of_every",
        r#"#[scheduled_one(every = "90s", offset = "10s", crate = renamed::runtime)]
async fn r#match() -> anyhow::Result<()> {
    Ok(())
}
"#,
    );
}

#[test]
fn restrictions() {
    check(
        "restrictions",
        r#"#[scheduled_one(
    every = "10m",
    tz = "Europe/Berlin",
    start = "2026-03-01T00:00",
    end = "2027-03-01T00:00Z",
    within = "08:00-18:00",
    except = ["SAT", "SUN", "de-holidays"],
)]
async fn sweep() {}
"#,
    );
}

#[test]
fn every_policy() {
    check(
        "every_policy",
        r#"#[scheduled_one(
    cron = "@daily",
    cron_env = "REPORT_CRON",
    overlap = queue_all(3),
    misfire = run_once,
    catch_up = "2h",
    start_deadline = "30s",
    jitter = "10s",
    lease = "10s",
    on_lease_lost = cancel,
    on_node_loss = rerun(2),
    timeout = "10m",
    timeout_total = "1h",
    retries = 3,
    backoff = "500ms..30s",
    retry_on = [error, timeout],
    pause_after = 5,
    scope = one,
    route = spread,
    on = ["gpu", "*"],
    shards = 4,
    enabled = false,
    enabled_env = "REPORT_ENABLED",
)]
async fn report() {}
"#,
    );
}

#[test]
fn policies_of_every_node() {
    check(
        "policies_of_every_node",
        r#"#[scheduled_one(every = "90s", scope = every_node, retries = 1, retry_on(panic), enabled = true)]
async fn clean() {}
"#,
    );
}

#[test]
fn inherited_attributes() {
    check(
        "inherited_attributes",
        r#"#[scheduled_one(every = "90s")]
#[cfg(feature = "reports")]
#[allow(clippy::unused_async)]
#[expect(deprecated, reason = "until 2.0")]
#[inline]
async fn report(_: old::Context) -> impl Outcome {}
"#,
    );
}

#[test]
fn mistakes() {
    check(
        "mistakes",
        r#"#[scheduled_one(cron = "30 2 * * *", foo = 1)]
async fn report() {}
"#,
    );
}

#[test]
fn a_difference_is_shown() {
    let shown = diff("same\nold\nend\n", "same\nnew\nnew\nend\n");
    assert_eq!(shown, "line 2:\n- old\n+ new\n+ new\n");
    assert_eq!(diff("", "new\n"), "line 1:\n+ new\n");
}
