//! A visitor with several tabs, who signs in, changes, rotates, signs out, and keeps a [`Book`] on it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix_typed_session_tests::support::browser::Browser;
use futures_util::future::{join_all, join3};
use tokio::time::sleep;

use super::{
    Answer, Load,
    book::{Book, Dead, Death},
};

/// What happens beside the changes.
#[derive(Clone, Copy, PartialEq)]
enum Beside {
    Nothing,
    Rotate,
    RotateTwice,
    SignInAgain,
    Logout,
}

/// What became of a few requests at once.
#[derive(PartialEq)]
enum Step {
    Done,
    /// Some were answered 503.
    Refused,
    /// The session is no more, or can't be seen any more.
    Ended,
}

/// What a visitor leaves behind.
pub(crate) struct Left {
    visitor: usize,
    /// Sessions that were not signed out of.
    books: Vec<Book>,
    dead: Vec<Dead>,
    /// How many sessions there is no token for, since a rotation or a logout was in doubt.
    unseen: u64,
}

/// Goes on until the load is over.
pub(crate) async fn visit(load: Arc<Load>, visitor: usize) -> Left {
    let mut left = Left { visitor, books: Vec::new(), dead: Vec::new(), unseen: 0 };
    let mut step = visitor;
    'sessions: while !load.is_over() {
        let Some(mut book) = left.sign_in(&load).await else { continue };
        loop {
            step += 1;
            let beside = match step % 12 {
                2 => Beside::Rotate,
                5 => Beside::RotateTwice,
                7 => Beside::SignInAgain,
                10 => Beside::Logout,
                _ => Beside::Nothing,
            };
            let was_refused = match left.step(&load, &mut book, beside).await {
                Step::Ended => continue 'sessions,
                Step::Done => false,
                Step::Refused => true,
            };
            // now and then a session is left as it is, to be looked at in the end; but not while no other can begin
            let is_enough = step.is_multiple_of(12) || step.is_multiple_of(4) && book.is_in_doubt;
            if load.is_over() || is_enough && !was_refused {
                left.books.push(book);
                continue 'sessions;
            }
        }
    }
    left
}

/// Asks for what needs no session, all the time, to see how long the machine takes for that.
pub(crate) async fn idle(load: Arc<Load>) {
    loop {
        let began = Instant::now();
        let _ = Browser::new(load.address).begin("GET", "/idle", &[], "").await.finish().await;
        load.note_idle(began.elapsed());
        wait().await;
    }
}

impl Left {
    /// Begins a session.
    async fn sign_in(&self, load: &Load) -> Option<Book> {
        let name = load.number();
        let answer = load.ask(self.visitor, "POST", &format!("/login/{name}"), None).await;
        match (answer.status, answer.token) {
            (200, Some(token)) => Some(Book::new(name, token)),
            (503, _) => {
                wait().await;
                None
            }
            (status, _) => {
                load.wrong(format!("a sign-in was answered {status}, without a cookie"));
                None
            }
        }
    }

