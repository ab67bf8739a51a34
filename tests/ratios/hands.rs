//! Sessions by hand, with the least that is safe: one that is not expired is read, and one that is at the version that
//! was read is replaced.

use std::{
    fs::{self, File},
    io::Write as _,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use actix_typed_session::store::{SqlDatabase, SqlStore, Version, orm};
use async_trait::async_trait;
use moka::ops::compute::{CompResult, Op};
use opendal::HttpTransporter;
use opendal_http_transport_reqwest::ReqwestTransport;
use sea_orm::{ActiveValue::Set, ColumnTrait as _, DatabaseConnection, EntityTrait as _, QueryFilter as _};
use sqlx::{Database, Pool, pool::PoolOptions};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    sync::{Mutex, MutexGuard},
    task::spawn_blocking,
};

use crate::HOUR;

/// The calls of a client.
#[async_trait]
pub(crate) trait Hand: Send + Sync {
    async fn begin(&self, key: &str, bytes: &[u8], version: Version);
    async fn read(&self, key: &str) -> Vec<u8>;
    /// Whether it was at the version that was expected.
    async fn write(&self, key: &str, bytes: &[u8], expected: Version, version: Version) -> bool;
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn later() -> i64 {
    now() + i64::try_from(HOUR.as_millis()).unwrap()
}

/// Version, expiry and contents.
fn value(bytes: &[u8], version: Version) -> Vec<u8> {
    [version.as_bytes().as_slice(), &later().to_be_bytes(), bytes].concat()
}

/// The contents of what is not expired.
fn contents(mut value: Vec<u8>) -> Vec<u8> {
    assert!(i64::from_be_bytes(value[16..24].try_into().unwrap()) > now());
    value.split_off(24)
}

pub(crate) struct ByRedis {
    connection: redis::aio::MultiplexedConnection,
    swap: redis::Script,
}

impl ByRedis {
    pub(crate) async fn open(url: &str) -> Self {
        let client = redis::Client::open(url).unwrap();
        let connection = client.get_multiplexed_async_connection().await.unwrap();
        let swap = "if redis.call('GETRANGE', KEYS[1], 0, 15) ~= ARGV[1] then return 0 end \
                    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) return 1";
        Self { connection, swap: redis::Script::new(swap) }
    }
}

#[async_trait]
impl Hand for ByRedis {
    async fn begin(&self, key: &str, bytes: &[u8], version: Version) {
        let mut command = redis::cmd("SET");
        command.arg(format!("hand:{key}")).arg(value(bytes, version)).arg("PX").arg(HOUR.as_millis() as u64);
        command.exec_async(&mut self.connection.clone()).await.unwrap();
    }

    async fn read(&self, key: &str) -> Vec<u8> {
        let mut command = redis::cmd("GET");
        contents(command.arg(format!("hand:{key}")).query_async(&mut self.connection.clone()).await.unwrap())
    }

    async fn write(&self, key: &str, bytes: &[u8], expected: Version, version: Version) -> bool {
        let mut call = self.swap.prepare_invoke();
        call.key(format!("hand:{key}")).arg(expected.as_bytes().as_slice());
        call.arg(value(bytes, version)).arg(HOUR.as_millis() as u64);
        call.invoke_async::<i64>(&mut self.connection.clone()).await.unwrap() == 1
    }
}

/// A connection for each session, over which it asks by turns.
pub(crate) struct ByMemcached(Vec<Mutex<BufReader<TcpStream>>>);

impl ByMemcached {
    pub(crate) async fn open(address: &str, connections: usize) -> Self {
        let mut all = Vec::new();
        for _ in 0..connections {
            let stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            all.push(Mutex::new(BufReader::new(stream)));
        }
        Self(all)
    }

    async fn connection(&self, key: &str) -> MutexGuard<'_, BufReader<TcpStream>> {
        let number: usize = key.rsplit(':').next().unwrap().parse().unwrap();
        self.0[number].lock().await
    }

    /// The first line of the answer, and the value after it.
    async fn ask(connection: &mut BufReader<TcpStream>, command: &[u8]) -> (String, Vec<u8>) {
        connection.get_mut().write_all(command).await.unwrap();
        let (mut line, mut value) = (String::new(), Vec::new());
        connection.read_line(&mut line).await.unwrap();
        if let Some(head) = line.strip_prefix("VA ") {
            value.resize(head.split_whitespace().next().unwrap().parse::<usize>().unwrap() + 2, 0);
            connection.read_exact(&mut value).await.unwrap();
            value.truncate(value.len() - 2);
        }
        (line, value)
    }
}

