//! Does one thing so often: `count SCENARIO ITERATIONS`, for a tool that counts instructions.
//!
//! `benches/run counts` runs it with two numbers of iterations; what it takes to start falls out of the difference. All of
//! it is in one thread, over the memory store, with requests that come from no network.

use std::{env, error::Error, hint::black_box};

use actix_typed_session::{
    __private::{decode_record, encode_record},
    Session, SessionError, SessionHandle, SessionMiddleware,
    store::MemoryStore,
};

use actix_http::Request;
use actix_web::{
    App, FromRequest as _, HttpRequest,
    body::MessageBody,
    dev::{Service, ServiceResponse},
    http::header::{COOKIE, SET_COOKIE},
    test::{TestRequest, init_service},
    web,
};
use benches::{Item, Visitor};
use bytes::Bytes;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

#[derive(Session)]
struct User {
    user_id: i64,
    name: String,
}

#[derive(Default, Session)]
#[session(default)]
struct Cart {
    items: Vec<Item>,
}

#[derive(Default, Session)]
#[session(default)]
struct Visits {
    #[session(merge = "add")]
    count: u64,
}

/// The same fields in one struct.
#[derive(Session)]
struct Customer {
    user_id: i64,
    name: String,
    cart: Vec<Item>,
    #[session(merge = "add")]
    visits: u64,
}

/// What can be done.
const SCENARIOS: [&str; 14] = [
    "bare",
    "untouched",
    "read",
    "write",
    "login",
    "extract",
    "borrow",
    "change",
    "decode-3",
    "decode-30",
    "decode-300",
    "encode-3",
    "encode-30",
    "encode-300",
];

#[actix_web::main]
async fn main() -> Outcome {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [scenario, times] = arguments.as_slice() else {
        SCENARIOS.iter().for_each(|scenario| println!("{scenario}"));
        return Ok(());
    };
    if !SCENARIOS.contains(&scenario.as_str()) {
        return Err(format!("`{scenario}`: expected one of {}", SCENARIOS.join(", ")).into());
    }
    let times = times.parse()?;
    match scenario.split_once('-') {
        Some(("encode", fields)) => encode(fields.parse()?, times),
        Some((_, fields)) => decode(fields.parse()?, times),
        None => requests(scenario, times).await,
    }
}

async fn requests(scenario: &str, times: usize) -> Outcome {
    if scenario == "bare" {
        let app = init_service(App::new().route("/bare", web::get().to(async || "bare"))).await;
        return repeat(&app, "/bare", Some("sid=none"), times).await;
    }
    let app = App::new()
        .wrap(SessionMiddleware::new(MemoryStore::default()))
        .app_data(web::Data::new(Visitor::of_size(None)))
        .route("/untouched", web::get().to(async || "untouched"))
        .route("/read", web::get().to(read))
        .route("/write", web::get().to(write))
        .route("/login", web::get().to(login))
        .route("/customer", web::get().to(customer))
        .route("/extract/{times}", web::get().to(extract))
        .route("/borrow/{times}", web::get().to(borrow))
        .route("/change/{times}", web::get().to(change));
    let app = init_service(app).await;
    let begin = if ["extract", "borrow", "change"].contains(&scenario) { "/customer" } else { "/login" };
    let response = call(&app, begin, None).await?;
    let cookie = response.headers().get(SET_COOKIE).ok_or("a login sets no cookie")?.to_str()?;
    let cookie = cookie.split(';').next();
    match scenario {
        "login" => repeat(&app, "/login", None, times).await,
        "untouched" | "read" | "write" => repeat(&app, &format!("/{scenario}"), cookie, times).await,
        // within one request, so that there is no load, no save and no response among what is counted
        _ => repeat(&app, &format!("/{scenario}/{times}"), cookie, 1).await,
    }
}

/// An application.
trait Answers<B>: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error> {}

impl<B, A: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error>> Answers<B> for A {}

async fn repeat<B: MessageBody>(app: &impl Answers<B>, path: &str, cookie: Option<&str>, times: usize) -> Outcome {
    for _ in 0..times {
        black_box(call(app, path, cookie).await?);
    }
    Ok(())
}

async fn call<B: MessageBody>(app: &impl Answers<B>, path: &str, cookie: Option<&str>) -> Outcome<ServiceResponse<B>> {
    let mut request = TestRequest::with_uri(path);
    if let Some(cookie) = cookie {
        request = request.insert_header((COOKIE, cookie));
    }
    let response = app.call(request.to_request()).await.map_err(|error| error.to_string())?;
    if response.status() != 200 {
        return Err(format!("{path} answers {}", response.status()).into());
    }
    Ok(response)
}

async fn read(user: Session<User>, cart: Session<Cart>) -> String {
    format!("{} {}", user.user_id, cart.items.len())
}

async fn write(mut visits: Session<Visits>) -> String {
    // one digit, whatever the number of requests
    visits.count = (visits.count + 1) % 10;
    visits.count.to_string()
}

async fn login(session: SessionHandle, visitor: web::Data<Visitor>) -> Result<&'static str, SessionError> {
    session.insert(User { user_id: visitor.user_id, name: visitor.name.clone() })?;
    session.insert(Cart { items: visitor.cart.clone() })?;
    session.insert(Visits { count: visitor.visits })?;
    Ok("login")
}

async fn customer(session: SessionHandle, visitor: web::Data<Visitor>) -> Result<&'static str, SessionError> {
    let Visitor { user_id, name, cart, visits } = Visitor::clone(&visitor);
    session.insert(Customer { user_id, name, cart, visits })?;
    Ok("customer")
}

async fn extract(request: HttpRequest, times: web::Path<usize>) -> Result<&'static str, SessionError> {
    for _ in 0..*times {
        black_box(Session::<Customer>::extract(&request).await?);
    }
    Ok("extract")
}

async fn borrow(request: HttpRequest, times: web::Path<usize>) -> Result<&'static str, SessionError> {
    for _ in 0..*times {
        black_box::<&mut Customer>(&mut *Session::extract(&request).await?);
    }
    Ok("borrow")
}

async fn change(request: HttpRequest, times: web::Path<usize>) -> Result<&'static str, SessionError> {
    for _ in 0..*times {
        let mut customer = Session::<Customer>::extract(&request).await?;
        customer.visits = (customer.visits + 1) % 10;
    }
    Ok("change")
}

fn decode(fields: usize, times: usize) -> Outcome {
    let fields = sample(fields);
    let record = Bytes::from(encode_record(&borrowed(&fields)).ok_or("no record")?);
    for _ in 0..times {
        black_box(decode_record(black_box(record.clone())).ok_or("no fields")?);
    }
    Ok(())
}

fn encode(fields: usize, times: usize) -> Outcome {
    let fields = sample(fields);
    let fields = borrowed(&fields);
    for _ in 0..times {
        black_box(encode_record(black_box(&fields)).ok_or("no record")?);
    }
    Ok(())
}

/// Fields with names and texts of ordinary length, in the order of their names.
fn sample(fields: usize) -> Vec<(String, String)> {
    (0..fields)
        .map(|number| (format!("cart.field_{number:03}"), format!("\"the text of field {number:03}\"")))
        .collect()
}

fn borrowed(fields: &[(String, String)]) -> Vec<(&str, &str)> {
    fields.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
}
