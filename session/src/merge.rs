//! Three ways to one: what becomes of a field that two requests changed.

use std::{borrow::Cow, collections::BTreeMap, collections::BTreeSet};

use serde_json::value::RawValue;

use crate::{
    data::{Field, Merge},
    error::SessionError,
};

/// What a merge came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Merged {
    /// The JSON text that both changes become.
    pub(crate) text: String,
    /// Whether a change of theirs was lost, for the later wins.
    pub(crate) overruled: bool,
}

/// Merges a change of mine, from `base`, over `theirs`; `field` is what a type says of it, if one does.
pub(crate) fn merge(
    name: &str,
    field: Option<&Field>,
    base: Option<&str>,
    mine: &str,
    theirs: Option<&str>,
) -> Result<Merged, SessionError> {
    let rule = field.map_or(Merge::Json, |field| field.merge);
    let fail = |reason: &'static str| SessionError::Merge { field: name.to_owned(), reason: Cow::Borrowed(reason) };
    let decodes = |text: &str| field.is_none_or(|field| (field.decodes)(text));
    let later = || Merged { text: mine.to_owned(), overruled: theirs.is_some() };
    let merged = match (rule, theirs) {
        (Merge::Reject, _) => return Err(SessionError::Rejected { field: name.to_owned() }),
        (Merge::Last, _) | (Merge::Json | Merge::Max | Merge::Min | Merge::With(_), None) => later(),
        (Merge::Add, _) => {
            let text = add(base, mine, theirs).map_err(fail)?;
            // a sum that the type can't hold would not be read again
            if !decodes(&text) {
                return Err(fail(OVERFLOW));
            }
            clean(text)
        }
        (Merge::Json, Some(theirs)) => {
            let mut overruled = false;
            clean(json(base, mine, theirs, &mut overruled, 0)).overruling(overruled)
        }
        (Merge::Max, Some(theirs)) => extreme(mine, theirs, std::cmp::Ordering::Greater).map_or_else(later, clean),
        (Merge::Min, Some(theirs)) => extreme(mine, theirs, std::cmp::Ordering::Less).map_or_else(later, clean),
        (Merge::Union, _) => union(base, mine, theirs).map_or_else(later, clean),
        (Merge::Append, _) => append(base, mine, theirs).map_or_else(later, clean),
        (Merge::With(merge), Some(theirs)) => match merge(base, mine, theirs) {
            Ok(text) => clean(text),
            // theirs is of another shape, written by another version of the program
            Err(_) if !decodes(theirs) => later(),
            Err(error) => return Err(SessionError::Encode { field: name.to_owned(), reason: error.reason }),
        },
    };
    // two changes that make no value of the type together, such as another variant of an enum each
    if decodes(&merged.text) { Ok(merged) } else { Ok(later()) }
}

/// Whether two JSON texts say the same, whatever the order of keys.
pub(crate) fn same(one: &str, other: &str) -> bool {
    one == other || canonical(one) == canonical(other)
}

const OVERFLOW: &str = "the sum goes out of the type's range";
/// How deep values are looked into; below, they are compared and replaced as a whole.
const DEPTH: usize = 64;

fn clean(text: String) -> Merged {
    Merged { text, overruled: false }
}

impl Merged {
    fn overruling(self, overruled: bool) -> Self {
        Self { overruled, ..self }
    }
}

fn add(base: Option<&str>, mine: &str, theirs: Option<&str>) -> Result<String, &'static str> {
    let integer = |text: Option<&str>| match text.unwrap_or("null") {
        "null" => Ok(0),
        text => text.parse::<i128>().map_err(|_| "`add` is for integers"),
    };
    let added = integer(Some(mine))?.checked_sub(integer(base)?).ok_or(OVERFLOW)?;
    Ok(integer(theirs)?.checked_add(added).ok_or(OVERFLOW)?.to_string())
}

