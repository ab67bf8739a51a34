//! [`Server`]: what runs statements, and gives each one answer or one error.

use std::{fmt, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use sqlx::error::DatabaseError;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{
    failure::{Failure, Place, Refusal},
    layout::Row,
    pool::{Lease, Own},
    statements::{Effect, Statement, Value},
};
use crate::store::{StoreError, StoreErrorKind};

/// How often a statement that the database undid, because others met it, is sent again.
const RETRIES: u32 = 8;

/// What came of a statement.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// The rows that it found or changed.
    pub(super) affected: u64,
    pub(super) rows: Vec<Row>,
    pub(super) texts: Vec<Vec<String>>,
}

/// A database by its driver.
pub(super) trait Db: sqlx::Database + Sized {
    /// Where it is, and how to sign in there.
    type Connect: fmt::Display + Send + Sync + 'static;

    /// Whether one writer keeps all others out.
    const ONE_WRITER: bool;

    /// Whether a connection can be used by another runtime than the one that opened it.
    const ANY_RUNTIME: bool;

    /// The same, with statements that may last so long at most.
    fn tuned(connect: &Self::Connect, timeout: Duration) -> Self::Connect;

    fn connect(to: &Self::Connect) -> BoxFuture<'_, Result<Self::Connection, sqlx::Error>>;

    fn run<'a>(
        connection: &'a mut Self::Connection,
        statement: &'a Statement,
        values: &'a [Value<'a>],
    ) -> BoxFuture<'a, Result<Answer, sqlx::Error>>;

    /// What an error means, and the code that people look it up by.
    fn refusal(error: &dyn DatabaseError) -> (Refusal, String);
}

/// What a call may take, and what it is about.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) deadline: Instant,
    pub(super) timeout: Duration,
    pub(super) table: &'a (dyn fmt::Display + Sync),
}

/// What runs statements, whichever the database.
pub(super) trait Server: fmt::Display + Send + Sync {
    /// Runs a statement, whose outcome is known unless the error says that it is not.
    fn run<'a>(
        &'a self,
        statement: &'a Statement,
        values: &'a [Value<'a>],
        call: Call<'a>,
    ) -> BoxFuture<'a, Result<Answer, Failure>>;

    /// The same for another runtime, if that should have its own.
    fn another(&self) -> Option<Arc<dyn Server>>;

    /// The same with at most so many connections, none of whose statements may last longer than `timeout`; nothing, where
    /// the connections are the app's.
    fn tuned(&self, most: usize, timeout: Duration) -> Option<Arc<dyn Server>>;
}

/// The connections that a store opens, or the pool that the app gave it.
pub(super) enum Pool<D: Db> {
    Own(Own<D>),
    App { pool: sqlx::Pool<D>, name: &'static str },
}

impl<D: Db> Server for Pool<D> {
    fn run<'a>(
        &'a self,
        statement: &'a Statement,
        values: &'a [Value<'a>],
        call: Call<'a>,
    ) -> BoxFuture<'a, Result<Answer, Failure>> {
        self.attempts(statement, values, call).boxed()
    }

    fn another(&self) -> Option<Arc<dyn Server>> {
        match self {
            Self::Own(own) if !D::ANY_RUNTIME => Some(Arc::new(Self::Own(own.another()))),
            _ => None,
        }
    }

    fn tuned(&self, most: usize, timeout: Duration) -> Option<Arc<dyn Server>> {
        match self {
            Self::Own(own) => Some(Arc::new(Self::Own(own.tuned(most, timeout)))),
            Self::App { .. } => None,
        }
    }
}

impl<D: Db> fmt::Display for Pool<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(own) => own.connect().fmt(f),
            Self::App { name, .. } => write!(f, "{name}, by the app's pool"),
        }
    }
}

