//! Flows of all kinds, full of secrets: whatever may happen in the life of a session.

use std::{collections::BTreeMap, time::Duration};

use actix_typed_session::{
    Fresh, Session, SessionConfig, SessionError, SessionHandle, SessionMiddleware, Sessions,
    store::{FilesystemStore, MemoryStore, Record, SessionStore as _, Updated},
    testing::{Fault, FaultStore, Gate, Operation, ReferenceStore},
};
use actix_web::web::{Data, Path, ServiceConfig, get, post, scope};
use tokio::sync::OnceCell;

use crate::{
    recorder,
    routes::{User, routes},
    secrets::Secrets,
    site::{Bare, DAY, NAME, Site, key, line, other_secret, split},
};

/// A value that fits into a path.
pub(crate) const VALUE: &str = "sesame-31415";
/// One that looks otherwise in JSON, in a URL and in `Debug`.
const SPICED: &str = "ses=am&e \"2718\" é/é";
const NUMBER: i64 = 3_141_592_653_589;
pub(crate) const SIGNING: &str = "signing-key-0123456789-0123456789-abcdef";
pub(crate) const SEALING: [u8; 32] = *b"sealing-key-\x01\x02\xff456789-0123456789";

#[derive(Default, Session)]
#[session(default)]
struct Vault {
    json: BTreeMap<String, String>,
    #[session(merge = "last")]
    last: String,
    #[session(merge = "add")]
    add: i64,
    #[session(merge = "max")]
    max: i64,
    #[session(merge = "min")]
    min: i64,
    #[session(merge = "union")]
    union: Vec<String>,
    #[session(merge = "append")]
    append: Vec<String>,
    #[session(merge = "reject")]
    reject: String,
    #[session(merge = "longer")]
    path: String,
}

fn longer(_: Option<&String>, mine: String, theirs: String) -> String {
    if mine.len() < theirs.len() { theirs } else { mine }
}

/// Another type of the same key, which is a mistake.
#[derive(Default, Session)]
#[session(default, key = "vault")]
struct Clash {
    last: u8,
}

/// Routes that the flows need beside the others.
pub(crate) fn vault(app: &mut ServiceConfig) {
    app.route("/vault/{field}", post().to(put))
        .route("/revoke/{owner}", get().to(revoke))
        .route("/guarded/{csrf}", get().to(guarded))
        .route("/fresh", get().to(async |user: Fresh<User, 60>| user.name.clone()))
        .route(
            "/others",
            get().to(async |session: SessionHandle, sessions: Data<Sessions>| {
                sessions.revoke_others(&session).await.map(|count| count.to_string())
            }),
        )
        .route("/clash", get().to(async |_: Session<Vault>, clash: Session<Clash>| clash.last.to_string()));
}

async fn revoke(session: SessionHandle, sessions: Data<Sessions>, owner: Path<String>) -> Result<String, SessionError> {
    session.label(SPICED);
    session.save().await?;
    let all = sessions.of(&*owner).await?;
    for one in all.iter().take(1) {
        sessions.revoke(&*owner, one.id).await?;
    }
    sessions.revoke_others(&session).await?;
    sessions.revoke_owner(&*owner).await?;
    Ok(format!("{}", all.len()))
}

async fn guarded(session: SessionHandle, csrf: Path<String>) -> Result<String, SessionError> {
    let token = session.csrf_token().await?;
    session.verify_csrf(&token).await?;
    session.mark_authenticated();
    session.verify_csrf(&csrf).await?;
    Ok(token)
}

async fn put(mut vault: Session<Vault>, field: Path<String>, text: String) -> String {
    let vault = &mut *vault;
    let more = NUMBER + i64::try_from(text.len()).unwrap();
    match field.as_str() {
        "json" => _ = vault.json.insert(text.clone(), text),
        "last" => vault.last = text,
        "add" => vault.add += more,
        "max" => vault.max = more,
        "min" => vault.min = -more,
        "union" => vault.union.push(text),
        "append" => vault.append.push(text),
        "reject" => vault.reject = text,
        _ => vault.path = text,
    }
    "put".to_owned()
}

/// The secrets of the flows, which are gone through once a process.
pub(crate) async fn secrets() -> &'static Secrets {
    static SECRETS: OnceCell<Secrets> = OnceCell::const_new();
    SECRETS.get_or_init(all).await
}

