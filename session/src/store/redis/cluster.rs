//! [`Cluster`]: which server has a key, and a connection to each of them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::{select_ok, try_join_all};
use rand::seq::SliceRandom;
use redis::{Cmd, ErrorKind, RedisError, ServerError, Value};
use tokio::time::{Instant, timeout_at};

use super::{address::Seeds, connection::Connection, failure::Failure};

/// The servers of a cluster, each by a [`Connection`] of its own.
///
/// The client's own cluster connection is not used: it sends a command whose connection was lost again, written or not,
/// unless it is told to repeat nothing, and then it does not go where a server redirects it. Here a command goes on to
/// another server only when the one before has said that it did nothing, or never got it.
pub(super) struct Cluster {
    seeds: Seeds,
    known: Mutex<Known>,
    /// Held while the cluster is asked who has what, so that many calls ask once.
    asking: tokio::sync::Mutex<()>,
}

/// A server's host and port.
type Server = (String, u16);

/// What is known of the cluster.
#[derive(Default)]
struct Known {
    /// Each range of slots by its first one: the last one, and who has them.
    ranges: BTreeMap<u16, (u16, Server)>,
    /// Slots that have moved since.
    moved: HashMap<u16, Server>,
    /// Whether this is what the cluster said last, and nothing has contradicted it.
    is_certain: bool,
    connections: HashMap<Server, Arc<Connection>>,
}

const SLOTS: u16 = 16_384;
/// How often a command is sent on before something is wrong with the cluster.
const HOPS: usize = 8;
/// How many servers are asked at once who has what.
const ASKED: usize = 4;

impl Cluster {
    pub(super) fn new(seeds: Seeds) -> Self {
        Self { seeds, known: Mutex::default(), asking: tokio::sync::Mutex::default() }
    }

    /// The same for another runtime.
    pub(super) fn another(&self) -> Self {
        Self::new(self.seeds.clone())
    }

    pub(super) fn seeds(&self) -> &Seeds {
        &self.seeds
    }

    /// Sends a command to the server that has its key, as [`Connection::send`] does.
    pub(super) async fn send(
        &self,
        command: &Cmd,
        key: &str,
        deadline: Instant,
        patience: Duration,
        sent: &mut bool,
    ) -> Result<Value, Failure> {
        let slot = slot(key.as_bytes());
        let mut server = self.server(slot, deadline).await?;
        let mut first = None;
        for _ in 0..HOPS {
            let connection = self.connection(&server);
            match connection.send_after(first.take().as_ref(), command, deadline, patience, sent).await {
                Ok(Value::ServerError(error)) => {
                    let Some(redirected) = redirected(&error, &server) else {
                        if matches!(error.code(), "CLUSTERDOWN" | "MASTERDOWN" | "READONLY") {
                            self.doubt();
                        }
                        return Ok(Value::ServerError(error));
                    };
                    // who redirects has done nothing
                    *sent = false;
                    server = redirected;
                    match error.code() {
                        "ASK" => first = Some(redis::cmd("ASKING")),
                        _ => self.note_moved(slot, server.clone()),
                    }
                }
                Err(failure) if !*sent => {
                    self.doubt();
                    let now = self.server(slot, deadline).await?;
                    if now == server {
                        return Err(failure);
                    }
                    server = now;
                }
                Err(failure) => {
                    self.doubt();
                    return Err(failure);
                }
                answer => return answer,
            }
        }
        self.doubt();
        Err(unusable("its servers send a command from one to the other"))
    }

