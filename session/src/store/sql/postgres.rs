//! PostgreSQL, by its driver.

use std::{fmt, time::Duration};

use futures_util::future::BoxFuture;
use sqlx::{
    ConnectOptions as _, Postgres,
    error::DatabaseError,
    postgres::{PgArguments, PgConnectOptions},
};

use super::{
    address::Address,
    failure::{self, Refusal},
    server::{Db, run},
};
use crate::error::ConfigError;

/// A server, and how to sign in there.
#[derive(Clone)]
pub(super) struct Connect {
    options: PgConnectOptions,
    timeout: Option<Duration>,
}

impl Connect {
    pub(super) fn parse(address: &Address) -> Result<Self, ConfigError> {
        let options = address.url().parse::<PgConnectOptions>();
        let options = options.map_err(|_| address.refused("has a port or a parameter that can't be understood"))?;
        if options.get_application_name().is_none() {
            let options = options.application_name(env!("CARGO_PKG_NAME"));
            return Ok(Self { options, timeout: None });
        }
        Ok(Self { options, timeout: None })
    }
}

impl fmt::Display for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.options.get_socket() {
            Some(socket) => write!(f, "postgres at {}", socket.display()),
            None => write!(f, "postgres at {}:{}", self.options.get_host(), self.options.get_port()),
        }
    }
}

impl Db for Postgres {
    type Connect = Connect;

    const ONE_WRITER: bool = false;
    const ANY_RUNTIME: bool = false;

    fn tuned(connect: &Connect, timeout: Duration) -> Connect {
        Connect { timeout: Some(timeout), ..connect.clone() }
    }

    fn connect(to: &Connect) -> BoxFuture<'_, Result<Self::Connection, sqlx::Error>> {
        let mut options = to.options.clone().disable_statement_logging().extra_float_digits(None);
        let asked = options.get_options().unwrap_or_default();
        if let Some(timeout) = to.timeout.filter(|_| !asked.contains("statement_timeout")) {
            // the server gives up, too: else a write that waits for a lock would come long after its caller is gone
            options = options.options([("statement_timeout", timeout.as_millis().max(1).to_string())]);
        }
        Box::pin(async move { options.connect().await })
    }

    run!(PgArguments);

    fn refusal(error: &dyn DatabaseError) -> (Refusal, String) {
        failure::of_postgres(error)
    }
}
