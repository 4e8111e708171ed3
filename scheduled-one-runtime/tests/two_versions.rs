//! A program with two versions of this crate: each would have a part of the annotated jobs. Cargo refuses it.

use std::fs;
use std::path::Path;
use std::process::Command;

const OURS: &str = env!("CARGO_MANIFEST_DIR");

/// The value of a key of this crate's manifest, in quotes.
fn own(key: &str) -> String {
    let manifest = fs::read_to_string(Path::new(OURS).join("Cargo.toml")).expect("a manifest");
    let begins = format!("{key} = ");
    let line = manifest.lines().find_map(|line| line.strip_prefix(&begins));
    line.unwrap_or_else(|| panic!("the manifest has no {key}"))
        .to_owned()
}

/// Another version of this crate, as Cargo sees it: it has the same `links`.
fn other_version(folder: &Path) {
    let (name, links) = (own("name"), own("links"));
    let manifest = format!(
        "[package]\nname = {name}\nversion = \"99.0.0\"\nedition = \"2024\"\nlinks = {links}\n\n[workspace]\n"
    );
    fs::create_dir_all(folder.join("src")).expect("a folder");
    fs::write(folder.join("Cargo.toml"), manifest).expect("a file");
    fs::write(folder.join("build.rs"), "fn main() {}\n").expect("a file");
    fs::write(folder.join("src/lib.rs"), "").expect("a file");
}

/// What Cargo says of a program that depends on this version, and on the other one if there is one.
fn resolve(folder: &Path, other: Option<&Path>) -> Result<(), String> {
    let mut manifest = format!(
        "[package]\nname = \"program\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
         one = {{ package = \"scheduled-one-runtime\", path = \"{OURS}\" }}\n"
    );
    if let Some(other) = other {
        let path = other.display();
        manifest +=
            &format!("two = {{ package = \"scheduled-one-runtime\", path = \"{path}\" }}\n");
    }
    fs::create_dir_all(folder.join("src")).expect("a folder");
    fs::write(folder.join("Cargo.toml"), manifest).expect("a file");
    fs::write(folder.join("src/main.rs"), "fn main() {}\n").expect("a file");
    let output = Command::new(env!("CARGO"))
        .args(["generate-lockfile", "--offline"])
        .current_dir(folder)
        .output()
        .expect("cargo runs");
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

#[test]
fn two_versions_in_one_program_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let other = folder.path().join("other");
    other_version(&other);
    let alone = resolve(&folder.path().join("alone"), None);
    assert_eq!(alone, Ok(()), "one version is right");
    let text = resolve(&folder.path().join("both"), Some(&other)).expect_err("two are refused");
    assert!(
        text.contains(&format!("`links = {}`", own("links"))),
        "{text}"
    );
    assert!(text.contains("99.0.0"), "{text}");
}
