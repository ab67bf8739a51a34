//! [`Puppet`]: a server that says what a test wants it to, and notes what it was asked; and [`relay`], which passes it on.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// `GET /sessions`, without the parameters.
    pub(crate) what: String,
    /// All of the first line.
    pub(crate) line: String,
    /// The header that signs in.
    pub(crate) login: Option<String>,
    pub(crate) body: String,
}

type Answer = dyn Fn(&Asked) -> Option<(u16, String)> + Send + Sync;

/// A server that is written by hand. It lasts as long as the test program.
pub(crate) struct Puppet {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Puppet {
    /// A server that answers by this function: nothing is a connection that ends.
    pub(crate) fn start(answer: impl Fn(&Asked) -> Option<(u16, String)> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (log, answer) = (Arc::clone(&asked), Arc::<Answer>::from(Box::new(answer) as Box<Answer>));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                thread::spawn(move || serve(&client, &log, &*answer));
            }
        });
        Self { port, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The requests since this was asked.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

/// What a fit index is described by.
pub(crate) fn index(alias: &str) -> String {
    format!(
        r#"{{"{alias}-000001":{{"aliases":{{"{alias}":{{}}}},"settings":{{"index":{{}}}},"mappings":{{"dynamic":"strict",
        "properties":{{"v":{{"type":"keyword"}},"e":{{"type":"date","format":"epoch_millis"}},"d":{{"type":"binary"}}}}}}}}}}"#
    )
}

pub(crate) fn error(status: u16, kind: &str) -> Option<(u16, String)> {
    Some((status, format!(r#"{{"error":{{"type":"{kind}","reason":"hunter2"}},"status":{status}}}"#)))
}

/// A server that passes on what comes to the one at this port.
pub(crate) fn relay(port: u16) -> Puppet {
    Puppet::start(move |asked| pass_on(asked, port))
}

/// What the server at this port answers to the same request.
pub(crate) fn pass_on(asked: &Asked, port: u16) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let length = asked.body.len();
    let head = format!(
        "{}\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n",
        asked.line
    );
    stream.write_all(format!("{head}{}", asked.body).as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    Some((status, answer.split_once("\r\n\r\n")?.1.to_owned()))
}

fn serve(client: &TcpStream, log: &Mutex<Vec<Asked>>, answer: &Answer) {
    let (mut reader, mut writer) = (BufReader::new(client), client);
    while let Some(asked) = receive(&mut reader) {
        log.lock().unwrap().push(asked.clone());
        let Some((status, body)) = answer(&asked) else { break };
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n");
        if writer.write_all(format!("{head}{body}").as_bytes()).is_err() {
            break;
        }
    }
    let _ = client.shutdown(std::net::Shutdown::Both);
}

fn receive(from: &mut BufReader<&TcpStream>) -> Option<Asked> {
    let mut next = || {
        let mut line = String::new();
        (from.read_line(&mut line).ok()? > 0).then(|| line.trim_end().to_owned())
    };
    let line = next()?;
    let (mut login, mut length) = (None, 0);
    loop {
        let header = next()?;
        let Some((name, value)) = header.split_once(": ") else { break };
        match name.to_lowercase().as_str() {
            "authorization" => login = Some(value.to_owned()),
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    let (what, _) = line.rsplit_once(' ')?;
    let what = what.split('?').next()?.to_owned();
    Some(Asked { what, line, login, body: String::from_utf8_lossy(&body).into_owned() })
}
