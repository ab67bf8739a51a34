//! What the derive's impl does with fields that are there, absent, renamed, out of shape, or of one unit.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "where there is nothing to unwrap or to index, the test has failed"
)]
#![allow(clippy::needless_pass_by_value, reason = "merge functions have this signature")]

use std::{cell::Cell, collections::BTreeMap};

use actix_typed_session::{
    __private::{Decoder, EncodeError, Guard, Merge, Missing},
    Session, SessionData,
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

/// The fields of a session, as name and JSON text.
type Fields = BTreeMap<String, String>;

fn fields<const N: usize>(fields: [(&str, &str); N]) -> Fields {
    fields.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
}

fn decode<T: SessionData>(fields: &Fields) -> Result<T, Missing> {
    T::decode(&Decoder::new(&|name| fields.get(name).map(String::as_str)))
}

fn encode<T: SessionData>(value: &T) -> Fields {
    let texts = T::schema().fields.iter().enumerate().map(|(index, field)| {
        let mut out = Vec::new();
        value.encode(index, &mut out).unwrap();
        (field.name.to_owned(), String::from_utf8(out).unwrap())
    });
    texts.collect()
}

fn missing<T: SessionData>(fields: &Fields) -> Option<&'static str> {
    decode::<T>(fields).err().map(|missing| missing.field)
}

mod round_trip {
    use super::*;

    #[derive(Debug, PartialEq, Session)]
    struct Everything {
        number: i64,
        text: String,
        list: Vec<u8>,
        map: BTreeMap<String, Option<bool>>,
        choice: Option<char>,
        pair: (u16, String),
        r#type: Choice,
    }

    #[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
    enum Choice {
        One,
        Two(u8),
        Three { x: String },
    }

    fn choices() -> impl Strategy<Value = Choice> {
        prop_oneof![
            Just(Choice::One),
            any::<u8>().prop_map(Choice::Two),
            any::<String>().prop_map(|x| Choice::Three { x })
        ]
    }

    prop_compose! {
        fn everything()(
            number: i64,
            text: String,
            list: Vec<u8>,
            map: BTreeMap<String, Option<bool>>,
            choice: Option<char>,
            pair: (u16, String),
            r#type in choices(),
        ) -> Everything {
            Everything { number, text, list, map, choice, pair, r#type }
        }
    }

    #[derive(Debug, PartialEq, Session)]
    #[session(merge = "last")]
    struct Unit {
        number: i64,
        #[session(rename = "quoted \"name\"")]
        text: String,
        choice: Option<char>,
    }

    proptest! {
        #[test]
        fn a_struct_comes_back_as_it_was(value in everything()) {
            let stored = encode(&value);
            prop_assert_eq!(stored.len(), 7);
            prop_assert_eq!(decode::<Everything>(&stored).unwrap(), value);
        }

        #[test]
        fn a_unit_comes_back_as_it_was(number: i64, text: String, choice: Option<char>) {
            let value = Unit { number, text, choice };
            let stored = encode(&value);
            prop_assert_eq!(stored.keys().collect::<Vec<_>>(), ["unit"]);
            prop_assert_eq!(decode::<Unit>(&stored).unwrap(), value);
        }
    }

    #[test]
    fn what_is_encoded_is_appended() {
        let unit = Unit { number: 1, text: "x".into(), choice: None };
        let mut out = b"before".to_vec();
        unit.encode(0, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), r#"before{"number":1,"quoted \"name\"":"x","choice":null}"#);
    }

    #[test]
    fn an_index_beyond_the_schema_is_an_error() {
        let unit = Unit { number: 1, text: "x".into(), choice: None };
        assert!(unit.encode(1, &mut Vec::new()).is_err());
    }

    #[test]
    fn a_number_that_is_not_finite_is_an_error() {
        #[derive(Session)]
        struct Ratio {
            value: f64,
        }
        assert!(Ratio { value: f64::NAN }.encode(0, &mut Vec::new()).is_err());
    }
}

mod names {
    use super::*;

