//! What the contestants have in common: the session that each of them stores, and where they are told to listen.

use std::{env, str::FromStr};

use serde::{Deserialize, Serialize};

/// A visitor who is signed in and has been shopping.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// Whose session it is.
    pub user_id: i64,
    /// What the visitor is called; as long as it takes to make the session as large as `RECORD_BYTES` asks for.
    pub name: String,
    /// Five items, or as many as `RECORD_BYTES` has room for.
    pub cart: Vec<Item>,
    /// How often `/write` was asked for.
    pub visits: u64,
}

/// Something in a cart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// What it is to the shop.
    pub sku: String,
    /// What it is to the visitor.
    pub name: String,
    /// How many of it.
    pub quantity: u32,
    /// What one of it costs.
    pub price_cents: u64,
}

impl Visitor {
    /// The one that all contestants store, by `RECORD_BYTES`.
    #[must_use]
    pub fn of_environment() -> Self {
        Self::of_size(variable("RECORD_BYTES"))
    }

    /// One whose fields are about so many bytes as a JSON object, or as many as they happen to be.
    #[must_use]
    pub fn of_size(bytes: Option<usize>) -> Self {
        let mut visitor = Self { user_id: 42, name: "Ada Lovelace".to_owned(), cart: cart(), visits: 0 };
        if let Some(bytes) = bytes {
            while visitor.json_len() > bytes && visitor.cart.pop().is_some() {}
            let missing = bytes.saturating_sub(visitor.json_len());
            visitor.name.extend("abcdefghijklmnopqrstuvwxyz".chars().cycle().take(missing));
        }
        visitor
    }

    /// What `/read` answers.
    #[must_use]
    pub fn read(&self) -> String {
        format!("{} {}", self.user_id, self.cart.len())
    }

    fn json_len(&self) -> usize {
        let Self { user_id, name, cart, visits } = self;
        serde_json::json!({ "user_id": user_id, "name": name, "cart": cart, "visits": visits }).to_string().len()
    }
}

/// What `/read` answers to whom it does not know.
pub const ANONYMOUS: &str = "anonymous";

/// How long sessions live where a contestant has to say so: a day, in seconds.
pub const LIFETIME: i64 = 24 * 60 * 60;

fn cart() -> Vec<Item> {
    let item = |number: u32| Item {
        sku: format!("SKU-{number:06}"),
        name: format!("A product with a name of ordinary length {number}"),
        quantity: number + 1,
        price_cents: 1999 + u64::from(number),
    };
    (0..5).map(item).collect()
}

/// Where to listen: `PORT`, or 8080.
#[must_use]
pub fn address() -> (&'static str, u16) {
    ("127.0.0.1", variable("PORT").unwrap_or(8080))
}

/// The server to keep sessions on: `REDIS_URL`, or the local one.
#[must_use]
pub fn redis_url() -> String {
    variable("REDIS_URL").unwrap_or_else(|| "redis://127.0.0.1".to_owned())
}

/// How many threads answer: `WORKERS`, or 1.
#[must_use]
pub fn workers() -> usize {
    variable("WORKERS").unwrap_or(1)
}

/// A variable of the environment; one that can't be read ends the program, lest something else is measured than was asked.
fn variable<T: FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("`{name}` is `{text}`, which can't be read")))
}
