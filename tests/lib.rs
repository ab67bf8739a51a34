//! What the tests share.

// A test tells what it did not expect by a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

/// A browser, and servers to test against.
pub mod support {
    pub mod browser;
    pub mod dynamodb;
    pub mod example;
    pub mod ferretdb;
    pub mod gcloud;
    pub mod installed;
    pub mod mariadb;
    pub mod memcached;
    pub mod postgres;
    pub mod process;
    pub mod program;
    pub mod proxy;
    pub mod redis;
    pub mod redis_cluster;
    pub mod redis_sentinels;
    pub mod remembering;
    pub mod s3;
    pub mod search;
    pub mod search_cluster;
    pub mod server;
    pub mod table;
    pub mod trial;
    pub mod webdriver;
}