#[async_trait]
impl Hand for ByMemcached {
    async fn begin(&self, key: &str, bytes: &[u8], version: Version) {
        let value = value(bytes, version);
        let head = format!("ms hand:{key} {} T3600\r\n", value.len());
        let command = [head.as_bytes(), &value, b"\r\n"].concat();
        assert!(Self::ask(&mut *self.connection(key).await, &command).await.0.starts_with("HD"));
    }

    async fn read(&self, key: &str) -> Vec<u8> {
        let command = format!("mg hand:{key} v\r\n");
        contents(Self::ask(&mut *self.connection(key).await, command.as_bytes()).await.1)
    }

    async fn write(&self, key: &str, bytes: &[u8], expected: Version, version: Version) -> bool {
        let mut connection = self.connection(key).await;
        let (line, found) = Self::ask(&mut connection, format!("mg hand:{key} c v\r\n").as_bytes()).await;
        let cas = line.split_whitespace().find_map(|flag| flag.strip_prefix('c')).unwrap();
        let value = value(bytes, version);
        let head = format!("ms hand:{key} {} T3600 C{cas}\r\n", value.len());
        let command = [head.as_bytes(), &value, b"\r\n"].concat();
        found.starts_with(expected.as_bytes()) && Self::ask(&mut connection, &command).await.0.starts_with("HD")
    }
}

/// A pool as the store has one.
pub(crate) fn pool_options<D: Database>() -> PoolOptions<D> {
    PoolOptions::new().max_connections(4).test_before_acquire(false)
}

pub(crate) struct BySql<D: Database> {
    pool: Pool<D>,
    insert: &'static str,
    select: &'static str,
    update: &'static str,
}

const INSERT: [&str; 2] = [
    "INSERT INTO by_hand (id, version, expires, data) VALUES (?, ?, ?, ?)",
    "INSERT INTO by_hand (id, version, expires, data) VALUES ($1, $2, $3, $4)",
];
const SELECT: [&str; 2] = [
    "SELECT data FROM by_hand WHERE id = ? AND expires > ?",
    "SELECT data FROM by_hand WHERE id = $1 AND expires > $2",
];
const UPDATE: [&str; 2] = [
    "UPDATE by_hand SET version = ?, expires = ?, data = ? WHERE id = ? AND version = ? AND expires > ?",
    "UPDATE by_hand SET version = $1, expires = $2, data = $3 WHERE id = $4 AND version = $5 AND expires > $6",
];

impl<D: Database> BySql<D> {
    pub(crate) async fn over(pool: Pool<D>, database: SqlDatabase) -> Self
    where
        for<'c> &'c Pool<D>: sqlx::Executor<'c, Database = D>,
    {
        let ddl = SqlStore::ddl(database, "by_hand", None).unwrap();
        for statement in ddl.split(";\n").filter(|statement| !statement.is_empty()) {
            let statement = sqlx::AssertSqlSafe(statement.to_owned());
            sqlx::Executor::execute(&pool, sqlx::raw_sql(statement)).await.unwrap();
        }
        let which = usize::from(database == SqlDatabase::Postgres);
        Self { pool, insert: INSERT[which], select: SELECT[which], update: UPDATE[which] }
    }
}

macro_rules! by_sql {
    ($($database:ty)*) => {$(
        #[async_trait]
        impl Hand for BySql<$database> {
            async fn begin(&self, key: &str, bytes: &[u8], version: Version) {
                let insert = sqlx::query(self.insert).bind(key).bind(version.as_bytes().as_slice());
                insert.bind(later()).bind(bytes).execute(&self.pool).await.unwrap();
            }

            async fn read(&self, key: &str) -> Vec<u8> {
                sqlx::query_scalar(self.select).bind(key).bind(now()).fetch_one(&self.pool).await.unwrap()
            }

            async fn write(&self, key: &str, bytes: &[u8], expected: Version, version: Version) -> bool {
                let update = sqlx::query(self.update).bind(version.as_bytes().as_slice()).bind(later()).bind(bytes);
                let update = update.bind(key).bind(expected.as_bytes().as_slice()).bind(now());
                update.execute(&self.pool).await.unwrap().rows_affected() == 1
            }
        }
    )*};
}

by_sql!(sqlx::Postgres sqlx::MySql sqlx::Sqlite);

pub(crate) struct ByOrm(pub(crate) DatabaseConnection);

#[async_trait]
impl Hand for ByOrm {
    async fn begin(&self, key: &str, bytes: &[u8], version: Version) {
        let row = orm::ActiveModel {
            id: Set(format!("hand:{key}")),
            version: Set(version.as_bytes().to_vec()),
            expires: Set(later()),
            data: Set(bytes.to_vec()),
        };
        orm::Entity::insert(row).exec_without_returning(&self.0).await.unwrap();
    }

