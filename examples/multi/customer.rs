//! The site, for everybody.

use actix_typed_session::{Session, SessionError, SessionHandle};
use actix_web::{HttpResponse, get, post, web::Form};
use start::to;

use crate::page::{self, Login};

#[derive(Session)]
struct Customer {
    #[session(owner)]
    name: String,
}

#[get("/")]
pub(crate) async fn show(
    customer: Option<Session<Customer>>,
    session: SessionHandle,
) -> Result<HttpResponse, SessionError> {
    let cookie = [
        ("Cookie", "__Host-customer"),
        ("Sent to", "the whole site"),
        ("SameSite", "Lax"),
        ("Ends unused", "after 30 days"),
        ("At the latest", "after 90 days"),
    ];
    page::show("Customers", "", customer.as_ref().map(|customer| customer.name.as_str()), &cookie, &session).await
}

/// A real application checks a password here.
#[post("/sign-in")]
pub(crate) async fn sign_in(login: Form<Login>, session: SessionHandle) -> Result<HttpResponse, SessionError> {
    if let Some(name) = login.name() {
        session.insert(Customer { name })?;
    }
    Ok(to("/"))
}

#[post("/sign-out")]
pub(crate) async fn sign_out(session: SessionHandle) -> HttpResponse {
    session.destroy(); // this one, and not that of the staff
    to("/")
}
