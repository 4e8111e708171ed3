//! Libraries that are preloaded into processes.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Compiles C code to the library `name` with the ending `so`, in a folder of its own. Every user may read it, because
/// servers run as users of their own.
pub(crate) fn compile(name: &str, source: &str) -> io::Result<TempDir> {
    if !cfg!(target_os = "linux") {
        let text = "the preloaded libraries know the system calls of Linux only";
        return Err(io::Error::new(io::ErrorKind::Unsupported, text));
    }
    let dir = tempfile::Builder::new().prefix("preload-").tempdir()?;
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755))?;
    let errors = dir.path().join("cc.log");
    let failed = |text: String| {
        io::Error::other(format!(
            "cc, to compile {name} (install a C compiler): {text}"
        ))
    };
    let mut cc = Command::new("cc")
        .args(["-shared", "-fPIC", "-O2", "-x", "c", "-", "-o"])
        .arg(dir.path().join(format!("{name}.so")))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(File::create(&errors)?)
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let written = cc
        .stdin
        .take()
        .map(|mut input| input.write_all(source.as_bytes()));
    let status = cc.wait()?;
    if !status.success() {
        let errors = fs::read_to_string(errors).unwrap_or_default();
        return Err(failed(format!("{status}\n{errors}")));
    }
    written.unwrap_or(Ok(()))?;
    Ok(dir)
}

/// A file that the library maps.
pub(crate) fn file(dir: &TempDir, name: &str) -> io::Result<File> {
    let path = dir.path().join(name);
    let file = File::create(&path)?;
    fs::set_permissions(&path, Permissions::from_mode(0o644))?;
    Ok(file)
}
