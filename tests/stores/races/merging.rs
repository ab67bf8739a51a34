//! Changes that are merged, by every rule there is, and those that refuse to be.

use std::collections::{BTreeMap, BTreeSet};

use actix_typed_session::{Session, SessionError, SessionHandle};
use actix_web::{
    HttpRequest,
    web::{Path, ServiceConfig, get},
};
use serde::Serialize;

use super::{
    Race,
    servers::{AT_ONCE, Answer, Ask, Servers, When, load, load_handle},
};

/// A field of each rule; request `n` does to each what [`Rules::change`] says.
#[derive(Default, Session)]
#[session(default)]
struct Rules {
    json_object: BTreeMap<String, Vec<u32>>,
    json_list: Vec<u32>,
    #[session(merge = "last")]
    last: u32,
    #[session(merge = "add")]
    add: i64,
    #[session(merge = "max")]
    max: u32,
    #[session(merge = "min")]
    min: i32,
    #[session(merge = "union")]
    union: BTreeSet<u32>,
    #[session(merge = "append")]
    append: Vec<u32>,
    #[session(merge = "both_bits")]
    path: u32,
}

fn both_bits(_: Option<&u32>, mine: u32, theirs: u32) -> u32 {
    mine | theirs
}

impl Rules {
    fn change(&mut self, n: u32) {
        let signed = i32::try_from(n).unwrap();
        self.json_object.insert(n.to_string(), vec![n]);
        self.json_object.entry("all".to_owned()).or_default().push(n);
        self.json_list.push(n);
        self.last = n;
        self.add += i64::from(signed);
        self.max = self.max.max(n);
        self.min = self.min.min(-signed);
        self.union.insert(n);
        self.append.push(n);
        self.path |= 1 << n;
        // one of them takes away what all have found
        if n == 1 {
            self.union.remove(&0);
            self.append.remove(0);
        }
    }
}

/// What [`Rules::change`] does, through the handle.
async fn change_by_name(session: &SessionHandle, n: u32) -> Result<(), SessionError> {
    macro_rules! change {
        ($($field:ident)*) => {{
            let mut rules = Rules {
                $($field: session.get(concat!("rules.", stringify!($field))).await?.unwrap_or_default(),)*
            };
            rules.change(n);
            $(session.set(concat!("rules.", stringify!($field)), &rules.$field)?;)*
        }};
    }
    change!(json_object json_list last add max min union append path);
    Ok(())
}

#[derive(Default, Session)]
#[session(default)]
struct Seat {
    #[session(merge = "reject")]
    number: u32,
    #[session(merge = "add")]
    taken: u32,
}

#[derive(Default, Session)]
#[session(default)]
struct Wide {
    a: u32,
    b: u32,
    c: u32,
    d: u32,
}

#[derive(Default, Session)]
#[session(default)]
struct Other {
    a: u32,
    b: String,
}

type Done = Result<String, SessionError>;

fn routes(app: &mut ServiceConfig) {
    app.route(
        "/begin",
        get().to(async |mut rules: Session<Rules>| {
            rules.json_object.insert("all".to_owned(), vec![0]);
            rules.json_list.push(0);
            rules.union.insert(0);
            rules.append.push(0);
            ""
        }),
    )
    .route("/rules", get().to(async |rules: Session<Rules>| serde_json::to_string(&rules.all()).unwrap()))
    .route(
        "/typed/{n}",
        get().to(async |request: HttpRequest, n: Path<u32>| -> Done {
            load::<Session<Rules>>(&request).await?.change(*n);
            Ok(String::new())
        }),
    )
    .route(
        "/named/{n}",
        get().to(async |request: HttpRequest, n: Path<u32>| -> Done {
            change_by_name(&load_handle(&request).await?, *n).await?;
            Ok(String::new())
        }),
    );
    app.route("/seat", get().to(async |seat: Session<Seat>| format!("{} {}", seat.number, seat.taken)))
        .route(
            "/seat/typed/{n}",
            get().to(async |request: HttpRequest, n: Path<u32>| -> Done {
                let mut seat = load::<Session<Seat>>(&request).await?;
                (seat.number, seat.taken) = (*n, seat.taken + 1);
                Ok(String::new())
            }),
        )
        .route(
            "/seat/named/{n}",
            get().to(async |request: HttpRequest, n: Path<u32>| -> Done {
                let session = load_handle(&request).await?;
                let taken: u32 = session.get("seat.taken").await?.unwrap_or_default();
                session.set("seat.number", &*n)?;
                session.set("seat.taken", &(taken + 1))?;
                Ok(String::new())
            }),
        );
    app.route("/field/{n}", get().to(change_a_field)).route("/fields", get().to(see_fields));
}

async fn change_a_field(request: HttpRequest, n: Path<u32>) -> Done {
    match *n {
        1 => load::<Session<Wide>>(&request).await?.a = 1,
        2 => load::<Session<Wide>>(&request).await?.b = 2,
        3 => load::<Session<Wide>>(&request).await?.c = 3,
        4 => load::<Session<Wide>>(&request).await?.d = 4,
        5 => load::<Session<Other>>(&request).await?.a = 5,
        6 => load::<Session<Other>>(&request).await?.b = "6".to_owned(),
        n => load_handle(&request).await?.set(&format!("free{n}"), &n)?,
    }
    Ok(String::new())
}

