//! Something between a store and its server, that fails on demand.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// What happens to the server's next answer.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mode {
    /// It is passed on.
    Forward,
    /// It and all later ones of its connection are swallowed.
    Swallow,
    /// The connection is closed instead.
    Cut,
    /// Something else is sent instead.
    Garble,
}

pub(crate) struct Proxy {
    address: SocketAddr,
    mode: Arc<Mutex<Mode>>,
}

impl Proxy {
    pub(crate) async fn start(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mode = Arc::new(Mutex::new(Mode::Forward));
        let shared = Arc::clone(&mode);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let (requests, answers) = (client.into_split(), server.into_split());
                tokio::spawn(pass_requests(requests.0, answers.1));
                tokio::spawn(pass_answers(answers.0, requests.1, Arc::clone(&shared)));
            }
        });
        Self { address, mode }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap() = mode;
    }
}

async fn pass_requests(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let _ = tokio::io::copy(&mut from, &mut to).await;
}

async fn pass_answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mode: Arc<Mutex<Mode>>) {
    let mut buffer = vec![0; 1 << 16];
    let mut silent = false;
    while let Ok(1..) = from.read(&mut buffer).await.inspect(|&size| buffer.resize(size.max(1), 0)) {
        let mode = *mode.lock().unwrap();
        silent |= mode == Mode::Swallow;
        let outcome = match mode {
            _ if silent => Ok(()),
            Mode::Cut => return,
            Mode::Garble => to.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await,
            _ => to.write_all(&buffer).await,
        };
        if outcome.is_err() {
            return;
        }
        buffer.resize(1 << 16, 0);
    }
}
