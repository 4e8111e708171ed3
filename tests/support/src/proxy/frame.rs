//! The framing of RESP 2 and 3: the end of a request or reply in a stream.

/// What the bytes at hand begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A whole message of so many bytes.
    Complete(usize),
    /// A part of one.
    Incomplete,
    /// Nothing that Redis says.
    Malformed,
}

/// A request: an array, or a line as one types it into telnet.
pub(crate) fn request(bytes: &[u8]) -> Frame {
    match bytes.first() {
        None => Frame::Incomplete,
        Some(b'*') => reply(bytes),
        Some(_) => match bytes.iter().position(|byte| *byte == b'\n') {
            Some(end) => Frame::Complete(end + 1),
            None => Frame::Incomplete,
        },
    }
}

/// A reply, with all that is nested in it.
pub(crate) fn reply(bytes: &[u8]) -> Frame {
    let mut at = 0;
    let mut missing = 1_usize;
    while missing > 0 {
        let Some(line) = line(bytes, at) else {
            return Frame::Incomplete;
        };
        at += line.len() + 2;
        missing -= 1;
        let (Some(kind), text) = (line.first(), line.get(1..).unwrap_or_default()) else {
            return Frame::Malformed;
        };
        match (kind, number(text)) {
            (b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(', _) => {}
            // Nil, as RESP 2 writes it.
            (b'$' | b'*', Some(-1)) => {}
            (b'$' | b'!' | b'=', Some(length)) if length >= 0 => at += length as usize + 2,
            (b'*' | b'~' | b'>', Some(count)) if count >= 0 => missing += count as usize,
            (b'%', Some(count)) if count >= 0 => missing += 2 * count as usize,
            // An attribute is followed by what it belongs to.
            (b'|', Some(count)) if count >= 0 => missing += 2 * count as usize + 1,
            _ => return Frame::Malformed,
        }
    }
    if at <= bytes.len() {
        Frame::Complete(at)
    } else {
        Frame::Incomplete
    }
}

/// The line that starts here, without its end.
fn line(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let rest = bytes.get(at..)?;
    let end = rest.windows(2).position(|two| two == b"\r\n")?;
    Some(&rest[..end])
}

fn number(text: &[u8]) -> Option<i64> {
    // A length that no server sends must not overflow the sums above.
    let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (number <= i64::from(u32::MAX)).then_some(number)
}

/// The words of a request in upper case, the first few of them.
pub(crate) fn words(request: &[u8]) -> Vec<String> {
    const WORDS: usize = 3;
    let text = String::from_utf8_lossy(request);
    let words: Vec<&str> = if request.starts_with(b"*") {
        // `*2`, then `$4`, `PING` in turns.
        text.split("\r\n").skip(2).step_by(2).take(WORDS).collect()
    } else {
        text.split_whitespace().take(WORDS).collect()
    };
    words.into_iter().map(str::to_ascii_uppercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_messages_end_where_they_end() {
        for whole in [
            "+OK\r\n",
            "$-1\r\n",
            "*-1\r\n",
            "$4\r\na\r\nb\r\n",
            "*0\r\n",
            "*2\r\n*1\r\n:1\r\n$1\r\nx\r\n",
            "%1\r\n+a\r\n*2\r\n:1\r\n:2\r\n",
            "|1\r\n+a\r\n:1\r\n+OK\r\n",
            ">2\r\n+message\r\n$1\r\nx\r\n",
        ] {
            let two = format!("{whole}+next\r\n");
            assert_eq!(reply(two.as_bytes()), Frame::Complete(whole.len()));
            for cut in 0..whole.len() {
                let part = &whole.as_bytes()[..cut];
                assert_eq!(reply(part), Frame::Incomplete, "{:?}", &whole[..cut]);
            }
        }
        assert_eq!(reply(b"$x\r\n"), Frame::Malformed);
        assert_eq!(reply(b"\r\n"), Frame::Malformed);
        assert_eq!(request(b"PING\r\nPING\r\n"), Frame::Complete(6));
    }

    #[test]
    fn words_of_a_request() {
        let request = b"*3\r\n$6\r\nclient\r\n$7\r\nsetname\r\n$1\r\nx\r\n";
        assert_eq!(words(request), ["CLIENT", "SETNAME", "X"]);
        assert_eq!(words(b"ping\r\n"), ["PING"]);
    }
}