/// What keys and values there are, without tokens.
pub(crate) fn known() -> Secrets {
    let mut secrets = Secrets::default();
    secrets.add("a value", VALUE.as_bytes());
    secrets.add("another value", SPICED.as_bytes());
    // of all sums and lengths the first digits are the same
    secrets.add("a number", &NUMBER.to_string().as_bytes()[..9]);
    secrets.add("a signing key", SIGNING.as_bytes());
    secrets.add("an encryption key", &SEALING);
    secrets
}

async fn all() -> Secrets {
    recorder::record();
    let mut secrets = known();
    let config = SessionConfig::new().signing_keys([SIGNING]).encryption_keys([SEALING]);
    let config = config.max_bytes(4096).cleanup_every_n_requests(1);
    let site = Site::with(config.clone()).await;
    use_and_end(&site, &mut secrets).await;
    merge(&site, &mut secrets).await;
    lose(&site, &mut secrets).await;
    fail(&config, &mut secrets).await;
    present(&site, &config, &mut secrets).await;
    damage(&site, &mut secrets).await;
    outlive(&mut secrets).await;
    users(&mut secrets).await;
    hang_up(&mut secrets).await;
    in_the_process().await;
    secrets
}

/// Asks, and remembers what token comes of it.
async fn visit(site: &Site, path: &str, secrets: &mut Secrets) -> u16 {
    let status = site.get(path).await.status;
    remember(site, secrets);
    status
}

async fn send(site: &Site, path: &str, body: &str, secrets: &mut Secrets) -> u16 {
    let status = site.browser.send("POST", path, &[], body).await.status;
    remember(site, secrets);
    status
}

fn remember(site: &Site, secrets: &mut Secrets) {
    if let Some(cookie) = site.browser.cookie(NAME) {
        secrets.add_cookie(&cookie);
    }
}

/// The first visit, changes, sign-in, rotation, failures of handlers, changes that come late, the end.
async fn use_and_end(site: &Site, secrets: &mut Secrets) {
    let (set, login) = (format!("/set/note/{VALUE}"), format!("/login/{VALUE}"));
    let paths = [
        &set,
        "/read",
        &login,
        "/user",
        "/option-user",
        "/rotate",
        "/get/note",
        "/nan",
        "/insert-nan",
        "/status/500",
        "/err/404",
        "/err/502",
        "/save",
        "/save-then/500",
        "/inner/push/2",
        "/stream",
        "/stream-set",
        "/stream-save",
        "/stream-set-save",
        "/stream-rotate",
        "/task",
        "/too-large-then-set",
        "/debug",
        "/clash",
        "/destroy/404",
        &set,
        &login,
        "/login/eve-and-others",
        "/logout",
        &login,
        "/begin-again",
        "/destroy/500",
        "/destroy",
        &login,
    ];
    for path in paths {
        visit(site, path, secrets).await;
        assert_eq!(send(site, "/vault/last", SPICED, secrets).await, 200, "{path}");
    }
    assert_eq!(send(site, "/text", &VALUE.repeat(500), secrets).await, 500);
    site.logs("session.swept").await;
    site.logs("session.late_change").await;
}

/// A request whose update waits until another one is done.
async fn overtaken(site: &Site, slow: (&str, &str, &str), fast: (&str, &str, &str), secrets: &mut Secrets) -> u16 {
    let gate = site.faults.hold(Operation::Update);
    let (browser, [method, path, body]) = (site.browser.clone(), [slow.0, slow.1, slow.2].map(str::to_owned));
    let slow = tokio::spawn(async move { browser.send(&method, &path, &[], &body).await.status });
    gate.arrived(1).await;
    assert_eq!(site.browser.send(fast.0, fast.1, &[], fast.2).await.status, 200, "{fast:?}");
    remember(site, secrets);
    gate.open();
    let status = slow.await.unwrap();
    remember(site, secrets);
    status
}

/// A merge by each rule.
async fn merge(site: &Site, secrets: &mut Secrets) {
    for field in ["json", "last", "add", "max", "min", "union", "append", "reject", "path"] {
        let path = format!("/vault/{field}");
        send(site, &path, SPICED, secrets).await;
        let more = [format!("{SPICED}, mine"), format!("{SPICED}, theirs of {VALUE}")];
        let status = overtaken(site, ("POST", &path, &more[0]), ("POST", &path, &more[1]), secrets).await;
        assert_eq!(status, if field == "reject" { 409 } else { 200 }, "{field}");
    }
}

