//! What a request has changed so far, and what that makes of a record.

use std::{borrow::Cow, collections::BTreeMap};

use crate::{
    data::{Field, Guard, Schema},
    error::SessionError,
    events,
    fields::{Edits, Fields},
    merge,
};

/// The field that names the session's owner. No name that a program gives begins with a dot.
pub(crate) const OWNER: &str = ".owner";
/// The field that says when the owner last proved who that is, in milliseconds since the epoch.
pub(crate) const AUTHENTICATED: &str = ".authenticated";
/// The field that says what the session is called in lists.
pub(crate) const LABEL: &str = ".label";

/// The changes of a request that are not written yet.
#[derive(Clone, Default)]
pub(crate) struct Changes {
    /// Whether all that was stored goes first.
    cleared: bool,
    /// Whether the owner has proven anew who it is.
    reauthenticated: bool,
    entries: BTreeMap<Cow<'static, str>, Change>,
}

/// The change of one field.
#[derive(Clone)]
pub(crate) struct Change {
    /// What the change was made from.
    pub(crate) base: Base,
    /// The new JSON text; none to remove the field.
    pub(crate) mine: Option<Box<str>>,
    /// Where it comes from.
    pub(crate) origin: Origin,
}

/// What a change was made from.
#[derive(Clone)]
pub(crate) enum Base {
    /// What the record has, whatever that is.
    Stored,
    /// This text, which the value had when it was first borrowed as mutable.
    Text(Box<str>),
}

/// Where a change comes from.
#[derive(Clone, Copy)]
pub(crate) enum Origin {
    /// A field of a typed session that a handler changed in place.
    Changed(&'static Schema, &'static Field),
    /// A field of a typed session that was inserted or removed as a whole.
    Whole(&'static Field),
    /// A field by its name alone, with what a type says of it that this program has used.
    Named(Option<&'static Field>),
}

impl Origin {
    /// What a type says of the field.
    pub(crate) fn field(self) -> Option<&'static Field> {
        match self {
            Self::Changed(_, field) | Self::Whole(field) => Some(field),
            Self::Named(field) => field,
        }
    }
}

/// The stored fields with a request's changes over them, as an extractor sees them.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) stored: Option<&'a Fields>,
    pub(crate) changes: &'a Changes,
}

impl<'a> View<'a> {
    /// What is stored, without a change.
    pub(crate) fn of(stored: Option<&'a Fields>) -> Self {
        const NONE: &Changes = &Changes { cleared: false, reauthenticated: false, entries: BTreeMap::new() };
        Self { stored, changes: NONE }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a str> {
        match self.changes.entries.get(name) {
            Some(change) => change.mine.as_deref(),
            None if self.changes.cleared => None,
            None => self.stored?.get(name),
        }
    }

    fn get_field(&self, name: &str, field: Option<&Field>) -> Option<&'a str> {
        let aliases = field.map_or(&[][..], |field| field.aliases);
        self.get(name).or_else(|| aliases.iter().find_map(|alias| self.get(alias)))
    }

    fn has_any(&self, schema: &Schema) -> bool {
        schema.fields.iter().any(|field| self.get_field(field.name, Some(field)).is_some())
    }
}

/// What a change meets that was made while the value was being changed.
enum Meeting<'a> {
    /// Nothing: the field is as it was.
    Unchanged,
    /// The whole struct was removed, which beats a change of its fields.
    Removed,
    /// Another text, or none.
    Changed(Option<&'a str>),
}

fn meet<'a>(name: &str, origin: Origin, before: View<'_>, now: View<'a>) -> Meeting<'a> {
    let field = origin.field();
    if let Origin::Changed(schema, _) = origin
        && before.has_any(schema)
        && !now.has_any(schema)
    {
        return Meeting::Removed;
    }
    let theirs = now.get_field(name, field);
    if theirs == before.get_field(name, field) { Meeting::Unchanged } else { Meeting::Changed(theirs) }
}

/// A change that was made of what `before` shows, as a change of what is there now; none if it is void.
pub(crate) fn carry(
    name: &str,
    mut change: Change,
    before: View<'_>,
    now: View<'_>,
) -> Result<Option<Change>, SessionError> {
    let theirs = match meet(name, change.origin, before, now) {
        Meeting::Unchanged => return Ok(Some(change)),
        Meeting::Removed => {
            events::field_dropped(name, "removed");
            return Ok(None);
        }
        Meeting::Changed(theirs) => theirs,
    };
    let Some(mine) = &change.mine else { return Ok(Some(change)) };
    let field = change.origin.field();
    let base = match &change.base {
        Base::Text(text) => Some(text.as_ref()),
        Base::Stored => before.get_field(name, field),
    };
    // else it is what this very value was saved as
    if !matches!((base, theirs), (Some(base), Some(theirs)) if merge::same(base, theirs)) {
        let merged = merge::merge(name, field, base, mine, theirs)?;
        events::merged(name, merged.overruled);
        change.mine = Some(merged.text.into());
        change.base = Base::Stored;
    }
    Ok(Some(change))
}

