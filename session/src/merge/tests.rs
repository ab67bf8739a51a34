//! Each merge rule, over texts.
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn field(merge: Merge) -> Field {
    Field { name: "x", aliases: &[], guard: crate::data::Guard::None, merge, decodes: |_| true }
}

/// `base`, `mine`, `theirs` → the merged text, with a `!` behind it where a change of theirs was lost.
fn by(rule: Merge, base: &str, mine: &str, theirs: &str) -> String {
    let some = |text: &'static str| Some(text).filter(|text| !text.is_empty());
    let (base, theirs) = (base.to_owned().leak(), theirs.to_owned().leak());
    match merge("x", Some(&field(rule)), some(base), mine, some(theirs)) {
        Ok(merged) => merged.text + if merged.overruled { "!" } else { "" },
        Err(error) => error.to_string(),
    }
}

fn json(base: &str, mine: &str, theirs: &str) -> String {
    by(Merge::Json, base, mine, theirs)
}

#[test]
fn by_default_objects_are_merged_key_by_key() {
    assert_eq!(json(r#"{"a":1,"b":1}"#, r#"{"a":2,"b":1}"#, r#"{"a":1,"b":3,"c":4}"#), r#"{"a":2,"b":3,"c":4}"#);
    assert_eq!(json(r#"{"a":{"x":1,"y":1}}"#, r#"{"a":{"x":2,"y":1}}"#, r#"{"a":{"x":1}}"#), r#"{"a":{"x":2}}"#);
    assert_eq!(json("", r#"{"a":1}"#, r#"{"b":2}"#), r#"{"a":1,"b":2}"#);
}

#[test]
fn by_default_lists_that_both_only_extended_are_joined_theirs_first() {
    assert_eq!(json("[1]", "[1,2]", "[1,3]"), "[1,3,2]");
    assert_eq!(json("", "[2]", "[3]"), "[3,2]");
    assert_eq!(json("[1,2]", "[1]", "[1,2,3]"), "[1]!");
}

#[test]
fn by_default_equal_changes_are_one_and_else_the_later_wins_with_a_word() {
    assert_eq!(json("1", "2", "2"), "2");
    assert_eq!(json("1", "2", "3"), "2!");
    assert_eq!(json(r#"{"a":1}"#, "{}", r#"{"a":2}"#), "{}!");
    assert_eq!(json(r#"{"a":1}"#, r#"{"a":2}"#, "{}"), r#"{"a":2}!"#);
}

#[test]
fn numbers_beyond_a_double_keep_every_digit() {
    let (base, mine, theirs) =
        (r#"{"a":1,"b":1}"#, r#"{"a":340282366920938463463374607431768211455,"b":1}"#, r#"{"a":1,"b":2}"#);
    assert_eq!(json(base, mine, theirs), r#"{"a":340282366920938463463374607431768211455,"b":2}"#);
}

#[test]
fn the_order_of_keys_and_the_way_of_escaping_are_no_change() {
    assert!(same(r#"{"a":1,"b":[{"c":2,"d":3}]}"#, r#"{"b":[{"d":3,"c":2}],"a":1}"#));
    assert!(same(r#""\u00e4""#, "\"ä\""));
    assert!(!same(r#"["a"]"#, r#""a""#));
}

#[test]
fn add_is_their_value_and_what_mine_added() {
    assert_eq!(by(Merge::Add, "5", "8", "6"), "9");
    assert_eq!(by(Merge::Add, "", "1", "1"), "2");
    assert_eq!(by(Merge::Add, "5", "3", ""), "-2");
    assert_eq!(by(Merge::Add, "1.5", "2.5", "1.5"), "field `x` can't be merged: `add` is for integers");
}

#[test]
fn add_beyond_the_type_is_an_error() {
    let small = Field { decodes: |text| serde_json::from_str::<u8>(text).is_ok(), ..field(Merge::Add) };
    assert!(matches!(merge("x", Some(&small), Some("0"), "200", Some("100")), Err(SessionError::Merge { .. })));
    let max = i128::MAX.to_string();
    assert!(matches!(
        merge("x", Some(&field(Merge::Add)), Some("0"), "1", Some(&max)),
        Err(SessionError::Merge { .. })
    ));
}

#[test]
fn max_and_min_are_of_ordered_scalars_of_one_type() {
    assert_eq!(by(Merge::Max, "1", "5", "10"), "10");
    assert_eq!(by(Merge::Min, "9", "5", "10"), "5");
    assert_eq!(by(Merge::Max, "", "2.5", "2"), "2.5");
    assert_eq!(by(Merge::Max, "", r#""2026-01-02""#, r#""2026-01-10""#), r#""2026-01-10""#);
    assert_eq!(by(Merge::Max, "null", "null", "3"), "3");
    assert_eq!(by(Merge::Max, "", "[1]", "3"), "[1]!");
}

#[test]
fn union_is_theirs_with_what_i_added_without_what_i_removed() {
    assert_eq!(by(Merge::Union, "[1,2]", "[2,3]", "[1,2,4]"), "[2,4,3]");
    assert_eq!(by(Merge::Union, "[1]", "[1,5]", "[5,1]"), "[5,1]");
    assert_eq!(by(Merge::Union, r#"[{"a":1,"b":2}]"#, "[]", r#"[{"b":2,"a":1},7]"#), "[7]");
}

#[test]
fn append_cuts_what_i_took_from_the_front_and_adds_my_tail() {
    assert_eq!(by(Merge::Append, "[1,2]", "[]", "[1,2,3]"), "[3]");
    assert_eq!(by(Merge::Append, "[1,2]", "[2,9]", "[1,2,3]"), "[2,3,9]");
    // both took the first: it is taken once
    assert_eq!(by(Merge::Append, "[1,2]", "[2]", "[2,3]"), "[2,3]");
    assert_eq!(by(Merge::Append, "[1]", "[]", "[]"), "[]");
    assert_eq!(by(Merge::Append, "", "[1]", "[2]"), "[2,1]");
}

#[test]
fn last_takes_mine_and_reject_refuses() {
    assert_eq!(by(Merge::Last, "1", "2", "3"), "2!");
    assert!(by(Merge::Reject, "1", "2", "3").contains("`reject`"));
}

#[test]
fn a_function_decides_where_one_is_given() {
    let longer = |_: Option<&str>, mine: &str, theirs: &str| {
        Ok(if mine.len() > theirs.len() { mine } else { theirs }.to_owned())
    };
    assert_eq!(by(Merge::With(longer), "\"\"", "\"ab\"", "\"abc\""), "\"abc\"");
}

#[test]
fn what_the_type_can_not_read_is_not_written() {
    #[derive(serde::Deserialize)]
    enum Shape {
        #[allow(dead_code)]
        Circle(u8),
        #[allow(dead_code)]
        Square(u8),
    }
    let shape = Field { decodes: |text| serde_json::from_str::<Shape>(text).is_ok(), ..field(Merge::Json) };
    let merged = merge("x", Some(&shape), Some(r#"{"Circle":1}"#), r#"{"Square":1}"#, Some(r#"{"Circle":2}"#));
    assert_eq!(merged.map(|merged| merged.text).ok().as_deref(), Some(r#"{"Square":1}"#));
}

#[test]
fn a_value_nested_without_end_is_taken_as_a_whole() {
    let deep = |end: &str| "[".repeat(100_000) + end + &"]".repeat(100_000);
    assert_eq!(json(&deep("1"), &deep("2"), &deep("3")).len(), deep("2!").len());
}

fn texts() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![(0..4).prop_map(serde_json::Value::from), "[a-c]".prop_map(serde_json::Value::from)];
    scalar
        .prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(serde_json::Value::from),
                prop::collection::btree_map("[a-c]", inner, 0..3)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
        .prop_map(|value| value.to_string())
}

proptest! {
    #[test]
    fn a_side_that_changed_nothing_yields_to_the_other(base in texts(), changed in texts()) {
        prop_assert!(same(&json(&base, &changed, &base), &changed));
        prop_assert!(same(&json(&base, &base, &changed), &changed));
    }

    #[test]
    fn lists_of_integers_survive_whatever_both_did(base: Vec<u8>, mine: Vec<u8>, theirs: Vec<u8>) {
        for rule in [Merge::Json, Merge::Union, Merge::Append] {
            let [base, mine, theirs] = [&base, &mine, &theirs].map(|list| serde_json::to_string(list).unwrap_or_default());
            let merged = by(rule, &base, &mine, &theirs);
            prop_assert!(serde_json::from_str::<Vec<u8>>(merged.trim_end_matches('!')).is_ok());
        }
    }
}
