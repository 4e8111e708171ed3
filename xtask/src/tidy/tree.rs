//! The files that the rules look at.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::source::Source;

/// What a file is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Rust,
    Lua,
    Markdown,
    /// TOML and shell.
    Hash,
    /// Rules hold only its name against others.
    Other,
}

/// One file.
pub(super) struct File {
    /// From the root of the project.
    pub(super) path: String,
    pub(super) kind: Kind,
    pub(super) source: Source,
}

/// All files that git tracks or would track.
pub(super) struct Tree {
    /// Sorted by path.
    pub(super) files: Vec<File>,
}

impl Tree {
    pub(super) fn read(root: &Path) -> Result<Self, String> {
        let mut git = Command::new("git");
        git.args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]);
        let output = git.current_dir(root).output();
        let output = output.map_err(|error| format!("git ls-files: {error}"))?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(format!("git ls-files: {text}"));
        }
        let names = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut files = Vec::new();
        for name in names.split('\0').filter(|name| root.join(name).is_file()) {
            let bytes = fs::read(root.join(name)).map_err(|error| format!("{name}: {error}"))?;
            files.push((name, String::from_utf8_lossy(&bytes).into_owned()));
        }
        Ok(Self::of(
            files.iter().map(|(name, text)| (*name, text.as_str())),
        ))
    }

    /// Files by name and content.
    pub(super) fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut files: Vec<File> = files
            .into_iter()
            .map(|(path, text)| File::new(path, text))
            .collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup_by(|a, b| a.path == b.path);
        Self { files }
    }

    pub(super) fn get(&self, path: &str) -> Option<&File> {
        let found = self
            .files
            .binary_search_by(|file| file.path.as_str().cmp(path));
        found.ok().map(|index| &self.files[index])
    }

    pub(super) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &File> {
        self.files.iter().filter(move |file| file.kind == kind)
    }
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        let kind = kind_of(path);
        Self {
            path: path.to_owned(),
            kind,
            source: match kind {
                Kind::Lua => Source::lua(text),
                Kind::Hash => Source::hash_comments(text),
                Kind::Rust | Kind::Markdown | Kind::Other => Source::rust(text),
            },
        }
    }
}

/// Output of compilers and expansions of the attribute are pinned by other tests, not held by rules.
fn kind_of(path: &str) -> Kind {
    let extension = Path::new(path).extension().and_then(|it| it.to_str());
    match extension {
        Some("rs") if path.contains("/snapshots/") => Kind::Other,
        Some("rs") => Kind::Rust,
        Some("lua") => Kind::Lua,
        Some("md") => Kind::Markdown,
        Some("toml" | "sh") => Kind::Hash,
        None if path.starts_with(".ci/") => Kind::Hash,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_follow_names() {
        let kinds = [
            ("a/src/lib.rs", Kind::Rust),
            ("a/src/snapshots/minimal.rs", Kind::Other),
            ("a/b.lua", Kind::Lua),
            ("README.md", Kind::Markdown),
            ("Cargo.toml", Kind::Hash),
            (".ci/run", Kind::Hash),
            ("tests/ui/fail/x.stderr", Kind::Other),
            ("fuzz/corpus/url/plain", Kind::Other),
        ];
        for (path, kind) in kinds {
            assert_eq!(kind_of(path), kind, "{path}");
        }
    }

    #[test]
    fn files_are_found_by_path() {
        let tree = Tree::of([("b.rs", "fn b() {}"), ("a.rs", ""), ("b.rs", "")]);
        assert_eq!(tree.files.len(), 2);
        assert_eq!(tree.get("b.rs").unwrap().source.text(), "fn b() {}");
        assert!(tree.get("c.rs").is_none());
    }
}
