//! What the guide "Deployment" says of two versions that run side by side: keys, prefixes, structs.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test tells what it did not expect by a panic")]

use actix_typed_session::{Session, SessionConfig, SessionHandle, SessionMiddleware, store::MemoryStore};
use actix_web::{
    App,
    dev::Service,
    http::header,
    test::{TestRequest, init_service, read_body},
    web::{ServiceConfig, get},
};

/// A browser at nodes of several settings, over one store.
#[derive(Default)]
struct Visitor {
    store: MemoryStore,
    cookie: String,
}

impl Visitor {
    /// The body that a node with these settings answers, or the status of what is no success.
    async fn get(&mut self, settings: &[(&str, &str)], path: &str) -> String {
        let config = SessionConfig::from_vars(settings.iter().copied()).unwrap();
        let sessions = SessionMiddleware::with_config(self.store.clone(), config).unwrap();
        let app = init_service(App::new().wrap(sessions).configure(routes)).await;
        let request = TestRequest::get().uri(path).insert_header((header::COOKIE, self.cookie.as_str()));
        let answer = match app.call(request.to_request()).await {
            Ok(answer) if answer.status().is_success() => answer,
            Ok(answer) => return answer.status().as_str().to_owned(),
            Err(error) => return error.error_response().status().as_str().to_owned(),
        };
        if let Some(line) = answer.headers().get(header::SET_COOKIE) {
            self.cookie = line.to_str().unwrap().split(';').next().unwrap().to_owned();
        }
        String::from_utf8(read_body(answer).await.to_vec()).unwrap()
    }

    /// The visits that a node with these settings has counted with this one.
    async fn count(&mut self, settings: &[(&str, &str)]) -> u32 {
        self.get(settings, "/count").await.parse().unwrap()
    }

    /// Each path answers what stands beside it.
    async fn walk(&mut self, steps: &[(&str, &str)]) {
        for (path, body) in steps {
            assert_eq!(self.get(&[], path).await, *body, "{path}");
        }
    }
}

