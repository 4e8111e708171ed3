//! Statements of a job that a database commits with the outcome of its run.

use std::fmt;

/// Most statements that one outcome may bring.
pub const MAX_STATEMENTS: usize = 100;
/// Most bytes of all their texts and values.
pub const MAX_STATEMENT_BYTES: usize = 1 << 20;

/// Most values of one statement, as PostgreSQL has it.
pub const MAX_VALUES: usize = 65_535;
/// First words of statements about the transaction.
const TRANSACTION: [&str; 10] = [
    "ABORT",
    "BEGIN",
    "COMMIT",
    "END",
    "PREPARE",
    "RELEASE",
    "ROLLBACK",
    "SAVEPOINT",
    "SET",
    "START",
];
/// First words of statements about the connection, and of one that is no single request.
const SESSION: [&str; 12] = [
    "ATTACH",
    "COPY",
    "DEALLOCATE",
    "DECLARE",
    "DETACH",
    "DISCARD",
    "EXECUTE",
    "FETCH",
    "LISTEN",
    "LOAD",
    "RESET",
    "UNLISTEN",
];

/// One SQL statement with its values, for the database that is the store: it is committed with the outcome of a run, or
/// not at all.
///
/// The text has the form of the database, with `$1`, `$2` … (PostgreSQL) or `?1`, `?2` … (SQLite) for the values. It is
/// one statement, and none that begins or ends a transaction.
///
/// ```
/// use scheduled_one_protocol::Statement;
///
/// let pay = Statement::new("UPDATE account SET balance = balance + $1 WHERE id = $2")
///     .bind(25)
///     .bind("NL-7")
///     .rows(1);
/// ```
#[derive(Clone, PartialEq)]
pub struct Statement {
    /// The text.
    pub text: String,
    /// The values, from the first on.
    pub values: Vec<SqlValue>,
    /// How many rows it has to change; `None` for any number.
    pub rows: Option<u64>,
}

impl Statement {
    /// A statement without values.
    pub fn new(text: impl Into<String>) -> Self {
        Statement {
            text: text.into(),
            values: Vec::new(),
            rows: None,
        }
    }

    /// Adds the next value.
    #[must_use]
    pub fn bind(mut self, value: impl Into<SqlValue>) -> Self {
        self.values.push(value.into());
        self
    }

    /// The statement fails, and with it the attempt, unless it changes so many rows: for the check of a version or of
    /// a fencing token in its `WHERE`.
    #[must_use]
    pub fn rows(mut self, rows: u64) -> Self {
        self.rows = Some(rows);
        self
    }

    /// Why a store does not take these statements, if it does not.
    pub fn refused(statements: &[Statement]) -> Option<String> {
        if statements.len() > MAX_STATEMENTS {
            let count = statements.len();
            return Some(format!(
                "{count} statements with one outcome: at most {MAX_STATEMENTS}"
            ));
        }
        let bytes: usize = statements.iter().map(Statement::bytes).sum();
        if bytes > MAX_STATEMENT_BYTES {
            return Some(format!(
                "{bytes} bytes of statements with one outcome: at most {MAX_STATEMENT_BYTES}"
            ));
        }
        let mut numbered = (1..).zip(statements);
        numbered.find_map(|(number, statement)| {
            let why = statement.fault()?;
            Some(format!("statement {number}: {why}"))
        })
    }

    /// What is wrong with it, whatever the database. One that ends the transaction would let the others be committed
    /// without the outcome.
    fn fault(&self) -> Option<String> {
        if self.text.contains('\0') {
            return Some("its text has a NUL".to_owned());
        }
        if self.values.len() > MAX_VALUES {
            let count = self.values.len();
            return Some(format!("{count} values: at most {MAX_VALUES}"));
        }
        match self.first_word() {
            word if word.is_empty() => Some("it is empty".to_owned()),
            word if TRANSACTION.contains(&&*word) => Some(format!(
                "it begins with {word}: the store begins and ends the transaction"
            )),
            word if SESSION.contains(&&*word) => Some(format!(
                "it begins with {word}: that is about the connection, which is the store's"
            )),
            _ => None,
        }
    }

    fn bytes(&self) -> usize {
        let values = self.values.iter().map(SqlValue::bytes);
        self.text.len() + values.sum::<usize>()
    }

    /// Its first word in capitals, behind blanks, semicolons and comments.
    fn first_word(&self) -> String {
        let mut text = self.text.as_str();
        loop {
            let trimmed = text.trim_start_matches(|letter: char| {
                letter.is_whitespace() || letter.is_control() || ";(\u{feff}".contains(letter)
            });
            text = if let Some(rest) = trimmed.strip_prefix("--") {
                rest.split_once(['\n', '\r']).map_or("", |(_, rest)| rest)
            } else if let Some(rest) = trimmed.strip_prefix("/*") {
                behind_comment(rest)
            } else {
                let end = trimmed.find(|letter: char| !letter.is_ascii_alphanumeric());
                return trimmed[..end.unwrap_or(trimmed.len())].to_ascii_uppercase();
            };
        }
    }

