//! The pages of the staff: the session here is another one, and the customer's is out of reach.

use actix_typed_session::{Session, SessionError, SessionHandle};
use actix_web::{HttpResponse, get, post, web::Form};
use start::to;

use crate::page::{self, Login};

#[derive(Session)]
struct Staff {
    #[session(owner)]
    name: String,
}

#[get("")]
pub(crate) async fn show(staff: Option<Session<Staff>>, session: SessionHandle) -> Result<HttpResponse, SessionError> {
    let cookie = [
        ("Cookie", "__Secure-staff"),
        ("Sent to", "/staff"),
        ("SameSite", "Strict"),
        ("Ends unused", "after 15 minutes"),
        ("At the latest", "after 8 hours"),
    ];
    page::show("Staff", "/staff", staff.as_ref().map(|staff| staff.name.as_str()), &cookie, &session).await
}

/// A real application checks a password here, and a second factor.
#[post("/sign-in")]
pub(crate) async fn sign_in(login: Form<Login>, session: SessionHandle) -> Result<HttpResponse, SessionError> {
    if let Some(name) = login.name() {
        session.insert(Staff { name })?;
    }
    Ok(to("/staff"))
}

#[post("/sign-out")]
pub(crate) async fn sign_out(session: SessionHandle) -> HttpResponse {
    session.destroy(); // this one, and not that of the customers
    to("/staff")
}
