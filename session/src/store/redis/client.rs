//! What carries commands to Redis.

use std::{fmt, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use redis::{Cmd, Value, aio::ConnectionLike};
use tokio::time::{Instant, timeout_at};

use super::{cluster::Cluster, connection::Connection, failure::Failure};

/// The connections that a store opens, or what the app gave it.
pub(super) enum Client {
    Own(Connection),
    Cluster(Cluster),
    Lent(Box<dyn Lent>),
}

/// What the app has.
pub(super) trait Lent: Send + Sync {
    fn name(&self) -> &'static str;

    /// Sends a command, and sets `sent` before it does.
    fn send<'a>(&'a self, command: &'a Cmd, sent: &'a mut bool) -> BoxFuture<'a, Result<Value, Failure>>;
}

/// A connection of the app's, whatever its type.
impl<C: ConnectionLike + Clone + Send + Sync + 'static> Lent for C {
    fn name(&self) -> &'static str {
        "connection"
    }

    fn send<'a>(&'a self, command: &'a Cmd, sent: &'a mut bool) -> BoxFuture<'a, Result<Value, Failure>> {
        let mut connection = self.clone();
        *sent = true;
        async move { Ok(connection.req_packed_command(command).await?) }.boxed()
    }
}

/// A pool of the app's.
#[cfg(feature = "redis-pool")]
pub(super) struct Pooled(pub(super) deadpool_redis::Pool);

#[cfg(feature = "redis-pool")]
impl Lent for Pooled {
    fn name(&self) -> &'static str {
        "pool"
    }

    fn send<'a>(&'a self, command: &'a Cmd, sent: &'a mut bool) -> BoxFuture<'a, Result<Value, Failure>> {
        async move {
            let mut connection = self.0.get().await?;
            *sent = true;
            Ok(connection.req_packed_command(command).await?)
        }
        .boxed()
    }
}

impl Client {
    /// The store's own connection, which alone keeps what it reads.
    pub(super) fn own(&self) -> Option<&Connection> {
        if let Self::Own(connection) = self { Some(connection) } else { None }
    }

    /// The same for another runtime; none where the app's is shared.
    pub(super) fn another(&self) -> Option<Self> {
        match self {
            Self::Own(connection) => Some(Self::Own(connection.another())),
            Self::Cluster(cluster) => Some(Self::Cluster(cluster.another())),
            Self::Lent(_) => None,
        }
    }

    /// Sends a command about a key once, and sets `sent` when a server may have it. Ends by the deadline.
    pub(super) async fn send(
        &self,
        command: &Cmd,
        key: &str,
        deadline: Instant,
        patience: Duration,
        sent: &mut bool,
    ) -> Result<Value, Failure> {
        match self {
            Self::Own(connection) => connection.send(command, deadline, patience, sent).await,
            // boxed, so that the store's own connection needs no room for it
            Self::Cluster(cluster) => Box::pin(cluster.send(command, key, deadline, patience, sent)).await,
            Self::Lent(client) => {
                Box::pin(timeout_at(deadline, client.send(command, sent))).await.unwrap_or(Err(Failure::TimedOut))
            }
        }
    }

    /// Asks for a sign of life: of each server that has something.
    pub(super) async fn ping(&self, deadline: Instant, patience: Duration, sent: &mut bool) -> Result<Value, Failure> {
        match self {
            Self::Cluster(cluster) => Box::pin(cluster.ping(deadline, patience)).await,
            _ => self.send(&redis::cmd("PING"), "", deadline, patience, sent).await,
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(connection) => write!(f, "redis at {}", connection.address()),
            Self::Cluster(cluster) => write!(f, "redis at {}", cluster.seeds()),
            Self::Lent(client) => write!(f, "redis, by the app's {}", client.name()),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