async fn see_fields(wide: Session<Wide>, other: Session<Other>, session: SessionHandle) -> Done {
    let mut free = 0;
    for n in 7..=FIELDS {
        free += u32::from(session.get(&format!("free{n}")).await? == Some(n));
    }
    Ok(serde_json::to_string(&(wide.a, wide.b, wide.c, wide.d, other.a, &other.b, free)).unwrap())
}

const FIELDS: u32 = 24;

impl Rules {
    /// All that is in it, in the order of the fields.
    fn all(&self) -> impl Serialize + '_ {
        let Self { json_object, json_list, last, add, max, min, union, append, path } = self;
        (json_object, json_list, last, add, max, min, union, append, path)
    }
}

/// L1, L2: every rule, the default one too, through structs and through the handle.
pub(super) async fn race_every_merge_rule_holds_at_two_servers(race: &Race) {
    const WRITERS: u32 = 8;
    let servers = Servers::of(race, routes);
    for (round, when) in servers.until_met(race.rounds(1, AT_ONCE)).enumerate() {
        let token = servers.begin("/begin").await;
        let by_name = |n: u32| (n as usize + round / 2).is_multiple_of(2);
        let path = |n| format!("/{}/{n}", if by_name(n) { "named" } else { "typed" });
        let answers = servers.race(when, (1..=WRITERS).map(|n| Ask::new(path(n), &token))).await;
        assert!(answers.iter().all(Answer::is_ok), "{when:?}: {answers:?}");

        let seen = servers.get("/rules", &token).await.body;
        let rules: Seen = serde_json::from_str(&seen).unwrap();
        let (object, list, last, add, max, min, union, append, path) = rules;
        // a list is in the order of the commits, which is one for all fields
        let order = &list[1..];
        assert_eq!(order.iter().copied().collect::<BTreeSet<_>>(), (1..=WRITERS).collect(), "{when:?} list: {seen}");
        assert_eq!(order.len(), WRITERS as usize, "{when:?} list: {seen}");
        let mut objects: BTreeMap<String, Vec<u32>> = (1..=WRITERS).map(|n| (n.to_string(), vec![n])).collect();
        objects.insert("all".to_owned(), list.clone());
        assert_eq!(object, objects, "{when:?} object: {seen}");
        assert_eq!(append, order, "{when:?} append: {seen}");
        assert_eq!(Some(&last), order.last(), "{when:?} last: {seen}");
        assert_eq!(union, (1..=WRITERS).collect(), "{when:?} union: {seen}");
        let sum = (1..=WRITERS).sum::<u32>();
        assert_eq!((add, max, min), (i64::from(sum), WRITERS, -8), "{when:?} add, max, min: {seen}");
        assert_eq!(path, (2 << WRITERS) - 2, "{when:?} path: {seen}");
    }
}

type Seen = (BTreeMap<String, Vec<u32>>, Vec<u32>, u32, i64, u32, i32, BTreeSet<u32>, Vec<u32>, u32);

/// L2: whoever changes a `reject` field that another request changed meanwhile is told so, and nothing of it is saved.
pub(super) async fn race_of_changes_that_reject_each_other_one_is_done(race: &Race) {
    let servers = Servers::of(race, routes);
    for when in servers.until_met(race.rounds(1, AT_ONCE)) {
        let token = servers.begin("/seat/typed/100").await;
        let path = |n| format!("/seat/{}/{n}", if n % 2 == 0 { "named" } else { "typed" });
        let answers = servers.race(when, (1..=6).map(|n| Ask::new(path(n), &token))).await;
        let done: Vec<_> = (1..=6).zip(&answers).filter(|(_, answer)| answer.is_ok()).map(|(n, _)| n).collect();
        assert!(answers.iter().all(|answer| [200, 409].contains(&answer.status)), "{when:?}: {answers:?}");
        assert!(done.len() == 1 || when == When::Sent && done.len() > 1, "{when:?}: {answers:?}");
        let seen = servers.get("/seat", &token).await.body;
        let of_one = |n: &u32| seen == format!("{n} {}", 1 + done.len());
        assert!(done.iter().any(of_one), "{when:?}: {seen}, and {done:?} were done");
    }
}

/// L1: changes of different fields, of one struct, of several, and by name.
pub(super) async fn race_changes_of_different_fields_all_survive(race: &Race) {
    let servers = Servers::of(race, routes);
    for when in servers.until_met(race.rounds(2, AT_ONCE)) {
        let token = servers.begin("/field/7").await;
        let answers = servers.race(when, (1..=FIELDS).map(|n| Ask::new(format!("/field/{n}"), &token))).await;
        assert!(answers.iter().all(Answer::is_ok), "{when:?}: {answers:?}");
        let seen = servers.get("/fields", &token).await.body;
        assert_eq!(seen, format!(r#"[1,2,3,4,5,"6",{}]"#, FIELDS - 6), "{when:?}");
    }
}
