//! What happened in a history, line by line, with short names for sessions and tokens.

use std::cell::RefCell;

thread_local! {
    static STORY: RefCell<Story> = RefCell::default();
}

#[derive(Default)]
struct Story {
    lines: Vec<String>,
    actor: String,
    sessions: Vec<String>,
    tokens: Vec<String>,
}

/// Begins a new story.
pub(crate) fn begin() {
    STORY.with_borrow_mut(|story| *story = Story::default());
}

pub(crate) fn tell(line: impl Into<String>) {
    STORY.with_borrow_mut(|story| story.lines.push(line.into()));
}

/// Who does what comes now.
pub(crate) fn acts(actor: &str) {
    STORY.with_borrow_mut(|story| actor.clone_into(&mut story.actor));
}

/// Tells of a call to the store.
pub(crate) fn called(call: &str, key: &str, answer: &str) {
    let session = match key.split_once("owner:") {
        Some((_, hash)) => format!("the list {}", &hash[..4]),
        None => session(key.rsplit(':').next().unwrap_or_default()),
    };
    STORY.with_borrow_mut(|story| {
        let line = format!("      {}: {call} {session}: {answer}", story.actor);
        story.lines.push(line);
    });
}

/// All lines.
pub(crate) fn story() -> String {
    STORY.with_borrow(|story| story.lines.join("\n"))
}

/// A short name for a session, by its id.
pub(crate) fn session(id: &str) -> String {
    STORY.with_borrow_mut(|story| {
        let known = story.sessions.iter().position(|other| other == id);
        let at = known.unwrap_or_else(|| {
            story.sessions.push(id.to_owned());
            story.sessions.len() - 1
        });
        let letter = char::from(b'A' + u8::try_from(at % 26).unwrap_or_default());
        if at < 26 { letter.to_string() } else { format!("{letter}{}", "'".repeat(at / 26)) }
    })
}

/// A short name for a token: its session's, and a number.
pub(crate) fn token(token: Option<&str>) -> String {
    let Some(token) = token.filter(|token| !token.is_empty()) else { return "none".to_owned() };
    let id = super::check::id(token);
    let at = STORY.with_borrow_mut(|story| {
        if !story.tokens.iter().any(|other| other == token) {
            story.tokens.push(token.to_owned());
        }
        let mut of_session = story.tokens.iter().filter(|other| super::check::id(other) == id);
        of_session.position(|other| other == token).unwrap_or_default()
    });
    format!("{}{}", session(&id), at + 1)
}
