//! What `#[session(…)]` says, item by item: a mistake goes to the context, and the rest is still read.

use proc_macro2::{Ident, Span};
use syn::{Attribute, ExprPath, LitStr, Path, parse::Parse};

use crate::{
    ctxt::Ctxt,
    item::{Item, items},
};

/// What is said of the struct.
#[derive(Default)]
pub(crate) struct Container {
    pub(crate) key: Attr<LitStr>,
    pub(crate) default: Attr<()>,
    pub(crate) merge: Attr<Rule>,
    pub(crate) krate: Attr<Path>,
}

/// What is said of a field.
#[derive(Default)]
pub(crate) struct Field {
    pub(crate) rename: Attr<LitStr>,
    pub(crate) aliases: Vec<Said<LitStr>>,
    pub(crate) default: Attr<Absent>,
    pub(crate) skip: Attr<()>,
    pub(crate) with: Attr<ExprPath>,
    pub(crate) owner: Attr<()>,
    pub(crate) rotate: Attr<()>,
    pub(crate) merge: Attr<Rule>,
}

/// An attribute that may be there once.
pub(crate) type Attr<T> = Option<Said<T>>;

/// An attribute that is there: its name, to point at, and its value.
pub(crate) struct Said<T> {
    pub(crate) name: Ident,
    pub(crate) value: T,
}

/// Where the value of an absent field comes from.
pub(crate) enum Absent {
    Default,
    Call(ExprPath),
}