    /// The text of an error without the values of this statement, which databases quote.
    pub fn without_values(&self, error: &str) -> String {
        let mut text = error.to_owned();
        for (number, value) in (1..).zip(&self.values) {
            let SqlValue::Text(value) = value else {
                continue;
            };
            // A full-text search quotes the words of a value one by one.
            let words = value.split(|letter: char| !letter.is_alphanumeric());
            for part in std::iter::once(value.as_str()).chain(words) {
                if part.len() > 2 {
                    text = text.replace(part, &format!("<value {number}>"));
                }
            }
        }
        text
    }

    /// The error of a statement that changed another number of rows.
    pub fn judge_rows(&self, changed: u64) -> Result<(), String> {
        match self.rows {
            Some(rows) if rows != changed => Err(format!(
                "it changed {changed} rows, and was to change {rows}"
            )),
            _ => Ok(()),
        }
    }
}

/// What follows the end of a comment that has begun. In PostgreSQL a comment may have others in it.
fn behind_comment(mut text: &str) -> &str {
    let mut depth = 1;
    while depth > 0 {
        let (open, close) = (text.find("/*"), text.find("*/"));
        let at = match (open, close) {
            (Some(open), Some(close)) if open < close => {
                depth += 1;
                open
            }
            (_, Some(close)) => {
                depth -= 1;
                close
            }
            (_, None) => return "",
        };
        text = &text[at + 2..];
    }
    text
}

/// Without the values: they may be secret.
impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Statement({:?}, {} values)",
            self.text,
            self.values.len()
        )
    }
}

/// A value of a [`Statement`]. Other types go as text, with a cast in the statement: `$1::timestamptz`.
#[derive(Clone, PartialEq)]
pub enum SqlValue {
    /// NULL, of any type.
    Null,
    /// A boolean; 0 or 1 in SQLite.
    Bool(bool),
    /// A whole number; `bigint` in PostgreSQL.
    Integer(i64),
    /// A number; `double precision` in PostgreSQL.
    Real(f64),
    /// A text.
    Text(String),
    /// Bytes; `bytea` in PostgreSQL.
    Blob(Vec<u8>),
}

impl SqlValue {
    fn bytes(&self) -> usize {
        match self {
            SqlValue::Text(text) => text.len(),
            SqlValue::Blob(bytes) => bytes.len(),
            SqlValue::Null | SqlValue::Bool(_) | SqlValue::Integer(_) | SqlValue::Real(_) => 8,
        }
    }
}

/// Without the value: it may be secret.
impl fmt::Debug for SqlValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SqlValue(..)")
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident),*) => {
        $(impl From<$type> for SqlValue {
            fn from(value: $type) -> Self {
                SqlValue::$variant(value.into())
            }
        })*
    };
}

from!(
    bool => Bool, i8 => Integer, i16 => Integer, i32 => Integer, i64 => Integer, u8 => Integer, u16 => Integer,
    u32 => Integer, f32 => Real, f64 => Real, &str => Text, String => Text, &[u8] => Blob, Vec<u8> => Blob
);

impl<T: Into<SqlValue>> From<Option<T>> for SqlValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(SqlValue::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_transaction_is_refused_and_what_only_looks_like_it_is_not() {
        let refused = |text| Statement::refused(&[Statement::new(text)]);
        let hidden = [
            "/* a /* b */ */ COMMIT",
            "-- a\n;(ROLLBACK",
            "\u{feff}COPY a TO STDOUT",
        ];
        let plain = [
            "COMMIT",
            " rollback;",
            "End",
            "savepoint a",
            "Set x = 1",
            "",
            ";",
            "SELECT \0",
        ];
        for text in plain.into_iter().chain(hidden) {
            assert!(refused(text).is_some(), "{text}");
        }
        for text in [
            "INSERT INTO a VALUES (1)",
            "/* b */ update settings set a = 1",
            "(SELECT 1)",
        ] {
            assert_eq!(refused(text), None, "{text}");
        }
    }

    #[test]
    fn statements_are_bounded() {
        let many = vec![Statement::new("SELECT 1"); MAX_STATEMENTS + 1];
        assert!(Statement::refused(&many).is_some());
        assert_eq!(Statement::refused(&many[1..]), None);
        let large = Statement::new("SELECT $1").bind("x".repeat(MAX_STATEMENT_BYTES));
        assert!(Statement::refused(&[large]).is_some());
    }

    #[test]
    fn debug_shows_no_values() {
        let statement = Statement::new("SELECT $1")
            .bind("hunter2")
            .bind(None::<i64>);
        assert_eq!(
            format!("{statement:?} {:?}", statement.values),
            "Statement(\"SELECT $1\", 2 values) [SqlValue(..), SqlValue(..)]"
        );
    }

    #[test]
    fn errors_are_shown_without_values() {
        let find = Statement::new("").bind(1).bind("hunter2: a secret");
        assert_eq!(
            find.without_values("invalid input \"hunter2: a secret\", no such column: hunter2"),
            "invalid input \"<value 2>\", no such column: <value 2>"
        );
    }

    #[test]
    fn another_number_of_rows_is_an_error() {
        let one = Statement::new("UPDATE a SET b = 1").rows(1);
        assert_eq!(one.judge_rows(1), Ok(()));
        assert!(one.judge_rows(0).is_err());
        assert_eq!(Statement::new("").judge_rows(7), Ok(()));
    }
}
