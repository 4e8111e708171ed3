//! What does not compile, and what rustc says then: each file of `fail/` is
//! named after the mistake, its `.stderr` is pinned for the stable rustc of the
//! day. `TRYBUILD=overwrite` (`cargo xtask ui --bless`) accepts what is said now.

#[test]
fn fail() {
    trybuild::TestCases::new().compile_fail("fail/*.rs");
}
