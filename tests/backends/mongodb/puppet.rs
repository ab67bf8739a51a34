//! [`Puppet`]: a server that says what a test wants it to; and [`Relay`], which notes what a real one is asked.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use mongodb::bson::{Document, doc};

/// What a server answers to a command, if it does.
type Answer = dyn Fn(&Document) -> Option<Document> + Send + Sync;

/// What a server is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Single,
    ReplicaSet,
}

/// A server that is written by hand. It lasts as long as the test program.
pub(crate) struct Puppet {
    port: u16,
    asked: Arc<Mutex<Vec<Document>>>,
    connections: Arc<AtomicUsize>,
}

impl Puppet {
    /// A server whose collection is fit, and which answers all else by this function: `{ "close": true }` by closing.
    pub(crate) fn start(kind: Kind, answer: impl Fn(&Document) -> Option<Document> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, connections) = (Arc::<Mutex<Vec<Document>>>::default(), Arc::<AtomicUsize>::default());
        let (log, count, answer) =
            (Arc::clone(&asked), Arc::clone(&connections), Arc::<Answer>::from(Box::new(answer) as Box<Answer>));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                thread::spawn(move || serve(client, port, kind, &log, &*answer));
            }
        });
        Self { port, asked, connections }
    }

    pub(crate) fn url(&self) -> String {
        format!("mongodb://127.0.0.1:{}", self.port)
    }

    /// How many connections were opened so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The commands of this name that came so far.
    pub(crate) fn asked(&self, name: &str) -> Vec<Document> {
        self.asked.lock().unwrap().iter().filter(|command| name_of(command) == name).cloned().collect()
    }
}

/// The document of a collection's indexes.
pub(crate) fn cursor(documents: &[Document]) -> Document {
    doc! { "ok": 1, "cursor": { "id": 0_i64, "ns": "a.b", "firstBatch": documents } }
}

/// The error of a whole command.
pub(crate) fn error(code: i32, name: &str) -> Document {
    doc! { "ok": 0, "code": code, "codeName": name, "errmsg": "hunter2" }
}

/// Passes on what comes for a server, and counts the commands but those by which a driver watches it.
pub(crate) struct Relay {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Relay {
    pub(crate) fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let log = Arc::clone(&asked);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                let log = Arc::clone(&log);
                let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || {
                    let _ = io::copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Both);
                });
                thread::spawn(move || relay(client, server, &log));
            }
        });
        Self { port, asked }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The names of the commands since this was asked.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn relay(mut client: TcpStream, mut server: TcpStream, log: &Mutex<Vec<String>>) {
    while let Ok((_, message, command)) = receive(&mut client) {
        let name = name_of(&command);
        if !is_greeting(&name) {
            log.lock().unwrap().push(name);
        }
        if server.write_all(&message).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
}

fn serve(mut client: TcpStream, port: u16, kind: Kind, log: &Mutex<Vec<Document>>, answer: &Answer) {
    while let Ok((id, _, command)) = receive(&mut client) {
        let name = name_of(&command);
        if !is_greeting(&name) {
            log.lock().unwrap().push(command.clone());
        }
        let answered = match name.as_str() {
            name if is_greeting(name) => Some(greeting(port, kind)),
            _ => answer(&command).or_else(|| {
                let expiry = doc! { "v": 2, "key": { "e": 1 }, "name": "e_1", "expireAfterSeconds": 0 };
                let id = doc! { "v": 2, "key": { "_id": 1 }, "name": "_id_" };
                (name == "listIndexes").then(|| cursor(&[id, expiry]))
            }),
        };
        let Some(answered) = answered else { continue };
        if answered.contains_key("close") {
            return;
        }
        if client.write_all(&message(id, &answered)).is_err() {
            return;
        }
    }
}

fn greeting(port: u16, kind: Kind) -> Document {
    let mut greeting = doc! {
        "ok": 1, "helloOk": true, "isWritablePrimary": true, "ismaster": true, "maxBsonObjectSize": 16_777_216,
        "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000, "minWireVersion": 0, "maxWireVersion": 21,
    };
    if kind == Kind::ReplicaSet {
        let me = format!("127.0.0.1:{port}");
        greeting.extend(doc! { "setName": "rs0", "setVersion": 1, "hosts": [&me], "me": &me, "primary": &me });
    }
    greeting
}

fn is_greeting(name: &str) -> bool {
    matches!(name.to_lowercase().as_str(), "hello" | "ismaster")
}

fn name_of(command: &Document) -> String {
    command.keys().next().cloned().unwrap_or_default()
}

/// Reads a message: its number, all of it, and the command in it.
fn receive(from: &mut TcpStream) -> io::Result<(i32, Vec<u8>, Document)> {
    let mut whole = vec![0; 16];
    from.read_exact(&mut whole)?;
    let number = |bytes: &[u8]| i32::from_le_bytes(bytes.try_into().unwrap());
    let (length, id) = (number(&whole[..4]), number(&whole[4..8]));
    whole.resize(usize::try_from(length).unwrap(), 0);
    from.read_exact(&mut whole[16..])?;
    // after the flags, and the kind of the section
    let command = Document::from_reader(&whole[21..]).unwrap_or_default();
    Ok((id, whole, command))
}

fn message(to: i32, answer: &Document) -> Vec<u8> {
    let body = answer.to_vec().unwrap();
    let mut message = Vec::new();
    for number in [i32::try_from(body.len()).unwrap() + 21, 1, to, 2013, 0] {
        message.extend_from_slice(&number.to_le_bytes());
    }
    message.push(0);
    message.extend_from_slice(&body);
    message
}
