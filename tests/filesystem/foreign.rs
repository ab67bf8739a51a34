//! What others put into the directory: never a session, never removed, never in the way.

use std::{
    ffi::OsStr,
    fs::{self, File, Permissions},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt, fs::symlink, net::UnixListener},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use actix_typed_session::{
    Clock,
    store::{Created, FilesystemStore, Record, SessionStore, StoreErrorKind, Updated},
};
use actix_typed_session_tests::support::browser::Browser;
use tempfile::TempDir;

use crate::{
    HOUR, block_on, place,
    script::files,
    site::{self, page},
    tests,
    traced::fast,
};

tests![
    what_is_no_file_in_the_place_of_a_record_is_an_error_and_holds_up_nothing,
    another_content_in_the_place_of_a_record_is_absent_and_replaced_by_a_new_session,
    foreign_files_are_never_read_nor_removed_by_a_sweep_or_a_threshold,
    a_file_in_the_place_of_a_folder_does_not_stop_a_sweep_or_a_threshold,
    a_record_that_can_not_be_read_is_an_error_and_does_not_stop_a_sweep_or_a_threshold if place::need_user,
    a_folder_that_can_not_be_entered_is_an_error_and_does_not_stop_a_sweep if place::need_user,
    visitors_whose_record_can_not_be_read_are_not_anonymous if place::need_user,
    a_probe_that_a_crash_left_behind_is_gone_after_the_next_start,
];

/// A store with a record under `key`, and the file of that record.
struct Setting {
    store: FilesystemStore,
    clock: Clock,
    record: Record,
    path: PathBuf,
    _directory: TempDir,
}

impl Setting {
    async fn new() -> Self {
        let (directory, clock) = (TempDir::new_in(fast()).unwrap(), Clock::manual());
        let store = FilesystemStore::new(directory.path()).unwrap().clock(clock.clone());
        let record = put(&store, "key", HOUR * 9).await;
        let path = PathBuf::from(files(directory.path()).remove(0));
        Self { store, clock, record, path, _directory: directory }
    }

    fn root(&self) -> &Path {
        self.path.parent().and_then(Path::parent).unwrap()
    }

