use actix_typed_session::Session;

struct Cart {
    items: Vec<String>,
}

async fn show(cart: Session<Cart>) -> String {
    cart.items.join(", ")
}

fn main() {}
