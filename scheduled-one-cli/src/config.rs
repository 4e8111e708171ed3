//! Contexts: which store, which namespace, and who asks, under a name, in `~/.config/scheduled-one/config.toml`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::args::Global;
use crate::failure::Failure;
use crate::session::{has_password, variable};

const TOP_KEYS: &str = "`current` and `contexts`";
const KEYS: &str = "`url`, `namespace`, `by` and `password_file`";

/// What a context says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Context {
    url: Option<String>,
    namespace: Option<String>,
    by: Option<String>,
}

/// The file, as it was read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Config {
    current: Option<String>,
    contexts: BTreeMap<String, Context>,
}

/// The arguments, and what they leave out as the context says it. An argument is over a context, and so is a variable
/// of the environment, unless an argument named the context. A context whose URL does not count says no namespace
/// either: it would be one of another store.
pub(crate) fn with_context(global: Global) -> Result<Global, Failure> {
    let Some(path) = path() else {
        return match &global.context {
            Some(_) => Err(Failure::usage(
                "--context: neither XDG_CONFIG_HOME nor HOME says where the file of contexts is",
            )),
            None => Ok(global),
        };
    };
    let named = global.context.clone();
    let named = named.or_else(|| variable("SCHEDULED_ONE_CONTEXT"));
    let config = match fs::read_to_string(&path) {
        Ok(text) => Config::parse(&text, &path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => {
            return Ok(global);
        }
        Err(error) => return Err(Failure::usage(format!("{}: {error}", path.display()))),
    };
    let Some(name) = named.or_else(|| config.current.clone()) else {
        return Ok(global);
    };
    let context = config.get(&name, &path)?.clone();
    let is_set = |name| variable(name).is_some();
    let url_is_set = is_set("SCHEDULED_ONE_URL") || is_set("REDIS_URL");
    let namespace_is_set = is_set("SCHEDULED_ONE_NAMESPACE");
    Ok(filled(global, context, url_is_set, namespace_is_set))
}

fn filled(
    mut global: Global,
    context: Context,
    url_is_set: bool,
    namespace_is_set: bool,
) -> Global {
    let is_argument = global.context.is_some();
    let has_url = context.url.is_some();
    let counts = global.url.is_none() && (is_argument || !url_is_set);
    if global.namespace.is_none() && (counts || !has_url) && (is_argument || !namespace_is_set) {
        // The store of an argument has no namespace of a variable.
        let default = (is_argument && has_url).then(|| "default".to_owned());
        global.namespace = context.namespace.or(default);
    }
    if counts {
        global.url = context.url;
    }
    global.by = global.by.or(context.by);
    global
}

/// Where the file is, whether it is there or not.
fn path() -> Option<PathBuf> {
    let folder = |name: &str| {
        let folder = PathBuf::from(env::var_os(name)?);
        folder.is_absolute().then_some(folder)
    };
    let base = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")));
    Some(base?.join("scheduled-one").join("config.toml"))
}

/// Where something is in the file.
struct Place<'a> {
    path: &'a Path,
    text: &'a str,
}

