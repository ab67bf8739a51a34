//! What is the filesystem store's own: damage, foreign files, modes, crashes, locks. The rest is the contract's.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Barrier,
    thread,
    time::Duration,
};

use tempfile::TempDir;

use super::{
    FilesystemStore,
    disk::is_at,
    format,
    name::{Name, folder, temporary},
};
use crate::{
    Clock,
    store::{Created, Record, SessionStore, StoreErrorKind, Updated, Version},
};

const HOUR: Duration = Duration::from_secs(3600);

struct Setting {
    store: FilesystemStore,
    clock: Clock,
    directory: TempDir,
}

impl Setting {
    fn new() -> Self {
        let (directory, clock) = (TempDir::new().unwrap(), Clock::manual());
        let store = FilesystemStore::new(directory.path()).unwrap().clock(clock.clone());
        Self { store, clock, directory }
    }

    /// Another store in the same directory, as another process would have.
    fn another(&self) -> FilesystemStore {
        FilesystemStore::new(self.directory.path()).unwrap().clock(self.clock.clone())
    }

    fn path(&self, key: &str) -> PathBuf {
        self.store.disk.path(&Name::of(key))
    }
}

async fn put(store: &FilesystemStore, key: &str, expires_in: Duration) -> Version {
    let record = Record::new(key.to_owned(), expires_in);
    assert_eq!(store.create(key, &record).await.unwrap(), Created::Created);
    record.version
}

async fn holds(store: &FilesystemStore, key: &str) -> bool {
    store.load(key).await.unwrap().is_some()
}

fn files(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.file_name().unwrap() != "locks")
        .map(|path| if path.is_dir() { files(&path) } else { 1 })
        .sum()
}

#[tokio::test]
async fn a_damaged_record_is_absent_until_a_create_replaces_it() {
    let setting = Setting::new();
    let store = &setting.store;
    let damage: [fn(&mut Vec<u8>); 4] = [
        |content| content.truncate(content.len() - 1),
        |content| *content.last_mut().unwrap() ^= 1,
        |content| content.clear(),
        |content| *content = format::encode("another", u64::MAX, &Version::random(), b"bytes"),
    ];
    for damage in damage {
        let version = put(store, "key", HOUR).await;
        let mut content = fs::read(setting.path("key")).unwrap();
        damage(&mut content);
        fs::write(setting.path("key"), content).unwrap();
        assert!(!holds(store, "key").await);
        assert_eq!(store.update("key", &Record::new("new", HOUR), &version).await.unwrap(), Updated::Gone);
        assert!(!store.touch("key", HOUR).await.unwrap());
        put(store, "key", HOUR).await;
        assert!(holds(store, "key").await);
        store.delete("key").await.unwrap();
    }
}

#[tokio::test]
async fn any_key_is_safe_and_stays_in_the_directory() {
    let outer = TempDir::new().unwrap();
    let store = FilesystemStore::new(outer.path().join("a/b")).unwrap();
    let long = "x".repeat(100_000);
    let keys = ["", "../../key", "/etc/passwd", "nul\0", "session:{*}%'\"", "ключ", &long];
    for key in keys {
        put(&store, key, HOUR).await;
    }
    for key in keys {
        assert_eq!(store.load(key).await.unwrap().unwrap().bytes, key);
    }
    assert_eq!(files(outer.path()), keys.len());
    assert_eq!(files(&store.disk.root), keys.len());
}

#[tokio::test]
async fn an_expiry_is_never_early_and_never_moves_backwards() {
    let Setting { store, clock, .. } = &Setting::new();
    for lifetime in [Duration::from_millis(300), HOUR * 24 * 31, HOUR * 24 * 3650] {
        put(store, "key", lifetime).await;
        assert!(store.touch("key", lifetime / 2).await.unwrap());
        clock.advance(lifetime);
        clock.advance(Duration::from_millis(1));
        assert!(!holds(store, "key").await && !store.touch("key", HOUR).await.unwrap());
    }
    let version = put(store, "key", HOUR).await;
    assert!(store.touch("key", HOUR * 48).await.unwrap());
    assert!(store.touch("key", HOUR).await.unwrap());
    clock.advance(HOUR * 47);
    let record = store.load("key").await.unwrap().unwrap();
    assert!(record.expires_in <= HOUR && record.version == version && record.bytes == "key");
    assert!(store.touch("key", Duration::MAX).await.unwrap() && holds(store, "key").await);
}

