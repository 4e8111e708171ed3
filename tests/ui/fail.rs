//! What does not compile, and what rustc says then.

#[test]
fn fail() {
    trybuild::TestCases::new().compile_fail("fail/*.rs");
}
