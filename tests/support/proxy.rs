//! [`Proxy`]: something between a store and its server that fails on demand.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(missing_debug_implementations, reason = "no test prints it")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// What happens to the next request or answer, as it arrives in one piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is passed on.
    Forward,
    /// The answer and all later ones of its connection are swallowed.
    Swallow,
    /// The connection is closed instead of the answer.
    Cut,
    /// Something else is sent instead of the answer.
    Garble,
    /// Half of the request is passed on, and the connection is reset on both sides.
    ResetInRequest,
    /// The request was passed on, and the connection is reset on both sides instead of the answer.
    ResetBeforeAnswer,
    /// Half of the answer is passed on, and the connection is reset on both sides.
    ResetInAnswer,
    /// The request, and all later ones of its connection, arrive only when the mode changes, whether or not somebody
    /// still waits for the answer.
    Delay,
}

/// Listens on a port of its own and passes on what comes.
pub struct Proxy {
    address: SocketAddr,
    target: Arc<AtomicU16>,
    plan: watch::Sender<Plan>,
    hits: Arc<AtomicU64>,
}

#[derive(Clone, Copy)]
struct Plan {
    mode: Mode,
    every: u64,
    /// Connections of an earlier epoch are closed.
    epoch: u64,
}

impl Proxy {
    /// A proxy before the server at this port.
    pub async fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let target = Arc::new(AtomicU16::new(port));
        let (plan, plans) = watch::channel(Plan { mode: Mode::Forward, every: 1, epoch: 0 });
        let hits = Arc::new(AtomicU64::new(0));
        let (to, counted) = (Arc::clone(&target), Arc::clone(&hits));
        tokio::spawn(async move {
            let pieces = Arc::new(AtomicU64::new(0));
            while let Ok((client, _)) = listener.accept().await {
                // a server that is down is a connection that ends at once
                let Ok(server) = TcpStream::connect(("127.0.0.1", to.load(Ordering::SeqCst))).await else { continue };
                let plans = plans.clone();
                let (pieces, hits) = (Arc::clone(&pieces), Arc::clone(&counted));
                tokio::spawn(Pass { plans, pieces, hits }.run(client, server));
            }
        });
        Self { address, target, plan, hits }
    }

    /// `redis://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What happens from now on.
    pub fn set(&self, mode: Mode) {
        self.set_every(1, mode);
    }

    /// What happens to each so-manieth request or answer from now on; the others are passed on.
    pub fn set_every(&self, every: u64, mode: Mode) {
        self.plan.send_modify(|plan| (plan.mode, plan.every) = (mode, every));
    }

    /// Closes all connections, and connects to another port from now on.
    pub fn point_at(&self, port: u16) {
        self.target.store(port, Ordering::SeqCst);
        self.plan.send_modify(|plan| plan.epoch += 1);
    }

    /// How often something else than passing on was done.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::SeqCst)
    }
}

/// What carries one connection.
struct Pass {
    plans: watch::Receiver<Plan>,
    pieces: Arc<AtomicU64>,
    hits: Arc<AtomicU64>,
}

impl Pass {
    async fn run(mut self, mut client: TcpStream, mut server: TcpStream) {
        let (mut request, mut answer) = (vec![0; 1 << 16], vec![0; 1 << 16]);
        let mut is_silent = false;
        let epoch = self.plans.borrow_and_update().epoch;
        loop {
            tokio::select! {
                changed = self.plans.changed() => {
                    if changed.is_err() || self.plans.borrow_and_update().epoch != epoch {
                        return;
                    }
                }
                size = client.read(&mut request) => {
                    let Ok(size @ 1..) = size else { return };
                    let piece = &request[..size];
                    match self.next(&[Mode::ResetInRequest, Mode::Delay]) {
                        Mode::ResetInRequest => {
                            let _ = server.write_all(&piece[..size / 2]).await;
                            return reset(client, server);
                        }
                        Mode::Delay if !self.delay(piece, &mut client, &mut server).await => return,
                        Mode::Delay => {}
                        _ if server.write_all(piece).await.is_err() => return,
                        _ => {}
                    }
                }
                size = server.read(&mut answer) => {
                    let Ok(size @ 1..) = size else { return };
                    let piece = &answer[..size];
                    let mode = self.next(&[Mode::Swallow, Mode::Cut, Mode::Garble, Mode::ResetBeforeAnswer, Mode::ResetInAnswer]);
                    is_silent |= mode == Mode::Swallow;
                    let passed = match mode {
                        _ if is_silent => Ok(()),
                        Mode::Cut => return,
                        Mode::Garble => client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await,
                        Mode::ResetBeforeAnswer => return reset(client, server),
                        Mode::ResetInAnswer => {
                            let _ = client.write_all(&piece[..size / 2]).await;
                            return reset(client, server);
                        }
                        _ => client.write_all(piece).await,
                    };
                    if passed.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// The mode for the next piece, if it is one of those that concern it.
    fn next(&self, modes: &[Mode]) -> Mode {
        let Plan { mode, every, .. } = *self.plans.borrow();
        if !modes.contains(&mode) || !(self.pieces.fetch_add(1, Ordering::SeqCst) + 1).is_multiple_of(every) {
            return Mode::Forward;
        }
        self.hits.fetch_add(1, Ordering::SeqCst);
        mode
    }

    /// Keeps what the client sends until the mode changes, and passes it on then; whether the connection goes on.
    async fn delay(&mut self, first: &[u8], client: &mut TcpStream, server: &mut TcpStream) -> bool {
        let mut kept = first.to_vec();
        let mut is_gone = false;
        while self.plans.borrow().mode == Mode::Delay {
            tokio::select! {
                changed = self.plans.changed() => if changed.is_err() { return false },
                size = client.read_buf(&mut kept), if !is_gone => is_gone = !matches!(size, Ok(1..)),
            }
        }
        server.write_all(&kept).await.is_ok() && !is_gone
    }
}

/// Ends both connections as a crash of the machine does, so that what was not read yet may be lost.
fn reset(client: TcpStream, server: TcpStream) {
    for stream in [client, server] {
        let _ = stream.set_zero_linger();
    }
}
