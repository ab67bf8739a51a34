//! [`InProcess`]: the site of a browser that calls the app itself.

use std::{fmt, future::poll_fn, rc::Rc};

use actix_http::Request;
use actix_service::Service;
use actix_web::{
    Error, HttpResponse,
    body::{self, BoxBody, MessageBody},
    dev::ServiceResponse,
    http::Method,
    test::TestRequest,
};
use futures_util::future::{FutureExt as _, LocalBoxFuture};

use super::{
    response::Response,
    site::{Outgoing, Sealed, Site},
};

/// An app in the test's own thread: what [`Browser::of`](super::Browser::of) is over. It can't leave the thread.
#[derive(Clone)]
pub struct InProcess {
    call: Rc<dyn Fn(Request) -> LocalBoxFuture<'static, HttpResponse<BoxBody>>>,
}

impl InProcess {
    pub(super) fn new<T, B>(app: T) -> Self
    where
        T: Service<Request, Response = ServiceResponse<B>, Error = Error> + 'static,
        B: MessageBody + 'static,
    {
        let app = Rc::new(app);
        let call = move |request| {
            let app = app.clone();
            async move {
                let answer = match poll_fn(|cx| app.poll_ready(cx)).await {
                    Ok(()) => app.call(request).await,
                    Err(error) => Err(error),
                };
                match answer {
                    Ok(response) => response.into_parts().1.map_into_boxed_body(),
                    // as the server has it
                    Err(error) => error.error_response(),
                }
            }
            .boxed_local()
        };
        Self { call: Rc::new(call) }
    }
}

impl Sealed for InProcess {}

impl Site for InProcess {
    fn authority(&self) -> String {
        "localhost".to_owned()
    }

    async fn answer(&self, request: Outgoing) -> Response {
        let Outgoing { method, path, headers, body, peer } = request;
        let mut test = TestRequest::default().method(method.clone()).uri(&path);
        test = test.peer_addr(peer.unwrap_or_else(|| ([127, 0, 0, 1], 0).into()));
        if !body.is_empty() {
            test = test.set_payload(body);
        }
        for name in headers.keys() {
            test = headers.get_all(name).enumerate().fold(test, |test, (index, value)| match index {
                0 => test.insert_header((name.clone(), value.clone())),
                _ => test.append_header((name.clone(), value.clone())),
            });
        }
        let response = (self.call)(test.to_request()).await;
        let status = response.status().as_u16();
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| (name.as_str(), value.as_bytes()));
        let answer = Response::new(&method, &path, status, headers);
        let Ok(body) = body::to_bytes(response.into_body()).await else {
            panic!("the body of {} broke off", answer.request());
        };
        // which a server does not send
        if method == Method::HEAD { answer } else { answer.with_body(body) }
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess").finish_non_exhaustive()
    }
}
