//! No dependency of a published crate may declare a newer Rust than that crate does.
//!
//! It judges what the dependencies declare, from `cargo metadata`; it does not build with the old
//! compiler, which need not be installed for it.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use crate::command::{cargo, shown};

/// Major, minor, patch.
type Version = (u64, u64, u64);

/// Fails with the resolved dependencies that need a newer Rust.
pub(crate) fn check() -> Result<(), String> {
    let too_new = too_new(&metadata()?).ok_or(
        "cannot read the dependencies: cargo metadata yields another format than version 1",
    )?;
    if too_new.is_empty() {
        return Ok(());
    }
    Err(format!(
        "\n  {}\nhold the dependency back (`cargo update <name> --precise <version>`), or raise \
         rust-version in the workspace's Cargo.toml",
        too_new.into_iter().collect::<Vec<_>>().join("\n  ")
    ))
}

/// What cargo says of the workspace and of all it depends on.
pub(crate) fn metadata() -> Result<Value, String> {
    let mut command = cargo(["metadata", "--format-version", "1"]);
    let shown = shown(&command);
    let failed = |why: String| format!("cannot read the dependencies: `{shown}` {why}");
    let output = command
        .output()
        .map_err(|error| failed(format!("does not run: {error}")))?;
    if !output.status.success() {
        return Err(failed(format!(
            "says:\n{}",
            String::from_utf8_lossy(&output.stderr)
        )));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| failed(format!("yields no JSON: {error}")))
}

/// One line for each dependency that is too new; `None` if the metadata are not as documented.
fn too_new(metadata: &Value) -> Option<BTreeSet<String>> {
    let packages = by_id(metadata.get("packages")?)?;
    let nodes = by_id(metadata.get("resolve")?.get("nodes")?)?;
    let mut lines = BTreeSet::new();
    for member in metadata.get("workspace_members")?.as_array()? {
        let member = *packages.get(member.as_str()?)?;
        let Some(floor) = rust_version(member).filter(|_| is_published(member)) else {
            continue;
        };
        for id in reachable(&nodes, member.get("id")?.as_str()?)? {
            let package = *packages.get(id)?;
            if rust_version(package).is_some_and(|needed| needed > floor) {
                lines.insert(line(package, member)?);
            }
        }
    }
    Some(lines)
}

fn line(package: &Value, member: &Value) -> Option<String> {
    let text = |of: &Value, field| Some(of.get(field)?.as_str()?.to_owned());
    Some(format!(
        "{} {} needs Rust {}, and {} promises {}",
        text(package, "name")?,
        text(package, "version")?,
        text(package, "rust_version")?,
        text(member, "name")?,
        text(member, "rust_version")?
    ))
}

fn by_id(items: &Value) -> Option<HashMap<&str, &Value>> {
    items
        .as_array()?
        .iter()
        .map(|item| Some((item.get("id")?.as_str()?, item)))
        .collect()
}

/// `publish` lists the registries a package may go to; absent (null) means all of them.
pub(crate) fn is_published(package: &Value) -> bool {
    package
        .get("publish")
        .and_then(Value::as_array)
        .is_none_or(|registries| !registries.is_empty())
}

/// What the package declares, as in `1.88` or `1.88.0`.
fn rust_version(package: &Value) -> Option<Version> {
    let mut parts = package
        .get("rust_version")?
        .as_str()?
        .split('.')
        .map(|part| part.parse().ok());
    let major = parts.next()??;
    Some((
        major,
        parts.next().flatten().unwrap_or(0),
        parts.next().flatten().unwrap_or(0),
    ))
}

/// The package and all that a user of it compiles: normal and build dependencies, on any platform.
fn reachable<'a>(nodes: &HashMap<&str, &'a Value>, start: &'a str) -> Option<BTreeSet<&'a str>> {
    let mut seen = BTreeSet::new();
    let mut open = vec![start];
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        for dependency in nodes.get(id)?.get("deps")?.as_array()? {
            let kinds = dependency.get("dep_kinds")?.as_array()?;
            if kinds
                .iter()
                .any(|kind| kind.get("kind").and_then(Value::as_str) != Some("dev"))
            {
                open.push(dependency.get("pkg")?.as_str()?);
            }
        }
    }
    Some(seen)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn package(id: &str, rust_version: Option<&str>, publish: &Value) -> Value {
        json!({"id": id, "name": id, "version": "1.0.0", "rust_version": rust_version, "publish": publish})
    }

    fn node(id: &str, deps: &[(&str, Option<&str>)]) -> Value {
        let deps: Vec<_> = deps
            .iter()
            .map(|(pkg, kind)| json!({"pkg": pkg, "dep_kinds": [{"kind": kind}]}))
            .collect();
        json!({"id": id, "deps": deps})
    }

    /// `ours` is published and `tests` is not; both reach `young`, `ours` by way of `old`.
    fn metadata(young: &str, kind: Option<&str>) -> Value {
        json!({
            "workspace_members": ["ours", "tests"],
            "packages": [
                package("ours", Some("1.88"), &Value::Null),
                package("tests", Some("1.88"), &json!([])),
                package("old", Some("1.56.0"), &Value::Null),
                package("young", Some(young), &Value::Null),
                package("silent", None, &Value::Null),
            ],
            "resolve": {"nodes": [
                node("ours", &[("old", None), ("silent", Some("build"))]),
                node("tests", &[("young", None), ("ours", None)]),
                node("old", &[("young", kind)]),
                node("young", &[("silent", None)]),
                node("silent", &[]),
            ]},
        })
    }

    #[test]
    fn names_a_dependency_of_a_dependency_that_is_too_new() {
        let found = too_new(&metadata("1.88.1", None)).unwrap();
        let expected = "young 1.0.0 needs Rust 1.88.1, and ours promises 1.88";
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [expected]);
        assert_eq!(too_new(&metadata("1.89", Some("build"))).unwrap().len(), 1);
    }

    #[test]
    fn passes_what_is_old_enough_or_never_reaches_a_user() {
        assert!(too_new(&metadata("1.88.0", None)).unwrap().is_empty());
        assert!(
            too_new(&metadata("1.9", None)).unwrap().is_empty(),
            "numbers, not text"
        );
        assert!(too_new(&metadata("1.99", Some("dev"))).unwrap().is_empty());
    }

    #[test]
    fn does_not_pass_what_it_cannot_read() {
        assert!(too_new(&json!({})).is_none());
        let mut without_nodes = metadata("1.88", None);
        without_nodes["resolve"] = Value::Null;
        assert!(too_new(&without_nodes).is_none());
    }
}
