//! The modules of a crate, and to which file a path leads.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::{Path, Place, Token, paths, tokens, without_tests};
use super::tree::Tree;

/// How many names that lead to other names are followed.
const MAX_DETOURS: usize = 16;
/// The words behind which an item has its name.
const ITEMS: [&str; 10] = [
    "struct",
    "enum",
    "union",
    "trait",
    "type",
    "fn",
    "const",
    "static",
    "mod",
    "macro_rules",
];

/// A module that is a file.
pub(super) struct Module {
    pub(super) file: String,
    pub(super) paths: Vec<Path>,
    /// How often each word occurs outside of `use`.
    pub(super) words: BTreeMap<String, usize>,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    items: BTreeSet<String>,
}

/// A crate by its root file; what only tests compile is left out.
pub(super) struct Crate {
    pub(super) modules: Vec<Module>,
}

impl Crate {
    pub(super) fn read(tree: &Tree, root: &str) -> Self {
        let mut read = Self {
            modules: Vec::new(),
        };
        read.add(tree, root, None, true);
        read
    }

    fn add(
        &mut self,
        tree: &Tree,
        file: &str,
        parent: Option<usize>,
        is_root: bool,
    ) -> Option<usize> {
        let source = &tree.get(file)?.source;
        let code = without_tests(&source.code());
        let index = self.modules.len();
        self.modules.push(Module {
            file: file.to_owned(),
            paths: paths(&code),
            words: words(&code),
            parent,
            children: BTreeMap::new(),
            items: items(&code),
        });
        for (name, path) in declarations(&code, source.text()) {
            let candidates = candidates(file, is_root, &name, path.as_deref());
            let Some(child) = candidates
                .iter()
                .find(|candidate| tree.get(candidate).is_some())
            else {
                continue;
            };
            if let Some(child) = self.add(tree, child, Some(index), false) {
                self.modules[index].children.insert(name, child);
            }
        }
        Some(index)
    }

    /// The module in which what a path of this module names is defined; none if that is in another crate.
    pub(super) fn target(&self, module: usize, path: &Path) -> Option<usize> {
        // The name that a `use` makes must not be what it is looked up by.
        let own_name = match &path.place {
            Place::Use {
                name: Some(name), ..
            } if *name == path.segments[0] => Some(name.as_str()),
            _ => None,
        };
        self.resolve(module, &path.segments, own_name, 0)
    }

    /// Whether a module is declared in another one, or in one that is declared there.
    pub(super) fn is_within(&self, module: usize, other: usize) -> bool {
        let parent = self.modules[module].parent;
        parent.is_some_and(|parent| parent == other || self.is_within(parent, other))
    }

    fn resolve(
        &self,
        module: usize,
        segments: &[String],
        own_name: Option<&str>,
        detours: usize,
    ) -> Option<usize> {
        let (first, mut rest) = segments.split_first()?;
        let current = &self.modules[module];
        let mut at = match first.as_str() {
            "crate" => 0,
            "self" => module,
            "super" => current.parent?,
            name if current.children.contains_key(name) => current.children[name],
            name if own_name == Some(name) => return None,
            name => {
                let to = current.alias(name).filter(|_| detours < MAX_DETOURS)?;
                return self.resolve(module, &joined(to, rest), Some(name), detours + 1);
            }
        };
        while let Some((name, after)) = rest.split_first() {
            let here = &self.modules[at];
            if name == "super" {
                at = here.parent?;
            } else if let Some(child) = here.children.get(name) {
                at = *child;
            } else if detours >= MAX_DETOURS {
                return Some(at);
            } else if let Some(to) = here.alias(name) {
                return self.resolve(at, &joined(to, after), Some(name), detours + 1);
            } else {
                return Some(self.through_globs(at, name, detours).unwrap_or(at));
            }
            rest = after;
        }
        Some(at)
    }

    /// The module whose items a glob brings here, if it has this one.
    fn through_globs(&self, at: usize, name: &str, detours: usize) -> Option<usize> {
        let here = &self.modules[at];
        if here.items.contains(name) {
            return None;
        }
        let globs = here
            .paths
            .iter()
            .filter(|path| matches!(path.place, Place::Use { name: None, .. }));
        globs
            .filter_map(|glob| self.resolve(at, &glob.segments, None, detours + 1))
            .find(|module| *module != at && self.modules[*module].items.contains(name))
    }
}

impl Module {
    /// What a `use` of this module calls so.
    fn alias(&self, wanted: &str) -> Option<&[String]> {
        let is_it = |path: &&Path| matches!(&path.place, Place::Use { name: Some(name), .. } if name == wanted);
        self.paths
            .iter()
            .find(is_it)
            .map(|path| path.segments.as_slice())
    }
}

fn joined(path: &[String], rest: &[String]) -> Vec<String> {
    [path, rest].concat()
}

/// The names of `mod name;`, each with the file that `#[path]` says.
fn declarations(code: &str, text: &str) -> Vec<(String, Option<String>)> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    for window in tokens.windows(3) {
        let [
            (at, Token::Word("mod")),
            (_, Token::Word(name)),
            (_, Token::Sign(';')),
        ] = window
        else {
            continue;
        };
        let item = code[..*at].rfind([';', '}', '{']).map_or(0, |end| end + 1);
        let attribute = text[item..*at].split_once("#[path = \"");
        let path = attribute.and_then(|(_, path)| path.split('"').next());
        found.push(((*name).to_owned(), path.map(str::to_owned)));
    }
    found
}

