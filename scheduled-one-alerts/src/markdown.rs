//! A message as the Markdown that chat services show.

use crate::alert::Alert;

/// Title, lines and links, in at most so many bytes. No text of a job is markup.
pub(crate) fn of(alert: &Alert, max_bytes: usize) -> String {
    let mut text = format!("#### {}", escape(&alert.title()));
    let lines = alert
        .lines()
        .into_iter()
        .map(|line| format!("\n> {}\n", escape(&line)));
    let links = alert
        .links()
        .into_iter()
        .map(|(word, link)| format!("\n[{word}]({})\n", link.replace(')', "%29")));
    for line in lines.chain(links) {
        if text.len() + line.len() > max_bytes - 8 {
            text += "\n> …";
            break;
        }
        text += &line;
    }
    text
}

/// No HTML, no links, and nobody is called.
fn escape(text: &str) -> String {
    let text = text.replace('<', "＜").replace('>', "＞");
    let text = text.replace('[', "［").replace(']', "］");
    text.replace('@', "@\u{200b}")
}