    /// Three changes, a look, and something beside, all at once.
    async fn step(&mut self, load: &Load, book: &mut Book, beside: Beside) -> Step {
        let numbers = [load.number(), load.number(), load.number()];
        book.tried.extend(numbers);
        let known = book.acknowledged.clone();
        let (token, visitor) = (book.token.clone(), self.visitor);
        let ask = |method, path: String| {
            let token = &token;
            async move { load.ask(visitor, method, &path, Some(token)).await }
        };
        let beside_paths = match beside {
            Beside::Nothing => Vec::new(),
            Beside::Rotate => vec!["/rotate".to_owned()],
            Beside::RotateTwice => vec!["/rotate".to_owned(), "/rotate".to_owned()],
            Beside::SignInAgain => vec![format!("/again/{}", book.name)],
            Beside::Logout => vec!["/logout".to_owned()],
        };
        let changes = join_all(numbers.map(|number| ask("POST", format!("/add/{number}"))));
        let look = ask("GET", "/cart".to_owned());
        let asides = join_all(beside_paths.into_iter().map(|path| ask("POST", path)));
        let (changes, look, asides) = join3(changes, look, asides).await;

        let may_be_dead = book.is_in_doubt || beside != Beside::Nothing;
        for (number, change) in numbers.into_iter().zip(&changes) {
            match change.status {
                200 if change.token.is_some() => load.wrong("a change was answered with a cookie".into()),
                200 => drop(book.acknowledged.insert(number)),
                401 | 409 if !may_be_dead => load.wrong(format!("a change was answered {}", change.status)),
                _ => {}
            }
        }
        match (look.status, serde_json::from_str(&look.body)) {
            (200, Ok(seen)) => book.hold_against(&seen, &known, &mut load.log().findings),
            (401, _) if !may_be_dead => book.is_gone(&mut load.log().findings),
            (401 | 503, _) => {}
            (status, _) => load.wrong(format!("a look was answered {status}")),
        }
        let all = || changes.iter().chain([&look]).chain(&asides);
        let (is_refused, is_unknown) =
            (all().any(|answer| answer.status == 503), all().all(|answer| answer.status == 401));
        match beside {
            Beside::Nothing if is_unknown && book.is_in_doubt => {
                self.unseen += 1;
                return Step::Ended;
            }
            Beside::Nothing => {}
            Beside::Logout => {
                if self.signed_out(load, book, &asides).await {
                    return Step::Ended;
                }
            }
            _ => self.rotated(load, book, beside, asides).await,
        }
        if !is_refused {
            return Step::Done;
        }
        wait().await;
        Step::Refused
    }

    /// Whether a logout was acknowledged.
    async fn signed_out(&mut self, load: &Load, book: &mut Book, asides: &[Answer]) -> bool {
        match asides.first().map(|answer| answer.status) {
            Some(200) => {
                self.bury(load, Dead { token: book.token.clone(), by: Death::Logout }).await;
                return true;
            }
            Some(503) => book.is_in_doubt = true,
            status => load.wrong(format!("a logout was answered {status:?}")),
        }
        false
    }

    async fn rotated(&mut self, load: &Load, book: &mut Book, beside: Beside, asides: Vec<Answer>) {
        let statuses: Vec<_> = asides.iter().map(|answer| answer.status).collect();
        let mut tokens: Vec<_> = asides.into_iter().filter_map(|answer| answer.token).collect();
        if tokens.len() > 1 {
            load.wrong("two rotations of one token won".into());
        }
        match tokens.pop() {
            Some(token) => {
                let token = std::mem::replace(&mut book.token, token);
                self.bury(load, Dead { token, by: Death::Rotation }).await;
            }
            None if statuses.contains(&503) => book.is_in_doubt = true,
            // what is in doubt may have won before
            None if book.is_in_doubt => {}
            None => load.wrong(format!("rotations were answered {statuses:?}, and none of them won")),
        }
        if beside != Beside::RotateTwice && statuses != [200] && statuses != [503] && !book.is_in_doubt {
            load.wrong(format!("a rotation was answered {statuses:?}"));
        }
    }

    async fn bury(&mut self, load: &Load, dead: Dead) {
        load.try_dead(self.visitor, &dead).await;
        self.dead.push(dead);
    }

    /// Looks at all sessions once more, and says how many could not be seen.
    pub(crate) async fn hold_against(self, load: &Load) -> u64 {
        let mut unseen = self.unseen;
        for book in &self.books {
            let look = loop {
                let look = load.ask(self.visitor, "GET", "/cart", Some(&book.token)).await;
                if look.status != 503 {
                    break look;
                }
                wait().await;
            };
            match (look.status, serde_json::from_str(&look.body)) {
                (200, Ok(seen)) => book.hold_against(&seen, &book.acknowledged, &mut load.log().findings),
                (401, _) => {
                    book.is_gone(&mut load.log().findings);
                    unseen += u64::from(book.is_in_doubt);
                }
                (status, _) => load.wrong(format!("a look was answered {status}")),
            }
        }
        for dead in &self.dead {
            while load.try_dead(self.visitor, dead).await {
                wait().await;
            }
        }
        unseen
    }
}

/// What a visitor does who was told to try again later.
async fn wait() {
    sleep(Duration::from_millis(10)).await;
}
