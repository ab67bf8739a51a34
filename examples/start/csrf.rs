//! Forged requests are refused: whatever may change something brings a CSRF token of its session.

use actix_typed_session::{SessionError, SessionHandle};
use actix_web::{
    Error,
    body::{EitherBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::StatusCode,
    middleware::Next,
    web::{Bytes, Query},
};
use serde::Deserialize;

use crate::{Page, escape};

#[derive(Deserialize)]
struct Field {
    csrf_token: String,
}

/// The middleware, for `from_fn`; the sessions are the outer one. The token is in a field of the form, or, for scripts, in
/// the header `X-CSRF-Token`.
///
/// # Errors
///
/// Those of the session, and a body that can't be read.
pub async fn check<B: MessageBody>(
    session: SessionHandle,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    if !request.method().is_safe() {
        let token = match request.headers().get("X-CSRF-Token") {
            Some(header) => header.to_str().unwrap_or_default().to_owned(),
            None => {
                let body = request.extract::<Bytes>().await?; // 256 KiB, if no `PayloadConfig` says otherwise
                request.set_payload(Payload::from(body.clone()));
                let form = Query::<Field>::from_query(str::from_utf8(&body).unwrap_or_default());
                form.map(|form| form.into_inner().csrf_token).unwrap_or_default()
            }
        };
        match session.verify_csrf(&token).await {
            Ok(()) => {}
            // most often nobody forged it: the visitor signed in or out in another window, and this page is of before
            Err(SessionError::Csrf) => return Ok(request.into_response(out_of_date()).map_into_right_body()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(next.call(request).await?.map_into_left_body())
}

/// A form that sends itself to this path with the token: every button of the examples that changes something is one.
///
/// `inner` is HTML; `token` is what [`SessionHandle::csrf_token`] made. A visitor without a session gets one with it, so
/// an app whose pages are mostly looked at asks for it only where there is a form.
#[must_use]
pub fn form(path: &str, token: &str, inner: &str) -> String {
    let (path, token) = (escape(path), escape(token));
    format!(
        r#"<form method="post" action="{path}"><input type="hidden" name="csrf_token" value="{token}">{inner}</form>"#
    )
}

/// The token of the first form of a page, for tests.
#[must_use]
pub fn token_in(page: &str) -> Option<&str> {
    page.split("name=\"csrf_token\" value=\"").nth(1)?.split('"').next()
}

fn out_of_date() -> actix_web::HttpResponse {
    let main = r#"<p>You signed in or out since it was shown, or your session has ended. Nothing was changed.</p>
        <p><a class="button" href="/">Go on</a></p>"#;
    Page::new("Refused", "This page is out of date").answer(StatusCode::FORBIDDEN, main)
}