fn json(base: Option<&str>, mine: &str, theirs: &str, overruled: &mut bool, depth: usize) -> String {
    if same(mine, theirs) || base.is_some_and(|base| same(base, theirs)) {
        return mine.to_owned();
    }
    if base.is_some_and(|base| same(base, mine)) {
        return theirs.to_owned();
    }
    let base = base.filter(|base| *base != "null");
    if depth < DEPTH {
        if let (Some(base), Some(mine), Some(theirs)) = (object(base.unwrap_or("{}")), object(mine), object(theirs)) {
            return objects(&base, &mine, &theirs, overruled, depth);
        }
        if let (Some(base), Some(mine), Some(theirs)) = (list(base.unwrap_or("[]")), list(mine), list(theirs))
            && let (Some(added), true) = (beyond(&mine, &base), holds(&theirs, &base))
        {
            return write_list(theirs.iter().chain(added).map(|item| item.get()));
        }
    }
    *overruled = true;
    mine.to_owned()
}

type Object<'a> = BTreeMap<String, &'a RawValue>;
type List<'a> = Vec<&'a RawValue>;

fn objects(base: &Object<'_>, mine: &Object<'_>, theirs: &Object<'_>, overruled: &mut bool, depth: usize) -> String {
    let mut merged: BTreeMap<&str, Cow<'_, str>> = BTreeMap::new();
    for key in mine.keys().chain(theirs.keys()) {
        let [base, mine, theirs] = [base, mine, theirs].map(|object| object.get(key).map(|value| value.get()));
        let unchanged = |side: Option<&str>| match (base, side) {
            (Some(base), Some(side)) => same(base, side),
            (None, None) => true,
            _ => false,
        };
        let value = match (mine, theirs) {
            (Some(mine), Some(theirs)) => Some(Cow::Owned(json(base, mine, theirs, overruled, depth + 1))),
            (mine, theirs) if unchanged(theirs) => mine.map(Cow::Borrowed),
            (mine, theirs) if unchanged(mine) => theirs.map(Cow::Borrowed),
            (mine, _) => {
                *overruled = true;
                mine.map(Cow::Borrowed)
            }
        };
        if let Some(value) = value {
            merged.insert(key, value);
        }
    }
    write_object(merged.iter().map(|(key, value)| (*key, value.as_ref())))
}

fn extreme(mine: &str, theirs: &str, wanted: std::cmp::Ordering) -> Option<String> {
    use serde_json::Value;
    if mine == "null" || theirs == "null" {
        return Some(if mine == "null" { theirs } else { mine }.to_owned());
    }
    let order = match (mine.parse::<i128>(), theirs.parse::<i128>()) {
        (Ok(mine), Ok(theirs)) => mine.cmp(&theirs),
        _ => match (serde_json::from_str(mine).ok()?, serde_json::from_str(theirs).ok()?) {
            (Value::Number(mine), Value::Number(theirs)) => mine.as_f64()?.total_cmp(&theirs.as_f64()?),
            (Value::String(mine), Value::String(theirs)) => mine.cmp(&theirs),
            (Value::Bool(mine), Value::Bool(theirs)) => mine.cmp(&theirs),
            _ => return None,
        },
    };
    Some(if order == wanted { mine } else { theirs }.to_owned())
}

fn union(base: Option<&str>, mine: &str, theirs: Option<&str>) -> Option<String> {
    let (base, mine, theirs) = lists(base, mine, theirs)?;
    let [in_base, in_mine, in_theirs] =
        [&base, &mine, &theirs].map(|list| canonical_all(list).collect::<BTreeSet<_>>());
    let kept = theirs.iter().filter(|item| {
        let item = canonical(item.get());
        in_mine.contains(&item) || !in_base.contains(&item)
    });
    let added = mine.iter().filter(|item| {
        let item = canonical(item.get());
        !in_base.contains(&item) && !in_theirs.contains(&item)
    });
    Some(write_list(kept.chain(added).map(|item| item.get())))
}

fn append(base: Option<&str>, mine: &str, theirs: Option<&str>) -> Option<String> {
    let (base, mine, theirs) = lists(base, mine, theirs)?;
    let [base_items, mine_items, theirs_items] =
        [&base, &mine, &theirs].map(|list| canonical_all(list).collect::<Vec<_>>());
    let left_by_me = overlap(&base_items, &mine_items);
    let left_by_them = overlap(&base_items, &theirs_items);
    let cut = left_by_them.saturating_sub(left_by_me);
    let tail = mine.iter().skip(left_by_me);
    Some(write_list(theirs.iter().skip(cut).chain(tail).map(|item| item.get())))
}