#[tokio::test]
async fn a_sweep_deletes_expired_records_up_to_its_limit_and_leaves_foreign_files_alone() {
    let setting = Setting::new();
    let Setting { store, clock, .. } = &setting;
    for number in 0..30 {
        put(store, &format!("old{number}"), HOUR).await;
    }
    put(store, "new", HOUR * 9).await;
    let shard = setting.path("new").parent().unwrap().to_owned();
    let hash = |start: &str| format!("{start}{}", "0".repeat(64 - start.len()));
    let expired = format::encode("foreign", 1, &Version::random(), b"");
    let start = shard.file_name().unwrap().to_str().unwrap();
    // an object of another content-addressed store, a record with a name of another sort, and what may be anything
    let foreign =
        [shard.join(hash(start)), shard.join("README"), store.disk.root.join(hash("ab")), shard.join("x.tmp")];
    for (path, content) in foreign.iter().zip([b"object".as_slice(), &expired, &expired, b""]) {
        fs::write(path, content).unwrap();
    }
    fs::create_dir(shard.join(hash(&format!("{start}1")))).unwrap();
    assert_eq!(store.delete_expired(100).await.unwrap().deleted, 0);
    clock.advance(HOUR * 2);
    assert_eq!(store.delete_expired(0).await.unwrap().deleted, 0);
    assert_eq!(store.delete_expired(10).await.unwrap().deleted, 10);
    // the walk goes on where it was
    assert_eq!(store.delete_expired(100).await.unwrap().deleted, 20);
    assert!(holds(store, "new").await);
    assert!(foreign.iter().all(|path| path.exists()));
}

#[tokio::test]
async fn a_call_of_a_sweep_looks_at_a_bounded_number_of_files() {
    let setting = Setting::new();
    put(&setting.store, "key", HOUR).await;
    let shard = setting.path("key").parent().unwrap().to_owned();
    for number in 0..1500 {
        File::create(shard.join(format!("foreign{number}"))).unwrap();
    }
    setting.clock.advance(HOUR * 2);
    let mut deleted = 0;
    for call in 0..3 {
        deleted += setting.store.delete_expired(1).await.unwrap().deleted;
        let cursor = format!("{:?}", setting.store.shared.cursor.lock().unwrap());
        assert!(call > 0 || cursor.contains("Some"), "it stopped half-way: {cursor}");
    }
    assert_eq!(deleted, 1);
}

#[tokio::test]
async fn what_a_crash_left_behind_changes_nothing_and_is_swept_after_an_hour() {
    let setting = Setting::new();
    let Setting { store, clock, .. } = &setting;
    put(store, "key", HOUR * 9).await;
    let content = fs::read(setting.path("key")).unwrap();
    let left = setting.path("key").with_file_name(temporary(&Name::of("key").file));
    fs::write(&left, content.get(..20).unwrap()).unwrap();
    let torn = setting.path("torn");
    fs::create_dir_all(torn.parent().unwrap()).unwrap();
    let content = format::encode("torn", 1, &Version::random(), b"bytes");
    fs::write(&torn, content.get(..20).unwrap()).unwrap();
    assert_eq!(store.load("key").await.unwrap().unwrap().bytes, "key");
    assert_eq!(store.delete_expired(100).await.unwrap().deleted, 0);
    assert!(left.exists() && torn.exists());
    clock.advance(HOUR * 2);
    assert_eq!(store.delete_expired(100).await.unwrap().deleted, 0);
    assert!(!left.exists() && !torn.exists() && holds(store, "key").await);
}

