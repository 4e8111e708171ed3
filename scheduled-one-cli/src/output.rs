//! What is written to the standard output, in the form that was asked for.

use std::collections::BTreeMap;
use std::env;
use std::io::{self, IsTerminal, Write};

use scheduled_one_protocol::clock::{Clock, SystemClock};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use crate::args::{Format, Global};
use crate::failure::Failure;
use crate::table::Table;
use crate::text;

/// The version of the JSON. It rises when a field goes or means something else, not when one is added.
const VERSION: u32 = 1;

/// The standard output.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub(crate) format: Format,
    colours: bool,
    is_terminal: bool,
}

/// A document: its version, one thing under its name, and what there is to say of it.
struct Document<'a, T> {
    key: &'static str,
    value: &'a T,
    more: &'a BTreeMap<&'static str, Value>,
}

impl<T: Serialize> Serialize for Document<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2 + self.more.len()))?;
        map.serialize_entry("version", &VERSION)?;
        map.serialize_entry(self.key, self.value)?;
        for (key, value) in self.more {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        let is_terminal = io::stdout().is_terminal();
        let no_color = global.no_color || env::var_os("NO_COLOR").is_some_and(|it| !it.is_empty());
        Output {
            format: global.output,
            colours: is_terminal && !no_color,
            is_terminal,
        }
    }

    pub(crate) fn is_wide(&self) -> bool {
        self.format == Format::Wide
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Writes lines that hold nothing hostile.
    pub(crate) fn print(&self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    /// An instant: relative on a terminal, else in RFC 3339.
    pub(crate) fn when(&self, ms: i64) -> String {
        match self.is_terminal {
            true => text::relative(ms, now_ms()),
            false => text::instant(ms),
        }
    }

    pub(crate) fn table(&self, table: Table) -> Result<(), Failure> {
        self.print(&table.text(self.is_wide(), self.colours))
    }

    /// One object in a line.
    pub(crate) fn json_line(&self, value: &impl Serialize) -> Result<(), Failure> {
        let json = serde_json::to_string(value).map_err(io::Error::from)?;
        self.print(&(text::harmless_json(&json) + "\n"))
    }

    /// Writes a list; `show` makes the table.
    pub(crate) fn list<T: Serialize>(
        &self,
        key: &'static str,
        items: &[T],
        name: impl Fn(&T) -> String,
        show: impl FnOnce() -> Table,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Table | Format::Wide => self.table(show()),
            Format::Json => self.document(key, &items, &BTreeMap::new()),
            Format::Jsonl => items.iter().try_for_each(|item| self.json_line(item)),
            Format::Name => {
                let names = items.iter().map(|item| text::escape(&name(item)) + "\n");
                self.print(&names.collect::<String>())
            }
        }
    }

    /// Writes one thing; `show` makes the text for people.
    pub(crate) fn one<T: Serialize>(
        &self,
        key: &'static str,
        item: &T,
        name: &str,
        show: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Table | Format::Wide => self.print(&show()),
            Format::Json => self.document(key, item, &BTreeMap::new()),
            Format::Jsonl => self.json_line(item),
            Format::Name => self.print(&(text::escape(name) + "\n")),
        }
    }

    /// Writes a document of JSON, with more fields behind the thing.
    pub(crate) fn document<T: Serialize>(
        &self,
        key: &'static str,
        value: &T,
        more: &BTreeMap<&'static str, Value>,
    ) -> Result<(), Failure> {
        let document = Document { key, value, more };
        let json = serde_json::to_string_pretty(&document).map_err(io::Error::from)?;
        self.print(&(text::harmless_json(&json) + "\n"))
    }

    /// A table as part of a text.
    pub(crate) fn part(&self, table: Table) -> String {
        table.text(self.is_wide(), self.colours)
    }
}

/// The wall clock of this machine.
pub(crate) fn now_ms() -> i64 {
    SystemClock.wall().as_millis() as i64
}
