//! Tables with aligned columns.

use unicode_width::UnicodeWidthStr;

use crate::text;

/// Columns of a cell, unless the table is a wide one.
const MAX_CELL: usize = 60;
const GAP: &str = "  ";

/// How a cell is coloured on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    None,
    Green,
    Yellow,
    Red,
}

impl Colour {
    fn code(self) -> Option<&'static str> {
        match self {
            Colour::None => None,
            Colour::Green => Some("\u{1b}[32m"),
            Colour::Yellow => Some("\u{1b}[33m"),
            Colour::Red => Some("\u{1b}[31m"),
        }
    }
}

/// A cell: its text, without hostile characters, and its colour.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    colour: Colour,
}

impl Cell {
    pub(crate) fn coloured(text: &str, colour: Colour) -> Self {
        let text = match text {
            "" => "-".to_owned(),
            text => text::escape(text),
        };
        Cell { text, colour }
    }

    fn width(&self) -> usize {
        self.text.width()
    }

    /// The cell in at most this many columns.
    fn cut(&mut self, columns: usize) {
        if self.width() <= columns {
            return;
        }
        while self.width() >= columns {
            self.text.pop();
        }
        self.text.push('…');
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::coloured(&text, Colour::None)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::coloured(text, Colour::None)
    }
}

/// Rows under headings.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) fn new(headings: &[&'static str]) -> Self {
        Table {
            headings: headings.to_vec(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The text of the table. The last column is not filled up.
    pub(crate) fn text(mut self, wide: bool, colours: bool) -> String {
        if !wide {
            let cells = self.rows.iter_mut().flatten();
            cells.for_each(|cell| cell.cut(MAX_CELL));
        }
        let headings = self.headings.iter().map(|heading| Cell::from(*heading));
        self.rows.insert(0, headings.collect());
        let columns = self.headings.len();
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(move |row| Some(row.get(column)?.width()))
                .max()
        };
        let widths: Vec<usize> = (0..columns)
            .map(|column| width(column).unwrap_or(0))
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                let fill = " ".repeat(width - cell.width());
                match cell.colour.code().filter(|_| colours) {
                    Some(code) => line.push_str(&format!("{code}{}\u{1b}[0m", cell.text)),
                    None => line.push_str(&cell.text),
                }
                line.push_str(&fill);
                line.push_str(GAP);
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_whatever_is_in_them() {
        let mut table = Table::new(&["JOB", "ERROR"]);
        table.row(["数据".into(), "a\u{1b}[31m\nb".into()]);
        table.row(["é".into(), "".into()]);
        assert_eq!(
            table.text(false, false),
            "JOB   ERROR\n数据  a\\u{1b}[31m\\nb\né     -\n"
        );
    }

    #[test]
    fn long_cells_are_cut_in_tables_that_are_not_wide() {
        let mut table = Table::new(&["ERROR"]);
        table.row(["数".repeat(100).into()]);
        let cut = table.clone().text(false, false);
        assert_eq!(cut.lines().last().unwrap().width(), 59);
        assert!(cut.ends_with("数…\n"));
        assert!(table.text(true, false).contains(&"数".repeat(100)));
    }

    #[test]
    fn colours_count_as_no_columns() {
        let mut table = Table::new(&["A", "B"]);
        table.row([Cell::coloured("x", Colour::Red), "y".into()]);
        assert_eq!(table.clone().text(false, false), "A  B\nx  y\n");
        assert_eq!(table.text(false, true), "A  B\n\u{1b}[31mx\u{1b}[0m  y\n");
    }
}