/// The length of the longest end of `base` that `list` begins with: what was left of the base in it.
fn overlap(base: &[Cow<'_, str>], list: &[Cow<'_, str>]) -> usize {
    // Knuth, Morris and Pratt: `borders[i]` is the longest proper end of `list[..=i]` that the list begins with
    let mut borders: Vec<usize> = Vec::with_capacity(list.len());
    let step = |borders: &[usize], mut length: usize, item: &Cow<'_, str>| {
        while list.get(length) != Some(item) {
            match length.checked_sub(1).and_then(|last| borders.get(last)) {
                Some(shorter) => length = *shorter,
                None => return 0,
            }
        }
        length + 1
    };
    let mut length = 0;
    for (index, item) in list.iter().enumerate() {
        length = if index == 0 { 0 } else { step(&borders, length, item) };
        borders.push(length);
    }
    base.iter().fold(0, |length, item| step(&borders, length, item))
}

fn lists<'a>(base: Option<&'a str>, mine: &'a str, theirs: Option<&'a str>) -> Option<(List<'a>, List<'a>, List<'a>)> {
    let or_empty = |text: Option<&'a str>| text.filter(|text| *text != "null").unwrap_or("[]");
    Some((list(or_empty(base))?, list(or_empty(Some(mine)))?, list(or_empty(theirs))?))
}

fn object(text: &str) -> Option<Object<'_>> {
    if text.starts_with('{') { serde_json::from_str(text).ok() } else { None }
}

fn list(text: &str) -> Option<List<'_>> {
    if text.starts_with('[') { serde_json::from_str(text).ok() } else { None }
}

/// What `list` has after `base`, if it begins with it.
fn beyond<'a, 'b>(list: &'b List<'a>, base: &List<'_>) -> Option<&'b [&'a RawValue]> {
    let (front, rest) = list.split_at_checked(base.len())?;
    front.iter().zip(base).all(|(one, other)| same(one.get(), other.get())).then_some(rest)
}

/// Whether `list` has all of `base`, in its order: what was put between came from a merge with somebody else's.
fn holds(list: &List<'_>, base: &List<'_>) -> bool {
    let mut list = list.iter();
    base.iter().all(|wanted| list.any(|item| same(item.get(), wanted.get())))
}

fn canonical_all<'a>(list: &List<'a>) -> impl Iterator<Item = Cow<'a, str>> {
    list.iter().map(|item| canonical(item.get()))
}

/// One spelling for all texts that say the same: keys in order, no spaces, strings escaped alike. Numbers stay as they
/// are.
pub(crate) fn canonical(text: &str) -> Cow<'_, str> {
    canonical_at(text, 0)
}

fn canonical_at(text: &str, depth: usize) -> Cow<'_, str> {
    if depth >= DEPTH {
        return Cow::Borrowed(text);
    }
    let spelled = match text.as_bytes().first() {
        Some(b'{') => object(text).map(|object| {
            let values: Vec<_> =
                object.iter().map(|(key, value)| (key, canonical_at(value.get(), depth + 1))).collect();
            write_object(values.iter().map(|(key, value)| (key.as_str(), value.as_ref())))
        }),
        Some(b'[') => list(text).map(|list| {
            let items: Vec<_> = list.iter().map(|item| canonical_at(item.get(), depth + 1)).collect();
            write_list(items.iter().map(AsRef::as_ref))
        }),
        Some(b'"') if text.contains('\\') => {
            serde_json::from_str(text).ok().map(|string: String| write_string(&string))
        }
        _ => None,
    };
    spelled.map_or(Cow::Borrowed(text), Cow::Owned)
}

fn write_list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let mut out = String::from("[");
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(item);
    }
    out.push(']');
    out
}

fn write_object<'a>(entries: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut out = String::from("{");
    for (index, (key, value)) in entries.enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(&write_string(key));
        out.push(':');
        out.push_str(value);
    }
    out.push('}');
    out
}

fn write_string(string: &str) -> String {
    serde_json::Value::from(string).to_string()
}

#[cfg(test)]
#[path = "merge/tests.rs"]
mod tests;