/// Changes that come too late: for a rotation, for the end, for another owner.
async fn lose(site: &Site, secrets: &mut Secrets) {
    let (mine, login) = (("POST", "/vault/last", SPICED), format!("/login/{VALUE}"));
    for (fast, status) in [("/rotate", 409), ("/login/somebody-else", 409), ("/destroy", 200)] {
        visit(site, &login, secrets).await;
        send(site, "/vault/last", VALUE, secrets).await;
        assert_eq!(overtaken(site, mine, ("GET", fast, ""), secrets).await, status, "{fast}");
    }
    send(site, "/vault/last", VALUE, secrets).await;
    assert_eq!(overtaken(site, ("GET", &login, ""), ("GET", "/destroy", ""), secrets).await, 409);
}

/// Each fault of each operation, with values on their way.
async fn fail(config: &SessionConfig, secrets: &mut Secrets) {
    let site = &Site::with(config.clone().store_timeout(Duration::from_millis(20))).await;
    let (set, login) = (format!("/set/note/{VALUE}"), format!("/login/{VALUE}"));
    for fault in [Fault::Unavailable, Fault::LostAnswer, Fault::Garbage, Fault::Hang] {
        for operation in [Operation::Load, Operation::Create, Operation::Update, Operation::Delete] {
            visit(site, &login, secrets).await;
            site.faults.always(operation, fault.clone());
            if matches!(operation, Operation::Create) {
                site.browser.forget_cookies();
            }
            // no body: where it is not read, the server waits for it
            for path in [&login, &set, "/option-user", "/save", "/set-save-told", "/rotate", "/destroy"] {
                visit(site, path, secrets).await;
            }
            site.faults.clear();
        }
        visit(site, &login, secrets).await;
        site.clock.advance(5 * DAY);
        site.faults.next(Operation::Touch, 1, fault.clone());
        site.faults.always(Operation::DeleteExpired, fault);
        visit(site, "/read", secrets).await;
        site.clock.advance(5 * DAY);
        visit(site, "/read", secrets).await;
        site.faults.clear();
    }
}

/// Cookies that somebody made up, and that are not what they were.
async fn present(site: &Site, config: &SessionConfig, secrets: &mut Secrets) {
    visit(site, &format!("/set/note/{VALUE}"), secrets).await;
    let cookie = site.token();
    let (token, signature) = cookie.split_once('.').unwrap();
    let forged = other_secret(token);
    secrets.add_cookie(&forged);
    for value in [token, &forged, &format!("{forged}.{signature}"), &format!("\"{cookie}\""), VALUE, SPICED] {
        site.get_with("/read", &[&format!("{NAME}={value}")]).await;
    }
    let again = config.clone().encryption_keys([[1; 32], SEALING]).signing_keys([b"another".repeat(6), SIGNING.into()]);
    let turned = Site::over(site.store.clone(), site.clock.clone(), again).await;
    let response = turned.get_with("/read", &[&format!("{NAME}={cookie}")]).await;
    secrets.add_cookie(split(line(&response)).1);
    let foreign = Site::over(site.store.clone(), site.clock.clone(), config.clone().encryption_keys([[1; 32]])).await;
    foreign.get_with("/read", &[&format!("{NAME}={cookie}")]).await;
    assert_eq!(foreign.named("session.damaged").len(), 1);

    let lan = [("x-forwarded-host", "shop.lan"), ("origin", "http://shop.lan")];
    let response = site.browser.other().send("GET", &format!("/set/note/{VALUE}"), &lan, "").await;
    secrets.add_cookie(split(line(&response)).1);

    let plain = Site::with(SessionConfig::new().cookie_secure(false)).await;
    let mut both = Vec::new();
    for _ in 0..2 {
        let response = plain.get_with(&format!("/set/note/{VALUE}"), &[]).await;
        let (name, value, _) = split(line(&response));
        both.push(format!("{name}={value}"));
        let forged = other_secret(value);
        plain.get_with("/read", &[&format!("{name}={forged}")]).await;
        secrets.add_cookie(value);
        secrets.add_cookie(&forged);
    }
    plain.get_with("/read", &[&both.join("; ")]).await;
}

/// Records that are not what a struct or anybody expects.
async fn damage(site: &Site, secrets: &mut Secrets) {
    visit(site, &format!("/set/cart.items/{VALUE}"), secrets).await;
    visit(site, "/read", secrets).await;
    visit(site, "/error/decode", secrets).await;
    let plain = Site::begun().await;
    send(&plain, "/text", SPICED, secrets).await;
    let stored = plain.record(&plain.token()).await.unwrap();
    let torn = Record::new(stored.bytes.slice(..stored.bytes.len() - 1), DAY);
    let torn = plain.store.update(&key(&plain.token()), &torn, &stored.version).await;
    assert_eq!(torn.unwrap(), Updated::Done);
    visit(&plain, "/read", secrets).await;
    assert_eq!(plain.named("session.damaged").len(), 1);
}

