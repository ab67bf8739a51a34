//! Texts to merge.

use serde_json::value::RawValue;

use crate::{
    data::{Field, Guard, Merge},
    merge,
};

const RULES: [Merge; 9] = [
    Merge::Json,
    Merge::Last,
    Merge::Add,
    Merge::Max,
    Merge::Min,
    Merge::Union,
    Merge::Append,
    Merge::Reject,
    Merge::With(|base, mine, theirs| Ok(format!("[{},{mine},{theirs}]", base.unwrap_or("null")))),
];

/// Three JSON texts make a JSON text by each rule, or an error; any other texts make no panic.
///
/// The input is up to three JSON texts in a row: base, mine, theirs.
pub fn merge(data: &[u8]) {
    let Ok(input) = std::str::from_utf8(data) else { return };
    let mut parts = input.split('\n');
    let [base, mine, theirs] = [(); 3].map(|()| parts.next().unwrap_or_default());
    for rule in RULES {
        by(rule, Some(base), mine, Some(theirs));
    }

    let texts = serde_json::Deserializer::from_str(input).into_iter::<Box<RawValue>>();
    let texts: Vec<_> = texts.map_while(Result::ok).take(3).collect();
    let [base, mine, rest @ ..] = texts.as_slice() else { return };
    let (base, mine, theirs) = (base.get(), mine.get(), rest.first().map(|text| text.get()));
    for rule in RULES {
        for (base, theirs) in [(Some(base), theirs), (Some(base), None), (None, theirs), (None, None)] {
            let merged = by(rule, base, mine, theirs);
            assert!(merged.as_deref().is_none_or(is_json), "{rule:?}: {merged:?}");
        }
    }
    // who changed nothing yields
    for (mine, theirs) in [(mine, base), (base, mine)] {
        let merged = by(Merge::Json, Some(base), mine, Some(theirs));
        assert!(merged.is_some_and(|merged| merge::same(&merged, if mine == base { theirs } else { mine })));
    }
}

fn by(rule: Merge, base: Option<&str>, mine: &str, theirs: Option<&str>) -> Option<String> {
    let field = Field { name: "x", aliases: &[], guard: Guard::None, merge: rule, decodes: |_| true };
    merge::merge("x", Some(&field), base, mine, theirs).ok().map(|merged| merged.text)
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}
