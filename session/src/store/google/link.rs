//! [`Link`]: the connection to the service, opened on the runtime that needs it, and who asks there.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gcloud_sdk::{
    GoogleEnvironment,
    tonic::transport::{Channel, ClientTlsConfig, Endpoint},
};
use google_cloud_auth::credentials::{Builder, Credentials};
use tokio::{
    runtime::{self, Handle},
    sync::OnceCell,
};

use super::Address;
use crate::store::{StoreError, StoreErrorKind};

pub(super) struct Link {
    address: Address,
    project: OnceCell<String>,
    open: Mutex<Option<(runtime::Id, Arc<Open>)>>,
}

/// A connection that is made by the first request, and again by the one after it was lost.
pub(super) struct Open {
    pub(super) channel: Channel,
    /// None for an emulator.
    pub(super) credentials: Option<Credentials>,
    /// How many answers came over it.
    answers: AtomicU64,
}

impl Link {
    pub(super) fn new(address: Address) -> Self {
        Self { address, project: OnceCell::new(), open: Mutex::default() }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// The project that is set, or that of the platform.
    pub(super) async fn project(&self) -> Result<&str, StoreError> {
        if let Some(project) = &self.address.project {
            return Ok(project);
        }
        let found = self.project.get_or_try_init(async || {
            GoogleEnvironment::detect_google_project_id().await.ok_or_else(|| {
                let why = "nothing says in which project the database is: set `GCLOUD_APP_PROJECT_ID`";
                StoreError::new(StoreErrorKind::Unavailable, why)
            })
        });
        found.await.map(String::as_str)
    }

    /// The connection of the runtime that asks.
    pub(super) fn open(&self, timeout: Duration) -> Result<Arc<Open>, StoreError> {
        let this = Handle::current().id();
        let mut open = self.slot();
        if let Some((runtime, open)) = &*open
            && *runtime == this
        {
            return Ok(Arc::clone(open));
        }
        let opened = Arc::new(self.connection(timeout)?);
        *open = Some((this, Arc::clone(&opened)));
        Ok(opened)
    }

    /// Leaves a connection over which nothing has come since there were so many answers: the next call opens another.
    pub(super) fn leave(&self, silent: &Arc<Open>, answers: u64) {
        if silent.answers() == answers {
            let mut open = self.slot();
            if open.as_ref().is_some_and(|(_, open)| Arc::ptr_eq(open, silent)) {
                *open = None;
            }
        }
    }

    fn connection(&self, timeout: Duration) -> Result<Open, StoreError> {
        let unusable = |what: &'static str| StoreError::new(StoreErrorKind::Unavailable, what);
        let url = match &self.address.emulator {
            Some(host) => format!("http://{host}"),
            None => format!("https://{}.googleapis.com", self.address.service),
        };
        let endpoint = Endpoint::from_shared(url)
            .map_err(|error| unusable("the address of the service is none").with_source(error))?
            // before a call's own time is over, so that it is known then that nothing was sent
            .connect_timeout(timeout.mul_f64(0.75).max(Duration::from_millis(1)))
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(10));
        let (endpoint, credentials) = if self.address.emulator.is_some() {
            (endpoint, None)
        } else {
            let endpoint = endpoint
                .tls_config(ClientTlsConfig::new().with_webpki_roots())
                .map_err(|error| unusable("TLS can't be set up").with_source(error))?;
            let credentials =
                Builder::default().with_scopes(["https://www.googleapis.com/auth/datastore"]).build().map_err(
                    |error| unusable("there are no credentials for Google Cloud").with_source(error.to_string()),
                )?;
            (endpoint, Some(credentials))
        };
        Ok(Open { channel: endpoint.connect_lazy(), credentials, answers: AtomicU64::new(0) })
    }

    fn slot(&self) -> MutexGuard<'_, Option<(runtime::Id, Arc<Open>)>> {
        // what it guards is whole whoever panicked
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    pub(super) fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    pub(super) fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }
}