    fn names<T: SessionData>() -> Vec<&'static str> {
        T::schema().fields.iter().map(|field| field.name).collect()
    }

    #[test]
    fn a_key_is_the_struct_name_in_snake_case() {
        #[derive(Session)]
        #[allow(dead_code)]
        struct HTTPCart {
            items: u8,
        }
        assert_eq!(HTTPCart::schema().key, "http_cart");
        assert_eq!(names::<HTTPCart>(), ["http_cart.items"]);
        assert!(!HTTPCart::schema().explicit_key);
    }

    #[test]
    fn a_raw_identifier_is_stored_without_its_mark() {
        #[derive(Session)]
        #[allow(non_camel_case_types)]
        struct r#match {
            r#type: u8,
        }
        assert_eq!(r#match::schema().type_name, concat!(module_path!(), "::match"));
        assert_eq!(names::<r#match>(), ["match.type"]);
        assert_eq!(decode::<r#match>(&fields([("match.type", "1")])).unwrap().r#type, 1);
    }

    #[test]
    fn a_key_that_is_written_is_the_prefix() {
        #[derive(Session)]
        #[session(key = "basket")]
        #[allow(dead_code)]
        struct Cart {
            items: u8,
            #[session(rename = "voucher")]
            coupon: u8,
        }
        assert_eq!(Cart::schema().key, "basket");
        assert!(Cart::schema().explicit_key);
        assert_eq!(names::<Cart>(), ["basket.items", "basket.voucher"]);
    }

    #[test]
    fn an_empty_key_is_no_prefix() {
        #[derive(Session)]
        #[session(key = "")]
        struct Cart {
            #[session(alias = "goods")]
            items: u8,
        }
        assert_eq!((Cart::schema().key, Cart::schema().explicit_key), ("", true));
        assert_eq!(names::<Cart>(), ["items"]);
        assert_eq!(decode::<Cart>(&fields([("goods", "1")])).unwrap().items, 1);
    }

    #[test]
    fn a_type_is_named_with_its_path() {
        #[derive(Session)]
        #[allow(dead_code)]
        struct Cart {
            items: u8,
        }
        assert_eq!(Cart::schema().type_name, concat!(module_path!(), "::Cart"));
    }

    #[derive(Session)]
    struct Renamed {
        #[session(alias = "old", rename = "new", alias = "older")]
        field: u8,
    }

    #[test]
    fn an_alias_is_read_where_the_name_is_absent() {
        let old = fields([("renamed.older", "3"), ("renamed.old", "2")]);
        assert_eq!(decode::<Renamed>(&old).unwrap().field, 2);
        let new = fields([("renamed.older", "3"), ("renamed.new", "1")]);
        assert_eq!(decode::<Renamed>(&new).unwrap().field, 1);
    }

    #[test]
    fn the_identifier_of_a_renamed_field_is_no_name_of_it() {
        assert_eq!(missing::<Renamed>(&fields([("renamed.field", "1")])), Some("renamed.new"));
    }

    #[test]
    fn an_alias_is_never_written() {
        assert_eq!(encode(&Renamed { field: 1 }), fields([("renamed.new", "1")]));
        assert_eq!(Renamed::schema().fields[0].aliases, ["renamed.old", "renamed.older"]);
    }
}

mod absent {
    use super::*;

    type Maybe = Option<u8>;

    macro_rules! maybe {
        ($inner:ty) => { Option<$inner> };
    }

    #[derive(Debug, Deserialize, PartialEq, Serialize)]
    #[serde(transparent)]
    struct Wrapped(Option<u8>);

    #[derive(Debug, Deserialize, PartialEq, Serialize)]
    struct NotTransparent(Option<u8>);

    #[test]
    fn a_required_field_makes_the_struct_missing() {
        #[derive(Session)]
        #[allow(dead_code)]
        struct User {
            name: Option<String>,
            id: u64,
        }
        assert_eq!(missing::<User>(&fields([("user.name", "\"x\"")])), Some("user.id"));
    }

    #[test]
    fn whether_an_absent_field_has_a_value_is_asked_of_its_type() {
        #[derive(Session)]
        struct Options {
            plain: Option<u8>,
            alias: Maybe,
            macro_made: maybe!(u8),
            wrapped: Wrapped,
            nested: Option<Option<u8>>,
        }
        let options = decode::<Options>(&Fields::new()).unwrap();
        assert_eq!((options.plain, options.alias, options.macro_made), (None, None, None));
        assert_eq!((options.wrapped, options.nested), (Wrapped(None), None));
    }

    #[test]
    fn a_newtype_that_is_not_transparent_is_required_as_in_serde() {
        #[derive(Deserialize, Session)]
        #[allow(dead_code)]
        struct Newtype {
            value: NotTransparent,
        }
        assert!(serde_json::from_str::<Newtype>("{}").is_err());
        assert_eq!(missing::<Newtype>(&Fields::new()), Some("newtype.value"));
    }

    #[test]
    fn a_collection_or_a_unit_value_is_required_as_in_serde() {
        #[derive(Session)]
        #[allow(dead_code)]
        struct List {
            list: Vec<u8>,
        }
        #[derive(Session)]
        #[allow(dead_code)]
        struct Nothing {
            nothing: (),
        }
        assert_eq!(missing::<List>(&Fields::new()), Some("list.list"));
        assert_eq!(missing::<Nothing>(&Fields::new()), Some("nothing.nothing"));
    }

    #[test]
    fn a_default_of_the_field_is_that_of_its_type_or_a_function() {
        #[derive(Session)]
        struct Defaults {
            #[session(default)]
            list: Vec<u8>,
            #[session(default = "seven")]
            number: u8,
            #[session(default = "Self::initial")]
            own: char,
            #[session(default = "Vec::<u8>::new")]
            generic: Vec<u8>,
        }
        impl Defaults {
            fn initial() -> char {
                'i'
            }
        }
        fn seven() -> u8 {
            7
        }
        let defaults = decode::<Defaults>(&Fields::new()).unwrap();
        assert_eq!((defaults.list, defaults.number, defaults.own, defaults.generic), (vec![], 7, 'i', vec![]));
        let stored = decode::<Defaults>(&fields([("defaults.number", "9"), ("defaults.list", "[1]")])).unwrap();
        assert_eq!((stored.list, stored.number), (vec![1], 9));
    }

    thread_local! {
        static MADE: Cell<usize> = const { Cell::new(0) };
    }

    #[derive(Session)]
    #[session(default)]
    struct Settings {
        theme: String,
        size: u8,
        #[session(default = "eight")]
        own: u8,
        option: Option<u8>,
    }

    fn eight() -> u8 {
        8
    }

    impl Default for Settings {
        fn default() -> Self {
            MADE.set(MADE.get() + 1);
            Self { theme: "dark".into(), size: 12, own: 0, option: Some(1) }
        }
    }

    #[test]
    fn absent_fields_come_from_the_default_of_the_struct() {
        let settings = decode::<Settings>(&fields([("settings.size", "14")])).unwrap();
        assert_eq!((settings.theme.as_str(), settings.size), ("dark", 14));
        assert_eq!(settings.option, Some(1), "not what the type says");
    }

    #[test]
    fn the_default_of_a_field_goes_before_that_of_the_struct() {
        assert_eq!(decode::<Settings>(&Fields::new()).unwrap().own, 8);
    }

    #[test]
    fn the_default_of_the_struct_is_made_once_and_only_if_a_field_needs_it() {
        let mut stored = encode(&Settings { theme: "light".into(), size: 1, own: 1, option: None });
        stored.remove("settings.own");
        MADE.set(0);
        assert_eq!(decode::<Settings>(&stored).unwrap().theme, "light");
        assert_eq!(MADE.get(), 0);
        stored.clear();
        assert_eq!(decode::<Settings>(&stored).unwrap().theme, "dark");
        assert_eq!(MADE.get(), 1);
    }

    #[test]
    fn a_struct_with_drop_may_have_a_default() {
        #[derive(Default, Session)]
        #[session(default)]
        struct Dropped {
            text: String,
            number: u8,
        }
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.number = 0;
            }
        }
        let dropped = decode::<Dropped>(&fields([("dropped.number", "3")])).unwrap();
        assert_eq!((dropped.text.as_str(), dropped.number), ("", 3));
    }

