//! The cart: what it holds, how two tabs change it, and how it is bought.

use std::collections::BTreeSet;

use actix_typed_session::{Session, SessionError};
use actix_web::{HttpResponse, get, post, web::Form};
use serde::Deserialize;
use start::{csrf, to};

use crate::{
    account::User,
    goods::{POTS, Pot, TEA},
    page::{self, Flash, Visitor, money},
};

/// What a visitor wants to buy, signed in or not. Each field says what becomes of the changes of two tabs.
#[derive(Default, Session)]
#[session(default)]
pub(crate) struct Cart {
    /// A set, for there is one of each pot: what each tab adds and removes is done.
    #[session(merge = "union")]
    pub(crate) pots: BTreeSet<String>,
    /// How many bags: what both tabs add is added up. Signed, for two tabs may remove the same bags.
    #[session(merge = "add")]
    pub(crate) tea: i64,
    /// How many orders: of two tabs that buy at once, one does, and the other is told.
    #[session(merge = "reject")]
    pub(crate) orders: u32,
}

impl Cart {
    /// Bags of tea, none if they were removed twice.
    pub(crate) fn bags(&self) -> i64 {
        self.tea.max(0)
    }

    fn pots(&self) -> impl Iterator<Item = &'static Pot> {
        POTS.iter().filter(|pot| self.pots.contains(pot.id))
    }

    /// Computed, for what is stored beside the things that it is made of would one day differ from them.
    fn cents(&self) -> i64 {
        self.pots().map(|pot| pot.cents).sum::<i64>() + self.bags() * TEA
    }
}

#[derive(Deserialize)]
struct Choice {
    pot: String,
}

/// What is in it, and what it costs.
#[get("/cart")]
pub(crate) async fn show(visitor: Visitor) -> Result<HttpResponse, SessionError> {
    let signed_in = visitor.0.is_some();
    page::show("Cart", visitor, |cart, token| {
        let mut lines: Vec<_> = cart.pots().map(|pot| line(pot, token)).collect();
        if cart.bags() > 0 {
            let button = r#"<button class="plain">Remove<span class="unseen"> the tea</span></button>"#;
            let (bags, price) = (cart.bags(), money(cart.bags() * TEA));
            let removal = csrf::form("/tea/remove", token, button);
            lines.push(format!(
                r#"<li class="card row"><div><h2>Mountain tea</h2><p class="quiet">Bags: {bags}</p></div>
                <span class="price">{price}</span>{removal}</li>"#
            ));
        }
        if lines.is_empty() {
            return r#"<p class="lead">There is nothing in it yet.</p><p><a class="button" href="/">Look around</a></p>"#
                .to_owned();
        }
        let purchase = match signed_in {
            true => csrf::form("/buy", token, r#"<button class="first">Buy</button>"#),
            false => r#"<a class="button" href="/sign-in">Sign in to buy</a>"#.to_owned(),
        };
        format!(
            r#"<ul class="cards">{}</ul><div class="row"><p class="sum">Together {}</p>{purchase}</div>"#,
            lines.concat(),
            money(cart.cents())
        )
    })
    .await
}

#[post("/add")]
pub(crate) async fn add(choice: Form<Choice>, mut cart: Session<Cart>, mut flash: Session<Flash>) -> HttpResponse {
    // only what is sold, so that nobody fills the session
    if let Some(pot) = POTS.iter().find(|pot| pot.id == choice.pot) {
        cart.pots.insert(pot.id.to_owned());
        flash.messages.push(format!("{} is in the cart.", pot.name));
    }
    to("/")
}

#[post("/remove")]
pub(crate) async fn remove(choice: Form<Choice>, mut cart: Session<Cart>) -> HttpResponse {
    cart.pots.remove(&choice.pot);
    to("/cart")
}

#[post("/tea")]
pub(crate) async fn add_tea(mut cart: Session<Cart>, mut flash: Session<Flash>) -> HttpResponse {
    cart.tea = cart.bags() + 1;
    flash.messages.push("A bag of tea is in the cart.".to_owned());
    to("/")
}

#[post("/tea/remove")]
pub(crate) async fn remove_tea(mut cart: Session<Cart>) -> HttpResponse {
    cart.tea = 0;
    to("/cart")
}

#[post("/buy")]
pub(crate) async fn buy(
    user: Option<Session<User>>,
    mut cart: Session<Cart>,
    mut flash: Session<Flash>,
) -> Result<HttpResponse, SessionError> {
    let Some(user) = user else { return Ok(to("/sign-in")) };
    let cents = cart.cents();
    if cents == 0 {
        return Ok(to("/cart"));
    }
    cart.pots.clear();
    cart.tea = 0;
    cart.orders += 1;
    // saved before anything is charged: from here on, no other tab buys the same
    match cart.save().await {
        Ok(()) => flash.messages.push(format!("Thank you, {}! You bought for {}.", user.name, money(cents))),
        Err(SessionError::Rejected { .. }) => {
            flash.messages.push("This was bought in another tab a moment ago, and not twice.".to_owned());
        }
        Err(error) => return Err(error),
    }
    Ok(to("/cart"))
}

fn line(pot: &Pot, token: &str) -> String {
    let button = format!(
        r#"<input type="hidden" name="pot" value="{}"><button class="plain">Remove<span class="unseen"> the {}</span></button>"#,
        pot.id,
        pot.name.to_lowercase()
    );
    format!(
        r#"<li class="card row"><div><h2>{}</h2><p class="quiet">The only one</p></div><span class="price">{}</span>{}</li>"#,
        pot.name,
        money(pot.cents),
        csrf::form("/remove", token, &button)
    )
}
