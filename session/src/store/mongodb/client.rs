//! [`Connection`]: the driver's client, and the way of a command through it.

use std::{
    fmt,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ::mongodb::{
    Client,
    bson::Document,
    error::Error,
    event::{EventHandler, cmap::CmapEvent},
    options::{ClientOptions, ReadPreference, SelectionCriteria},
};
use futures_util::FutureExt;
use tokio::{
    runtime::{Handle, Id},
    sync::{Mutex, Semaphore},
    time::{Instant, timeout_at},
};

use super::{
    address::{Address, Names},
    failure::{Effect, Failure, Place, is_lost},
    waiting::Waiting,
};
use crate::store::StoreError;

tokio::task_local! {
    /// Whether the command of this task has got a connection, on which it goes out next.
    static SENT: Arc<AtomicBool>;
}

/// How many calls the driver has at once; more wait here. It need not be less than a pool may have connections.
const MOST_CALLS: usize = 1000;

/// The way to the server.
#[derive(Clone)]
pub(super) struct Connection {
    clients: Clients,
    calls: Arc<Semaphore>,
}

/// The clients that a store opens, one a runtime, or the one that the app gave it.
#[derive(Clone)]
enum Clients {
    Own(Own),
    App(Client),
}

/// A client that is opened when it is needed: its tasks belong to the runtime that opened it.
#[derive(Clone)]
struct Own {
    address: Arc<Address>,
    opened: Arc<Mutex<Option<(Id, Client)>>>,
}

/// What a call may take, and what it is about.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) names: &'a Names,
    pub(super) deadline: Instant,
    pub(super) timeout: Duration,
}

impl Connection {
    pub(super) fn to(address: Address) -> Self {
        Self::by(Clients::Own(Own { address: Arc::new(address), opened: Arc::default() }))
    }

    pub(super) fn of_app(client: Client) -> Self {
        Self::by(Clients::App(client))
    }

    fn by(clients: Clients) -> Self {
        Self { clients, calls: Arc::new(Semaphore::new(MOST_CALLS)) }
    }

    /// The same for another runtime, if that should have its own.
    pub(super) fn another(&self) -> Option<Self> {
        match &self.clients {
            Clients::Own(own) => {
                Some(Self::by(Clients::Own(Own { address: Arc::clone(&own.address), opened: Arc::default() })))
            }
            Clients::App(_) => None,
        }
    }

    /// Sends a command to the primary, and gives what it answered unless that is an error.
    ///
    /// The driver sends a command that is run in this way once, whatever its client is set to: it repeats only what a
    /// server of Atlas said it was too busy to look at, and that by the app's own client alone. What has not left yet
    /// when the connection is lost is sent on another one, once, and so is what does nothing.
    pub(super) async fn run(
        &self,
        command: impl Fn() -> Document,
        effect: Effect,
        call: Call<'_>,
    ) -> Result<Document, Failure> {
        let mut is_last = false;
        loop {
            let sent = Arc::new(AtomicBool::new(false));
            let attempt = caught(self.attempt(command(), call, Arc::clone(&sent)));
            let ended = timeout_at(call.deadline, attempt).await;
            // the app's client does not tell
            let sent = sent.load(Ordering::Relaxed) || matches!(self.clients, Clients::App(_));
            let place = Place { server: self, names: call.names, effect, sent };
            match ended {
                Ok(Some(Ok(answer))) => return place.checked(answer),
                Ok(Some(Err(error))) if !is_last && is_lost(&error) && (!place.sent || effect == Effect::Read) => {
                    is_last = true;
                }
                Ok(Some(Err(error))) => return Err(place.failed(&error)),
                Ok(None) => return Err(Failure { code: None, error: place.nonsense() }),
                Err(_) => return Err(place.timed_out(call.timeout)),
            }
        }
    }

    /// The error of an answer that makes no sense.
    pub(super) fn nonsense(&self, names: &Names, effect: Effect) -> StoreError {
        Place { server: self, names, effect, sent: true }.nonsense()
    }

    async fn attempt(&self, command: Document, call: Call<'_>, sent: Arc<AtomicBool>) -> Result<Document, Error> {
        let client = match &self.clients {
            Clients::Own(own) => own.client(call.timeout).await?,
            Clients::App(client) => client.clone(),
        };
        let turn = Arc::clone(&self.calls).acquire_owned().await.map_err(Error::custom)?;
        let database = client.database(&call.names.database);
        let primary = SelectionCriteria::ReadPreference(ReadPreference::Primary);
        let work = async move {
            let _turn = turn;
            database.run_command(command).selection_criteria(primary).await
        };
        Waiting::new(SENT.scope(Arc::clone(&sent), work), sent).await
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.clients {
            Clients::Own(own) => own.address.fmt(f),
            Clients::App(_) => f.write_str("mongodb, by the app's client"),
        }
    }
}

impl Own {
    async fn client(&self, timeout: Duration) -> Result<Client, Error> {
        let runtime = Handle::try_current().map_err(|_| Error::custom("there is no tokio runtime"))?.id();
        let mut opened = self.opened.lock().await;
        if let Some((owner, client)) = &*opened
            && *owner == runtime
        {
            return Ok(client.clone());
        }
        let client = Client::with_options(self.options(timeout).await?)?;
        *opened = Some((runtime, client.clone()));
        Ok(client)
    }

    /// What the URL says, but for what has to be otherwise.
    async fn options(&self, timeout: Duration) -> Result<ClientOptions, Error> {
        let mut options = ClientOptions::parse(&self.address.url).await?;
        let at_most = |time: Option<Duration>| Some(time.unwrap_or(timeout).min(timeout));
        options.server_selection_timeout = at_most(options.server_selection_timeout);
        options.connect_timeout = at_most(options.connect_timeout);
        // each command says itself what it wants of these
        (options.read_concern, options.write_concern, options.selection_criteria) = (None, None, None);
        (options.retry_reads, options.retry_writes, options.max_adaptive_retries) = (Some(false), Some(false), Some(0));
        options.app_name.get_or_insert_with(|| "actix-typed-session".to_owned());
        options.cmap_event_handler = Some(EventHandler::callback(|event| {
            if let CmapEvent::ConnectionCheckedOut(_) = event {
                // told by the task that is about to use it
                let _ = SENT.try_with(|sent| sent.store(true, Ordering::Relaxed));
            }
        }));
        Ok(options)
    }
}

/// A driver that meets bytes that it did not think of may panic; a request must not.
async fn caught<T>(work: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(work).catch_unwind().await.ok()
}
