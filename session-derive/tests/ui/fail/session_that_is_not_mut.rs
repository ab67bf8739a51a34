use actix_typed_session::Session;

#[derive(Default, Session)]
#[session(default)]
struct Cart {
    items: Vec<String>,
}

async fn add(cart: Session<Cart>) {
    cart.items.push("apple".to_owned());
}

fn main() {}
