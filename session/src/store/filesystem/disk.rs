//! [`Disk`]: the directory, and each step that is taken in it. All of this blocks.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

use super::{
    format::{self, Stored},
    name::{self, Name},
};
use crate::{
    Clock,
    store::{StoreError, StoreErrorKind},
};

/// The directory that holds the records, and how it is used.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    pub(super) root: PathBuf,
    pub(super) mode: u32,
    pub(super) clock: Clock,
}

/// Held while it lives, against all processes and all threads.
#[derive(Debug)]
pub(super) struct Lock {
    pub(super) file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // closing the file does it too, unless a child process has it open still
        let _ = self.file.unlock();
    }
}

impl Disk {
    pub(super) fn folder(&self, number: u8) -> PathBuf {
        self.root.join(name::folder(number))
    }

    pub(super) fn path(&self, name: &Name) -> PathBuf {
        self.folder(name.folder).join(&name.file)
    }

    /// Makes the directory if there is none; whether it did.
    pub(super) fn make_root(&self) -> Result<bool, StoreError> {
        if fs::metadata(&self.root).is_ok_and(|root| root.is_dir()) {
            return Ok(false);
        }
        let above = || self.root.ancestors().skip(1);
        let missing = above().take_while(|folder| !folder.is_dir()).count();
        let parent = self.root.parent().unwrap_or(&self.root);
        fs::create_dir_all(parent).map_err(|error| failed("make", parent, error))?;
        let made = self.make_directory(&self.root)?;
        for folder in above().take(missing + 1) {
            sync(folder).map_err(|error| failed("write", folder, error))?;
        }
        Ok(made)
    }

    /// An error unless the directory is there: without it there is no saying what it held.
    pub(super) fn check_root(&self) -> Result<(), StoreError> {
        let root = fs::metadata(&self.root).map_err(|error| failed("find", &self.root, error))?;
        match root.is_dir() {
            true => Ok(()),
            false => Err(failed("use", &self.root, ErrorKind::NotADirectory.into())),
        }
    }

    /// An error unless a file can be made in the directory.
    pub(super) fn check_writable(&self) -> Result<(), StoreError> {
        // one name for all: what a crash left behind goes with the next, and of two at once each may find the other's
        let path = self.root.join(name::PROBE);
        let remove = || match fs::remove_file(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        };
        let make = || match self.new_file(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            made => made.map(drop),
        };
        remove().and_then(|()| make()).and_then(|()| remove()).map_err(|error| failed("write", &self.root, error))
    }

    /// What the file of a key holds, expired or not; none where there is no file, or one that is no record.
    pub(super) fn read(&self, name: &Name) -> Result<Option<Stored>, StoreError> {
        let path = self.path(name);
        let file = match read_file(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read", &path, error)),
        };
        match format::decode(file, Some(&name.key)) {
            Ok(stored) => Ok(Some(stored)),
            Err(damage) => {
                crate::events::file_damaged(&path, damage.reason());
                Ok(None)
            }
        }
    }

