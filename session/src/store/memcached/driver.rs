//! What carries commands and answers over one connection, in order, until it breaks.

use std::{
    collections::VecDeque,
    io,
    pin::pin,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::BytesMut;
use futures_util::future::select;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::{mpsc, oneshot},
};

use super::protocol::{self, Command, Nonsense, Reply};

/// How many commands may wait to be written; who comes then waits to wait.
pub(super) const QUEUE: usize = 1024;
/// How many commands may be under way on a connection, given up ones too. A server that owes more is silent.
const UNDER_WAY: usize = 64 * 1024;
/// So much is written at once.
const BATCH: usize = 64 * 1024;

/// A command, and who waits for the answer.
pub(super) struct Request {
    pub(super) command: Command,
    pub(super) reply: oneshot::Sender<Result<Reply, Lost>>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Lost {
    /// The connection broke before the command was written.
    NotSent,
    /// The connection broke, and the server may have the command.
    Sent,
    /// The answer is none to the command.
    Nonsense,
}

/// A command that was written.
struct Waiting {
    opaque: u64,
    is_noop: bool,
    reply: oneshot::Sender<Result<Reply, Lost>>,
}

/// Writes what is requested and hands out the answers, until the connection or the requests end.
///
/// An answer whose command was given up is read all the same, and thrown away. One that does not repeat the number of the
/// command whose turn it is ends the connection, and all that waits for it.
pub(super) async fn drive(
    read: impl AsyncRead + Unpin,
    write: impl AsyncWrite + Unpin,
    mut requests: mpsc::Receiver<Request>,
) {
    let waiting = Mutex::default();
    select(pin!(write_all(write, &mut requests, &waiting)), pin!(read_all(read, &waiting))).await;
    // what waits for an answer learns by the end of its channel that it may have arrived
    requests.close();
    while let Ok(request) = requests.try_recv() {
        let _ = request.reply.send(Err(Lost::NotSent));
    }
}

async fn write_all(
    mut to: impl AsyncWrite + Unpin,
    requests: &mut mpsc::Receiver<Request>,
    waiting: &Mutex<VecDeque<Waiting>>,
) {
    let mut opaque = 0;
    let mut batch = Vec::new();
    while let Some(request) = requests.recv().await {
        let mut next = Some(request);
        while let Some(Request { command, reply }) = next {
            // nobody waits for it any more, and it was not sent
            if !reply.is_closed() {
                opaque += 1;
                command.write(opaque, &mut batch);
                let mut waiting = lock(waiting);
                if waiting.len() >= UNDER_WAY {
                    return;
                }
                waiting.push_back(Waiting { opaque, is_noop: command.is_noop(), reply });
            }
            next = if batch.len() < BATCH { requests.try_recv().ok() } else { None };
        }
        if to.write_all(&batch).await.is_err() {
            return;
        }
        batch.clear();
        batch.shrink_to(BATCH);
    }
}

async fn read_all(mut from: impl AsyncRead + Unpin, waiting: &Mutex<VecDeque<Waiting>>) {
    let mut read = BytesMut::new();
    loop {
        loop {
            let taken = protocol::take(&mut read);
            if matches!(taken, Ok(None)) {
                break;
            }
            // what nobody asked for is nonsense too
            let Some(first) = lock(waiting).pop_front() else { return };
            match taken {
                Ok(Some((reply, opaque))) if first.is_meant(&reply, opaque) => {
                    let ends = reply.ends_connection();
                    let _ = first.reply.send(Ok(reply));
                    if ends {
                        return;
                    }
                }
                _ => {
                    let _ = first.reply.send(Err(Lost::Nonsense));
                    return;
                }
            }
        }
        if !matches!(more(&mut from, &mut read).await, Ok(1..)) {
            return;
        }
    }
}

impl Waiting {
    fn is_meant(&self, reply: &Reply, opaque: Option<u64>) -> bool {
        match reply {
            Reply::Refused(_) => true,
            Reply::Noop => self.is_noop,
            _ => opaque == Some(self.opaque),
        }
    }
}

/// Reads a line of what a server says while the connection is set up.
pub(super) async fn line(from: &mut (impl AsyncRead + Unpin), read: &mut BytesMut) -> io::Result<String> {
    let nonsense = || io::Error::new(io::ErrorKind::InvalidData, "it does not speak memcached's protocol");
    loop {
        if let Some(line) = protocol::take_line(read).map_err(|Nonsense| nonsense())? {
            return Ok(line);
        }
        if more(from, read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

async fn more(from: &mut (impl AsyncRead + Unpin), read: &mut BytesMut) -> io::Result<usize> {
    if read.spare_capacity_mut().is_empty() {
        read.reserve(4096);
    }
    from.read_buf(read).await
}

fn lock(waiting: &Mutex<VecDeque<Waiting>>) -> MutexGuard<'_, VecDeque<Waiting>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
