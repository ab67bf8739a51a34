//! What the derive accepts, and what it says about what it does not: one file a rule.

#[test]
fn what_the_derive_accepts_and_refuses() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*.rs");
}