    /// Asks who has what, and every server that has something for a sign of life.
    pub(super) async fn ping(&self, deadline: Instant, patience: Duration) -> Result<Value, Failure> {
        self.doubt();
        for slot in [0, SLOTS - 1] {
            self.server(slot, deadline).await?;
        }
        let servers = {
            let known = self.known();
            let covered: u32 = known.ranges.iter().map(|(first, (last, _))| u32::from(last - first) + 1).sum();
            if covered != u32::from(SLOTS) {
                return Err(unusable("some of its slots are nobody's"));
            }
            let mut servers: Vec<_> = known.ranges.values().map(|(_, server)| server.clone()).collect();
            servers.sort_unstable();
            servers.dedup();
            servers
        };
        let ping = redis::cmd("PING");
        let mut work = Vec::with_capacity(servers.len());
        for server in servers {
            let (connection, ping) = (self.connection(&server), &ping);
            work.push(async move { connection.send(ping, deadline, patience, &mut false).await });
        }
        let answers = try_join_all(work).await?;
        let is_alive = |answer: &Value| matches!(answer, Value::SimpleString(_));
        let other = answers.iter().find(|answer| !is_alive(answer)).or(answers.first());
        other.cloned().ok_or_else(|| unusable("it has no servers"))
    }

    /// Who has a slot, as far as is known; asks if that is in doubt.
    async fn server(&self, slot: u16, deadline: Instant) -> Result<Server, Failure> {
        if let Some(server) = self.known().certain(slot) {
            return Ok(server);
        }
        // seldom, so that it takes no room in the others' futures
        let asked = Box::pin(timeout_at(deadline, self.ask(slot, deadline)));
        asked.await.unwrap_or(Err(Failure::TimedOut))
    }

    async fn ask(&self, slot: u16, deadline: Instant) -> Result<Server, Failure> {
        let _asking = self.asking.lock().await;
        if let Some(server) = self.known().certain(slot) {
            return Ok(server);
        }
        let mut servers = self.known().servers();
        servers.extend(self.seeds.servers.iter().cloned());
        servers.sort_unstable();
        servers.dedup();
        // any of them, so that those that hang don't have everybody's time
        servers.shuffle(&mut rand::rng());
        let mut failure = unusable("it has no servers");
        for some in servers.chunks(ASKED) {
            let asked = some.iter().map(|server| Box::pin(self.ranges(server, deadline)));
            match select_ok(asked).await {
                Ok((ranges, _)) => {
                    let mut known = self.known();
                    known.learn(ranges);
                    return known.certain(slot).ok_or_else(|| unusable("the slot of this key is nobody's"));
                }
                Err(other) => failure = other,
            }
        }
        Err(failure)
    }

    /// Who has what, as one of the servers says.
    async fn ranges(&self, asked: &Server, deadline: Instant) -> Result<BTreeMap<u16, (u16, Server)>, Failure> {
        let mut command = redis::cmd("CLUSTER");
        command.arg("SLOTS");
        let connection = self.connection(asked);
        let patience = deadline.saturating_duration_since(Instant::now());
        let ranges = match connection.send(&command, deadline, patience, &mut false).await? {
            Value::Array(ranges) => ranges,
            answer => {
                answer.extract_error()?;
                return Err(unusable("one of its servers says nothing of its slots"));
            }
        };
        let ranges: BTreeMap<_, _> = ranges.iter().filter_map(|range| read(range, asked)).collect();
        match ranges.is_empty() {
            true => Err(unusable("none of its slots is anybody's")),
            false => Ok(ranges),
        }
    }

    fn connection(&self, server: &Server) -> Arc<Connection> {
        let (host, port) = server;
        let connect = || Arc::new(Connection::new(Arc::new(self.seeds.server(host, *port))));
        Arc::clone(self.known().connections.entry(server.clone()).or_insert_with(connect))
    }

    /// What is known is to be asked for again.
    fn doubt(&self) {
        self.known().is_certain = false;
    }

