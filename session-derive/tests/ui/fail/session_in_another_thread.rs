use actix_typed_session::Session;

#[derive(Default, Session)]
#[session(default)]
struct Cart {
    items: Vec<String>,
}

/// As `tokio::spawn` asks for it.
fn spawn<F: Future + Send + 'static>(_: F) {}

async fn show(cart: Session<Cart>) {
    spawn(async move { cart.items.join(", ") });
}

fn main() {}
