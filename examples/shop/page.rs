//! What every page of the shop has: who is signed in, how full the cart is, and what is to be told.

use actix_typed_session::{Session, SessionError, SessionHandle};
use actix_web::HttpResponse;
use start::{Page, csrf, escape};

use crate::{account::User, cart::Cart};

/// Messages that are shown once. One that another tab adds meanwhile is kept for the next page.
#[derive(Default, Session)]
#[session(default)]
pub(crate) struct Flash {
    #[session(merge = "append")]
    pub(crate) messages: Vec<String>,
}

/// All that a page shows of its visitor: one call to the store.
pub(crate) type Visitor = (Option<Session<User>>, Session<Cart>, Session<Flash>, SessionHandle);

/// A page, whose middle is made of the cart and of a CSRF token for its forms.
pub(crate) async fn show(
    title: &str,
    (user, cart, mut flash, session): Visitor,
    main: impl FnOnce(&Cart, &str) -> String,
) -> Result<HttpResponse, SessionError> {
    let token = session.csrf_token().await?;
    let account = match &user {
        Some(user) => {
            let button = r#"<button class="plain">Sign out</button>"#;
            format!("<span>{}</span>{}", escape(&user.name), csrf::form("/sign-out", &token, button))
        }
        None => r#"<a href="/sign-in">Sign in</a>"#.to_owned(),
    };
    let things = cart.pots.len().saturating_add(usize::try_from(cart.bags()).unwrap_or_default());
    let page = Page::new("The potter", title)
        .link("/cart", "Cart")
        .account(format!(r#"<span id="things">{things} in the cart</span>{account}"#))
        .messages(&std::mem::take(&mut flash.messages));
    Ok(page.show(&main(&cart, &token)))
}

pub(crate) fn money(cents: i64) -> String {
    format!("€ {}.{:02}", cents / 100, cents % 100)
}
