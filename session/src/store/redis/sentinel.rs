//! Finding the primary that sentinels watch over.

use std::time::Duration;

use futures_util::{StreamExt, stream::FuturesUnordered};
use redis::{ConnectionAddr, ErrorKind, RedisError, Value};
use tokio::time::{Instant, timeout_at};

use super::{
    address::{Address, Sentinels},
    cache::Caches,
    connection::{Live, answered, open},
    failure::Failure,
};

/// Connects to the server that the sentinels chose last, if that says itself that it is the primary.
pub(super) async fn connect(
    sentinels: &Sentinels,
    address: &Address,
    caches: Option<&Caches>,
    deadline: Instant,
) -> Result<Live, Failure> {
    let primary = primary(sentinels, address, deadline).await?;
    let live = open(&primary, &address.login, &address.tls, caches, deadline).await?;
    let role = answered(live.pipe.send(&redis::cmd("ROLE"), deadline)?).await?.extract_error()?;
    // they may not have heard yet that it is none any more
    match role {
        Value::Array(parts) if parts.first() == Some(&Value::BulkString("master".into())) => Ok(live),
        _ => Err(unusable("the server that the sentinels name is not the primary any more")),
    }
}

/// How much later than the first a sentinel may answer to be heard.
const LATER: Duration = Duration::from_millis(100);

/// The server that the sentinels chose last. All are asked at once: one that hangs takes nobody's time, and one that has
/// not heard yet of the last choice is outvoted by who made it.
async fn primary(sentinels: &Sentinels, address: &Address, deadline: Instant) -> Result<ConnectionAddr, Failure> {
    let ask = |sentinel| Box::pin(chosen(sentinel, sentinels, address, deadline));
    let mut asked: FuturesUnordered<_> = sentinels.servers.iter().map(ask).collect();
    let (mut best, mut failure) = (None::<Chosen>, None);
    let mut until = deadline;
    while let Ok(Some(answer)) = timeout_at(until, asked.next()).await {
        match answer {
            Ok(chosen) => {
                if best.is_none() {
                    until = until.min(Instant::now() + LATER);
                }
                best = best.filter(|best| best.epoch >= chosen.epoch).or(Some(chosen));
            }
            Err(other) => failure = Some(other),
        }
    }
    best.map(|best| best.place).ok_or_else(|| failure.unwrap_or(Failure::TimedOut))
}

/// What a sentinel knows of the primary.
struct Chosen {
    place: ConnectionAddr,
    /// Which choice it is.
    epoch: u64,
}

async fn chosen(
    sentinel: &ConnectionAddr,
    sentinels: &Sentinels,
    address: &Address,
    deadline: Instant,
) -> Result<Chosen, Failure> {
    let sentinel = open(sentinel, &sentinels.login, &address.tls, None, deadline).await?;
    let mut command = redis::cmd("SENTINEL");
    command.arg("MASTER").arg(&sentinels.name);
    let said = answered(sentinel.pipe.send(&command, deadline)?).await?.extract_error()?;
    read(&said).ok_or_else(|| unusable("it is no sentinel"))
}

/// The fields that matter, of a list of names and values, or a map by the newer protocol.
fn read(said: &Value) -> Option<Chosen> {
    let fields: Vec<_> = match said {
        Value::Array(fields) => fields.chunks_exact(2).filter_map(|pair| pair.first().zip(pair.last())).collect(),
        Value::Map(fields) => fields.iter().map(|(name, value)| (name, value)).collect(),
        _ => return None,
    };
    let field = |wanted: &str| {
        fields.iter().find_map(|pair| match pair {
            (Value::BulkString(name), Value::BulkString(value)) if name == wanted.as_bytes() => {
                str::from_utf8(value).ok()
            }
            _ => None,
        })
    };
    let place = ConnectionAddr::Tcp(field("ip")?.to_owned(), field("port")?.parse().ok()?);
    Some(Chosen { place, epoch: field("config-epoch")?.parse().ok()? })
}

fn unusable(why: &'static str) -> Failure {
    RedisError::from((ErrorKind::Client, why)).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn what_a_sentinel_says_of_a_primary_is_read() {
        let text = |text: &str| Value::BulkString(text.into());
        let said = ["name", "main", "ip", "::1", "port", "6380", "config-epoch", "7"].map(text);
        let chosen = read(&Value::Array(said.to_vec())).unwrap();
        assert_eq!((chosen.place.to_string(), chosen.epoch), ("::1:6380".to_owned(), 7));
        assert!(read(&Value::Array(said[..6].to_vec())).is_none());
        assert!(read(&Value::Okay).is_none());
    }
}