/// A typed session whose fields have values when they are absent.
macro_rules! version {
    ($name:ident, $(#[$of:meta])* { $($(#[$field_of:meta])* $field:ident: $type:ty),* }) => {
        #[derive(Default, Session)]
        $(#[$of])*
        struct $name { $($(#[$field_of])* $field: $type),* }
    };
}

version!(Visits, #[session(default)] { count: u32 });
version!(OldName, #[session(key = "named", default)] { city: String });
version!(BothNames, #[session(key = "named", default)] { #[session(rename = "city", alias = "place")] city: String });
version!(NewName, #[session(key = "named", default)] { #[session(alias = "city")] place: String });
version!(OldType, #[session(key = "typed", default)] { level: u32 });
version!(NewType, #[session(key = "typed", default)] { level: String });
version!(WideType, #[session(key = "typed", default)] { level: Option<u64> });
version!(OldUnit, #[session(key = "unit", default, merge = "last")] { a: u32 });
version!(NewUnit, #[session(key = "unit", default, merge = "last")] { a: u32, b: u32 });
version!(OldStruct, #[session(default)] { level: u32 });
version!(NewStruct, #[session(default)] { level: u32 });

#[derive(Session)]
#[session(key = "user")]
struct OldUser {
    name: String,
}

#[derive(Session)]
#[session(key = "user")]
struct NewUser {
    name: String,
    email: String,
}

fn routes(app: &mut ServiceConfig) {
    /// A route that reads a field as text, and one that sets it.
    macro_rules! field {
        ($path:literal, $type:ty, $field:ident, $value:expr) => {
            app.route(
                concat!($path, "/read"),
                get().to(async |one: Session<$type>| serde_json::to_string(&one.$field).unwrap()),
            )
            .route(
                concat!($path, "/write"),
                get().to(async |mut one: Session<$type>| {
                    one.$field = $value.into();
                    "written"
                }),
            )
        };
    }
    app.route(
        "/count",
        get().to(async |mut visits: Session<Visits>| {
            visits.count += 1;
            visits.count.to_string()
        }),
    )
    .route(
        "/sign-in",
        get().to(async |session: SessionHandle| session.insert(OldUser { name: "ada".into() }).map(|()| "in")),
    )
    .route("/old-user", get().to(async |user: Session<OldUser>| user.name.clone()))
    .route("/new-user", get().to(async |user: Session<NewUser>| format!("{} {}", user.name, user.email)));
    field!("/name/old", OldName, city, "Rome");
    field!("/name/both", BothNames, city, "Bern");
    field!("/name/new", NewName, place, "Oslo");
    field!("/type/old", OldType, level, 3_u32);
    field!("/type/new", NewType, level, "gold");
    field!("/type/wide", WideType, level, 4_u64);
    field!("/unit/old", OldUnit, a, 1_u32);
    field!("/unit/new/a", NewUnit, a, 2_u32);
    field!("/unit/new/b", NewUnit, b, 5_u32);
    field!("/struct/old", OldStruct, level, 3_u32);
    field!("/struct/new", NewStruct, level, 4_u32);
}

/// The lines of the guide's table, a deploy each, of its column for signing or for encryption.
fn deploys(column: usize, keys: [&str; 2]) -> Vec<(&'static str, String)> {
    let guide = include_str!("../session/src/docs/deployment.md");
    let (_, table) = guide.split_once("| deploy | signing | encryption |").unwrap();
    let rows = table.lines().skip(2).take_while(|row| row.starts_with('|'));
    let line = |row: &'static str| {
        let (key, value) = row.split('`').nth(1 + 2 * column).unwrap().split_once('=').unwrap();
        let [old, new] = keys;
        (key, value.split(',').map(|name| if name == "old" { old } else { new }).collect::<Vec<_>>().join(","))
    };
    rows.map(line).collect()
}

async fn keys_are_changed(column: usize, keys: [&str; 2]) {
    let deploys = deploys(column, keys);
    assert_eq!(deploys.len(), 4);
    let signs = ("SESSION_USE_SIGNER", if column == 0 { "true" } else { "false" });
    let nodes: Vec<_> = deploys.iter().map(|(key, value)| [(*key, value.as_str()), signs]).collect();

    let mut visitor = Visitor::default();
    let mut count = 0;
    for deploy in 0..nodes.len() {
        for node in [deploy, deploy.max(1) - 1, deploy] {
            count += 1;
            assert_eq!(visitor.count(&nodes[node]).await, count, "deploy {deploy}, a node of deploy {node}");
        }
    }
    // what the guide says of a step that is left out
    for (from, to) in [(2, 0), (0, 3), (1, 3)] {
        let mut visitor = Visitor::default();
        assert_eq!(visitor.count(&nodes[from]).await, 1);
        assert_eq!(visitor.count(&nodes[to]).await, 1, "from deploy {from} to {to}");
    }
}

#[actix_web::test]
async fn a_signing_key_is_changed_in_three_deploys_with_nobody_signed_out() {
    keys_are_changed(0, ["old-0123456789-0123456789-0123456789", "new-0123456789-0123456789-0123456789"]).await;
}

#[actix_web::test]
async fn an_encryption_key_is_changed_in_three_deploys_with_nobody_signed_out() {
    keys_are_changed(1, [&"01".repeat(32), &"02".repeat(32)]).await;
}

/// A record that was only read since is sealed by the key that it was written with.
#[actix_web::test]
async fn to_read_a_session_does_not_seal_it_anew() {
    let deploys = deploys(1, [&"01".repeat(32), &"02".repeat(32)]);
    let node = |deploy: usize| [(deploys[deploy].0, deploys[deploy].1.as_str())];
    let mut visitor = Visitor::default();
    visitor.get(&node(0), "/type/old/write").await;
    assert_eq!(visitor.get(&node(2), "/type/old/read").await, "3");
    assert_eq!(visitor.get(&node(3), "/type/old/read").await, "0");
}

#[actix_web::test]
async fn a_setting_that_makes_another_cookie_or_another_key_signs_everybody_out() {
    let signed = [("SESSION_SECRET_KEYS", "a-key-of-32-characters-or-more-0"), ("SESSION_USE_SIGNER", "true")];
    let sealed = [("SESSION_ENCRYPTION_KEYS", "0101010101010101010101010101010101010101010101010101010101010101")];
    let plain = &[][..];
    for (before, after) in [
        (plain, &signed[..]),
        (&signed, plain),
        (plain, &sealed),
        (&sealed, plain),
        (plain, &[("SESSION_KEY_PREFIX", "other:")]),
        (plain, &[("SESSION_COOKIE_NAME", "sid")]),
        (plain, &[("SESSION_COOKIE_SECURE", "false")]),
        (plain, &[("SESSION_COOKIE_PATH", "/count")]),
        (plain, &[("SESSION_COOKIE_DOMAIN", "example.com")]),
    ] {
        let mut visitor = Visitor::default();
        assert_eq!(visitor.count(before).await, 1);
        assert_eq!(visitor.count(after).await, 1, "{before:?} to {after:?}");
    }
    // and those that don't
    for after in [("SESSION_ID_LENGTH", "16"), ("SESSION_COOKIE_SAMESITE", "Strict"), ("SESSION_PERMANENT", "false")] {
        let mut visitor = Visitor::default();
        assert_eq!(visitor.count(plain).await, 1);
        assert_eq!(visitor.count(&[after]).await, 2, "{after:?}");
    }
}

#[actix_web::test]
async fn two_apps_with_one_prefix_share_their_sessions_and_with_two_they_do_not() {
    let mut visitor = Visitor::default();
    assert_eq!(visitor.count(&[("SESSION_COOKIE_NAME", "shop")]).await, 1);
    visitor.cookie = visitor.cookie.replace("__Host-shop=", "__Host-help=");
    assert_eq!(visitor.count(&[("SESSION_COOKIE_NAME", "help")]).await, 2);
    assert_eq!(visitor.count(&[("SESSION_COOKIE_NAME", "help"), ("SESSION_KEY_PREFIX", "help:")]).await, 1);
}

#[actix_web::test]
async fn a_required_field_that_is_added_makes_the_struct_absent() {
    Visitor::default()
        .walk(&[("/sign-in", "in"), ("/old-user", "ada"), ("/new-user", "401"), ("/old-user", "ada")])
        .await;
}

#[actix_web::test]
async fn an_alias_is_removed_by_the_version_that_writes_the_name() {
    let old_and_new = [
        ("/name/old/write", "written"),
        ("/name/new/read", "\"Rome\""),
        ("/name/old/read", "\"Rome\""),
        ("/name/new/write", "written"),
        ("/name/old/read", "\"\""),
    ];
    Visitor::default().walk(&old_and_new).await;
    let with_one_between = [
        ("/name/old/write", "written"),
        ("/name/both/read", "\"Rome\""),
        ("/name/both/write", "written"),
        ("/name/old/read", "\"Bern\""),
        ("/name/new/read", "\"Bern\""),
        ("/name/new/write", "written"),
        ("/name/both/read", "\"Oslo\""),
        ("/name/both/write", "written"),
        ("/name/new/read", "\"Bern\""),
    ];
    Visitor::default().walk(&with_one_between).await;
}

#[actix_web::test]
async fn a_value_of_another_type_is_absent_and_kept_until_it_is_overwritten() {
    let steps = [
        ("/type/old/write", "written"),
        ("/type/new/read", "\"\""),
        ("/type/old/read", "3"),
        ("/type/wide/read", "3"),
        ("/type/new/write", "written"),
        ("/type/old/read", "0"),
        ("/type/new/read", "\"gold\""),
    ];
    Visitor::default().walk(&steps).await;
}

#[actix_web::test]
async fn a_unit_is_written_whole_by_a_version_that_does_not_know_all_of_it() {
    let steps = [
        ("/unit/new/b/write", "written"),
        ("/unit/new/b/read", "5"),
        ("/unit/old/write", "written"),
        ("/unit/new/b/read", "0"),
        ("/unit/new/a/read", "1"),
    ];
    Visitor::default().walk(&steps).await;
}

#[actix_web::test]
async fn a_struct_of_another_name_without_a_key_has_other_fields() {
    let steps = [("/struct/old/write", "written"), ("/struct/new/read", "0"), ("/struct/old/read", "3")];
    Visitor::default().walk(&steps).await;
}