#[cfg(unix)]
#[tokio::test]
async fn the_mode_is_set_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt;

    let outer = TempDir::new().unwrap();
    let root = outer.path().join("sessions");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let store = FilesystemStore::new(&root).unwrap();
    assert_eq!(mode(&root), 0o700);
    put(&store, "one", HOUR).await;
    assert_eq!(mode(&store.disk.path(&Name::of("one"))), 0o600);
    assert_eq!(mode(store.disk.path(&Name::of("one")).parent().unwrap()), 0o700);
    // no usual umask leaves all of these bits
    let store = store.mode(0o666).unwrap();
    put(&store, "two", HOUR).await;
    assert_eq!(mode(&root), 0o777);
    assert_eq!(mode(&store.disk.path(&Name::of("two"))), 0o666);
    assert_eq!(mode(&root.join("locks").join(folder(Name::of("two").folder))), 0o666);
    for bad in [0o400, 0o200, 0o700, 0o601, 0o4600, 0] {
        assert_eq!(store.clone().mode(bad).unwrap_err().key(), "SESSION_FILE_MODE");
    }
    let message = store.mode(0o777).unwrap_err().to_string();
    assert!(message.starts_with("`SESSION_FILE_MODE` is `0777`: "), "{message}");
}

#[tokio::test]
async fn a_directory_that_can_not_be_is_an_error_at_start_that_names_it() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("file");
    File::create(&file).unwrap();
    for path in [file.clone(), file.join("sessions"), PathBuf::new()] {
        let error = FilesystemStore::new(&path).unwrap_err();
        assert_eq!(error.key(), "SESSION_FILE_DIR");
        assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
    }
}

#[tokio::test]
async fn a_directory_that_is_gone_is_an_error_and_begins_anew_with_the_next_create() {
    let Setting { store, directory, .. } = Setting::new();
    put(&store, "key", HOUR).await;
    let record = Record::new("", HOUR);
    directory.close().unwrap();
    let errors = [
        store.load("key").await.unwrap_err(),
        store.update("key", &record, &record.version).await.unwrap_err(),
        store.touch("key", HOUR).await.unwrap_err(),
        store.delete("key").await.unwrap_err(),
        store.delete_expired(1).await.unwrap_err(),
        store.ping().await.unwrap_err(),
    ];
    assert!(errors.iter().all(|error| error.kind() == StoreErrorKind::Unavailable), "{errors:?}");
    put(&store, "key", HOUR).await;
    assert!(holds(&store, "key").await);
    fs::remove_dir_all(&store.disk.root).unwrap();
    store.migrate().await.unwrap();
    store.ping().await.unwrap();
    fs::remove_dir_all(&store.disk.root).unwrap();
}

