use actix_typed_session::Session;

#[derive(Session)]
struct Type<T: Clone = u8>
where
    T: Default,
{
    items: T,
}

#[derive(Session)]
struct Lifetime<'a> {
    items: &'a str,
}

#[derive(Session)]
struct Const<const N: usize> {
    items: [u8; N],
}

#[derive(Session)]
struct Several<'a, 'b: 'a, T: 'a, const N: usize> {
    items: [&'a &'b T; N],
}

fn main() {}