/// Where the file of a module may lie.
fn candidates(file: &str, is_root: bool, name: &str, path: Option<&str>) -> Vec<String> {
    let (folder, base) = file.rsplit_once('/').unwrap_or(("", file));
    if let Some(path) = path {
        return vec![normal(&format!("{folder}/{path}"))];
    }
    let folder = match base.strip_suffix(".rs") {
        Some(stem) if !is_root && stem != "mod" => format!("{folder}/{stem}"),
        _ => folder.to_owned(),
    };
    [
        format!("{folder}/{name}.rs"),
        format!("{folder}/{name}/mod.rs"),
    ]
    .map(|path| normal(&path))
    .to_vec()
}

/// A path without `.` and `..`.
pub(super) fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

fn items(code: &str) -> BTreeSet<String> {
    let tokens = tokens(code);
    let mut items = BTreeSet::new();
    for (at, (_, token)) in tokens.iter().enumerate() {
        if matches!(token, Token::Word(word) if ITEMS.contains(word)) {
            let name = tokens[at + 1..].iter().find_map(|(_, token)| match token {
                Token::Word(word) => Some(*word),
                _ => None,
            });
            items.extend(name.map(str::to_owned));
        }
    }
    items
}

/// The words of the code, but for those of its `use`.
fn words(code: &str) -> BTreeMap<String, usize> {
    let mut words = BTreeMap::new();
    let mut in_use = false;
    for (_, token) in tokens(code) {
        match token {
            Token::Word("use") => in_use = true,
            Token::Sign(';') => in_use = false,
            Token::Word(word) if !in_use => *words.entry(word.to_owned()).or_default() += 1,
            _ => {}
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(files: &[(&str, &str)], root: &str, file: &str) -> Vec<(String, Option<String>)> {
        let read = Crate::read(&Tree::of(files.iter().copied()), root);
        let index = read
            .modules
            .iter()
            .position(|module| module.file == file)
            .unwrap();
        let target = |path: &Path| {
            let target = read
                .target(index, path)
                .map(|target| read.modules[target].file.clone());
            (path.segments.join("::"), target)
        };
        read.modules[index].paths.iter().map(target).collect()
    }

    #[test]
    fn files_of_modules_are_found() {
        let files = [
            (
                "c/src/lib.rs",
                "mod a; mod b; #[path = \"other.rs\"] pub mod c; #[cfg(test)] mod tests;",
            ),
            ("c/src/a.rs", "mod d;"),
            ("c/src/a/d.rs", ""),
            ("c/src/b/mod.rs", "mod e;"),
            ("c/src/b/e.rs", "#[path = \"../../../f/g.rs\"] mod g;"),
            ("c/src/other.rs", ""),
            ("c/src/tests.rs", ""),
            ("f/g.rs", ""),
        ];
        let read = Crate::read(&Tree::of(files), "c/src/lib.rs");
        let found: Vec<&str> = read
            .modules
            .iter()
            .map(|module| module.file.as_str())
            .collect();
        assert_eq!(
            found,
            [
                "c/src/lib.rs",
                "c/src/a.rs",
                "c/src/a/d.rs",
                "c/src/b/mod.rs",
                "c/src/b/e.rs",
                "f/g.rs",
                "c/src/other.rs"
            ]
        );
    }

    #[test]
    fn paths_lead_to_where_things_are_defined() {
        let files = [
            ("src/lib.rs", "mod a; mod b; mod c; pub use a::A; pub use c::*;"),
            ("src/a.rs", "pub struct A; use std::fmt; fn f() { fmt::g(); }"),
            (
                "src/b.rs",
                "use crate::A; use crate::b::d::D; use crate::C; use super::c; use other::E; use self::d as x;
                 fn f() { c::h(); x::y(); A::new(); std::mem::take(); }",
            ),
            ("src/b/d.rs", ""),
            ("src/c.rs", "pub struct C;"),
        ];
        let files = files.map(|(file, text)| {
            (
                file,
                if file == "src/b.rs" { "mod d; " } else { "" }.to_owned() + text,
            )
        });
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(file, text)| (*file, text.as_str()))
            .collect();
        let found = targets(&files, "src/lib.rs", "src/b.rs");
        let expected = [
            ("crate::A", Some("src/a.rs")),
            ("crate::b::d::D", Some("src/b/d.rs")),
            ("crate::C", Some("src/c.rs")),
            ("super::c", Some("src/c.rs")),
            ("other::E", None),
            ("self::d", Some("src/b/d.rs")),
            ("c::h", Some("src/c.rs")),
            ("x::y", Some("src/b/d.rs")),
            ("A::new", Some("src/a.rs")),
            ("std::mem::take", None),
        ];
        let found: Vec<(&str, Option<&str>)> = found
            .iter()
            .map(|(path, file)| (path.as_str(), file.as_deref()))
            .collect();
        assert_eq!(found, expected);
    }
}
