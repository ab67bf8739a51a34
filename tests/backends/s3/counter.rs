//! [`Counter`]: what a server is asked, and a server that stops answering.

use std::{
    mem::take,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Something before a server that notes the method of each request. Its clones are one.
#[derive(Clone)]
pub(crate) struct Counter {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    methods: Vec<&'static str>,
    /// Requests of this method arrive, and no answer to them comes back.
    muted: Option<&'static str>,
    /// The object that can't be read.
    broken: Option<&'static str>,
}

const METHODS: [&str; 5] = ["GET", "PUT", "DELETE", "HEAD", "POST"];

impl Counter {
    pub(crate) async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let counter = Self { port: listener.local_addr().unwrap().port(), state: Arc::default() };
        let passing = counter.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await else { continue };
                tokio::spawn(passing.clone().pass(client, server));
            }
        });
        counter
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The requests since it was asked last.
    pub(crate) fn take(&self) -> Vec<&'static str> {
        take(&mut self.state.lock().unwrap().methods)
    }

    /// Lets no answers through to requests of this method from now on.
    pub(crate) fn mute(&self, method: &'static str) {
        self.state.lock().unwrap().muted = Some(method);
    }

    /// Ends the connection of each request to read this object from now on.
    pub(crate) fn break_object(&self, path: &'static str) {
        self.state.lock().unwrap().broken = Some(path);
    }

    async fn pass(self, mut client: TcpStream, mut server: TcpStream) {
        let (mut request, mut answer) = (vec![0; 1 << 16], vec![0; 1 << 16]);
        let mut is_muted = false;
        loop {
            tokio::select! {
                size = client.read(&mut request) => {
                    let Ok(size @ 1..) = size else { return };
                    let piece = &request[..size];
                    // a body comes in a piece of its own, or behind the head
                    if let Some(method) = METHODS.iter().find(|method| piece.starts_with(format!("{method} /").as_bytes())) {
                        let mut state = self.state.lock().unwrap();
                        state.methods.push(method);
                        let line = String::from_utf8_lossy(piece.split(|byte| *byte == b'\r').next().unwrap_or_default());
                        if *method == "GET" && state.broken.is_some_and(|path| line.contains(path)) {
                            return;
                        }
                        is_muted |= state.muted == Some(*method);
                    }
                    if server.write_all(piece).await.is_err() {
                        return;
                    }
                }
                size = server.read(&mut answer) => {
                    let Ok(size @ 1..) = size else { return };
                    if !is_muted && client.write_all(&answer[..size]).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}