    #[test]
    fn a_stored_null_is_not_absent() {
        assert_eq!(decode::<Settings>(&fields([("settings.option", "null")])).unwrap().option, None);
    }

    #[test]
    fn a_field_that_does_not_decode_counts_as_absent() {
        let stored = fields([("settings.size", "\"large\""), ("settings.theme", "nonsense")]);
        let settings = decode::<Settings>(&stored).unwrap();
        assert_eq!((settings.theme.as_str(), settings.size), ("dark", 12));

        #[derive(Session)]
        #[allow(dead_code)]
        struct User {
            id: u64,
        }
        assert_eq!(missing::<User>(&fields([("user.id", "-1")])), Some("user.id"));
    }
}

mod skip {
    use super::*;

    /// Knows nothing of serde.
    #[derive(Debug, Default, PartialEq)]
    struct Cache(Option<u8>);

    #[test]
    fn a_skipped_field_is_not_stored_and_has_the_default_of_its_type() {
        #[derive(Session)]
        struct Page {
            title: String,
            #[session(skip)]
            cache: Cache,
            #[session(skip, default = "three")]
            three: u8,
        }
        fn three() -> u8 {
            3
        }
        let stored = encode(&Page { title: "x".into(), cache: Cache(Some(1)), three: 1 });
        assert_eq!(stored, fields([("page.title", "\"x\"")]));
        let page = decode::<Page>(&stored).unwrap();
        assert_eq!((page.cache, page.three), (Cache(None), 3));
    }