impl Changes {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && !self.cleared && !self.reauthenticated
    }

    /// Whether there is something to store, and not only to remove.
    pub(crate) fn writes(&self) -> bool {
        self.entries.values().any(|change| change.mine.is_some())
    }

    /// Whether a change asks for a record that is there: a sign-in, which must not be lost without a word.
    pub(crate) fn insists(&self) -> bool {
        let inserts = |change: &Change| matches!(change.origin, Origin::Whole(_)) && change.mine.is_some();
        self.entries.values().any(inserts) || self.entries.get(OWNER).is_some_and(|owner| owner.mine.is_some())
    }

    /// Removes all that is stored, and all changes so far.
    pub(crate) fn clear(&mut self) {
        self.cleared = true;
        self.reauthenticated = false;
        self.entries.clear();
    }

    /// Notes that the owner has proven anew who it is.
    pub(crate) fn reauthenticate(&mut self) {
        self.reauthenticated = true;
    }

    /// Whether a clearing of these stored fields takes the token with it.
    pub(crate) fn clears_guarded(&self, stored: &Fields) -> bool {
        let guarded = |name: &str| name == OWNER || crate::registry::guard(name) != Guard::None;
        self.cleared && stored.iter().any(|(name, _)| guarded(name))
    }

    /// Notes a change, whatever was there.
    pub(crate) fn put(&mut self, name: Cow<'static, str>, mut change: Change) {
        let field = change.origin.field();
        if field.is_some_and(|field| field.guard == Guard::Owner) {
            let mine = change.mine.clone().filter(|owner| !matches!(&**owner, "null" | "\"\""));
            self.entries.insert(Cow::Borrowed(OWNER), Change { base: Base::Stored, mine, origin: Origin::Named(None) });
        }
        for alias in field.map_or(&[][..], |field| field.aliases) {
            let removed = Change { base: Base::Stored, mine: None, origin: Origin::Named(None) };
            self.entries.insert(Cow::Borrowed(alias), removed);
        }
        if let Some(earlier) = self.entries.get(&name) {
            change.base = earlier.base.clone();
            // what was inserted stays an insert, however it is changed afterwards
            if matches!(earlier.origin, Origin::Whole(_)) && earlier.mine.is_some() {
                change.origin = earlier.origin;
            }
        }
        self.entries.insert(name, change);
    }

    /// Whether these changes make the session another user's, so that nothing of the former user may stay.
    pub(crate) fn changes_owner(&self, stored: View<'_>) -> bool {
        let new = self.entries.get(OWNER).and_then(|owner| owner.mine.as_deref());
        new.is_some_and(|new| stored.get(OWNER).is_some_and(|old| !merge::same(old, new)))
    }

    /// The user whom these changes sign in; none if the session is that user's already.
    pub(crate) fn signs_in(&self, stored: View<'_>) -> Option<&str> {
        let new = self.entries.get(OWNER)?.mine.as_deref()?;
        (!stored.get(OWNER).is_some_and(|old| merge::same(old, new))).then_some(new)
    }

    /// Whether these changes come with a proof of who the owner is: it is another one, it was inserted again, or it was
    /// asked again. Where there is no owner afterwards, nobody is authenticated.
    pub(crate) fn authenticates(&self, stored: View<'_>) -> bool {
        // without a change of the owner, nothing below can hold
        if !self.reauthenticated && !self.entries.contains_key(OWNER) {
            return false;
        }
        let Some(owner) = (View { changes: self, ..stored }).get(OWNER) else { return false };
        let is_owner = |field: &Field| field.guard == Guard::Owner;
        let inserts =
            |change: &Change| change.mine.is_some() && matches!(change.origin, Origin::Whole(field) if is_owner(field));
        self.reauthenticated
            || stored.get(OWNER).is_none_or(|old| !merge::same(old, owner))
            || self.entries.values().any(inserts)
    }

    /// These changes with later ones over them, to look at.
    pub(crate) fn then(&self, later: &Self) -> Self {
        if later.cleared {
            return later.clone();
        }
        let mut both = self.clone();
        both.reauthenticated |= later.reauthenticated;
        both.entries.extend(later.entries.iter().map(|(name, change)| (name.clone(), change.clone())));
        both
    }

    /// These changes, which were made of what `before` shows, as changes of what is there now.
    pub(crate) fn rebased(&self, before: View<'_>, now: View<'_>) -> Result<Self, SessionError> {
        // what does away with all that was there takes nothing from it, whoever wrote it meanwhile
        if self.cleared || self.changes_owner(before) {
            return Ok(self.clone());
        }
        let mut rebased = Self { reauthenticated: self.reauthenticated, ..Self::default() };
        for (name, change) in &self.entries {
            if let Some(change) = carry(name, change.clone(), before, now)? {
                rebased.entries.insert(name.clone(), change);
            }
        }
        Ok(rebased)
    }

    /// What to write over `now`, of which these changes were made.
    pub(crate) fn edits<'a>(&'a self, now: &'a Fields) -> Edits<'a> {
        let entries = self.entries.iter().map(|(name, change)| (name.as_ref(), change.mine.as_deref()));
        let differs = |(name, text): &(&str, Option<&str>)| now.get(name) != *text;
        if !self.cleared && !self.changes_owner(View::of(Some(now))) {
            return entries.filter(differs).collect();
        }
        let removed: BTreeMap<_, _> = now.iter().map(|(name, _)| (name, None)).chain(entries).collect();
        removed.into_iter().filter(differs).collect()
    }
}

/// Adds the time of a proof to what is to be written.
pub(crate) fn stamp<'a>(edits: &mut Edits<'a>, at: Option<&'a str>) {
    let Some(at) = at else { return };
    match edits.binary_search_by_key(&AUTHENTICATED, |(name, _)| name) {
        Ok(place) => edits.iter_mut().skip(place).take(1).for_each(|(_, text)| *text = Some(at)),
        Err(place) => edits.insert(place, (AUTHENTICATED, Some(at))),
    }
}