    async fn read(&self, key: &str) -> Vec<u8> {
        let found = orm::Entity::find_by_id(format!("hand:{key}")).filter(orm::Column::Expires.gt(now()));
        found.one(&self.0).await.unwrap().unwrap().data
    }

    async fn write(&self, key: &str, bytes: &[u8], expected: Version, version: Version) -> bool {
        let row = orm::ActiveModel {
            version: Set(version.as_bytes().to_vec()),
            expires: Set(later()),
            data: Set(bytes.to_vec()),
            ..Default::default()
        };
        let update = orm::Entity::update_many().set(row).filter(orm::Column::Id.eq(format!("hand:{key}")));
        let update = update.filter(orm::Column::Version.eq(expected.as_bytes().to_vec()));
        update.filter(orm::Column::Expires.gt(now())).exec(&self.0).await.unwrap().rows_affected == 1
    }
}

/// A file a session in this folder. Nobody else writes them, so that nothing is locked.
pub(crate) struct ByFile(pub(crate) PathBuf);

impl ByFile {
    async fn put(&self, key: &str, value: Vec<u8>) {
        let (folder, path) = (self.0.clone(), self.0.join(key));
        let write = move || {
            let new = path.with_extension("new");
            let mut file = File::create(&new)?;
            file.write_all(&value)?;
            file.sync_all()?;
            fs::rename(new, path)?;
            File::open(folder)?.sync_all()
        };
        spawn_blocking(write).await.unwrap().unwrap();
    }

    async fn get(&self, key: &str) -> Vec<u8> {
        let path = self.0.join(key);
        spawn_blocking(move || fs::read(path)).await.unwrap().unwrap()
    }
}

#[async_trait]
impl Hand for ByFile {
    async fn begin(&self, key: &str, bytes: &[u8], version: Version) {
        self.put(key, value(bytes, version)).await;
    }

    async fn read(&self, key: &str) -> Vec<u8> {
        contents(self.get(key).await)
    }

    async fn write(&self, key: &str, bytes: &[u8], expected: Version, version: Version) -> bool {
        let is_expected = self.get(key).await.starts_with(expected.as_bytes());
        self.put(key, value(bytes, version)).await;
        is_expected
    }
}

pub(crate) struct ByMoka(moka::sync::Cache<String, Vec<u8>>);

impl Default for ByMoka {
    fn default() -> Self {
        Self(moka::sync::Cache::new(1000))
    }
}

#[async_trait]
impl Hand for ByMoka {
    async fn begin(&self, key: &str, bytes: &[u8], version: Version) {
        self.0.insert(key.to_owned(), value(bytes, version));
    }

    async fn read(&self, key: &str) -> Vec<u8> {
        contents(self.0.get(key).unwrap())
    }

    async fn write(&self, key: &str, bytes: &[u8], expected: Version, version: Version) -> bool {
        let new = value(bytes, version);
        let swapped = self.0.entry_by_ref(key).and_compute_with(|found| match found {
            Some(found) if found.value().starts_with(expected.as_bytes()) => Op::Put(new),
            _ => Op::Nop,
        });
        matches!(swapped, CompResult::ReplacedWith(_))
    }
}

/// An object a session, by the client's own operator.
pub(crate) struct ByOpendal(opendal::Operator);

impl ByOpendal {
    pub(crate) fn open(url: &str) -> Self {
        opendal::init_default_registry();
        let operator = opendal::Operator::from_uri(url).unwrap();
        let transport = HttpTransporter::new(ReqwestTransport::new(reqwest::Client::new()));
        let context = operator.context().with_http_transport(transport);
        Self(operator.with_context(context))
    }

    async fn get(&self, key: &str) -> (Vec<u8>, String) {
        let reader = self.0.reader(key).await.unwrap();
        let value = reader.read(..).await.unwrap();
        (value.to_vec(), reader.metadata().unwrap().etag().unwrap().to_owned())
    }
}

#[async_trait]
impl Hand for ByOpendal {
    async fn begin(&self, key: &str, bytes: &[u8], version: Version) {
        self.0.write(&format!("hand:{key}"), value(bytes, version)).await.unwrap();
    }

    async fn read(&self, key: &str) -> Vec<u8> {
        contents(self.get(&format!("hand:{key}")).await.0)
    }

    async fn write(&self, key: &str, bytes: &[u8], expected: Version, version: Version) -> bool {
        let key = format!("hand:{key}");
        let (found, etag) = self.get(&key).await;
        let swap = self.0.write_with(&key, value(bytes, version)).if_match(&etag);
        found.starts_with(expected.as_bytes()) && swap.await.is_ok()
    }
}
