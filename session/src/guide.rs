//! Guides: a page for each thing that takes more than a paragraph, in the order in which an app meets them.
//!
#![doc = include_str!("docs/guides.md")]

#[cfg(doc)]
use crate::*;

// A page is a file of `docs`, so that it reads as well where the files are shown.
macro_rules! page {
    ($name:ident, $text:expr) => {
        #[doc = $text]
        #[doc = ""]
        #[cfg_attr(all(feature = "cache", feature = "datastore", feature = "dynamodb", feature = "elasticsearch", feature = "filesystem", feature = "firestore", feature = "memcached", feature = "memory", feature = "mongodb", feature = "orm", feature = "redis", feature = "sql", feature = "testing"), doc = include_str!("docs/links.md"))]
        #[cfg_attr(not(all(feature = "cache", feature = "datastore", feature = "dynamodb", feature = "elasticsearch", feature = "filesystem", feature = "firestore", feature = "memcached", feature = "memory", feature = "mongodb", feature = "orm", feature = "redis", feature = "sql", feature = "testing")), doc = include_str!("docs/links_to_features.md"))]
        pub mod $name {}
    };
}

page!(getting_started, include_str!("docs/getting_started.md"));
page!(choosing_a_store, include_str!("docs/choosing_a_store.md"));
page!(from_flask_session, include_str!("docs/from_flask_session.md"));
page!(from_actix_session, include_str!("docs/from_actix_session.md"));
page!(security, include_str!("docs/security.md"));
page!(deployment, include_str!("docs/deployment.md"));
page!(scaling, include_str!("docs/scaling.md"));
page!(caching, include_str!("docs/caching.md"));
page!(events, include_str!("docs/events.md"));
#[cfg(feature = "testing")]
page!(testing_your_app, include_str!("docs/testing.md"));
#[cfg(not(feature = "testing"))]
page!(
    testing_your_app,
    "# Testing your app\n\nIs here where the documentation is built with the feature `testing`, as on docs.rs."
);
page!(writing_a_store, include_str!("docs/writing_a_store.md"));
// where documentation is shown there is no folder for pictures
page!(
    examples,
    concat!(
        include_str!("docs/examples.md"),
        "\n[shop]: data:image/png;base64,",
        include_str!("docs/screenshots/shop.base64"),
        "\n[cart]: data:image/png;base64,",
        include_str!("docs/screenshots/cart.base64"),
        "\n[devices]: data:image/png;base64,",
        include_str!("docs/screenshots/devices.base64"),
        "\n[migrate]: data:image/png;base64,",
        include_str!("docs/screenshots/migrate.base64"),
        "\n",
    )
);
page!(troubleshooting, include_str!("docs/troubleshooting.md"));
