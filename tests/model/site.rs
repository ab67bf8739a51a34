//! The site that the visitors use: one handler, which does the steps that a request names.

use std::{collections::BTreeSet, rc::Rc};

use actix_typed_session::{Session, SessionError, SessionHandle, SessionMiddleware, Sessions};
use actix_web::{
    App, Error, FromRequest, HttpRequest,
    body::MessageBody,
    dev::{Service, ServiceResponse},
    http::header,
    test,
    web::{Data, to},
};
use futures_util::{
    FutureExt,
    future::{LocalBoxFuture, join},
};
use serde::{Deserialize, Serialize};

/// A field for each rule of merging.
#[derive(Default, Session)]
#[session(default)]
struct Cart {
    #[session(merge = "add")]
    total: u64,
    #[session(merge = "union")]
    set: BTreeSet<u64>,
    list: Vec<u64>,
    #[session(merge = "append")]
    queue: Vec<u64>,
    #[session(merge = "max")]
    top: u64,
    #[session(merge = "min")]
    low: Option<u64>,
    #[session(merge = "last")]
    last: u64,
    #[session(merge = "either")]
    bits: u64,
}

fn either(_: Option<&u64>, mine: u64, theirs: u64) -> u64 {
    mine | theirs
}

impl Cart {
    /// Every change is by a power of two of its own, so that the sum tells what is in it.
    fn change(&mut self, n: u64) {
        self.total += n;
        self.set.insert(n);
        self.list.push(n);
        self.queue.push(n);
        self.top = self.top.max(n);
        self.low = Some(self.low.map_or(n, |low| low.min(n)));
        self.last = n;
        self.bits |= n;
    }
}

#[derive(Default, Session)]
#[session(default)]
struct Seat {
    #[session(merge = "reject")]
    taken: Vec<u64>,
}

#[derive(Session)]
struct User {
    #[session(owner)]
    name: u64,
}

/// What only the user may see who wrote it; each note ends with the digit of its user.
#[derive(Session)]
struct Private {
    of: u64,
    #[session(merge = "union")]
    notes: BTreeSet<u64>,
}

/// What a request saw when its steps were done.
#[derive(Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) is_new: bool,
    /// 0 for nobody.
    pub(crate) user: u64,
    pub(crate) private: Option<(u64, BTreeSet<u64>)>,
    pub(crate) total: u64,
    pub(crate) set: BTreeSet<u64>,
    pub(crate) list: Vec<u64>,
    pub(crate) queue: Vec<u64>,
    pub(crate) top: u64,
    pub(crate) low: Option<u64>,
    pub(crate) last: u64,
    pub(crate) bits: u64,
    pub(crate) taken: Vec<u64>,
}

/// Does the steps that a header spells, each a letter and a number.
async fn run(session: SessionHandle, request: HttpRequest) -> Result<String, SessionError> {
    let steps = request.headers().get(STEPS).and_then(|steps| steps.to_str().ok()).unwrap_or_default();
    let mut own: Option<Session<Cart>> = None;
    for step in steps.split('.') {
        let (kind, n) = step.split_at(1);
        let n = n.parse().unwrap_or(0);
        if own.is_none() && "CSXP".contains(kind) {
            own = Some(Session::extract(&request).await?);
        }
        match (kind, &mut own) {
            ("c", _) => Session::<Cart>::extract(&request).await?.change(n),
            ("C", Some(own)) => own.change(n),
            ("s", _) => session.save().await?,
            ("S", Some(own)) => own.save().await?,
            // saved, and not waited for
            ("X", Some(own)) => {
                own.change(n);
                own.save().now_or_never().unwrap_or(Ok(()))?;
            }
            // changed twice, while one of the changes is being saved
            ("P", Some(own)) => {
                let mut other: Session<Cart> = Session::extract(&request).await?;
                other.change(n);
                let (one, two) = join(own.save(), other.save()).await;
                one.and(two)?;
            }
            ("j", _) => Session::<Seat>::extract(&request).await?.taken.push(n),
            ("n", _) => {
                if let Ok(mut private) = Session::<Private>::extract(&request).await {
                    let of = private.of;
                    private.notes.insert(n * 10 + of);
                }
            }
            ("l", _) => session.label(&n.to_string()),
            ("r", _) => session.rotate(),
            ("m", _) => session.mark_authenticated(),
            ("k", _) => drop(session.csrf_token().await?),
            ("i", _) => {
                session.insert(User { name: n })?;
                session.insert(Private { of: n, notes: BTreeSet::new() })?;
            }
            ("o", _) => {
                session.remove::<User>()?;
                session.remove::<Private>()?;
            }
            ("d", _) => session.destroy(),
            ("O", _) => {
                let sessions = request.app_data::<Data<Sessions>>();
                let _ended = sessions.unwrap().revoke_others(&session).await?;
            }
            _ => {}
        }
    }
    drop(own);
    let is_new = session.is_new().await?;
    let user = Option::<Session<User>>::extract(&request).await.unwrap_or_default().map_or(0, |user| user.name);
    let private = Option::<Session<Private>>::extract(&request).await.unwrap_or_default();
    let private = private.map(|private| (private.of, private.notes.clone()));
    let Seat { taken } = &*Session::<Seat>::extract(&request).await?;
    let Cart { total, set, list, queue, top, low, last, bits } = &*Session::<Cart>::extract(&request).await?;
    let seen = Seen {
        is_new,
        user,
        private,
        total: *total,
        set: set.clone(),
        list: list.clone(),
        queue: queue.clone(),
        top: *top,
        low: *low,
        last: *last,
        bits: *bits,
        taken: taken.clone(),
    };
    Ok(serde_json::to_string(&seen).unwrap_or_default())
}

const STEPS: &str = "x-steps";

/// What a visitor gets.
pub(crate) struct Response {
    pub(crate) status: u16,
    /// The new token; empty where the cookie is removed.
    pub(crate) cookie: Option<String>,
    pub(crate) seen: Option<Seen>,
}

/// The requests of a site.
pub(crate) type Send = Rc<dyn Fn(Option<&str>, &str) -> LocalBoxFuture<'static, Response>>;

/// Starts the site, without a socket and without routes.
pub(crate) async fn start(sessions: SessionMiddleware) -> Send {
    let of_users = Data::new(sessions.sessions().unwrap());
    let app = App::new().app_data(of_users).wrap(sessions).default_service(to(run));
    let app = Rc::new(test::init_service(app).await);
    Rc::new(move |token, steps| {
        let mut request = test::TestRequest::get().insert_header((STEPS, steps));
        if let Some(token) = token {
            request = request.insert_header((header::COOKIE, format!("__Host-session={token}")));
        }
        answer(app.clone(), request.to_request()).boxed_local()
    })
}

async fn answer<S, R, B: MessageBody>(app: Rc<S>, request: R) -> Response
where
    S: Service<R, Response = ServiceResponse<B>, Error = Error>,
{
    let response = test::call_service(&*app, request).await;
    let cookie = response.headers().get(header::SET_COOKIE).map(|line| line.to_str().unwrap());
    let cookie = cookie.map(|line| line.split([';', '=']).nth(1).unwrap().to_owned());
    let status = response.status().as_u16();
    let body = test::read_body(response).await;
    Response { status, cookie, seen: serde_json::from_slice(&body).ok() }
}
