//! What is sold, and the page that shows it.

use actix_typed_session::SessionError;
use actix_web::{HttpResponse, get};
use start::csrf;

use crate::{
    cart::Cart,
    page::{self, Visitor, money},
};

/// A pot: there is one of each.
pub(crate) struct Pot {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) cents: i64,
    color: &'static str,
    outline: &'static str,
}

pub(crate) const POTS: [Pot; 6] = [
    pot("bowl", "Blue bowl", 2400, "#3f6f8f", "M14 36H106C106 62 86 82 60 82S14 62 14 36Z"),
    pot("vase", "Tall vase", 3900, "#b5623c", "M46 8H74L68 26C94 42 92 74 76 84H44C28 74 26 42 52 26Z"),
    pot("cup", "Green cup", 1400, "#5f7f4f", "M32 26H88L82 76C81 81 78 84 72 84H48C42 84 39 81 38 76Z"),
    pot("jar", "Moon jar", 5200, "#a3977f", "M46 14H74V22C106 34 104 72 76 84H44C16 72 14 34 46 22Z"),
    pot("plate", "Wide plate", 2900, "#6d5a8c", "M6 56C28 84 92 84 114 56Z"),
    pot("bottle", "Slim bottle", 3100, "#8c4f5f", "M52 4H68V30C90 40 88 74 78 84H42C32 74 30 40 52 30Z"),
];

/// What a bag of tea costs.
pub(crate) const TEA: i64 = 450;

const fn pot(id: &'static str, name: &'static str, cents: i64, color: &'static str, outline: &'static str) -> Pot {
    Pot { id, name, cents, color, outline }
}

#[get("/")]
pub(crate) async fn show(visitor: Visitor) -> Result<HttpResponse, SessionError> {
    page::show("Pots and tea", visitor, |cart, token| {
        let pots: String = POTS.iter().map(|pot| card(pot, cart, token)).collect();
        let tea = csrf::form("/tea", token, r#"<button>Add<span class="unseen"> a bag of tea</span></button>"#);
        format!(
            r#"<p class="lead">Each pot is the only one of its kind. Tea comes by the bag.</p>
            <ul class="cards goods">{pots}</ul>
            <div class="card row"><div><h2>Mountain tea</h2><p class="quiet price">{} a bag</p></div>{tea}</div>"#,
            money(TEA)
        )
    })
    .await
}

fn card(pot: &Pot, cart: &Cart, token: &str) -> String {
    let Pot { id, name, cents, color, outline } = pot;
    let action = if cart.pots.contains(*id) {
        r#"<p class="done">In the cart</p>"#.to_owned()
    } else {
        let inner = format!(
            r#"<input type="hidden" name="pot" value="{id}"><button>Add<span class="unseen"> the {}</span></button>"#,
            name.to_lowercase()
        );
        csrf::form("/add", token, &inner)
    };
    format!(
        r#"<li class="card"><svg viewBox="0 0 120 90" aria-hidden="true"><path fill="{color}" d="{outline}"/></svg>
        <h2>{name}</h2><p class="quiet price">{}</p>{action}</li>"#,
        money(*cents)
    )
}