/// A session that is older than is allowed today.
async fn outlive(secrets: &mut Secrets) {
    let site = Site::begun().await;
    send(&site, "/text", SPICED, secrets).await;
    site.clock.advance(DAY);
    let config = SessionConfig::new().absolute_lifetime(DAY / 2);
    let strict = Site::over(site.store.clone(), site.clock.clone(), config).await;
    strict.get_with("/text", &[&format!("{NAME}={}", site.token())]).await;
    assert_eq!(strict.named("session.expired").len(), 1);
}

/// Sessions of a user: too many, listed, ended from outside; guards that refuse.
async fn users(secrets: &mut Secrets) {
    let config = SessionConfig::new().limit_per_owner(2).encryption_keys([SEALING]);
    let site = Site::with(config.clone()).await;
    let login = format!("/login/{VALUE}");
    for _ in 0..3 {
        visit(&site, &login, secrets).await;
        site.browser.forget_cookies();
    }
    let strict = Site::over(site.store.clone(), site.clock.clone(), config.refuse_over_limit(true)).await;
    assert_eq!(visit(&strict, &login, secrets).await, 409);
    visit(&site, &login, secrets).await;
    assert_eq!(visit(&site, &format!("/guarded/{VALUE}"), secrets).await, 403);
    site.clock.advance(DAY);
    assert_eq!(visit(&site, "/fresh", secrets).await, 403);
    assert_eq!(visit(&site, &format!("/revoke/{VALUE}"), secrets).await, 200);
    for _ in 0..2 {
        site.browser.forget_cookies();
        visit(&site, &login, secrets).await;
    }
    let passing = Gate::new();
    passing.open();
    // the own session, the list and the other session are loaded, and then the list can't be again
    site.faults.next(Operation::Load, 3, Fault::Held(passing));
    site.faults.next(Operation::Load, 1, Fault::Unavailable);
    assert_eq!(site.get("/others").await.body, "1");
}

/// Clients that are gone before their answer, and handlers without a middleware.
async fn hang_up(secrets: &mut Secrets) {
    let faults = FaultStore::new(ReferenceStore::default());
    let sessions = SessionMiddleware::new(faults.clone());
    let bare = Bare::start(move |app: &mut ServiceConfig| {
        app.service(scope("/in").wrap(sessions.clone()).configure(routes)).configure(routes);
    });
    let bare = bare.await;
    let browser = &bare.browser;
    browser.send("POST", "/in/vault/last", &[], VALUE).await;
    secrets.add_cookie(&browser.cookie(NAME).unwrap());
    for operation in [Operation::Load, Operation::Update] {
        let gate = faults.hold(operation);
        let request = browser.begin("POST", "/in/vault/last", &[], SPICED).await;
        gate.arrived(1).await;
        drop(request);
        gate.open();
        browser.send("POST", "/in/vault/last", &[], VALUE).await;
    }
    for path in ["/read", "/option-user"] {
        browser.get(path).await;
    }
    browser.get(&format!("/login/{VALUE}")).await;
    browser.send("POST", "/vault/last", &[], SPICED).await;
}

/// What stores and settings tell outside of requests.
async fn in_the_process() {
    let _ = SessionConfig::from_vars([("SESSION_SECRT_KEYS", SIGNING), ("SESSION_KOOKIE", VALUE)]);
    let sessions = || SessionMiddleware::with_config(MemoryStore::default(), SessionConfig::new().cookie_name("flows"));
    let _both = (sessions(), sessions());
    let record = Record::new(VALUE.repeat(40), DAY);
    let memory = MemoryStore::default().max_bytes(4096);
    for index in 0..50 {
        let _ = memory.create(&format!("session:{index}"), &record).await.unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    let files = FilesystemStore::new(directory.path()).unwrap();
    let _ = files.create("session:1", &record).await.unwrap();
    tear(directory.path());
    assert_eq!(files.load("session:1").await.unwrap(), None);
}

/// Cuts the last bytes off all files of more than a few.
fn tear(directory: &std::path::Path) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let (path, kind) = entry.map(|entry| (entry.path(), entry.file_type().unwrap())).unwrap();
        let content = if kind.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        match kind.is_dir() {
            true => tear(&path),
            false if content.len() > 100 => std::fs::write(&path, &content[..content.len() - 3]).unwrap(),
            false => {}
        }
    }
}
