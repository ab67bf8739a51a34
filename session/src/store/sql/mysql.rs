//! MySQL and MariaDB, by their driver.

use std::{fmt, time::Duration};

use futures_util::future::BoxFuture;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Executor as _, MySql,
    error::DatabaseError,
    mysql::{MySqlArguments, MySqlConnectOptions},
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
    options: MySqlConnectOptions,
    timeout: Duration,
}

impl Connect {
    pub(super) fn parse(address: &Address) -> Result<Self, ConfigError> {
        let options = address.url().parse::<MySqlConnectOptions>();
        let options = options.map_err(|_| address.refused("has a port or a parameter that can't be understood"))?;
        // all that has to be set is set in one statement of the store's own
        let options = options.pipes_as_concat(false).no_engine_substitution(false).timezone(None).set_names(false);
        Ok(Self { options, timeout: Duration::from_secs(2) })
    }
}

impl fmt::Display for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.options.get_socket() {
            Some(socket) => write!(f, "mysql at {}", socket.display()),
            None => write!(f, "mysql at {}:{}", self.options.get_host(), self.options.get_port()),
        }
    }
}

impl Db for MySql {
    type Connect = Connect;

    const ONE_WRITER: bool = false;
    const ANY_RUNTIME: bool = false;

    fn tuned(connect: &Connect, timeout: Duration) -> Connect {
        Connect { timeout, ..connect.clone() }
    }

    fn connect(to: &Connect) -> BoxFuture<'_, Result<Self::Connection, sqlx::Error>> {
        Box::pin(async move {
            let mut connection = to.options.clone().disable_statement_logging().connect().await?;
            // nothing is cut to fit silently, each statement is a transaction of its own, and none waits for a lock long
            // after its caller is gone
            let seconds = to.timeout.as_secs_f64().ceil().max(1.0);
            let set = format!(
                "SET SESSION sql_mode = 'STRICT_ALL_TABLES', autocommit = 1, innodb_lock_wait_timeout = {seconds}"
            );
            connection.execute(AssertSqlSafe(set)).await?;
            Ok(connection)
        })
    }

    run!(MySqlArguments);

    fn refusal(error: &dyn DatabaseError) -> (Refusal, String) {
        failure::of_mysql(error)
    }
}
