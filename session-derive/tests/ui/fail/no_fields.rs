use actix_typed_session::Session;

#[derive(Session)]
struct Unit;

#[derive(Session)]
struct Braces {}

#[derive(Session)]
struct Parentheses();

fn main() {}
