//! What compiles, and is registered.

mod minimal;

#[test]
fn all() {
    for make in scheduled_one_runtime::__private::JOBS { println!("{:#?}", make()); }
}
