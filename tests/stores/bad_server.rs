//! Servers that fail in one way each. They last as long as the test program.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// A port where nothing listens.
pub(crate) fn closed() -> u16 {
    listener().1
}

/// A server that accepts, reads and never answers.
pub(crate) fn silent() -> u16 {
    serve(|mut client| {
        let _ = io::copy(&mut client, &mut io::sink());
    })
}

/// A server that answers whatever comes with these bytes; with none of them, by closing.
pub(crate) fn says(answer: &'static [u8]) -> u16 {
    serve(move |mut client| {
        let mut request = [0; 4096];
        while client.read(&mut request).is_ok_and(|length| length > 0) {
            if answer.is_empty() || client.write_all(answer).is_err() {
                break;
            }
        }
        let _ = client.shutdown(Shutdown::Both);
    })
}

/// A server that passes all to the one at `url`, and all back until a request holds one of `writes` in either case:
/// that request is passed on, and nothing more comes back on its connection.
pub(crate) fn mute(url: &str, writes: &'static [&'static str]) -> u16 {
    mute_at(url.trim_start_matches("redis://").trim_end_matches('/').to_owned(), writes)
}

/// The same before the server at this port.
pub(crate) fn mute_port(port: u16, writes: &'static [&'static str]) -> u16 {
    mute_at(format!("127.0.0.1:{port}"), writes)
}

fn mute_at(server: String, writes: &'static [&'static str]) -> u16 {
    serve(move |mut client| {
        let Ok(mut server) = TcpStream::connect(&server) else { return };
        let (Ok(mut to_client), Ok(mut from_server)) = (client.try_clone(), server.try_clone()) else { return };
        let muted = Arc::new(AtomicBool::new(false));
        let is_muted = Arc::clone(&muted);
        thread::spawn(move || {
            pump(&mut from_server, &mut |bytes| {
                if is_muted.load(Ordering::SeqCst) { Ok(()) } else { to_client.write_all(bytes) }
            });
            let _ = to_client.shutdown(Shutdown::Both);
        });
        pump(&mut client, &mut |bytes| {
            let text = String::from_utf8_lossy(bytes).to_lowercase();
            if writes.iter().any(|write| text.contains(write)) {
                muted.store(true, Ordering::SeqCst);
            }
            server.write_all(bytes)
        });
        let _ = server.shutdown(Shutdown::Both);
    })
}

fn pump(from: &mut TcpStream, to: &mut dyn FnMut(&[u8]) -> io::Result<()>) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if to(&buffer[..length]).is_err() {
            return;
        }
    }
}

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A port where each connection is served by a thread of its own.
fn serve(connection: impl Fn(TcpStream) + Clone + Send + 'static) -> u16 {
    let (listener, port) = listener();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let connection = connection.clone();
            thread::spawn(move || connection(client));
        }
    });
    port
}
