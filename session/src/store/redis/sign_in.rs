//! What is said on a new connection before anything else.

use redis::{Cmd, ErrorKind, ProtocolVersion, RedisConnectionInfo, RedisError, Value};
use tokio::time::Instant;

use super::{
    connection::answered,
    failure::{Effect, Failure, Refusal, nonsense},
    pipe::{Answer, Pipe},
};
use crate::store::{StoreError, StoreErrorKind};

/// Signs in, chooses the database, and asks to be told of changes, if they are to be `tracked`: inside is an error of a
/// server that does not tell, and can be used all the same.
pub(super) async fn sign_in(
    pipe: &Pipe,
    login: &RedisConnectionInfo,
    tracked: bool,
    deadline: Instant,
) -> Result<Result<(), StoreError>, Failure> {
    let mut tells = Ok(());
    let asked_for = login.protocol() == ProtocolVersion::RESP3;
    let speaks_resp3 = (tracked || asked_for) && hello(pipe, login, deadline).await?;
    if !speaks_resp3 {
        if asked_for {
            return Err(RedisError::from((ErrorKind::RESP3NotSupported, "the server does not speak RESP3")).into());
        }
        tells = Err(StoreError::new(StoreErrorKind::Unsupported, "redis does not speak RESP3"));
    }

    // all at once, for these are answered in the order in which they are sent
    let send = |words: &[&str]| pipe.send(&command(words), deadline);
    let auth = match (login.username(), login.password()) {
        (_, None) => None,
        _ if speaks_resp3 => None,
        (Some(user), Some(password)) => Some(send(&["AUTH", user, password])?),
        (None, Some(password)) => Some(send(&["AUTH", password])?),
    };
    let select = (login.db() != 0).then(|| send(&["SELECT", &login.db().to_string()])).transpose()?;
    let tracking = (tracked && speaks_resp3).then(|| send(&["CLIENT", "TRACKING", "ON"])).transpose()?;
    let name = send(&["CLIENT", "SETINFO", "LIB-NAME", env!("CARGO_PKG_NAME")])?;
    let version = send(&["CLIENT", "SETINFO", "LIB-VER", env!("CARGO_PKG_VERSION")])?;

    if let Some(auth) = auth {
        signed_in(auth).await?;
    }
    if let Some(select) = select {
        done(select).await?;
    }
    if let Some(tracking) = tracking {
        tells = match answered(tracking).await? {
            Value::Okay => Ok(()),
            Value::ServerError(error) => Err(Refusal::from(&error).into_error()),
            _ => Err(nonsense(Effect::Read)),
        };
    }
    // servers before 7.2 don't know these, but whatever answers in RESP is a server
    answered(name).await?;
    answered(version).await?;
    Ok(tells)
}

/// Signs in by the newer protocol; false if the server does not know that.
async fn hello(pipe: &Pipe, login: &RedisConnectionInfo, deadline: Instant) -> Result<bool, Failure> {
    let mut words = vec!["HELLO", "3"];
    if let Some(password) = login.password() {
        words.extend(["AUTH", login.username().unwrap_or("default"), password]);
    }
    match answered(pipe.send(&command(&words), deadline)?).await? {
        Value::ServerError(error) if matches!(error.code(), "ERR" | "NOPROTO" | "NOPERM") => Ok(false),
        answer => accepted(answer).map(|()| true),
    }
}

async fn signed_in(answer: Answer) -> Result<(), Failure> {
    accepted(answered(answer).await?)
}

/// An error without what a server quotes, which may be the password.
fn accepted(answer: Value) -> Result<(), Failure> {
    let Value::ServerError(error) = answer else { return Ok(()) };
    let why = match error.code() {
        "WRONGPASS" => "authentication failed: the user or the password is wrong",
        "NOAUTH" => "authentication failed: there is no password",
        "LOADING" => "the server is loading its data",
        "ERR" => "authentication failed: the server does not sign in like this",
        _ => "authentication failed: the server refuses",
    };
    Err(RedisError::from((ErrorKind::AuthenticationFailed, why)).into())
}

async fn done(answer: Answer) -> Result<(), Failure> {
    answered(answer).await?.extract_error()?;
    Ok(())
}

fn command(words: &[&str]) -> Cmd {
    let mut command = Cmd::new();
    words.iter().for_each(|word| _ = command.arg(word));
    command
}
