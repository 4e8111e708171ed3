//! Draws a table anew, in place, until Ctrl-C.

use std::time::Duration;

use crate::args::Format;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::table::Table;
use crate::text::escape;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// What a terminal shows that does not say how high it is.
const ROWS: usize = 24;

/// Lines are cut at the edge of the terminal; the screen is empty.
const BEGIN: &str = "\u{1b}[?7l\u{1b}[2J";
/// The cursor is at the top.
const TOP: &str = "\u{1b}[H";
/// What was behind the end of a line, or below the last one, goes.
const END_OF_LINE: &str = "\u{1b}[K\r\n";
const REST: &str = "\u{1b}[J";
/// Lines are no longer cut.
const END: &str = "\u{1b}[?7h";

/// Draws what `look` finds. A store that is away is said below the table that was drawn last.
pub(crate) async fn run(
    output: &Output,
    look: impl AsyncFn() -> Result<Table, Failure>,
) -> Result<Exit, Failure> {
    if !matches!(output.format, Format::Table | Format::Wide) {
        return Err(Failure::usage(
            "--watch: it draws a table anew; `tail -o jsonl` follows what happens as JSON",
        ));
    }
    if !output.is_terminal() {
        return Err(Failure::usage(
            "--watch: it draws on a terminal, and the output is none; repeat the command without it",
        ));
    }
    output.print(BEGIN)?;
    let ended = tokio::select! {
        ended = draw(output, look) => ended,
        interrupted = tokio::signal::ctrl_c() => interrupted.map(|()| Exit::Done).map_err(Failure::from),
    };
    output.print(END)?;
    ended
}

async fn draw(
    output: &Output,
    look: impl AsyncFn() -> Result<Table, Failure>,
) -> Result<Exit, Failure> {
    let mut shown = String::new();
    loop {
        let said = match look().await {
            Ok(table) => {
                shown = output.part(table);
                String::new()
            }
            Err(failure) if failure.exit == Exit::Away => {
                format!("{}; trying again", escape(&failure.message))
            }
            Err(failure) => return Err(failure),
        };
        output.print(&screen(&shown, &said, rows()))?;
        tokio::time::sleep(LOOK).await;
    }
}

/// A screen of so many rows with a table, and with what is to be said below it.
fn screen(table: &str, said: &str, rows: usize) -> String {
    let lines: Vec<&str> = table.lines().collect();
    // The row of what is said, and the last one, on which the cursor is.
    let room = rows.saturating_sub(2).max(1);
    let shown = lines.len().min(room);
    let left_out = lines.len() - shown;
    let said = match (left_out, said) {
        (0, said) => said.to_owned(),
        (more, "") => format!("… and {more} more"),
        (more, said) => format!("… and {more} more; {said}"),
    };
    let mut screen = TOP.to_owned();
    for line in lines[..shown].iter().copied().chain([said.as_str()]) {
        screen.push_str(line);
        screen.push_str(END_OF_LINE);
    }
    screen.push_str(REST);
    screen
}

/// How many rows the terminal has.
fn rows() -> usize {
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    let rows = size.map_or(0, |size| usize::from(size.ws_row));
    if rows == 0 { ROWS } else { rows }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_has_no_more_rows_than_the_terminal() {
        let table = "JOB\na\nb\nc\n";
        let whole = screen(table, "", 24);
        assert_eq!(whole.matches(END_OF_LINE).count(), 5);
        assert!(!whole.contains("more"), "{whole:?}");
        let cut = screen(table, "the store is away", 4);
        assert_eq!(cut.matches(END_OF_LINE).count(), 3);
        assert!(cut.contains("… and 2 more; the store is away"), "{cut:?}");
        assert!(cut.starts_with(TOP) && cut.ends_with(REST));
        assert!(screen(table, "", 0).contains("JOB"));
    }
}
