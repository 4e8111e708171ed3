//! Tests of the border to the user's code.

use std::panic::panic_any;

use super::*;

struct DropPanics(u32);

impl Drop for DropPanics {
    fn drop(&mut self) {
        match self.0 {
            0 => panic!("dropped"),
            more => panic_any(DropPanics(more - 1)),
        }
    }
}

#[test]
fn a_panic_is_its_text_whatever_it_carries() {
    let text = |code: fn()| call(code).expect_err("a panic").text;
    assert_eq!(text(|| panic!("a word")), "a word");
    assert_eq!(text(|| panic!("{} words", 2)), "2 words");
    assert_eq!(text(|| panic_any(7)), "a panic without a text");
    assert_eq!(text(|| panic_any(DropPanics(0))), "a panic without a text");
    assert_eq!(text(|| panic_any(DropPanics(3))), "a panic without a text");
    let long = text(|| panic_any("é".repeat(1000)));
    assert!(long.len() <= MAX_ERROR_BYTES && long.ends_with("é…"));
    assert_eq!(call(|| 1), Ok(1));
}

#[test]
fn a_held_value_is_dropped_once() {
    let mut held = Held::new(DropPanics(1));
    assert!(held.get().is_some());
    assert!(held.release().is_err());
    assert_eq!(held.release(), Ok(()));
    drop(Held::new(DropPanics(0)));
}

/// An error that shows itself in the way that `show` does, with causes below it.
#[derive(Debug)]
struct Shown {
    show: fn(&mut fmt::Formatter<'_>) -> fmt::Result,
    cause: Option<Box<Shown>>,
    panics: &'static str,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.show)(f)
    }
}

impl Error for Shown {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        assert!(self.panics != "source", "in source");
        Some(self.cause.as_deref()?)
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        assert!(self.panics != "drop", "in drop");
    }
}

fn shown(show: fn(&mut fmt::Formatter<'_>) -> fmt::Result) -> Shown {
    Shown {
        show,
        cause: None,
        panics: "",
    }
}

fn text_of(error: Shown) -> String {
    error_text(Box::new(error))
}

#[test]
fn an_error_is_shown_with_its_causes_however_it_behaves() {
    let over = |mut error: Shown, cause: Shown| {
        error.cause = Some(Box::new(cause));
        error
    };
    let outer = || shown(|f| f.write_str("outer"));
    assert_eq!(
        text_of(over(outer(), shown(|f| f.write_str("inner")))),
        "outer: inner"
    );
    let text = text_of(shown(|_| panic!("in fmt")));
    assert_eq!(
        text,
        "its error could not be shown: its Display or source panicked: in fmt"
    );
    let text = text_of(shown(|_| Err(fmt::Error)));
    assert_eq!(
        text,
        "its error could not be shown: its Display returned an error"
    );
    let text = text_of(over(outer(), shown(|_| panic!("in fmt"))));
    let rest = "the rest of its error could not be shown: its Display or source panicked: in fmt";
    assert_eq!(text, format!("outer ({rest})"));
    let mut panics = outer();
    panics.panics = "drop";
    assert_eq!(text_of(panics), "outer");
    let mut panics = outer();
    panics.panics = "source";
    assert_eq!(
        text_of(panics),
        "outer (the rest of its error could not be shown: its Display or source panicked: in source)"
    );
}

#[test]
fn the_text_of_an_error_is_bounded() {
    // One long piece, many short ones, and a `Display` without an end.
    for show in [
        (|f| f.write_str(&"é".repeat(100_000))) as fn(&mut fmt::Formatter<'_>) -> fmt::Result,
        |f| (0..100_000).try_for_each(|n| write!(f, "{n} ")),
        |f| loop {
            f.write_str("and so on ")?;
        },
    ] {
        let text = text_of(shown(show));
        assert!(text.len() <= MAX_ERROR_BYTES, "{}", text.len());
        assert!(
            text.len() > MAX_ERROR_BYTES - 8 && text.ends_with('…'),
            "{text}"
        );
    }
    let short = text_of(shown(|f| f.write_str("short")));
    assert_eq!(short, "short");
}

#[test]
fn a_cause_that_is_its_own_cause_ends() {
    #[derive(Debug)]
    struct Circle;
    impl fmt::Display for Circle {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Ok(())
        }
    }
    impl Error for Circle {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(self)
        }
    }
    assert!(error_text(Box::new(Circle)).len() <= MAX_ERROR_BYTES);
}

#[tokio::test]
async fn a_future_that_panics_is_a_result() {
    assert_eq!(catch(Box::pin(async { 1 })).await, Ok(1));
    let text = catch(Box::pin(async { panic!("polled") as u8 })).await;
    assert_eq!(text.expect_err("a panic").text, "polled");
}

#[tokio::test]
async fn a_waker_that_panics_hinders_nobody() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("woken");
        }
    }
    let signal = Arc::new(tokio::sync::Notify::new());
    let wait = |signal: Arc<tokio::sync::Notify>| async move { signal.notified().await };
    let mut theirs = Box::pin(catch_wakes(Box::pin(wait(Arc::clone(&signal)))));
    let waker = Waker::from(Arc::new(Panics));
    let pending = theirs.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(pending.is_pending());
    let ours = tokio::spawn(wait(Arc::clone(&signal)));
    tokio::task::yield_now().await;
    signal.notify_waiters();
    ours.await.expect("woken");
    assert!(
        theirs
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    );
}
