//! [`Server`]: a real actix server of a test's own routes, on a free port, with the users' `Sessions` in `web::Data`.

use std::{net::SocketAddr, thread::JoinHandle};

use actix_typed_session::SessionMiddleware;
use actix_web::{
    App, HttpServer,
    dev::ServerHandle,
    rt::System,
    web::{Data, ServiceConfig},
};

/// A server in a thread of its own, stopped when it is dropped.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server of these routes with this many workers.
    pub fn start(sessions: SessionMiddleware, workers: usize, routes: fn(&mut ServiceConfig)) -> Self {
        let (started, start) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let serve = async move {
                let of_users = sessions.sessions().ok().map(Data::new);
                let add = move |app: &mut ServiceConfig| _ = of_users.clone().map(|of_users| app.app_data(of_users));
                let app = move || App::new().wrap(sessions.clone()).configure(add.clone()).configure(routes);
                let server = HttpServer::new(app).workers(workers).bind(("127.0.0.1", 0)).expect("a free port");
                let address = server.addrs().first().copied().expect("one address");
                let server = server.shutdown_timeout(1).disable_signals().run();
                started.send((address, server.handle())).expect("the test waits");
                server.await.expect("the server runs");
            };
            System::new().block_on(serve);
        });
        let (address, handle) = start.recv().expect("the server starts");
        Self { address, handle, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // the command is sent when `stop` is called; the thread ends when it is carried out
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
