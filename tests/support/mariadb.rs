//! A MariaDB server of a test's own.