    #[test]
    fn a_skipped_field_comes_from_the_default_of_the_struct() {
        #[derive(Session)]
        #[session(default)]
        struct Page {
            #[session(skip)]
            cache: Cache,
            title: String,
            #[session(skip, default)]
            own: Cache,
        }
        impl Default for Page {
            fn default() -> Self {
                Self { title: "none".into(), cache: Cache(Some(1)), own: Cache(Some(1)) }
            }
        }
        let page = decode::<Page>(&fields([("page.title", "\"x\""), ("page.cache", "2")])).unwrap();
        assert_eq!((page.title.as_str(), page.cache, page.own), ("x", Cache(Some(1)), Cache(None)));
    }
}

mod with {
    use super::*;

    /// Knows nothing of serde.
    #[derive(Debug, Default, PartialEq, PartialOrd)]
    struct Meters(f64);

    mod text {
        use serde::{Deserialize, Deserializer, Serializer, de::Error};

        use super::Meters;

        pub(super) fn serialize<S: Serializer>(meters: &Meters, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str(&format!("{} m", meters.0))
        }

        pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Meters, D::Error> {
            let text = String::deserialize(deserializer)?;
            let number = text.strip_suffix(" m").and_then(|number| number.parse().ok());
            number.map(Meters).ok_or_else(|| D::Error::custom("no length"))
        }
    }

    #[derive(Debug, PartialEq, Session)]
    struct Walk {
        #[session(with = "text", merge = "longer")]
        way: Meters,
        #[session(with = "text", default)]
        rest: Meters,
    }

    fn longer(base: Option<&Meters>, mine: Meters, theirs: Meters) -> Meters {
        assert_ne!(base, Some(&Meters(0.0)));
        if mine > theirs { mine } else { theirs }
    }

