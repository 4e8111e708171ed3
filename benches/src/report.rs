//! The report: a table of the figures in Markdown.

use crate::curves::{self, Point};
use crate::options::Options;

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
    /// No target: the figure is only shown.
    None,
}

/// A measured figure.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    figure: String,
    unit: &'static str,
    bound: Bound,
    measured: f64,
    reference: Option<f64>,
    point: Option<Point>,
}

impl Row {
    pub(crate) fn new(figure: String, unit: &'static str, bound: Bound, measured: f64) -> Self {
        Row {
            figure,
            unit,
            bound,
            measured,
            reference: None,
            point: None,
        }
    }

    /// With what the reference reached.
    pub(crate) fn beside(self, reference: f64) -> Self {
        self.maybe_beside(Some(reference))
    }

    pub(crate) fn maybe_beside(mut self, reference: Option<f64>) -> Self {
        self.reference = reference;
        self
    }

    /// This row stands for a number of nodes.
    pub(crate) fn with_point(mut self, point: Point) -> Self {
        self.point = Some(point);
        self
    }

    fn met(&self) -> &'static str {
        let met = match self.bound {
            Bound::AtMost(most) => self.measured <= most,
            Bound::AtLeast(least) => self.measured >= least,
            Bound::None => return "",
        };
        if met { "met" } else { "**not met**" }
    }

    fn line(&self) -> String {
        let with_unit = |value: f64| {
            format!("{} {}", number(value), self.unit)
                .trim_end()
                .to_owned()
        };
        let target = match self.bound {
            Bound::AtMost(0.0) => "none".to_owned(),
            Bound::AtMost(most) => format!("≤ {}", with_unit(most)),
            Bound::AtLeast(least) => format!("≥ {}", with_unit(least)),
            Bound::None => "–".to_owned(),
        };
        let reference = self.reference.map_or("–".to_owned(), with_unit);
        let ratio = self.reference.filter(|reference| *reference > 0.0);
        let ratio = ratio.map_or("–".to_owned(), |reference| {
            number(self.measured / reference)
        });
        format!(
            "| {} | {target} | {} | {reference} | {ratio} | {} |\n",
            self.figure,
            with_unit(self.measured),
            self.met()
        )
    }
}

/// The report as Markdown.
pub(crate) fn markdown(
    rows: &[Row],
    machine: &[(&'static str, String)],
    options: &Options,
) -> String {
    let mut text = "# Benchmarks\n\n".to_owned();
    text.push_str(if options.smoke {
        "A smoke run: the numbers mean nothing.\n\n"
    } else {
        "Written by `cargo xtask bench --write`.\n\
         The ratio is measured / reference, of the same run.\n\
         The figures and their references are explained in [README.md](README.md).\n\n"
    });
    text.push_str("| figure | target | measured | reference | ratio | |\n");
    text.push_str("| --- | --- | ---: | ---: | ---: | --- |\n");
    for row in rows {
        text.push_str(&row.line());
    }
    let points: Vec<Point> = rows.iter().filter_map(|row| row.point).collect();
    text.push_str(&curves::markdown(&points));
    text.push_str("\n| run | |\n| --- | --- |\n");
    text.push_str(&format!("| window | {} s |\n", options.scale.seconds));
    for (name, fact) in machine {
        text.push_str(&format!("| {name} | {fact} |\n"));
    }
    text
}

/// Three significant digits, and commas in large numbers.
pub(crate) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 || size == 0.0 || size.fract() == 0.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let (sign, digits) = whole.split_at(usize::from(whole.starts_with('-')));
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{sign}{grouped}{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits() {
        let shown = [0.0, 0.01234, 1.234, 15.0, 15.26, 999.4, 120_000.0, -1_234.5].map(number);
        let wanted = [
            "0", "0.012", "1.23", "15", "15.3", "999", "120,000", "-1,234",
        ];
        assert_eq!(shown, wanted);
    }

    #[test]
    fn a_row_says_whether_its_target_is_met() {
        let row = |bound, measured| Row::new("f".to_owned(), "ms", bound, measured).beside(4.0);
        let line = row(Bound::AtMost(3.0), 2.0).line();
        assert_eq!(line, "| f | ≤ 3 ms | 2 ms | 4 ms | 0.500 | met |\n");
        assert!(row(Bound::AtLeast(3.0), 2.0).line().contains("not met"));
        assert!(row(Bound::AtMost(0.0), 1.0).line().contains("| none |"));
    }
}
