//! [`Browser`]: a visitor of an app that is under test.

use std::{
    fmt,
    future::Future,
    net::{SocketAddr, ToSocketAddrs},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use actix_http::Request;
use actix_service::Service;
use actix_web::{Error, body::MessageBody, dev::ServiceResponse, test::TestRequest};
use serde::Serialize;

mod in_process;
mod jar;
mod remote;
mod response;
mod site;
mod stored;

pub use self::{
    in_process::InProcess,
    jar::StoredCookie,
    remote::{Pending, Remote},
    response::Response,
    site::Site,
    stored::StoredSession,
};

use self::{jar::Jar, site::Outgoing};

/// A visitor of an app under test, who keeps and sends cookies as browsers do (RFC 6265bis).
///
/// Over the service that `actix_web::test::init_service` makes ([`of`](Browser::of)), and over a server that runs
/// ([`at`](Browser::at)): what follows is the same. Its clones share the cookies, as the tabs of one browser do, and
/// [`other`](Self::other) is another visitor. The app counts as one that is reached over HTTPS, so that `Secure` cookies
/// are kept and sent. Cookies end by the system's clock: a [`Clock`](crate::Clock) that was moved shows what the app makes
/// of a cookie that is too old.
///
/// An error of the app's middleware is its error response, as for a real visitor. Redirects are followed by
/// [`follow`](Self::follow) alone.
///
/// ```
/// # #[actix_web::main] async fn main() {
/// use actix_typed_session::{Session, SessionMiddleware, store::MemoryStore, testing::Browser};
/// use actix_web::{App, test, web};
///
/// #[derive(Default, Session)]
/// #[session(default)]
/// struct Visits {
///     #[session(merge = "add")]
///     count: u64,
/// }
///
/// async fn count(mut visits: Session<Visits>) -> String {
///     visits.count += 1;
///     visits.count.to_string()
/// }
///
/// let sessions = SessionMiddleware::new(MemoryStore::default());
/// let app = App::new().wrap(sessions.clone()).route("/", web::get().to(count));
/// let browser = Browser::of(test::init_service(app).await);
///
/// assert_eq!(browser.get("/").await.body, "1");
/// assert_eq!(browser.get("/").await.body, "2");
/// assert_eq!(browser.other().get("/").await.body, "1");
/// assert_eq!(browser.stored::<Visits>(&sessions).await.unwrap().count, 2);
/// # }
/// ```
#[derive(Clone)]
pub struct Browser<S = InProcess> {
    site: S,
    /// What `Domain` attributes are compared with.
    host: String,
    /// What the `Host` header says, where it is not what the site says by itself.
    authority: Option<String>,
    jar: Arc<Mutex<Jar>>,
}

impl Browser {
    /// A visitor, without a cookie so far, of what `actix_web::test::init_service` made of an `App`.
    ///
    /// The app is called as a server would call it, in the same thread. It is `http://localhost/` unless
    /// [`host`](Self::host) says otherwise.
    ///
    /// ```
    /// # #[actix_web::main] async fn main() {
    /// use actix_typed_session::testing::Browser;
    /// use actix_web::{App, test, web};
    ///
    /// let app = App::new().route("/", web::get().to(async || "hello"));
    /// let browser = Browser::of(test::init_service(app).await);
    /// assert_eq!(browser.get("/").await.body, "hello");
    /// # }
    /// ```
    pub fn of<T, B>(app: T) -> Self
    where
        T: Service<Request, Response = ServiceResponse<B>, Error = Error> + 'static,
        B: MessageBody + 'static,
    {
        Self::over(InProcess::new(app), "localhost".to_owned())
    }
}

impl Browser<Remote> {
    /// A visitor, without a cookie so far, of a server that runs: by plain HTTP/1.1, a connection a request.
    ///
    /// Such a browser is `Send`, so that tasks of several threads may have its clones.
    ///
    /// # Panics
    ///
    /// If the address can't be resolved. Whether a server is there is only known when one is asked.
    ///
    /// ```
    /// # #[actix_web::main] async fn main() -> std::io::Result<()> {
    /// use actix_typed_session::testing::Browser;
    /// use actix_web::{App, HttpServer, rt, web};
    ///
    /// let server = HttpServer::new(|| App::new().route("/", web::get().to(async || "hello")));
    /// let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0))?; // a free port
    /// let browser = Browser::at(server.addrs()[0]);
    /// let server = server.run();
    /// let running = server.handle();
    /// rt::spawn(server);
    ///
    /// assert_eq!(browser.get("/").await.body, "hello");
    /// running.stop(false).await;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn at(address: impl ToSocketAddrs + fmt::Debug) -> Self {
        let resolved = address.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
        let Some(resolved) = resolved else { panic!("{address:?} is no address: such as `127.0.0.1:8080` is one") };
        Self::over(Remote::new(resolved), host_of(resolved))
    }

    /// Sends a request and does not wait for its answer: [`Pending::finish`] does.
    ///
    /// For a visitor who hangs up, which dropping it is, and for a server that may end before it answers.
    ///
    /// # Panics
    ///
    /// If no server is there.
    ///
    /// ```
    /// use actix_typed_session::testing::{Browser, Remote};
    /// use actix_web::test::TestRequest;
    ///
    /// async fn hang_up(browser: &Browser<Remote>) {
    ///     drop(browser.begin(TestRequest::post().uri("/orders")).await);
    /// }
    /// ```
    pub fn begin(&self, request: TestRequest) -> impl Future<Output = Pending> {
        let request = self.outgoing(request);
        async move { Pending::new(self.clone(), self.site.begin(request).await) }
    }
}