impl<D: Db> Pool<D> {
    /// Sends a statement, and sends it again only where it certainly did nothing: the database undid it, or did not know
    /// it, or it does nothing and its connection was lost since the last use.
    async fn attempts(&self, statement: &Statement, values: &[Value<'_>], call: Call<'_>) -> Result<Answer, Failure> {
        let (mut retries, mut lost, mut fresh) = (0, 0, false);
        loop {
            let mut place = Place { server: self, table: call.table, effect: statement.effect, sent: false };
            let attempt = self.attempt(statement, values, fresh, &mut place.sent);
            let Ok(ended) = timeout_at(call.deadline, attempt).await else {
                if place.sent {
                    // what lies idle may be as silent
                    self.forget();
                }
                return Err(place.timed_out(call.timeout).into());
            };
            let Failed { why, reused } = match ended {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let is_lost = place.sent && matches!(why, Why::NoAnswer(_) | Why::Refused(Refusal::Lost, _));
            if is_lost {
                self.forget();
            }
            let again = match &why {
                Why::Refused(Refusal::RolledBack, _) if retries < RETRIES => {
                    retries += 1;
                    pause(retries, call.deadline).await
                }
                Why::Refused(Refusal::Stale, _) => !fresh,
                _ => {
                    lost += 1;
                    is_lost && reused && statement.effect == Effect::Read && lost <= self.reused_at_most()
                }
            };
            if again {
                // on the connection that it met the others on, or on one that nobody used before
                fresh |= !matches!(why, Why::Refused(Refusal::RolledBack, _));
                continue;
            }
            return Err(match why {
                Why::Refused(refusal, code) => Failure { refusal: Some(refusal), error: place.refused(refusal, &code) },
                Why::NoAnswer(error) => place.failed(&error).into(),
            });
        }
    }

    async fn attempt(
        &self,
        statement: &Statement,
        values: &[Value<'_>],
        fresh: bool,
        sent: &mut bool,
    ) -> Result<Answer, Failed> {
        let unanswered = |reused| move |error| Failed { why: Why::NoAnswer(error), reused };
        let lease = caught(async {
            match self {
                Self::Own(own) => own.lease(statement.effect, fresh).await,
                Self::App { pool, .. } => Lease::of(pool).await,
            }
        });
        let mut lease = lease.await.map_err(unanswered(false))?;
        let reused = lease.reused;
        let connection = lease.connection().ok_or(sqlx::Error::PoolClosed).map_err(unanswered(false))?;
        *sent = true;
        match caught(D::run(connection, statement, values)).await {
            Ok(answer) => {
                lease.give_back();
                Ok(answer)
            }
            Err(sqlx::Error::Database(error)) => {
                let (refusal, code) = D::refusal(&*error);
                // else it is of no use to the next one, and closed
                if !matches!(refusal, Refusal::Lost | Refusal::ReadOnly | Refusal::Stale | Refusal::TooLarge) {
                    lease.give_back();
                }
                Err(Failed { why: Why::Refused(refusal, code), reused })
            }
            Err(error) => Err(unanswered(reused)(error)),
        }
    }

    /// How many connections may turn out to be lost, one after the other, before one that is new.
    fn reused_at_most(&self) -> u32 {
        match self {
            // the others are closed then
            Self::Own(_) => 1,
            Self::App { pool, .. } => pool.options().get_max_connections(),
        }
    }

    fn forget(&self) {
        if let Self::Own(own) = self {
            own.forget();
        }
    }
}

/// How an attempt ended, and whether its connection was used before.
struct Failed {
    why: Why,
    reused: bool,
}

enum Why {
    /// The database said no; its code.
    Refused(Refusal, String),
    /// There is no answer that makes sense.
    NoAnswer(sqlx::Error),
}

/// Waits for a moment, longer each time, that two don't share; whether there is time left.
async fn pause(retries: u32, deadline: Instant) -> bool {
    let millis = rand::random_range(0..=1_u64 << retries.min(6));
    let until = Instant::now() + Duration::from_millis(millis);
    sleep_until(until.min(deadline)).await;
    until < deadline
}

/// A driver that meets bytes that it did not think of may panic; a request must not.
async fn caught<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let ended = AssertUnwindSafe(work).catch_unwind().await;
    ended.unwrap_or_else(|_| Err(sqlx::Error::Protocol("the driver panicked".to_owned())))
}

/// The error of a row that is not what was asked for.
pub(super) fn nonsense(server: &dyn fmt::Display, effect: Effect) -> StoreError {
    let kind = match effect {
        Effect::Read => StoreErrorKind::Protocol,
        Effect::Write => StoreErrorKind::OutcomeUnknown,
    };
    StoreError::new(kind, format!("{server} gave an answer that makes no sense"))
}

/// How a driver runs a statement: the same words for three drivers whose types have nothing in common but their names.
macro_rules! run {
    ($arguments:ty) => {
        fn run<'a>(
            connection: &'a mut Self::Connection,
            statement: &'a $crate::store::sql::statements::Statement,
            values: &'a [$crate::store::sql::statements::Value<'a>],
        ) -> futures_util::future::BoxFuture<'a, Result<$crate::store::sql::server::Answer, sqlx::Error>> {
            use futures_util::TryStreamExt as _;
            use sqlx::{Arguments as _, Either, Executor as _, Row as _};
            use $crate::store::sql::{
                server::Answer,
                statements::{Shape, Value},
            };

            Box::pin(async move {
                let mut arguments = <$arguments>::default();
                for value in values {
                    match *value {
                        Value::Text(text) => arguments.add(text),
                        Value::Bytes(bytes) => arguments.add(bytes),
                        Value::Number(number) => arguments.add(number),
                    }
                    .map_err(sqlx::Error::Encode)?;
                }
                let sql = sqlx::AssertSqlSafe(std::sync::Arc::clone(&statement.sql));
                let mut answers = connection.fetch_many(sqlx::query_with(sql, arguments));
                let mut answer = Answer::default();
                // to the very end: an error may come after the rows
                while let Some(part) = answers.try_next().await? {
                    match part {
                        Either::Left(done) => answer.affected += done.rows_affected(),
                        Either::Right(row) => match statement.shape {
                            Shape::Records => answer.rows.push($crate::store::sql::layout::Row {
                                version: row.try_get(0)?,
                                expires: row.try_get(1)?,
                                data: row.try_get(2)?,
                            }),
                            Shape::Texts(count) => {
                                let text = |index| {
                                    let bytes: Option<Vec<u8>> = row.try_get_unchecked(index)?;
                                    Ok(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())
                                };
                                answer.texts.push((0..count).map(text).collect::<Result<_, sqlx::Error>>()?);
                            }
                        },
                    }
                }
                Ok(answer)
            })
        }
    };
}
pub(super) use run;
