//! One server per data directory.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::OpenError;

/// Held as long as a server uses its data directory. The operating system gives it back when the
/// process ends, however it ends, so that a crash leaves no lock behind.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes the lock, creating the directory if it is missing.
    ///
    /// # Errors
    /// [`OpenError::Directory`] if the directory cannot be written, [`OpenError::InUse`] if
    /// another process holds the lock.
    pub fn take(data_dir: &Path) -> Result<Self, OpenError> {
        // What is in it is nobody else's business.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data_dir)
            .map_err(|source| directory(data_dir, source))?;
        let mode = std::fs::metadata(data_dir).map(|metadata| metadata.permissions().mode());
        if mode.is_ok_and(|mode| mode & 0o077 != 0) {
            tracing::warn!(path = %data_dir.display(), "others may look into the data directory");
        }
        let path = data_dir.join("tachikoma.lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|source| directory(&path, source))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The holder's id only makes the message better: not knowing it is no error.
                let _ = file.read_to_string(&mut holder);
                let holder = Some(holder.trim().to_owned()).filter(|pid| !pid.is_empty());
                return Err(OpenError::InUse {
                    path: data_dir.to_owned(),
                    holder,
                });
            }
            Err(TryLockError::Error(source)) => return Err(directory(&path, source)),
        }
        let write_pid = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        // On a full disk the lock holds all the same.
        if let Err(error) = write_pid(&mut file) {
            tracing::warn!(%error, "failed to note the process id in the lock file");
        }
        Ok(Self { _file: file })
    }
}

fn directory(path: &Path, source: std::io::Error) -> OpenError {
    OpenError::Directory {
        path: PathBuf::from(path),
        source,
    }
}