    #[test]
    fn a_module_writes_and_reads_the_field() {
        let walk = Walk { way: Meters(2.5), rest: Meters(1.0) };
        let stored = encode(&walk);
        assert_eq!(stored, fields([("walk.way", "\"2.5 m\""), ("walk.rest", "\"1 m\"")]));
        assert_eq!(decode::<Walk>(&stored).unwrap(), walk);
    }

    #[test]
    fn a_field_with_a_module_is_required_unless_it_has_a_default() {
        assert_eq!(missing::<Walk>(&fields([("walk.rest", "\"1 m\"")])), Some("walk.way"));
        assert_eq!(decode::<Walk>(&fields([("walk.way", "\"1 m\"")])).unwrap().rest, Meters(0.0));
        mod option {
            pub(super) use serde::{Deserialize as _, Serialize as _};
            pub(super) fn serialize<S: serde::Serializer>(value: &Option<u8>, to: S) -> Result<S::Ok, S::Error> {
                value.serialize(to)
            }
            pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<u8>, D::Error> {
                Option::deserialize(from)
            }
        }
        #[derive(Deserialize, Session)]
        #[allow(dead_code)]
        struct Optional {
            #[session(with = "option")]
            #[serde(with = "option")]
            value: Option<u8>,
        }
        assert!(serde_json::from_str::<Optional>("{}").is_err(), "serde has it so");
        assert_eq!(missing::<Optional>(&Fields::new()), Some("optional.value"));
    }

    #[test]
    fn what_decodes_is_what_the_module_reads() {
        let decodes = Walk::schema().fields[0].decodes;
        assert!(decodes("\"2 m\""));
        assert!(!decodes("2"));
    }

    #[test]
    fn a_merge_function_gets_the_values_and_the_module_writes_its_answer() {
        let Merge::With(merge) = Walk::schema().fields[0].merge else { panic!("no function") };
        assert_eq!(merge(None, "\"2 m\"", "\"3 m\"").unwrap(), "\"3 m\"");
        assert_eq!(merge(Some("\"1 m\""), "\"9 m\"", "\"3 m\"").unwrap(), "\"9 m\"");
        assert_eq!(merge(Some("0"), "\"9 m\"", "\"3 m\"").unwrap(), "\"9 m\"", "a base that does not decode");
        assert!(merge(None, "2", "\"3 m\"").is_err());
        assert!(merge(None, "\"3 m\"", "2").is_err());
    }
}

mod unit {
    use super::*;

    #[derive(Debug, Default, PartialEq, Session)]
    #[session(merge = "combine", default)]
    struct Address {
        street: String,
        #[session(rename = "city", alias = "place")]
        town: String,
        #[session(skip)]
        note: u8,
    }

    fn combine(base: Option<&Address>, mine: Address, theirs: Address) -> Address {
        let town = base.map_or_else(|| "none".into(), |base| base.town.clone());
        Address { street: format!("{}+{}", mine.street, theirs.street), town, note: 0 }
    }

    const STORED: &str = r#"{"street":"a","city":"b"}"#;

    #[test]
    fn a_unit_is_one_object_under_its_key_alone() {
        let address = Address { street: "a".into(), town: "b".into(), note: 9 };
        assert_eq!(encode(&address), fields([("address", STORED)]));
        let [field] = Address::schema().fields else { panic!("not one field") };
        assert_eq!((field.name, field.aliases, field.guard), ("address", [].as_slice(), Guard::None));
    }

