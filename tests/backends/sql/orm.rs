//! `OrmStore`: the same table, as SeaORM sees it.

use actix_typed_session::store::{OrmStore, SessionStore, Updated, orm};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter};

use super::{
    MINUTE, assert_works,
    database::{Database, Kind},
    fresh, record,
};

trials![
    what_one_store_writes_the_other_reads: Postgres MariaDb Sqlite,
    the_entity_is_the_table: Postgres MariaDb Sqlite,
    a_migration_of_the_apps_may_make_the_table: Postgres MariaDb Sqlite,
    a_table_by_another_name_is_used: Postgres MariaDb Sqlite,
    a_connection_to_no_database_is_refused: Sqlite,
];

async fn connect(database: &Database) -> sea_orm::DatabaseConnection {
    sea_orm::Database::connect(database.sqlx_url()).await.unwrap()
}

async fn what_one_store_writes_the_other_reads(database: &Database) {
    let (sql, table) = fresh(database).await;
    let orm = OrmStore::new(connect(database).await).unwrap().table(&table).unwrap();
    assert_eq!((orm.name(), orm.for_worker().is_none()), ("orm", true));
    let (first, second) = (record("first"), record("second"));
    let _ = sql.create("k é%", &first).await.unwrap();
    assert_eq!(orm.load("k é%").await.unwrap().unwrap().version, first.version);
    assert_eq!(orm.update("k é%", &second, &first.version).await.unwrap(), Updated::Done);
    assert_eq!(sql.load("k é%").await.unwrap().unwrap().bytes, "second");
    assert!(sql.touch("k é%", 10 * MINUTE).await.unwrap());
    assert!(orm.load("k é%").await.unwrap().unwrap().expires_in > 9 * MINUTE);
    orm.delete("k é%").await.unwrap();
    assert_eq!(sql.load("k é%").await.unwrap(), None);
    orm.migrate().await.unwrap();
    assert_works(&orm).await;
}

async fn the_entity_is_the_table(database: &Database) {
    let database = Database::start(database.kind());
    let connection = connect(&database).await;
    let store = OrmStore::new(connection.clone()).unwrap();
    store.migrate().await.unwrap();
    let first = record("contents");
    let _ = store.create("session:1", &first).await.unwrap();
    let row = orm::Entity::find_by_id("session:1".to_owned()).one(&connection).await.unwrap().unwrap();
    assert_eq!(
        (&row.id[..], &row.version[..], &row.data[..]),
        ("session:1", &first.version.as_bytes()[..], &b"contents"[..])
    );
    assert!(!format!("{row:?}").contains("99, 111, 110"), "{row:?}");
    let live = orm::Entity::find().filter(orm::Column::Expires.gt(row.expires - 1)).count(&connection).await.unwrap();
    assert_eq!(live, 1);
    let made = orm::ActiveModel {
        id: Set("session:2".to_owned()),
        version: Set(vec![7; 16]),
        expires: Set(row.expires),
        data: Set(b"of the app".to_vec()),
    };
    orm::Entity::insert(made).exec_without_returning(&connection).await.unwrap();
    assert_eq!(store.load("session:2").await.unwrap().unwrap().bytes, "of the app");
}

async fn a_migration_of_the_apps_may_make_the_table(database: &Database) {
    use actix_typed_session::store::{SqlDatabase, SqlStore};

    let table = database.table();
    let kind = match database.kind() {
        Kind::Postgres => SqlDatabase::Postgres,
        Kind::MariaDb => SqlDatabase::MySql,
        Kind::Sqlite => SqlDatabase::Sqlite,
    };
    let connection = connect(database).await;
    connection.execute_unprepared(&SqlStore::ddl(kind, &table, None).unwrap()).await.unwrap();
    assert_works(&OrmStore::new(connection).unwrap().table(&table).unwrap()).await;
}

async fn a_table_by_another_name_is_used(database: &Database) {
    let table = database.table();
    let store = OrmStore::new(connect(database).await).unwrap().table(&table).unwrap();
    store.migrate().await.unwrap();
    let _ = store.create("k", &record("")).await.unwrap();
    assert!(database.holds(&table, "id = 'k'").await);
    assert!(store.table("no name").is_err());
}

async fn a_connection_to_no_database_is_refused(_: &Database) {
    let error = OrmStore::new(sea_orm::DatabaseConnection::default()).unwrap_err();
    assert!(error.to_string().contains("`postgres`, `mysql` or `sqlite`"), "{error}");
}