/// A merge rule.
pub(crate) enum Rule {
    /// The variant of `Merge` that has no value.
    Named(&'static str),
    /// A function.
    With(ExprPath),
}

const CONTAINER: &[&str] = &["key", "default", "merge", "crate"];
const FIELD: &[&str] = &["rename", "alias", "default", "skip", "with", "owner", "rotate", "merge"];

const RULES: &[(&str, &str)] = &[
    ("last", "Last"),
    ("add", "Add"),
    ("max", "Max"),
    ("min", "Min"),
    ("union", "Union"),
    ("append", "Append"),
    ("reject", "Reject"),
];
const FIELD_RULES: &[&str] = &["last", "add", "max", "min", "union", "append", "reject"];
const UNIT_RULES: &[&str] = &["last", "reject"];

impl Container {
    pub(crate) fn read(ctxt: &mut Ctxt, attributes: &[Attribute]) -> Self {
        let mut this = Self::default();
        for item in items(ctxt, attributes) {
            let name = item.name.clone();
            match name.to_string().as_str() {
                "key" => set(ctxt, &mut this.key, name, |ctxt| item.string(ctxt, "cart")),
                "default" => set(ctxt, &mut this.default, name, |ctxt| struct_default(ctxt, &item)),
                "merge" => set(ctxt, &mut this.merge, name, |ctxt| rule(ctxt, item, UNIT_RULES)),
                "crate" => set(ctxt, &mut this.krate, name, |ctxt| path(ctxt, item, "my_crate::session")),
                other if FIELD.contains(&other) => ctxt.error(
                    &name,
                    format_args!("`{other}` belongs on a field; accepted on the struct are {}", list(CONTAINER, "and")),
                ),
                _ => unknown(ctxt, &name, CONTAINER, "struct"),
            }
        }
        this
    }
}

impl Field {
    pub(crate) fn read(ctxt: &mut Ctxt, attributes: &[Attribute]) -> Self {
        let mut this = Self::default();
        for item in items(ctxt, attributes) {
            let name = item.name.clone();
            match name.to_string().as_str() {
                "rename" => set(ctxt, &mut this.rename, name, |ctxt| item.string(ctxt, "name")),
                "alias" => {
                    let alias = item.string(ctxt, "former_name");
                    this.aliases.extend(alias.map(|value| Said { name, value }));
                }
                "default" => set(ctxt, &mut this.default, name, |ctxt| absent(ctxt, item)),
                "skip" => set(ctxt, &mut this.skip, name, |ctxt| word(ctxt, item)),
                "with" => set(ctxt, &mut this.with, name, |ctxt| path(ctxt, item, "module")),
                "owner" => set(ctxt, &mut this.owner, name, |ctxt| word(ctxt, item)),
                "rotate" => set(ctxt, &mut this.rotate, name, |ctxt| word(ctxt, item)),
                "merge" => set(ctxt, &mut this.merge, name, |ctxt| rule(ctxt, item, FIELD_RULES)),
                other if CONTAINER.contains(&other) => ctxt.error(
                    &name,
                    format_args!("`{other}` belongs on the struct; accepted on a field are {}", list(FIELD, "and")),
                ),
                _ => unknown(ctxt, &name, FIELD, "field"),
            }
        }
        this
    }
}

fn set<T>(ctxt: &mut Ctxt, slot: &mut Attr<T>, name: Ident, read: impl FnOnce(&mut Ctxt) -> Option<T>) {
    let value = read(ctxt);
    if slot.is_some() {
        ctxt.error(&name, format_args!("`{name}` is given twice"));
    } else {
        *slot = value.map(|value| Said { name, value });
    }
}

fn unknown(ctxt: &mut Ctxt, name: &Ident, accepted: &[&str], place: &str) {
    ctxt.error(name, format_args!("unknown attribute `{name}`; accepted on a {place} are {}", list(accepted, "and")));
}

fn word(ctxt: &mut Ctxt, item: Item) -> Option<()> {
    item.word(ctxt).map(drop)
}

fn struct_default(ctxt: &mut Ctxt, item: &Item) -> Option<()> {
    if item.has_value() {
        ctxt.error(
            &item.name,
            "`default` takes no value on the struct, whose absent fields come from its `Default`; a path belongs on a \
             field",
        );
        return None;
    }
    Some(())
}

fn absent(ctxt: &mut Ctxt, item: Item) -> Option<Absent> {
    if item.has_value() { path(ctxt, item, "path").map(Absent::Call) } else { Some(Absent::Default) }
}

/// A path in a string.
fn path<T: Parse>(ctxt: &mut Ctxt, item: Item, example: &str) -> Option<T> {
    let name = item.name.clone();
    let string = item.string(ctxt, example)?;
    let path = parse(&string);
    if path.is_none() {
        ctxt.error(&string, format_args!("`{name}` takes a path: `{name} = \"{example}\"`"));
    }
    path
}

fn rule(ctxt: &mut Ctxt, item: Item, accepted: &[&str]) -> Option<Rule> {
    let string = item.string(ctxt, "last")?;
    let text = string.value();
    let named = RULES.iter().find(|(name, _)| *name == text);
    match named {
        Some((name, variant)) if accepted.contains(name) => return Some(Rule::Named(variant)),
        Some((name, _)) => ctxt.error(
            &string,
            format_args!(
                "`{name}` is a rule for one field; a struct is merged by {}, or the path of a function",
                list(accepted, "or")
            ),
        ),
        None => match parse(&string) {
            Some(function) => return Some(Rule::With(function)),
            None => ctxt.error(
                &string,
                format_args!(
                    "`{text}` is no merge rule; accepted are {}, and the path of a function",
                    list(accepted, "and").replace(" and ", ", ")
                ),
            ),
        },
    }
    None
}

/// The path that a string holds; its tokens stand where the string stands, so that rustc's errors about it point there,
/// but they count as the derive's, so that a lint about spelling, which could not be followed inside a string, is
/// silent.
fn parse<T: Parse>(string: &LitStr) -> Option<T> {
    let mut string = string.clone();
    string.set_span(Span::call_site().located_at(string.span()));
    string.parse().ok()
}

/// `a`, `b` and `c`.
fn list(names: &[&str], and: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {and} {last}", rest.join(", ")),
        None => String::new(),
    }
}
