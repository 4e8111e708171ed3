//! The verb `package`: packs each published crate, and checks it as it is packed, with the others as
//! they are packed.
//!
//! What `cargo package` itself verifies are not these: it keeps what it unpacked of a version once.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::command::{cargo, root, run, target_dir};
use crate::msrv::{is_published, metadata};

/// A crate that goes to the registry.
#[derive(Debug, PartialEq, Eq)]
struct Package {
    name: String,
    version: String,
}

/// Packs and checks; the error says which step failed.
pub(crate) fn package() -> Result<(), String> {
    let packages = published(&metadata()?)?;
    let mut pack = cargo(["package", "--no-verify", "--allow-dirty"]);
    for package in &packages {
        pack.args(["-p", &package.name]);
    }
    run(pack)?;
    let folder = target_dir().join("package/checked");
    unpack(&packages, &folder)?;
    for package in &packages {
        println!("{} as packed:", package.name);
        // One by one: together, the features that one asks for would serve another that does not.
        let mut check = cargo(["check", "-p", &package.name, "--target-dir"]);
        check
            .arg(target_dir())
            .arg("--manifest-path")
            .arg(folder.join("Cargo.toml"));
        run(check)?;
    }
    Ok(())
}

/// The members of the workspace that are published.
fn published(metadata: &Value) -> Result<Vec<Package>, String> {
    let members = metadata["workspace_members"].as_array();
    let packages = metadata["packages"].as_array();
    let (Some(members), Some(packages)) = (members, packages) else {
        return Err("cargo metadata yields another format than version 1".to_owned());
    };
    let published = packages
        .iter()
        .filter(|package| members.contains(&package["id"]) && is_published(package));
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let named = published.filter_map(|package| {
        Some(Package {
            name: text(&package["name"])?,
            version: text(&package["version"])?,
        })
    });
    Ok(named.collect())
}

/// Makes a workspace of the packages, in which they depend on each other.
fn unpack(packages: &[Package], folder: &Path) -> Result<(), String> {
    let failed = |error| format!("{}: {error}", folder.display());
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(failed)?;
    }
    fs::create_dir_all(folder).map_err(failed)?;
    for package in packages {
        let file = format!("package/{}.crate", package.folder());
        // Files in a package have one fixed time; with it cargo would not see what changed.
        let mut tar = Command::new("tar");
        tar.arg("-xzmf")
            .arg(target_dir().join(file))
            .arg("-C")
            .arg(folder);
        run(tar)?;
    }
    fs::write(folder.join("Cargo.toml"), manifest(packages)).map_err(failed)?;
    // The versions that everything else is tested with.
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).map_err(failed)?;
    Ok(())
}

/// The profile is that of the workspace, so that what it has built of dependencies serves here.
fn manifest(packages: &[Package]) -> String {
    let members: Vec<String> = packages
        .iter()
        .map(|it| format!("{:?}", it.folder()))
        .collect();
    let patches = packages
        .iter()
        .map(|it| format!("{} = {{ path = {:?} }}\n", it.name, it.folder()));
    format!(
        "[workspace]\nresolver = \"3\"\nmembers = [{}]\n\n\
         [profile.dev]\ndebug = \"line-tables-only\"\n\n\
         [patch.crates-io]\n{}",
        members.join(", "),
        patches.collect::<String>()
    )
}

impl Package {
    fn folder(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ours() -> Package {
        Package {
            name: "ours".to_owned(),
            version: "0.1.0".to_owned(),
        }
    }

    #[test]
    fn published_are_members_that_may_go_to_a_registry() {
        let metadata = json!({
            "workspace_members": ["a", "b"],
            "packages": [
                {"id": "a", "name": "ours", "version": "0.1.0", "publish": null},
                {"id": "b", "name": "tests", "version": "0.1.0", "publish": []},
                {"id": "c", "name": "other", "version": "1.0.0", "publish": null},
            ],
        });
        assert_eq!(published(&metadata), Ok(vec![ours()]));
        assert!(published(&json!({})).is_err());
    }

    #[test]
    fn packages_are_members_and_take_the_place_of_published_ones() {
        let manifest = manifest(&[ours()]);
        assert!(
            manifest.contains("members = [\"ours-0.1.0\"]\n"),
            "{manifest}"
        );
        assert!(
            manifest.ends_with("[patch.crates-io]\nours = { path = \"ours-0.1.0\" }\n"),
            "{manifest}"
        );
    }
}
