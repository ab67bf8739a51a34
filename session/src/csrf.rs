//! CSRF tokens: made of the session's secret, so that nothing is stored for them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq as _;

use crate::{
    changes::{Base, Change, Origin},
    error::SessionError,
    events,
    handle::SessionHandle,
    state::State,
    token::Token,
};

/// CSRF tokens.
impl SessionHandle {
    /// A token that proves, when a form or a script sends it back, that the page it comes from is the app's own.
    ///
    /// It is 64 characters of URL-safe base64, another text each time, all of them good until the session gets a new token
    /// of its own or ends: nothing is stored for it. It is bound to the session (OWASP ASVS 5.0, 3.5.1), also to that of a
    /// visitor who is not signed in, so that a login form can have one; [`verify_csrf`](Self::verify_csrf) checks it.
    ///
    /// It is of the session that the visitor has after this response: where that is still to begin or to get a new
    /// token, all changes of this request are saved first, as by [`save`](Self::save). So it comes after all that
    /// signs in or out, rotates or destroys in this request; what an extractor that is still alive changed does not count.
    ///
    /// Cost: as much as reading does. **A visitor without a session gets one**, with a record and a cookie: ask for a token
    /// where there is a form, and not on every page.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] if the session can't be loaded, and what [`save`](Self::save) fails with. After the response
    /// began, no session can begin any more: [`SessionError::Usage`].
    ///
    /// ```
    /// # use actix_typed_session::{SessionError, SessionHandle};
    /// # use actix_web::web::Html;
    /// async fn form(session: SessionHandle) -> Result<Html, SessionError> {
    ///     let token = session.csrf_token().await?;
    ///     Ok(Html::new(format!(
    ///         "<form method=post><input type=hidden name=csrf_token value={token}> <button>Buy</button></form>"
    ///     )))
    /// }
    /// ```
    pub async fn csrf_token(&self) -> Result<String, SessionError> {
        issue(&self.state).await
    }

    /// Checks a token that [`csrf_token`](Self::csrf_token) made for the session that the visitor came with.
    ///
    /// It comes first, before the request signs in or out, rotates or destroys and saves that. Compares in constant time.
    /// Costs one round trip if nothing was loaded in this request yet, and none for a visitor without a cookie. The
    /// [guide](crate#guards) has a middleware that checks every request that may change something.
    ///
    /// # Errors
    ///
    /// 403 [`SessionError::Csrf`] if it is another session's, of before a rotation, no token at all, or if there is no
    /// session; [`SessionError::Store`] if the session can't be loaded.
    ///
    /// ```
    /// # use actix_typed_session::{SessionError, SessionHandle};
    /// # use actix_web::web::Form;
    /// #[derive(serde::Deserialize)]
    /// struct Order {
    ///     csrf_token: String,
    ///     item: u32,
    /// }
    ///
    /// async fn buy(form: Form<Order>, session: SessionHandle) -> Result<String, SessionError> {
    ///     session.verify_csrf(&form.csrf_token).await?;
    ///     Ok(format!("you bought number {}", form.item))
    /// }
    /// ```
    pub async fn verify_csrf(&self, token: &str) -> Result<(), SessionError> {
        verify(&self.state, token).await
    }
}

/// What a session holds that was begun for its CSRF token alone.
const BEGUN: &str = ".csrf";
const LABEL: &str = "csrf";
const SALT: usize = 16;
const MAC: usize = 32;
/// Three bytes are four characters.
const TEXT: usize = (SALT + MAC) * 4 / 3;
/// A save more than the one that settles the token, for each of: one that was under way, a session that ended meanwhile.
const SAVES: usize = 3;

/// A token of the session that the visitor will have after the response. Saves where that is to be found out.
async fn issue(state: &State) -> Result<String, SessionError> {
    let mut snapshot = state.ready().await?;
    for _ in 0..SAVES {
        match state.live() {
            Some(live) if !state.changes_token() => return Ok(encode(&live.token, rand::random())),
            None if !snapshot.view().changes.writes() => {
                let mine = Some("true".into());
                state.put(BEGUN.into(), Change { base: Base::Stored, mine, origin: Origin::Named(None) });
            }
            _ => {}
        }
        state.save().await?;
        snapshot = state.snapshot()?;
    }
    // others go on ending it, or saving it, all the time
    Err(SessionError::BudgetSpent)
}

/// Whether a token is one of the session that the visitor came with.
async fn verify(state: &State, text: &str) -> Result<(), SessionError> {
    state.ready().await?;
    let live = state.live();
    if live.as_ref().is_some_and(|live| is_of(&live.token, text)) {
        return Ok(());
    }
    events::csrf(live.map(|live| live.token.id()));
    Err(SessionError::Csrf)
}

/// Another text each time, so that a compressed page does not give it away bit by bit (BREACH).
fn encode(token: &Token, salt: [u8; SALT]) -> String {
    let mac = token.mac(LABEL, &salt);
    URL_SAFE_NO_PAD.encode([salt.as_slice(), mac.as_slice()].concat())
}

/// In constant time, but for the length and the alphabet of the text.
fn is_of(token: &Token, text: &str) -> bool {
    if text.len() != TEXT {
        return false;
    }
    let mut bytes = [0; SALT + MAC];
    if URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) != Ok(SALT + MAC) {
        return false;
    }
    let (salt, mac) = bytes.split_at(SALT);
    token.mac(LABEL, salt).ct_eq(mac).into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_token_is_of_its_session_and_of_no_other() {
        let token = Token::new(32);
        let text = encode(&token, [1; SALT]);
        assert!(is_of(&token, &text));
        assert!(!is_of(&Token::new(32), &text));
        assert!(!is_of(&token.rotated(32), &text), "it is dead after a rotation");
    }

    #[test]
    fn each_text_is_another_and_each_is_good() {
        let token = Token::new(16);
        let texts: HashSet<_> = (0..100).map(|_| encode(&token, rand::random())).collect();
        assert_eq!(texts.len(), 100);
        assert!(texts.iter().all(|text| text.len() == TEXT && is_of(&token, text)));
    }

    #[test]
    fn a_text_that_differs_anywhere_is_refused() {
        let token = Token::new(32);
        let text = encode(&token, [7; SALT]);
        for at in 0..text.len() {
            for other in ['A', '-', '+', '=', ' ', '\0'] {
                let changed: String =
                    text.chars().enumerate().map(|(index, char)| if index == at { other } else { char }).collect();
                assert_eq!(is_of(&token, &changed), changed == text, "{changed}");
            }
        }
        for text in ["", "A", &text[1..], &format!("{text}A"), &format!("{text}="), &"A".repeat(1 << 20), "é"] {
            assert!(!is_of(&token, text));
        }
    }
}
