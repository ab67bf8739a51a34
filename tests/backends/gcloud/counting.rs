//! [`Counting`]: what stands before an emulator and counts the requests that it is sent.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

/// It lasts as long as the test program.
pub(crate) struct Counting {
    pub(crate) port: u16,
    requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    is_mute: Arc<AtomicBool>,
}

impl Counting {
    pub(crate) fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let this = Self { port, requests: Arc::default(), connections: Arc::default(), is_mute: Arc::default() };
        let (requests, connections, is_mute) =
            (Arc::clone(&this.requests), Arc::clone(&this.connections), Arc::clone(&this.is_mute));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::SeqCst);
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                let is_mute = Arc::clone(&is_mute);
                let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || {
                    let mut buffer = [0; 16 * 1024];
                    while let Ok(size @ 1..) = from.read(&mut buffer) {
                        if !is_mute.load(Ordering::SeqCst) && to.write_all(&buffer[..size]).is_err() {
                            break;
                        }
                    }
                    let _ = to.shutdown(Shutdown::Both);
                });
                let requests = Arc::clone(&requests);
                thread::spawn(move || pass(client, server, &requests));
            }
        });
        this
    }

    /// How many requests came since it was last said.
    pub(crate) fn requests(&self) -> usize {
        self.requests.swap(0, Ordering::SeqCst)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// From now on no answer comes back.
    pub(crate) fn mute(&self) {
        self.is_mute.store(true, Ordering::SeqCst);
    }
}

/// Frame by frame, as HTTP/2 has them after its preface; a request begins with one of headers.
fn pass(mut client: TcpStream, mut server: TcpStream, requests: &AtomicUsize) {
    const HEADERS: u8 = 1;
    let mut pass = || -> std::io::Result<()> {
        let mut preface = [0; 24];
        client.read_exact(&mut preface)?;
        server.write_all(&preface)?;
        loop {
            let mut head = [0; 9];
            client.read_exact(&mut head)?;
            let mut frame = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            client.read_exact(&mut frame)?;
            if head[3] == HEADERS {
                requests.fetch_add(1, Ordering::SeqCst);
            }
            server.write_all(&[&head[..], &frame].concat())?;
        }
    };
    let _ = pass();
    let _ = server.shutdown(Shutdown::Both);
}
