//! A copy of the sources, in which texts are replaced and put back.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A text of a source file, and what stands there instead.
pub(crate) struct Edit {
    /// From the root of the project.
    pub(crate) file: &'static str,
    /// Occurs exactly once.
    pub(crate) old: &'static str,
    pub(crate) new: &'static str,
}

/// The copy.
pub(super) struct Copy {
    original: PathBuf,
    root: PathBuf,
    edited: BTreeSet<&'static str>,
}

impl Copy {
    /// Copies what git knows, or would. Files that are the same stay untouched,
    /// so that not everything is built again.
    pub(super) fn of(original: &Path, root: &Path) -> Result<Self, String> {
        let copy = Copy {
            original: original.to_owned(),
            root: root.to_owned(),
            edited: BTreeSet::new(),
        };
        let files = copy.files()?;
        for file in &files {
            copy.copy(file)
                .map_err(|error| format!("copy {file}: {error}"))?;
        }
        remove_others(root, root, &files)
            .map_err(|error| format!("{}: {error}", root.display()))?;
        Ok(copy)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Makes the edits.
    pub(super) fn apply(&mut self, edits: &[Edit]) -> Result<(), String> {
        for Edit { file, old, new } in edits {
            let path = self.root.join(file);
            let text = fs::read_to_string(&path).map_err(|error| format!("{file}: {error}"))?;
            match text.matches(old).count() {
                1 => {}
                count => {
                    return Err(format!(
                        "{file}: what a mutant replaces occurs {count} times, not once: {old:?}"
                    ));
                }
            }
            fs::write(&path, text.replace(old, new)).map_err(|error| format!("{file}: {error}"))?;
            self.edited.insert(file);
        }
        Ok(())
    }

    /// Takes all edits back.
    pub(super) fn restore(&mut self) -> Result<(), String> {
        for file in std::mem::take(&mut self.edited) {
            self.copy(file)
                .map_err(|error| format!("copy {file}: {error}"))?;
        }
        Ok(())
    }

    fn files(&self) -> Result<BTreeSet<String>, String> {
        let mut git = Command::new("git");
        git.args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ]);
        let output = git.current_dir(&self.original).output();
        let output = output.map_err(|error| format!("git: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let files = text.split('\0').filter(|file| !file.is_empty());
        let there = files.filter(|file| self.original.join(file).is_file());
        Ok(there.map(str::to_owned).collect())
    }

    fn copy(&self, file: &str) -> io::Result<()> {
        let (from, to) = (self.original.join(file), self.root.join(file));
        let content = fs::read(&from)?;
        if fs::read(&to).is_ok_and(|there| there == content) {
            return Ok(());
        }
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&to, content)
    }
}

/// Removes files that are not in the original any more.
fn remove_others(root: &Path, folder: &Path, files: &BTreeSet<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .strip_prefix(root)
            .unwrap_or(&path)
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            remove_others(root, &path, files)?;
        } else if !files.contains(&name) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_made_once_and_taken_back() {
        let base = std::env::temp_dir().join(format!("mutants-{}", std::process::id()));
        let (original, root) = (base.join("original"), base.join("copy"));
        fs::create_dir_all(&original).unwrap();
        fs::create_dir_all(&root).unwrap();
        fs::write(original.join("a.rs"), "one two two").unwrap();
        let mut copy = Copy {
            original,
            root: root.clone(),
            edited: BTreeSet::new(),
        };
        copy.copy("a.rs").unwrap();
        let edit = |old, new| Edit {
            file: "a.rs",
            old,
            new,
        };
        let error = copy.apply(&[edit("two", "three")]).unwrap_err();
        assert!(error.contains("occurs 2 times"), "{error}");
        copy.apply(&[edit("one", "three")]).unwrap();
        assert_eq!(
            fs::read_to_string(root.join("a.rs")).unwrap(),
            "three two two"
        );
        copy.restore().unwrap();
        assert_eq!(
            fs::read_to_string(root.join("a.rs")).unwrap(),
            "one two two"
        );
        fs::remove_dir_all(base).unwrap();
    }
}
