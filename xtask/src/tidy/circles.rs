//! Files of a crate may import each other in circles of at most three.
//!
//! A part of a module may use what the module's own file defines: that is no import.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::modules::{Crate, Module};
use super::paths::{Path, Place};
use super::tree::{Kind, Tree};

const MAX_FILES: usize = 3;
const RULE: &str = "import-circle";

/// From a file to those that it imports, each with the line of the first import.
type Imports = BTreeMap<String, BTreeMap<String, usize>>;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let rust = tree.of_kind(Kind::Rust).map(|file| file.path.as_str());
    rust.filter(|path| is_root(path))
        .flat_map(|root| of_crate(tree, root))
        .collect()
}

/// Whether cargo takes this file for the root of a crate.
fn is_root(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    matches!(
        parts[..],
        [.., "src", "lib.rs" | "main.rs"]
            | [.., "src", "bin", _]
            | [.., "tests" | "examples" | "benches", _]
            | [.., "tests" | "examples" | "benches", _, "main.rs"]
    )
}

fn of_crate(tree: &Tree, root: &str) -> Vec<Finding> {
    let imports = imports(&Crate::read(tree, root));
    let too_large = circles(&imports)
        .into_iter()
        .filter(|files| files.len() > MAX_FILES);
    too_large.map(|files| finding(&files, &imports)).collect()
}

fn finding(files: &BTreeSet<String>, imports: &Imports) -> Finding {
    let mut text = format!(
        "{} files import each other, {MAX_FILES} may; move what the lower ones need of the higher ones below both:",
        files.len()
    );
    let mut first = None;
    for file in files {
        let inside = imports[file].iter().filter(|(to, _)| files.contains(*to));
        let inside: Vec<String> = inside
            .map(|(to, line)| {
                first.get_or_insert((file.clone(), *line));
                format!("{to} (line {line})")
            })
            .collect();
        text += &format!("\n    {file} imports {}", inside.join(", "));
    }
    let (file, line) = first.unwrap_or_default();
    Finding {
        file,
        line,
        rule: RULE,
        text,
    }
}

fn imports(of: &Crate) -> Imports {
    let mut imports = Imports::new();
    for (index, module) in of.modules.iter().enumerate() {
        let to = imports.entry(module.file.clone()).or_default();
        for path in module.paths.iter().filter(|path| is_import(module, path)) {
            let target = of.target(index, path);
            let is_other = |target: &usize| *target != index && !of.is_within(index, *target);
            if let Some(target) = target.filter(is_other) {
                to.entry(of.modules[target].file.clone())
                    .or_insert(path.line);
            }
        }
    }
    imports
}

/// A `pub use` of what the file itself does not mention only shows where things are.
fn is_import(module: &Module, path: &Path) -> bool {
    match &path.place {
        Place::Use {
            name,
            is_public: true,
        } => name
            .as_ref()
            .is_some_and(|name| module.words.contains_key(name)),
        _ => true,
    }
}

/// The sets of files in which each leads to each.
fn circles(imports: &Imports) -> Vec<BTreeSet<String>> {
    let reached: BTreeMap<&String, BTreeSet<&String>> = imports
        .keys()
        .map(|file| (file, reached(imports, file)))
        .collect();
    let mut circles: Vec<BTreeSet<String>> = Vec::new();
    for (file, onward) in &reached {
        let back = onward.iter().filter(|other| reached[*other].contains(file));
        let circle: BTreeSet<String> = back.map(|other| (*other).clone()).collect();
        if !circle.is_empty() && !circles.contains(&circle) {
            circles.push(circle);
        }
    }
    circles
}

fn reached<'a>(imports: &'a Imports, from: &String) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&String> = imports[from].keys().collect();
    while let Some(file) = open.pop() {
        if reached.insert(file) {
            open.extend(imports[file].keys());
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crate of these files, each of which imports the next one, and the last one the first.
    fn ring(names: &[&str]) -> Vec<(String, String)> {
        let modules = names.iter().map(|name| format!("mod {name};"));
        let mut files = vec![("src/lib.rs".to_owned(), modules.collect::<String>())];
        for (at, name) in names.iter().enumerate() {
            let next = names[(at + 1) % names.len()];
            files.push((
                format!("src/{name}.rs"),
                format!("pub struct S;\nuse crate::{next}::S as T;"),
            ));
        }
        files
    }

    fn found(files: &[(String, String)]) -> Vec<String> {
        let tree = Tree::of(
            files
                .iter()
                .map(|(name, text)| (name.as_str(), text.as_str())),
        );
        check(&tree)
            .into_iter()
            .map(|finding| finding.to_string())
            .collect()
    }

    #[test]
    fn three_files_may_and_four_may_not() {
        assert!(found(&ring(&["a", "b", "c"])).is_empty());
        let findings = found(&ring(&["a", "b", "c", "d"]));
        assert_eq!(findings.len(), 1, "{findings:?}");
        let expected = "src/a.rs:2: import-circle: 4 files import each other";
        assert!(findings[0].starts_with(expected), "{findings:?}");
        assert!(
            findings[0].contains("\n    src/d.rs imports src/a.rs (line 2)"),
            "{findings:?}"
        );
    }

    #[test]
    fn a_chain_is_no_circle() {
        let mut files = ring(&["a", "b", "c", "d"]);
        files[4].1 = "pub struct S;".to_owned();
        assert!(found(&files).is_empty());
        // What only tests import, and what is only shown, close no circle.
        files[4].1 = "pub struct S;\n#[cfg(test)] mod tests { use crate::a::S as T; }".to_owned();
        assert!(found(&files).is_empty());
        files[4].1 = "pub struct S;\npub use crate::a::S as T;".to_owned();
        assert!(found(&files).is_empty());
        files[4].1 = "pub struct S;\npub use crate::a::S as T; fn f(_: T) {}".to_owned();
        assert_eq!(found(&files).len(), 1);
    }

    #[test]
    fn a_module_and_its_parts_are_no_circle_but_may_be_in_one() {
        let part = "pub struct P;\nuse super::S;";
        let mut files: Vec<(String, String)> = ["b", "c", "d"]
            .map(|name| (format!("src/a/{name}.rs"), part.to_owned()))
            .to_vec();
        let whole = "pub struct S;\nmod b; mod c; mod d;\nuse b::P; fn f() { c::P; d::P; }";
        files.push(("src/a.rs".to_owned(), whole.to_owned()));
        files.push(("src/lib.rs".to_owned(), "mod a; mod e; mod f;".to_owned()));
        files.push((
            "src/e.rs".to_owned(),
            "pub struct E;\nuse crate::f::F;".to_owned(),
        ));
        files.push((
            "src/f.rs".to_owned(),
            "pub struct F;\nuse crate::a::S;".to_owned(),
        ));
        assert!(found(&files).is_empty());
        files[0].1 = "pub struct P;\nuse crate::e::E;".to_owned();
        let findings = found(&files);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].contains(": 4 files"), "{findings:?}");
    }

    #[test]
    fn paths_in_code_are_imports_too() {
        let mut files = ring(&["a", "b", "c", "d"]);
        files[4].1 = "pub struct S;\nfn f() { crate::a::S; }".to_owned();
        assert_eq!(found(&files).len(), 1);
    }
}