impl Place<'_> {
    /// What is wrong at a byte of the text. Nothing of the text is repeated: it may be a password.
    fn wrong(&self, byte: usize, what: &str) -> Failure {
        let before = self.text.get(..byte).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        Failure::usage(format!("{}, line {line}: {what}", self.path.display()))
    }

    fn text_of(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Result<String, Failure> {
        match value.get_ref() {
            DeValue::String(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
            _ => Err(self.wrong(
                value.span().start,
                &format!("`{key}` is a text in quotes, and not an empty one"),
            )),
        }
    }

    fn table<'a, 't>(
        &self,
        key: &str,
        value: &'a Spanned<DeValue<'t>>,
    ) -> Result<&'a DeTable<'t>, Failure> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => Err(self.wrong(value.span().start, &format!("`{key}` is a table"))),
        }
    }

    fn context(&self, name: &str, table: &DeTable<'_>) -> Result<Context, Failure> {
        let mut context = Context::default();
        let mut file = None;
        for (key, value) in table {
            let word: &Cow<'_, str> = key.get_ref();
            let full = format!("contexts.{name}.{word}");
            match &**word {
                "url" => context.url = Some(self.url(&full, value)?),
                "namespace" => context.namespace = Some(self.text_of(&full, value)?),
                "by" => context.by = Some(self.text_of(&full, value)?),
                "password_file" => {
                    let path = self.text_of(&full, value)?;
                    // A relative path begins where this file is.
                    let folder = self.path.parent().unwrap_or(Path::new("/"));
                    file = Some((value.span().start, folder.join(path)));
                }
                "password" => {
                    let what = format!(
                        "`{full}`: a password is not read from this file; put it into a file of its own, and say \
                         `password_file`, or put the URL into SCHEDULED_ONE_URL"
                    );
                    return Err(self.wrong(key.span().start, &what));
                }
                _ => {
                    let what = format!("`{full}` is unknown; a context has {KEYS}");
                    return Err(self.wrong(key.span().start, &what));
                }
            }
        }
        if let Some((byte, path)) = file {
            let url = context.url.as_deref().unwrap_or_default();
            let url = with_password_file(url, &path).map_err(|why| {
                self.wrong(byte, &format!("`contexts.{name}.password_file`: {why}"))
            })?;
            context.url = Some(url);
        }
        Ok(context)
    }

    fn url(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Result<String, Failure> {
        let url = self.text_of(key, value)?;
        match has_password(&url) {
            false => Ok(url),
            true => Err(self.wrong(
                value.span().start,
                &format!(
                    "`{key}` has a password in it; put it into a file of its own, and say `password_file`, or put the \
                     URL into SCHEDULED_ONE_URL"
                ),
            )),
        }
    }
}

impl Config {
    fn parse(text: &str, path: &Path) -> Result<Self, Failure> {
        let place = Place { path, text };
        let parsed = DeTable::parse(text).map_err(|error| {
            let byte = error.span().map_or(0, |span| span.start);
            place.wrong(byte, &format!("no TOML: {}", error.message()))
        })?;
        let mut config = Config::default();
        for (key, value) in parsed.get_ref() {
            match &**key.get_ref() {
                "current" => {
                    let current = place.text_of("current", value)?;
                    config.current = Some(current);
                }
                "contexts" => {
                    for (name, value) in place.table("contexts", value)? {
                        let name = name.get_ref().to_string();
                        let table = place.table(&format!("contexts.{name}"), value)?;
                        let context = place.context(&name, table)?;
                        config.contexts.insert(name, context);
                    }
                }
                other => {
                    let what = format!("`{other}` is unknown; the file has {TOP_KEYS}");
                    return Err(place.wrong(key.span().start, &what));
                }
            }
        }
        Ok(config)
    }

    fn get(&self, name: &str, path: &Path) -> Result<&Context, Failure> {
        self.contexts.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.contexts.keys().map(String::as_str).collect();
            let known = match names.is_empty() {
                true => "it has no context".to_owned(),
                false => format!("it has {}", names.join(", ")),
            };
            Failure::usage(format!(
                "{}: there is no context `{name}`; {known}",
                path.display()
            ))
        })
    }
}

/// The URL with the parameter that names a file with the password.
fn with_password_file(url: &str, path: &Path) -> Result<String, String> {
    let scheme = url.split(':').next().unwrap_or_default();
    let parameter = match scheme {
        _ if url.is_empty() => return Err("it is that of a `url`, which is missing".to_owned()),
        "postgres" | "postgresql" => "passfile",
        "sqlite" => return Err("a file of SQLite has no password".to_owned()),
        _ => "password_file",
    };
    let encoded = |byte: u8| match byte {
        b'/' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    let path: String = path.to_string_lossy().bytes().map(encoded).collect();
    let joint = if url.contains('?') { '&' } else { '?' };
    Ok(format!("{url}{joint}{parameter}={path}"))
}

#[cfg(test)]
mod tests;