#[tokio::test]
async fn a_file_that_can_not_be_read_is_an_error_and_not_an_absent_session() {
    let setting = Setting::new();
    fs::create_dir_all(setting.path("key")).unwrap();
    assert_eq!(setting.store.load("key").await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    fs::remove_dir(setting.path("key")).unwrap();
    fs::remove_dir(setting.path("key").parent().unwrap()).unwrap();
    File::create(setting.path("key").parent().unwrap()).unwrap();
    assert_eq!(setting.store.load("key").await.unwrap_err().kind(), StoreErrorKind::Unavailable);
    let error = setting.store.create("key", &Record::new("", HOUR)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
}

#[tokio::test]
async fn over_the_threshold_the_expired_go_first_then_those_that_expire_soonest() {
    let Setting { store, clock, directory } = Setting::new();
    let store = store.threshold(3);
    put(&store, "expired", HOUR).await;
    clock.advance(HOUR * 2);
    put(&store, "third", HOUR * 3).await;
    put(&store, "first", HOUR).await;
    put(&store, "second", HOUR * 2).await;
    assert!(holds(&store, "first").await && files(directory.path()) == 3);
    put(&store, "fourth", HOUR * 4).await;
    assert!(!holds(&store, "first").await);
    // the newest stays, though it expires first
    put(&store, "newest", Duration::from_secs(60)).await;
    assert!(!holds(&store, "second").await);
    assert!(holds(&store, "newest").await && holds(&store, "third").await && holds(&store, "fourth").await);
}

#[tokio::test]
async fn a_record_or_a_key_larger_than_a_file_takes_is_too_large() {
    let setting = Setting::new();
    let record = Record::new(vec![0; format::MAX_BYTES + 1], HOUR);
    let key = "x".repeat(format::MAX_KEY + 1);
    let errors = [
        setting.store.create("key", &record).await.unwrap_err(),
        setting.store.update("key", &record, &record.version).await.unwrap_err(),
        setting.store.create(&key, &Record::new("", HOUR)).await.unwrap_err(),
    ];
    assert!(errors.iter().all(|error| error.kind() == StoreErrorKind::TooLarge));
    assert_eq!(files(setting.directory.path()), 0);
}

#[tokio::test(start_paused = true)]
async fn a_write_waits_for_a_lock_up_to_the_timeout_and_a_read_waits_for_nothing() {
    let setting = Setting::new();
    let version = put(&setting.store, "key", HOUR).await;
    let store = setting.store.clone().timeout(Duration::from_secs(30));
    let lock = setting.another().disk.try_lock(Name::of("key").folder).unwrap().unwrap();
    assert!(holds(&store, "key").await);
    let record = Record::new("new", HOUR);
    let start = tokio::time::Instant::now();
    let error = store.update("key", &record, &version).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(start.elapsed() > Duration::from_secs(29) && start.elapsed() <= Duration::from_secs(30));
    let release = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        drop(lock);
    };
    let (outcome, ()) = tokio::join!(store.update("key", &record, &version), release);
    assert_eq!(outcome.unwrap(), Updated::Done);
}

#[tokio::test(start_paused = true)]
async fn a_write_behind_one_that_hangs_waits_up_to_the_timeout() {
    let setting = Setting::new();
    let name = Name::of("key");
    let hangs = setting.store.shared.queues.get(usize::from(name.folder)).unwrap().clone().lock_owned().await;
    let write = setting.store.delete("key");
    let outcome = tokio::time::timeout(Duration::from_secs(60), write).await;
    assert_eq!(outcome.unwrap().unwrap_err().kind(), StoreErrorKind::Unavailable);
    drop(hangs);
    setting.store.delete("key").await.unwrap();
}

#[cfg(unix)]
#[test]
fn a_lock_whose_file_was_removed_is_not_taken_for_one() {
    let setting = Setting::new();
    let (disk, path) = (&setting.store.disk, setting.directory.path().join("locks").join(folder(7)));
    let old = disk.try_lock(7).unwrap().unwrap();
    assert!(disk.try_lock(7).unwrap().is_none());
    assert!(is_at(&old.file, &path));
    fs::remove_file(&path).unwrap();
    assert!(!is_at(&old.file, &path));
    let _new = setting.another().disk.try_lock(7).unwrap().unwrap();
    assert!(!is_at(&old.file, &path));
}

#[tokio::test]
async fn a_future_that_is_dropped_half_way_leaves_the_store_usable() {
    let setting = Setting::new();
    let mut version = put(&setting.store, "key", HOUR).await;
    for polls in 1..20 {
        let record = Record::new("new", HOUR);
        {
            let mut update = std::pin::pin!(setting.store.update("key", &record, &version));
            for _ in 0..polls {
                if futures_util::FutureExt::now_or_never(update.as_mut()).is_some() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        // it waits for what goes on; then the record is the one or the other
        assert!(setting.store.touch("key", HOUR * 2).await.unwrap());
        let current = setting.store.load("key").await.unwrap().unwrap();
        assert!(current.version == version || current.version == record.version);
        version = current.version;
    }
    assert_eq!(files(setting.directory.path()), 1);
}

#[test]
fn of_the_threads_of_two_stores_one_wins_each_update() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 60;
    let setting = Setting::new();
    let stores = [setting.store.clone(), setting.another()];
    let versions: Vec<Version> = (0..=ROUNDS).map(|_| Version::random()).collect();
    let record = |version: Version| Record { version, ..Record::new("x", HOUR) };
    let first = record(*versions.first().unwrap());
    assert_eq!(block_on(setting.store.create("key", &first)).unwrap(), Created::Created);
    let barrier = Barrier::new(THREADS);
    let race = |store: &FilesystemStore| {
        let mut done = 0;
        for pair in versions.windows(2) {
            let &[old, new] = pair else { unreachable!("windows of two") };
            barrier.wait();
            match block_on(store.update("key", &record(new), &old)).unwrap() {
                Updated::Done => done += 1,
                Updated::Conflict(current) => assert_eq!(current.version, new),
                Updated::Gone => unreachable!("it is never deleted"),
            }
            barrier.wait();
        }
        done
    };
    let done: usize = thread::scope(|scope| {
        let race = &race;
        let threads: Vec<_> =
            stores.iter().cycle().take(THREADS).map(|store| scope.spawn(move || race(store))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(done, ROUNDS);
    assert_eq!(files(setting.directory.path()), 1);
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}