    fn note_moved(&self, slot: u16, server: Server) {
        self.known().moved.insert(slot, server);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn certain(&self, slot: u16) -> Option<Server> {
        if !self.is_certain {
            return None;
        }
        let in_range = || {
            let (_, (last, server)) = self.ranges.range(..=slot).next_back()?;
            (*last >= slot).then_some(server)
        };
        self.moved.get(&slot).or_else(in_range).cloned()
    }

    fn servers(&self) -> Vec<Server> {
        self.ranges.values().map(|(_, server)| server.clone()).collect()
    }

    fn learn(&mut self, ranges: BTreeMap<u16, (u16, Server)>) {
        self.connections.retain(|server, _| ranges.values().any(|(_, of)| of == server));
        (self.ranges, self.is_certain) = (ranges, true);
        self.moved.clear();
    }
}

/// A range of slots and who has it: first and last slot, and the primary's host and port.
fn read(range: &Value, asked: &Server) -> Option<(u16, (u16, Server))> {
    let Value::Array(parts) = range else { return None };
    let [Value::Int(first), Value::Int(last), Value::Array(primary), ..] = parts.as_slice() else { return None };
    let [host, Value::Int(port), ..] = primary.as_slice() else { return None };
    let (first, last) = (u16::try_from(*first).ok()?, u16::try_from(*last).ok()?);
    if first > last || last >= SLOTS {
        return None;
    }
    let host = match host {
        Value::BulkString(host) if !host.is_empty() => String::from_utf8(host.clone()).ok()?,
        // one that does not know its own name is where it was asked
        _ => asked.0.clone(),
    };
    Some((first, (last, (host, u16::try_from(*port).ok()?))))
}

/// Where a server sends a command, if that is its answer: `MOVED 3999 127.0.0.1:6381`.
fn redirected(error: &ServerError, asked: &Server) -> Option<Server> {
    if !matches!(error.code(), "MOVED" | "ASK") {
        return None;
    }
    let (host, port) = error.details()?.split_whitespace().nth(1)?.rsplit_once(':')?;
    let host = if host.is_empty() { &asked.0 } else { host };
    Some((host.to_owned(), port.parse().ok()?))
}

fn unusable(why: &'static str) -> Failure {
    RedisError::from((ErrorKind::ClusterConnectionNotFound, "the cluster can't be used", why.to_owned())).into()
}

/// The slot of a key: of the part between its first braces, if there is something.
fn slot(key: &[u8]) -> u16 {
    let in_braces = || {
        let (_, rest) = split_at_byte(key, b'{')?;
        split_at_byte(rest, b'}').map(|(tag, _)| tag).filter(|tag| !tag.is_empty())
    };
    crc16(in_braces().unwrap_or(key)) % SLOTS
}

fn split_at_byte(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|each| *each == byte)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// CRC-16/XMODEM, by which a cluster spreads its keys.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_key_has_the_slot_that_redis_says() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        // by `CLUSTER KEYSLOT`
        for (key, expected) in [
            ("", 0),
            ("foo", 12182),
            ("{foo}bar", 12182),
            ("a{foo}{bar}", 12182),
            ("{}foo", 9500),
            ("{foo", 13308),
            ("session:1", 9436),
        ] {
            assert_eq!(slot(key.as_bytes()), expected, "{key}");
        }
    }

    #[test]
    fn what_the_cluster_says_of_its_slots_is_read() {
        let node = |host: Value, port| Value::Array(vec![host, Value::Int(port), Value::Nil]);
        let text = |text: &str| Value::BulkString(text.into());
        let asked = ("asked".to_owned(), 1);
        let range = |first, last, node| Value::Array(vec![Value::Int(first), Value::Int(last), node]);
        let at = |host: &str, port| (host.to_owned(), port);
        assert_eq!(read(&range(0, 9, node(text("a"), 7)), &asked), Some((0, (9, at("a", 7)))));
        assert_eq!(read(&range(3, 3, node(Value::Nil, 7)), &asked), Some((3, (3, at("asked", 7)))));
        assert_eq!(read(&range(3, 3, node(text(""), 7)), &asked), Some((3, (3, at("asked", 7)))));
        for nonsense in
            [range(9, 0, node(text("a"), 7)), range(0, 16_384, node(text("a"), 7)), range(0, 9, Value::Nil), Value::Nil]
        {
            assert_eq!(read(&nonsense, &asked), None);
        }
        let mut known = Known::default();
        assert_eq!(known.certain(0), None);
        known.learn([(0, (9, at("a", 7))), (20, (29, at("b", 7)))].into());
        assert_eq!((known.certain(9), known.certain(10)), (Some(at("a", 7)), None));
        assert_eq!((known.certain(20), known.certain(30)), (Some(at("b", 7)), None));
        known.moved.insert(9, at("b", 7));
        assert_eq!(known.certain(9), Some(at("b", 7)));
    }
}
