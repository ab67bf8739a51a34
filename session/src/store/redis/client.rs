//! What carries commands to Redis.

use std::{fmt, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use redis::{Cmd, RedisResult, Value, aio::ConnectionLike};
use tokio::time::Instant;

use super::{connection::Connection, failure::Failure};

/// The connection that a store opens, or what the app gave it.
pub(super) enum Client {
    Own(Connection),
    Shared(Box<dyn Shared>),
    #[cfg(feature = "redis-pool")]
    Pool(deadpool_redis::Pool),
}

/// A connection of the app's, whatever its type.
pub(super) trait Shared: Send + Sync {
    fn send<'a>(&self, command: &'a Cmd) -> BoxFuture<'a, RedisResult<Value>>;
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> Shared for C {
    fn send<'a>(&self, command: &'a Cmd) -> BoxFuture<'a, RedisResult<Value>> {
        let mut connection = self.clone();
        async move { connection.req_packed_command(command).await }.boxed()
    }
}

impl Client {
    /// The store's own connection, which alone keeps what it reads.
    pub(super) fn own(&self) -> Option<&Connection> {
        if let Self::Own(connection) = self { Some(connection) } else { None }
    }

    /// Sends a command once, and sets `sent` when the server may have it.
    pub(super) async fn send(
        &self,
        command: &Cmd,
        deadline: Instant,
        patience: Duration,
        sent: &mut bool,
    ) -> Result<Value, Failure> {
        match self {
            Self::Own(connection) => Ok(connection.send(command, deadline, patience, sent).await?),
            Self::Shared(connection) => {
                *sent = true;
                Ok(connection.send(command).await?)
            }
            #[cfg(feature = "redis-pool")]
            Self::Pool(pool) => {
                let mut connection = pool.get().await?;
                *sent = true;
                Ok(connection.req_packed_command(command).await?)
            }
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(connection) => write!(f, "redis at {}", connection.address()),
            Self::Shared(_) => f.write_str("redis, by the app's connection"),
            #[cfg(feature = "redis-pool")]
            Self::Pool(_) => f.write_str("redis, by the app's pool"),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