impl<S: Site> Browser<S> {
    fn over(site: S, host: String) -> Self {
        Self { site, host, authority: None, jar: Arc::default() }
    }

    /// Another visitor of the same app, without a cookie so far.
    #[must_use]
    pub fn other(&self) -> Self {
        Self { jar: Arc::default(), ..self.clone() }
    }

    /// The same with the cookies of another browser, which both share from then on: the same visitor at another server,
    /// or at one that was restarted.
    ///
    /// ```
    /// use actix_typed_session::testing::{Browser, Remote};
    ///
    /// async fn after_a_restart(before: &Browser<Remote>, port: u16) {
    ///     let browser = Browser::at(("127.0.0.1", port)).with_jar_of(before);
    ///     assert_eq!(browser.get("/me").await.body, "ada");
    /// }
    /// ```
    #[must_use]
    pub fn with_jar_of<O>(self, other: &Browser<O>) -> Self {
        Self { jar: other.jar.clone(), ..self }
    }

    /// The same visitor, with the same cookies, who calls the app by this name: what the `Host` header says, and which
    /// `Domain` a cookie may have.
    ///
    /// ```
    /// # #[actix_web::main] async fn main() {
    /// use actix_typed_session::testing::Browser;
    /// use actix_web::{App, test};
    ///
    /// let shop = Browser::of(test::init_service(App::new()).await).host("shop.example.org");
    /// shop.set_cookie("theme=dark; Path=/; Domain=example.org");
    /// assert!(shop.clone().host("blog.example.org").cookie("theme").is_some());
    /// # }
    /// ```
    #[must_use]
    pub fn host(self, name: &str) -> Self {
        let host = name.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(name, |(host, _)| host);
        Self { host: host.to_ascii_lowercase(), authority: Some(name.to_owned()), ..self }
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Response {
        self.send(TestRequest::get().uri(path)).await
    }

    /// `POST` without a body.
    pub async fn post(&self, path: &str) -> Response {
        self.send(TestRequest::post().uri(path)).await
    }

    /// `POST` with the fields of a form: pairs, or a struct.
    ///
    /// ```
    /// # use actix_typed_session::testing::Browser;
    /// async fn sign_in(browser: &Browser) {
    ///     let response = browser.post_form("/login", &[("name", "ada"), ("password", "secret")]).await;
    ///     assert_eq!(response.status, 303);
    /// }
    /// ```
    pub async fn post_form(&self, path: &str, fields: &(impl Serialize + ?Sized)) -> Response {
        self.send(TestRequest::post().uri(path).set_form(fields)).await
    }

    /// `POST` with a value as JSON.
    ///
    /// ```
    /// # use actix_typed_session::testing::Browser;
    /// #[derive(serde::Serialize)]
    /// struct Item { name: &'static str, count: u32 }
    ///
    /// async fn add(browser: &Browser) {
    ///     assert_eq!(browser.post_json("/cart", &Item { name: "tea", count: 2 }).await.status, 204);
    /// }
    /// ```
    pub async fn post_json(&self, path: &str, value: &(impl Serialize + ?Sized)) -> Response {
        self.send(TestRequest::post().uri(path).set_json(value)).await
    }

    /// Any request, with the cookies that its path is sent. What the request says of cookies itself is sent after them.
    ///
    /// # Panics
    ///
    /// If no server is there, or no whole response comes within a minute.
    ///
    /// ```
    /// # use actix_typed_session::testing::Browser;
    /// use actix_web::test::TestRequest;
    ///
    /// async fn rename(browser: &Browser, csrf_token: &str) {
    ///     let request = TestRequest::put().uri("/name").insert_header(("X-CSRF-Token", csrf_token)).set_payload("ada");
    ///     assert_eq!(browser.send(request).await.status, 204);
    /// }
    /// ```
    pub fn send(&self, request: TestRequest) -> impl Future<Output = Response> + use<'_, S> {
        let request = self.outgoing(request);
        async move {
            let response = self.site.answer(request).await;
            self.take_cookies(&response);
            response
        }
    }