    #[test]
    fn absent_entries_follow_the_rules_of_absent_fields() {
        let address = decode::<Address>(&fields([("address", r#"{"place":"b","more":1}"#)])).unwrap();
        assert_eq!(address, Address { town: "b".into(), ..Address::default() });
        assert_eq!(decode::<Address>(&Fields::new()).unwrap(), Address::default());

        #[derive(Session)]
        #[session(merge = "reject")]
        #[allow(dead_code)]
        struct Login {
            id: u8,
        }
        assert_eq!(missing::<Login>(&fields([("login", "{}")])), Some("login"));
        assert_eq!(missing::<Login>(&fields([("login.id", "1")])), Some("login"));
        assert_eq!(missing::<Login>(&fields([("login", r#"{"id":1}"#)])), None);
        assert!(matches!(Login::schema().fields[0].merge, Merge::Reject));
    }

    #[test]
    fn a_unit_that_is_no_object_counts_as_absent() {
        assert_eq!(decode::<Address>(&fields([("address", "[1]")])).unwrap(), Address::default());
    }

    #[test]
    fn a_unit_decodes_if_it_is_an_object_and_all_its_entries_do() {
        let decodes = Address::schema().fields[0].decodes;
        assert!(decodes(STORED));
        assert!(decodes("{}"));
        assert!(!decodes("[1]"));
        assert!(!decodes("nonsense"));
        assert!(!decodes(r#"{"street":1}"#));
    }

    #[test]
    fn a_merge_function_gets_the_structs() {
        let Merge::With(merge) = Address::schema().fields[0].merge else { panic!("no function") };
        let merged = merge(Some(STORED), r#"{"street":"m"}"#, r#"{"street":"t"}"#).unwrap();
        assert_eq!(merged, r#"{"street":"m+t","city":"b"}"#);
        let merged = merge(None, r#"{"street":"m"}"#, r#"{"street":"t"}"#).unwrap();
        assert_eq!(merged, r#"{"street":"m+t","city":"none"}"#);
        let merged: Result<_, EncodeError> = merge(None, r#"{"street":1}"#, "{}");
        assert!(merged.is_err(), "a default is no answer to what can't be read");
    }
}

mod schema {
    use super::*;

    fn sum(base: Option<&u8>, mine: u8, theirs: u8) -> u8 {
        mine + theirs - base.copied().unwrap_or_default()
    }

    #[derive(Session)]
    #[allow(dead_code)]
    struct Rules {
        none: u8,
        #[session(merge = "last")]
        last: u8,
        #[session(merge = "add")]
        add: u8,
        #[session(merge = "max")]
        max: u8,
        #[session(merge = "min")]
        min: u8,
        #[session(merge = "union")]
        union: Vec<u8>,
        #[session(merge = "append")]
        append: Vec<u8>,
        #[session(merge = "reject")]
        reject: u8,
        #[session(merge = "sum")]
        function: u8,
    }

    #[test]
    fn a_field_has_the_merge_rule_that_is_written() {
        let rules: Vec<String> = Rules::schema().fields.iter().map(|field| format!("{:?}", field.merge)).collect();
        assert_eq!(rules[..8], ["Json", "Last", "Add", "Max", "Min", "Union", "Append", "Reject"]);
        let Merge::With(merge) = Rules::schema().fields[8].merge else { panic!("no function") };
        assert_eq!(merge(Some("1"), "3", "5").unwrap(), "7");
        assert_eq!(merge(None, "3", "5").unwrap(), "8");
    }

    #[test]
    fn a_field_has_the_guard_that_is_written() {
        #[derive(Session)]
        #[allow(dead_code)]
        struct User {
            #[session(owner)]
            id: u64,
            #[session(rotate)]
            admin: bool,
            #[session(owner, rotate, skip)]
            #[cfg(any())]
            never: (),
            name: String,
        }
        let guards: Vec<Guard> = User::schema().fields.iter().map(|field| field.guard).collect();
        assert_eq!(guards, [Guard::Owner, Guard::Rotate, Guard::None]);
    }

    #[test]
    fn a_text_decodes_if_the_type_reads_it() {
        let fields = Rules::schema().fields;
        assert!((fields[0].decodes)("255"));
        assert!(!(fields[0].decodes)("256"));
        assert!((fields[5].decodes)("[1]"));
        assert!(!(fields[5].decodes)("1"));
    }

    #[test]
    fn there_is_one_schema_a_type() {
        assert!(std::ptr::eq(Rules::schema(), Rules::schema()));
    }
}