    /// The path of a record that is not there, in the folder of this number.
    fn another(&self, folder: u8, number: u8) -> PathBuf {
        let path = self.root().join(format!("{folder:02x}")).join(format!("{folder:02x}{number:062x}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }
}

async fn put(store: &FilesystemStore, key: &str, expires_in: Duration) -> Record {
    let record = Record::new(key.to_owned(), expires_in);
    assert_eq!(store.create(key, &record).await.unwrap(), Created::Created);
    record
}

/// All that sweeps can do: many calls, and some of them may fail.
async fn sweep(store: &FilesystemStore) -> (u64, usize) {
    let (mut deleted, mut errors) = (0, 0);
    for _ in 0..10 {
        match store.delete_expired(1000).await {
            Ok(swept) => deleted += swept.deleted,
            Err(_) => errors += 1,
        }
    }
    (deleted, errors)
}

fn what_is_no_file_in_the_place_of_a_record_is_an_error_and_holds_up_nothing() {
    type Put = fn(&Path, &Path);
    let puts: [(&str, Put); 6] = [
        ("directory", |path, _| fs::create_dir(path).unwrap()),
        ("link to nothing", |path, _| symlink("nothing", path).unwrap()),
        ("link to itself", |path, _| symlink(path, path).unwrap()),
        ("link to the record", |path, moved| symlink(moved, path).unwrap()),
        ("pipe", |path, _| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
        ("socket", |path, _| drop(UnixListener::bind(path).unwrap())),
    ];
    block_on(async {
        for (what, put_it) in puts {
            let Setting { store, clock, record, path, .. } = &Setting::new().await;
            let moved = path.with_file_name("moved");
            fs::rename(path, &moved).unwrap();
            let place = TempDir::new_in(fast()).unwrap();
            // the path of a socket must be short
            put_it(&place.path().join("it"), &moved);
            fs::rename(place.path().join("it"), path)
                .or_else(|_| {
                    put_it(path, &moved);
                    Ok::<_, std::io::Error>(())
                })
                .unwrap();
            let errors = [
                store.load("key").await.unwrap_err(),
                store.create("key", record).await.unwrap_err(),
                store.update("key", record, &record.version).await.unwrap_err(),
                store.touch("key", HOUR).await.unwrap_err(),
            ];
            assert!(errors.iter().all(|error| error.kind() == StoreErrorKind::Unavailable), "{what}: {errors:?}");
            clock.advance(HOUR * 20);
            assert_eq!(sweep(store).await, (0, 0), "{what}");
            let store = store.clone().threshold(1);
            put(&store, "one", HOUR).await;
            put(&store, "two", HOUR).await;
            assert!(fs::symlink_metadata(path).is_ok(), "{what} was removed");
            assert!(store.load("one").await.unwrap().is_none() && store.load("two").await.unwrap().is_some());
        }
    });
}

fn another_content_in_the_place_of_a_record_is_absent_and_replaced_by_a_new_session() {
    type Spoil = fn(&Setting);
    let spoils: [(&str, Spoil); 4] = [
        ("text", |setting| fs::write(&setting.path, "some text that is no record").unwrap()),
        ("nothing", |setting| fs::write(&setting.path, "").unwrap()),
        ("a hole of a terabyte", |setting| File::create(&setting.path).unwrap().set_len(1 << 40).unwrap()),
        ("a record with a tail of a terabyte", |setting| {
            File::options().write(true).open(&setting.path).unwrap().set_len(1 << 40).unwrap();
        }),
    ];
    block_on(async {
        for (what, spoil) in spoils {
            let setting = Setting::new().await;
            spoil(&setting);
            let Setting { store, record, .. } = &setting;
            assert_eq!(store.load("key").await.unwrap(), None, "{what}");
            assert_eq!(store.update("key", record, &record.version).await.unwrap(), Updated::Gone, "{what}");
            put(store, "key", HOUR).await;
            assert!(store.load("key").await.unwrap().is_some(), "{what}");
        }
    });
}

fn foreign_files_are_never_read_nor_removed_by_a_sweep_or_a_threshold() {
    block_on(async {
        let setting = Setting::new().await;
        let Setting { store, clock, path, .. } = &setting;
        let expired = fs::read(path).unwrap();
        let folder = path.parent().unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let foreign = [
            folder.join("README"),
            folder.join(format!("{name}.bak")),
            folder.join(format!("{name}.tmp")),
            folder.join(format!("{name}.0123456789abcdeg.tmp")),
            folder.join(name.to_uppercase()),
            folder.join("x.tmp"),
            folder.join(OsStr::from_bytes(b"\xff\xfe.tmp")),
            setting.root().join(name),
            setting.root().join(format!("{name}.0123456789abcdef.tmp")),
            setting.root().join("GG").join(name),
            setting.root().join("locks").join("notes"),
            setting.root().join("locks").join(name),
        ];
        fs::create_dir(setting.root().join("GG")).unwrap();
        for path in &foreign {
            fs::write(path, &expired).unwrap();
        }
        // an object of another store that names its files by hashes
        let object = setting.another(7, 1);
        fs::write(&object, "object").unwrap();
        symlink(path, setting.another(7, 2)).unwrap();
        clock.advance(HOUR * 20);
        assert_eq!(sweep(store).await, (1, 0));
        assert!(!path.exists());
        let store = store.clone().threshold(2);
        for key in ["1", "2", "3", "4"] {
            put(&store, key, HOUR).await;
        }
        assert!(store.load("3").await.unwrap().is_some() && store.load("1").await.unwrap().is_none());
        assert!(foreign.iter().chain([&object]).all(|path| path.exists()));
        assert!(fs::symlink_metadata(setting.another(7, 2)).is_ok());
    });
}

fn a_file_in_the_place_of_a_folder_does_not_stop_a_sweep_or_a_threshold() {
    block_on(async {
        let setting = Setting::new().await;
        let Setting { store, clock, path, .. } = &setting;
        // all that are free: wherever a sweep begins
        for number in 0..=u8::MAX {
            let _ = File::create_new(setting.root().join(format!("{number:02x}")));
        }
        clock.advance(HOUR * 20);
        let (_, errors) = sweep(store).await;
        assert!(errors > 0 && !path.exists(), "it is deleted, and {errors} errors are told");

        let store = store.clone().threshold(1);
        put(&store, "key", HOUR).await;
        // a record of the same folder, made as the store would
        let name = format!("{}{:062x}", path.parent().unwrap().file_name().unwrap().display(), 1);
        fs::copy(path, path.with_file_name(&name)).unwrap();
        store.delete("key").await.unwrap();
        put(&store, "key", 2 * HOUR).await;
        assert!(!path.with_file_name(&name).exists(), "the threshold is kept");
    });
}

fn a_record_that_can_not_be_read_is_an_error_and_does_not_stop_a_sweep_or_a_threshold() {
    if place::as_user("a_record_that_can_not_be_read_is_an_error_and_does_not_stop_a_sweep_or_a_threshold") {
        return;
    }
    block_on(async {
        let setting = Setting::new().await;
        let Setting { store, clock, record, path, .. } = &setting;
        fs::set_permissions(path, Permissions::from_mode(0o0)).unwrap();
        let errors = [
            store.load("key").await.unwrap_err(),
            store.create("key", record).await.unwrap_err(),
            store.update("key", record, &record.version).await.unwrap_err(),
            store.touch("key", HOUR).await.unwrap_err(),
        ];
        assert!(errors.iter().all(|error| error.kind() == StoreErrorKind::Unavailable), "{errors:?}");
        // before and behind it, in whatever order a sweep finds them
        for number in 0..50 {
            put(store, &number.to_string(), HOUR).await;
        }
        let folder = u8::from_str_radix(path.parent().unwrap().file_name().unwrap().to_str().unwrap(), 16).unwrap();
        for number in 0..50 {
            fs::write(setting.another(folder, number), "").unwrap();
            fs::set_permissions(setting.another(folder, number), Permissions::from_mode(0o0)).unwrap();
        }
        clock.advance(HOUR * 20);
        assert!(store.delete_expired(1000).await.is_err(), "what it can't do is told");
        let left = files(setting.root()).len();
        assert_eq!(left, 51, "and it does what it can");
        let store = store.clone().threshold(1);
        for key in ["1", "2", "3"] {
            put(&store, key, HOUR).await;
        }
        assert_eq!(files(setting.root()).len(), 52);
        store.delete("key").await.unwrap();
        assert!(store.load("key").await.unwrap().is_none());
    });
}

fn a_folder_that_can_not_be_entered_is_an_error_and_does_not_stop_a_sweep() {
    if place::as_user("a_folder_that_can_not_be_entered_is_an_error_and_does_not_stop_a_sweep") {
        return;
    }
    block_on(async {
        let Setting { store, clock, record, path, _directory } = &Setting::new().await;
        let folder = path.parent().unwrap();
        for number in 0..50 {
            put(store, &number.to_string(), HOUR).await;
        }
        fs::set_permissions(folder, Permissions::from_mode(0o0)).unwrap();
        let errors = [
            store.load("key").await.unwrap_err(),
            store.update("key", record, &record.version).await.unwrap_err(),
            store.delete("key").await.unwrap_err(),
        ];
        assert!(errors.iter().all(|error| error.kind() == StoreErrorKind::Unavailable), "{errors:?}");
        clock.advance(HOUR * 20);
        assert!(store.delete_expired(1000).await.is_err());
        fs::set_permissions(folder, Permissions::from_mode(0o700)).unwrap();
        let others = files(_directory.path());
        assert!(others.iter().all(|path| Path::new(path).parent() == Some(folder)), "{others:?}");
    });
}

fn visitors_whose_record_can_not_be_read_are_not_anonymous() {
    if place::as_user("visitors_whose_record_can_not_be_read_are_not_anonymous") {
        return;
    }
    let directory = TempDir::new_in(fast()).unwrap();
    let server = site::server(directory.path().to_str().unwrap(), &Clock::default());
    block_on(async {
        let browser = Browser::new(server.address);
        page(&browser, "/count").await;
        page(&browser, "/in").await;
        let records = files(directory.path());
        let set_mode = |mode| {
            for path in &records {
                fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            }
        };
        set_mode(0o0);
        for path in ["/look", "/who", "/perhaps", "/count", "/in", "/rotate", "/out"] {
            let refused = browser.get(path).await;
            assert_eq!((refused.status, refused.body.as_str()), (503, ""), "{path}");
            assert_eq!(refused.set_cookies().len(), 0, "{path}");
        }
        set_mode(0o600);
        assert_eq!(page(&browser, "/perhaps").await, "ada");
        assert_eq!(page(&browser, "/look").await, "1");
    });
}

fn a_probe_that_a_crash_left_behind_is_gone_after_the_next_start() {
    let directory = TempDir::new_in(fast()).unwrap();
    let probe = directory.path().join("actix-typed-session.probe");
    fs::write(&probe, "").unwrap();
    let store = FilesystemStore::new(directory.path()).unwrap();
    assert!(!probe.exists());
    block_on(store.migrate()).unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}
