//! [`Pretended`]: what stands where a DynamoDB would, notes what it is asked, and answers as it is told.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

/// It lasts as long as the test program.
pub(crate) struct Pretended {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    is_mute: Arc<AtomicBool>,
}

impl Pretended {
    /// It passes all on to the server at this port.
    pub(crate) fn before(port: u16) -> Self {
        Self::start(move |client, mute| {
            let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { return None };
            let (mut from, mut to) = (server.try_clone().ok()?, client);
            thread::spawn(move || {
                let mut buffer = [0; 16 * 1024];
                while let Ok(size @ 1..) = from.read(&mut buffer) {
                    if !mute.load(Ordering::SeqCst) && to.write_all(&buffer[..size]).is_err() {
                        return;
                    }
                }
            });
            Some(Box::new(move |piece: &[u8]| {
                let _ = (&server).write_all(piece);
            }))
        })
    }

    /// It gives each request this status and this JSON.
    pub(crate) fn answering(status: &'static str, json: &'static str) -> Self {
        Self::start(move |mut client, _| {
            Some(Box::new(move |piece: &[u8]| {
                if String::from_utf8_lossy(piece).contains("x-amz-target") {
                    let head = format!(
                        "HTTP/1.1 {status}\r\nContent-Type: application/x-amz-json-1.0\r\nx-amzn-RequestId: 1\r\n\
                         Content-Length: {}\r\n\r\n{json}",
                        json.len()
                    );
                    let _ = client.write_all(head.as_bytes());
                }
            }))
        })
    }

    /// Which operations were asked for since it was last said.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// From now on no answer comes back.
    pub(crate) fn mute(&self) {
        self.is_mute.store(true, Ordering::SeqCst);
    }

    fn start(
        serve: impl Fn(TcpStream, Arc<AtomicBool>) -> Option<Box<dyn FnMut(&[u8])>> + Clone + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let this = Self { port, asked: Arc::default(), connections: Arc::default(), is_mute: Arc::default() };
        let (asked, connections, is_mute) =
            (Arc::clone(&this.asked), Arc::clone(&this.connections), Arc::clone(&this.is_mute));
        thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                connections.fetch_add(1, Ordering::SeqCst);
                let (serve, asked, is_mute) = (serve.clone(), Arc::clone(&asked), Arc::clone(&is_mute));
                thread::spawn(move || {
                    let Some(mut piece_came) = serve(client.try_clone().unwrap(), is_mute) else { return };
                    let mut buffer = [0; 16 * 1024];
                    while let Ok(size @ 1..) = client.read(&mut buffer) {
                        note(&String::from_utf8_lossy(&buffer[..size]), &mut asked.lock().unwrap());
                        piece_came(&buffer[..size]);
                    }
                });
            }
        });
        this
    }
}

/// A request's head comes in one piece.
fn note(piece: &str, asked: &mut Vec<String>) {
    for line in piece.lines() {
        if let Some(target) = line.strip_prefix("x-amz-target: DynamoDB_20120810.") {
            asked.push(target.to_owned());
        }
    }
}
