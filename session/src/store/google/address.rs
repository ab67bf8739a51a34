//! What the settings say about where the documents are.

use std::fmt;

use crate::{
    error::ConfigError,
    store::{StoreSettings, Url, percent},
};

const PROJECT: &str = "GCLOUD_APP_PROJECT_ID";

/// Which of the two ways to the same database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    #[cfg(feature = "firestore")]
    Firestore,
    #[cfg(feature = "datastore")]
    Datastore,
}

/// Where the documents are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(in crate::store) service: Service,
    /// None: that of the platform.
    pub(in crate::store) project: Option<String>,
    /// Empty: the default one.
    pub(in crate::store) database: String,
    /// The collection, or the kind.
    pub(in crate::store) collection: String,
    /// `host:port` of an emulator.
    pub(in crate::store) emulator: Option<String>,
}

impl Service {
    pub(in crate::store) fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "firestore")]
            Self::Firestore => "firestore",
            #[cfg(feature = "datastore")]
            Self::Datastore => "datastore",
        }
    }

    /// The variable that names the emulator.
    fn emulator(self) -> &'static str {
        match self {
            #[cfg(feature = "firestore")]
            Self::Firestore => "FIRESTORE_EMULATOR_HOST",
            #[cfg(feature = "datastore")]
            Self::Datastore => "DATASTORE_EMULATOR_HOST",
        }
    }

    fn key(self) -> &'static str {
        match self {
            #[cfg(feature = "firestore")]
            Self::Firestore => "SESSION_FIRESTORE",
            #[cfg(feature = "datastore")]
            Self::Datastore => "SESSION_DATASTORE",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Address {
    /// Reads a URL; the emulator is that of the environment, if the URL names none.
    pub(in crate::store) fn parse(service: Service, url: &str) -> Result<Self, ConfigError> {
        let mut address = Self::of_url(service, url)?;
        if address.emulator.is_none()
            && let Ok(host) = std::env::var(service.emulator())
        {
            address.emulator = Some(checked_emulator(&host, service)?);
        }
        Ok(address)
    }

    /// What the URL of the settings says, and where that says nothing, the settings one by one.
    pub(in crate::store) fn of(service: Service, settings: &StoreSettings) -> Result<Self, ConfigError> {
        let (url, collection, emulator) = match service {
            #[cfg(feature = "firestore")]
            Service::Firestore => {
                (&settings.firestore, settings.firestore_collect.as_deref(), &settings.firestore_emulator)
            }
            #[cfg(feature = "datastore")]
            Service::Datastore => (&settings.datastore, None, &settings.datastore_emulator),
        };
        let is_named = |Url(url): &Url| url.split('?').next().is_some_and(|place| place.matches('/').count() > 2);
        let mut address = match url {
            Some(Url(url)) => Self::of_url(service, url)?,
            None => Self::of_url(service, &format!("{service}://"))?,
        };
        if let (Some(name), false) = (collection, url.as_ref().is_some_and(is_named)) {
            address.collection = checked_name(name, "SESSION_FIRESTORE_COLLECT")?;
        }
        if let (Some(project), None) = (&settings.gcloud_project, &address.project) {
            address.project = Some(checked_project(project)?);
        }
        if let (Some(host), None) = (emulator, &address.emulator) {
            address.emulator = Some(checked_emulator(host, service)?);
        }
        Ok(address)
    }

    /// The collection, or the kind, if it can be called so.
    pub(in crate::store) fn within(&mut self, name: &str) -> Result<(), ConfigError> {
        self.collection = checked_name(name, self.service.key())?;
        Ok(())
    }

    /// What an administrator does once, for the command line of Google Cloud.
    pub(in crate::store) fn commands(&self) -> String {
        let Self { collection, database, .. } = self;
        let database = if database.is_empty() { "(default)" } else { database };
        let of = format!("--collection-group='{collection}' --database='{database}'");
        let policy = format!("gcloud firestore fields ttls update expiration {of} --enable-ttl\n");
        match self.service {
            #[cfg(feature = "firestore")]
            Service::Firestore => ["data", "version", "expiration"].iter().fold(policy, |commands, field| {
                format!("{commands}gcloud firestore indexes fields update {field} {of} --disable-indexes\n")
            }),
            // entities say so themselves
            #[cfg(feature = "datastore")]
            Service::Datastore => policy,
        }
    }

    fn of_url(service: Service, url: &str) -> Result<Self, ConfigError> {
        let refused = |why: &str| {
            ConfigError::new(
                service.key(),
                format_args!(
                    "has a value that is not shown: it {why}; accepted is a URL such as `{service}://project/sessions`"
                ),
            )
        };
        let decoded = |text: &str| percent::decoded(text).ok_or_else(|| refused("is not percent-encoded right"));
        let rest = url.strip_prefix(service.name()).and_then(|rest| rest.strip_prefix("://"));
        let rest = rest.ok_or_else(|| refused("does not begin with the name of the store and `://`"))?;
        let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
        let (project, collection) = place.split_once('/').unwrap_or((place, ""));
        let mut address =
            Self { service, project: None, database: String::new(), collection: "sessions".to_owned(), emulator: None };
        if !project.is_empty() {
            let project = decoded(project)?;
            address.project = Some(checked_project(&project).map_err(|_| refused("has a project that is none"))?);
        }
        if !collection.is_empty() {
            let name = decoded(collection)?;
            address.collection =
                checked_name(&name, service.key()).map_err(|_| refused("has a collection that can't be called so"))?;
        }
        for pair in query.into_iter().flat_map(|query| query.split('&')) {
            match pair.split_once('=') {
                Some(("database", name)) if is_plain(&decoded(name)?) => address.database = decoded(name)?,
                Some(("emulator", host)) => {
                    let host = decoded(host)?;
                    let checked =
                        checked_emulator(&host, service).map_err(|_| refused("has no host of an emulator"))?;
                    address.emulator = Some(checked);
                }
                _ => return Err(refused("has a parameter other than `database` and `emulator`")),
            }
        }
        Ok(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.emulator, &self.project) {
            (Some(host), _) => write!(f, "{} at {host}", self.service),
            (None, Some(project)) => write!(f, "{} of {project}", self.service),
            (None, None) => write!(f, "{}", self.service),
        }
    }
}

fn checked_project(project: &str) -> Result<String, ConfigError> {
    // one of an organisation begins with its domain and a colon
    if is_plain(&project.replace([':', '.'], "-")) {
        return Ok(project.to_owned());
    }
    Err(ConfigError::bad_value(
        PROJECT,
        project.escape_debug(),
        "accepted is the id of a project, such as `my-app-1234`",
    ))
}

fn checked_name(name: &str, key: &'static str) -> Result<String, ConfigError> {
    if is_plain(name) && !name.starts_with("__") {
        return Ok(name.to_owned());
    }
    Err(ConfigError::bad_value(
        key,
        name.escape_debug(),
        "accepted are names of 1 to 100 ASCII letters, digits, `_` and `-`, not beginning with `__`",
    ))
}

fn checked_emulator(host: &str, service: Service) -> Result<String, ConfigError> {
    let is_host = format!("http://{host}/").parse::<actix_web::http::Uri>().is_ok_and(|uri| {
        uri.authority().is_some_and(|authority| authority.as_str() == host) && uri.port_u16().is_some()
    });
    if is_host && !host.contains('@') {
        return Ok(host.to_owned());
    }
    Err(ConfigError::new(service.emulator(), "has a value that is not shown: accepted is `host:port`"))
}

fn is_plain(name: &str) -> bool {
    (1..=100).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

#[cfg(all(test, feature = "firestore"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn read(url: &str) -> Result<Address, ConfigError> {
        Address::of_url(Service::Firestore, url)
    }

    #[test]
    fn a_url_says_where_the_documents_are() {
        let bare = read("firestore://").unwrap();
        assert_eq!((&bare.project, &*bare.database, &*bare.collection, &bare.emulator), (&None, "", "sessions", &None));
        let full = read("firestore://my-app/web?database=eu&emulator=localhost%3A8080").unwrap();
        assert_eq!(full.project.as_deref(), Some("my-app"));
        assert_eq!((&*full.database, &*full.collection), ("eu", "web"));
        assert_eq!(full.emulator.as_deref(), Some("localhost:8080"));
    }

    /// H8
    #[test]
    fn a_url_that_is_none_is_an_error_that_shows_nothing_of_it() {
        for url in [
            "redis://hunter2",
            "firestore://user:hunter2@app",
            "firestore://app/hunter2/x",
            "firestore://app/__hunter2__",
            "firestore://app?hunter2=1",
            "firestore://app?database=hunter2/x",
            "firestore://app?emulator=hunter2",
            "firestore://app/hunter2%zz",
        ] {
            let error = read(url).unwrap_err();
            assert_eq!(error.key(), "SESSION_FIRESTORE", "{url}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn settings_fill_what_the_url_leaves_out() {
        let text = |text: &str| Some(text.to_owned());
        let settings = StoreSettings {
            firestore_collect: text("web"),
            gcloud_project: text("example.com:app"),
            firestore_emulator: text("localhost:1"),
            ..StoreSettings::default()
        };
        let address = Address::of(Service::Firestore, &settings).unwrap();
        assert_eq!((address.project.as_deref(), &*address.collection), (Some("example.com:app"), "web"));
        assert_eq!(address.emulator.as_deref(), Some("localhost:1"));
        let url = Some(Url("firestore://mine/own?emulator=localhost:2".to_owned()));
        let address = Address::of(Service::Firestore, &StoreSettings { firestore: url, ..settings.clone() }).unwrap();
        assert_eq!((address.project.as_deref(), &*address.collection), (Some("mine"), "own"));
        assert_eq!(address.emulator.as_deref(), Some("localhost:2"));
        for (settings, key) in [
            (StoreSettings { firestore_collect: text("a/b"), ..settings.clone() }, "SESSION_FIRESTORE_COLLECT"),
            (StoreSettings { gcloud_project: text("a b"), ..settings.clone() }, "GCLOUD_APP_PROJECT_ID"),
            (StoreSettings { firestore_emulator: text("http://x"), ..settings }, "FIRESTORE_EMULATOR_HOST"),
        ] {
            assert_eq!(Address::of(Service::Firestore, &settings).unwrap_err().key(), key);
        }
    }
}
