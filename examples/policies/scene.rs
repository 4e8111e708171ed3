//! The text that a scene prints when it is over.

use std::fmt;

use scheduled_one_runtime::LedgerEntry;

/// Lines of a ledger that are shown.
const MOST_LINES: usize = 9;

/// A scene that was played: its text, and whether every statement of the text is true.
pub(crate) struct Scene {
    text: String,
    good: bool,
}

impl Scene {
    pub(crate) fn new(title: &str) -> Self {
        Scene {
            text: format!("\n━━ {title}\n"),
            good: true,
        }
    }

    /// A scene that another process has played.
    pub(crate) fn of_process(text: String, good: bool) -> Self {
        Scene { text, good }
    }

    pub(crate) fn good(&self) -> bool {
        self.good
    }

    /// Adds a sentence about what happens to the jobs.
    pub(crate) fn say(&mut self, text: &str) {
        self.line(&format!("   {text}"));
    }

    /// Adds a job: the keys of its attribute, and its ledger by tick.
    pub(crate) fn job(&mut self, attribute: &str, ledger: &[LedgerEntry]) {
        self.line(&format!("\n   #[scheduled_one({attribute})]"));
        let mut lines: Vec<&LedgerEntry> = ledger.iter().collect();
        lines.sort_by_key(|line| line.tick);
        for line in lines.into_iter().take(MOST_LINES) {
            self.line(&describe(line));
        }
        if ledger.len() > MOST_LINES {
            self.line(&format!(
                "     … and {} lines more",
                ledger.len() - MOST_LINES
            ));
        }
    }

    /// Adds a statement, and whether it is true.
    pub(crate) fn check(&mut self, happened: bool, what: &str) {
        let mark = if happened { "✓" } else { "✗ NOT SO:" };
        self.line(&format!("   {mark} {what}"));
        self.good &= happened;
    }

    pub(crate) fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The text of a ledger line.
fn describe(line: &LedgerEntry) -> String {
    let tick = line.tick.strftime("%T");
    let which = match (line.count, line.shard, line.attempt) {
        (2.., ..) => format!("and {} more", line.count - 1),
        (_, shard @ 1.., _) => format!("shard {shard}"),
        (.., Some(attempt)) => format!("attempt {attempt}"),
        _ => String::new(),
    };
    let late = line
        .lateness()
        .map(|late| format!("{:.2} s late", late.as_secs_f64()));
    let took = line
        .took()
        .map(|took| format!("took {:.2} s", took.as_secs_f64()));
    let again = line.retried.then(|| "another follows".to_owned());
    let words = [line.reason.clone(), line.error.clone()];
    let words = words.into_iter().filter(|words| !words.is_empty());
    let rest: Vec<String> = late
        .into_iter()
        .chain(took)
        .chain(words)
        .chain(again)
        .collect();
    let outcome = line.outcome.as_str();
    format!(
        "     {tick} {which:<10} {outcome:<10} {}  {}",
        line.node,
        rest.join(", ")
    )
}
