//! What is refused.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;

#[test]
fn a_service_that_does_not_write_on_a_condition_is_refused_by_the_name_of_what_it_lacks() {
    let memory = Operator::new(opendal::services::Memory::default()).unwrap();
    let error = OpendalCache::new(memory).unwrap_err();
    assert_eq!(error.key(), "SESSION_CACHE");
    assert!(error.to_string().contains("`write_with_if_match`"), "{error}");
}

#[test]
fn a_grave_is_no_value_and_has_an_age() {
    let grave = grave(1000);
    assert!(is_grave(&grave));
    assert_eq!(grave_age(&grave, 3000), Some(2000));
    for value in [&b""[..], b"\0removed", &[0; 24]] {
        assert!(!is_grave(value));
    }
}