    /// Puts `content` in the place of the file of a key, so that a crash leaves the one or the other.
    pub(super) fn replace(&self, name: &Name, content: &[u8]) -> Result<(), StoreError> {
        let folder = self.folder(name.folder);
        let temporary = folder.join(name::temporary(&name.file));
        let path = self.path(name);
        let written = self
            .create(&temporary, &folder)
            .and_then(|mut file| {
                set_mode(&file, self.mode)?;
                file.write_all(content)?;
                file.sync_all()
            })
            .map_err(|error| failed("write", &temporary, error))
            .and_then(|()| fs::rename(&temporary, &path).map_err(|error| uncertain("replace", &path, error)));
        if let Err(error) = written {
            // a sweep removes what this can't
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        sync(&folder).map_err(|error| unknown("replace", &path, error))
    }

    /// Removes the file of a key, if there is one.
    pub(super) fn remove(&self, name: &Name) -> Result<(), StoreError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(uncertain("remove", &path, error)),
            // what is not there may have been removed by one who could not bring that to the disk
            _ => self.settle(name),
        }
    }

    /// Brings to the disk what was done to a key before, by whoever did not come to that.
    pub(super) fn settle(&self, name: &Name) -> Result<(), StoreError> {
        match sync(&self.folder(name.folder)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            synced => synced.map_err(|error| unknown("write", &self.path(name), error)),
        }
    }

    /// The lock of a folder, or none while another has it.
    pub(super) fn try_lock(&self, number: u8) -> Result<Option<Lock>, StoreError> {
        self.try_lock_file(&name::folder(number))
    }

    /// The lock of whoever counts the records, or none while another has it.
    pub(super) fn try_lock_count(&self) -> Result<Option<Lock>, StoreError> {
        self.try_lock_file("count")
    }

    fn try_lock_file(&self, name: &str) -> Result<Option<Lock>, StoreError> {
        let locks = self.root.join("locks");
        let path = locks.join(name);
        let open = || OpenOptions::new().write(true).open(&path);
        let file = match open() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                match self.create(&path, &locks).and_then(|file| set_mode(&file, self.mode).map(|()| file)) {
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => open(),
                    file => file,
                }
            }
            file => file,
        };
        let file = file.map_err(|error| failed("open", &path, error))?;
        match file.try_lock() {
            // a lock on a file that was removed meanwhile would exclude nobody
            Ok(()) if is_at(&file, &path) => Ok(Some(Lock { file })),
            Ok(()) | Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed("lock", &path, error)),
        }
    }

    /// Makes a file that was not there, and the folder for it if need be.
    fn create(&self, path: &Path, folder: &Path) -> io::Result<File> {
        match self.new_file(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                self.make_directory(folder).map_err(io::Error::other)?;
                sync(&self.root)?;
                self.new_file(path)
            }
            file => file,
        }
    }

    fn new_file(&self, path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, self.mode);
        options.open(path)
    }

    fn make_directory(&self, path: &Path) -> Result<bool, StoreError> {
        match self.directory_builder().create(path).and_then(|()| self.set_directory_mode(path)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(failed("make", path, error)),
        }
    }

    #[cfg(unix)]
    fn directory_builder(&self) -> DirBuilder {
        use std::os::unix::fs::DirBuilderExt;

        let mut builder = DirBuilder::new();
        builder.mode(self.directory_mode());
        builder
    }

    #[cfg(not(unix))]
    fn directory_builder(&self) -> DirBuilder {
        DirBuilder::new()
    }

    /// Sets the mode of a directory whatever the umask: who may read its files may enter it.
    #[cfg(unix)]
    pub(super) fn set_directory_mode(&self, path: &Path) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;

        fs::set_permissions(path, fs::Permissions::from_mode(self.directory_mode()))
    }

    #[cfg(not(unix))]
    pub(super) fn set_directory_mode(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    #[cfg(unix)]
    fn directory_mode(&self) -> u32 {
        self.mode | (self.mode & 0o444) >> 2
    }
}

/// A whole file, as far as one can be a record.
pub(super) fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    // a pipe would hold up its reader, and where a link leads to is not the store's
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is no regular file"));
    }
    let file = File::open(path)?;
    let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    if length > format::MAX_FILE {
        // no record's content, whatever it is
        return Ok(Vec::new());
    }
    let mut content = Vec::with_capacity(length + 1);
    file.take(format::MAX_FILE as u64 + 1).read_to_end(&mut content)?;
    Ok(content)
}

/// A step before which nothing was written failed.
pub(super) fn failed(doing: &str, path: &Path, error: io::Error) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, format!("can't {doing} `{}`", path.display())).with_source(error)
}

/// A step that writes was answered with an error.
fn uncertain(doing: &str, path: &Path, error: io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::NotFound
        | ErrorKind::PermissionDenied
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::StorageFull
        | ErrorKind::QuotaExceeded
        | ErrorKind::IsADirectory
        | ErrorKind::NotADirectory => failed(doing, path, error),
        _ => unknown(doing, path, error),
    }
}

/// A step that writes was taken, and may or may not last.
fn unknown(doing: &str, path: &Path, error: io::Error) -> StoreError {
    StoreError::new(
        StoreErrorKind::OutcomeUnknown,
        format!("can't {doing} `{}` for certain: it may have happened", path.display()),
    )
    .with_source(error)
}

/// Brings to the disk which files a directory holds.
#[cfg(unix)]
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Sets the mode of a file whatever the umask.
#[cfg(unix)]
fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    file.set_permissions(fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_: &File, _: u32) -> io::Result<()> {
    Ok(())
}

/// Whether an open file is the one that is at this path now.
#[cfg(unix)]
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    matches!((file.metadata().map(identity), fs::metadata(path).map(identity)), (Ok(file), Ok(path)) if file == path)
}

#[cfg(not(unix))]
pub(super) fn is_at(_: &File, _: &Path) -> bool {
    true
}