    /// Goes where a redirect leads, by `GET`, until there is a response that is none.
    ///
    /// # Panics
    ///
    /// If the response is no redirect, or leads to another site, or in a circle.
    ///
    /// ```
    /// # use actix_typed_session::testing::Browser;
    /// async fn sign_in(browser: &Browser) {
    ///     let response = browser.post_form("/login", &[("name", "ada")]).await; // 303
    ///     assert!(browser.follow(response).await.body.contains("Welcome, ada!"));
    /// }
    /// ```
    pub async fn follow(&self, response: Response) -> Response {
        let mut response = response;
        for _ in 0..20 {
            response = self.get(&response.leads_to(&self.host)).await;
            if !response.is_redirect() {
                return response;
            }
        }
        panic!("{} leads in a circle", response.request())
    }

    /// The value of the cookie of this name that `/` is sent.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.jar().sent_to(&self.host, "/").find(|cookie| cookie.name == name).map(|cookie| cookie.value.clone())
    }

    /// All that the browser keeps, the oldest first.
    #[must_use]
    pub fn cookies(&self) -> Vec<StoredCookie> {
        self.jar().cookies().to_vec()
    }

    /// Takes a `Set-Cookie` line as if a response to `/` had brought it: a cookie that was stolen or planted, say.
    ///
    /// # Panics
    ///
    /// If browsers would refuse the line.
    ///
    /// ```
    /// # use actix_typed_session::testing::Browser;
    /// async fn a_token_of_before_is_worth_nothing(browser: &Browser) {
    ///     let old = browser.cookie("__Host-session").unwrap();
    ///     browser.post_form("/login", &[("name", "ada")]).await;
    ///     let thief = browser.other();
    ///     thief.set_cookie(&format!("__Host-session={old}; Path=/; Secure"));
    ///     assert_eq!(thief.get("/me").await.status, 401);
    /// }
    /// ```
    #[track_caller]
    pub fn set_cookie(&self, line: &str) {
        if let Err(reason) = self.jar().receive(&self.host, "/", line) {
            panic!("browsers refuse the cookie `{}`: {reason}", name_of(line));
        }
    }

    /// Forgets all cookies.
    pub fn forget_cookies(&self) {
        *self.jar() = Jar::default();
    }

    fn outgoing(&self, request: TestRequest) -> Outgoing {
        let authority = self.authority.clone().unwrap_or_else(|| self.site.authority());
        let mut request = Outgoing::new(request, &authority);
        request.add_cookies(self.cookies_for(&request.path));
        request
    }

    /// The `Cookie` header that a path is sent, if there is something to send.
    fn cookies_for(&self, path: &str) -> Option<String> {
        self.jar().header(&self.host, path)
    }

    /// Takes the cookies of a response; those that browsers refuse are left alone.
    fn take_cookies(&self, response: &Response) {
        let mut jar = self.jar();
        for line in response.set_cookies() {
            let _ = jar.receive(&self.host, response.path(), line);
        }
    }

    fn jar(&self) -> MutexGuard<'_, Jar> {
        self.jar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows no value of a cookie.
impl<S: Site> fmt::Debug for Browser<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Browser").field("host", &self.host).field("cookies", &self.cookies()).finish_non_exhaustive()
    }
}

fn host_of(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    }
}

/// The name in a `Set-Cookie` line, which is all of it that may be shown.
fn name_of(line: &str) -> &str {
    line.split(['=', ';']).next().unwrap_or_default().trim()
}
