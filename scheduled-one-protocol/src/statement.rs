//! Statements of a job that a database commits with the outcome of its run.

use std::fmt;

/// Most statements that one outcome may bring.
pub const MAX_STATEMENTS: usize = 100;
/// Most bytes of all their texts and values.
pub const MAX_STATEMENT_BYTES: usize = 1 << 20;

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
        statements
            .iter()
            .find_map(Statement::ends_transaction)
            .map(|word| {
                format!("a statement begins with {word}: the store begins and ends the transaction")
            })
    }

    fn bytes(&self) -> usize {
        let values = self.values.iter().map(SqlValue::bytes);
        self.text.len() + values.sum::<usize>()
    }

    /// Its first word, if that is about the transaction. A store finds out what hides behind a comment by itself.
    fn ends_transaction(&self) -> Option<String> {
        const WORDS: [&str; 11] = [
            "ABORT",
            "ATTACH",
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
        let text = self.text.trim_start().to_ascii_uppercase();
        let end = text.find(|letter: char| !letter.is_ascii_alphabetic());
        let word = &text[..end.unwrap_or(text.len())];
        WORDS.contains(&word).then(|| word.to_owned())
    }

    /// The error of a statement that changed another number of rows.
    pub fn judge_rows(&self, changed: u64) -> Result<(), String> {
        match self.rows {
            Some(rows) if rows != changed => Err(format!(
                "it changed {changed} rows, and was to change {rows}: {}",
                self.text
            )),
            _ => Ok(()),
        }
    }
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
        for text in ["COMMIT", " rollback;", "End", "savepoint a", "Set x = 1"] {
            assert!(refused(text).is_some(), "{text}");
        }
        for text in ["INSERT INTO a VALUES (1)", "update settings set a = 1", ""] {
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
    fn another_number_of_rows_is_an_error() {
        let one = Statement::new("UPDATE a SET b = 1").rows(1);
        assert_eq!(one.judge_rows(1), Ok(()));
        assert!(one.judge_rows(0).is_err());
        assert_eq!(Statement::new("").judge_rows(7), Ok(()));
    }
}
