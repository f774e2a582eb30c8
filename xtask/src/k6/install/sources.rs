//! Where k6 may come from on this machine.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::K6Error;
use super::pins::{self, Pins};

/// The maker's releases.
const RELEASES: &str = "https://github.com/grafana/k6/releases/download";
/// The variable that names a mirror of them. A mirror is trusted no more than the maker: the same SHA-256 is demanded.
const RELEASES_VARIABLE: &str = "TACHIKOMA_K6_RELEASES";

/// How long a download may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Until a connection stands: short, since a machine without a network has another way to try.
    pub connect: Duration,
    /// Until the answer begins, all redirects included.
    pub answer: Duration,
    /// Without a single new byte.
    pub stall: Duration,
    /// Altogether.
    pub total: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(4),
            answer: Duration::from_secs(15),
            stall: Duration::from_secs(30),
            total: Duration::from_secs(15 * 60),
        }
    }
}

/// Everything outside the repository that decides which k6 is found or installed.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The folders where programs are looked for, as `PATH` writes them.
    pub path: OsString,
    /// What may be installed.
    pub pins: Pins,
    /// This machine, as the pins name it.
    pub platform: String,
    /// The address below which the releases lie, without a slash at its end.
    pub releases: String,
    /// How long downloads may take.
    pub limits: Limits,
}

impl Sources {
    /// What this machine and its environment say.
    ///
    /// # Errors
    /// If the pins cannot be read or the variable for a mirror holds no URL.
    pub fn of_this_machine() -> Result<Self, K6Error> {
        Ok(Self {
            path: std::env::var_os("PATH").unwrap_or_default(),
            pins: Pins::committed()?,
            platform: pins::platform(),
            releases: releases(std::env::var(RELEASES_VARIABLE).unwrap_or_default())?,
            limits: Limits::default(),
        })
    }

    /// Every executable file called `name` on `PATH`, in its order.
    pub fn on_path(&self, name: &str) -> impl Iterator<Item = PathBuf> {
        let folders = std::env::split_paths(&self.path).filter(|folder| folder.is_absolute());
        let path = std::env::join_paths(folders).unwrap_or_default();
        which::which_in_global(name, Some(path))
            .into_iter()
            .flatten()
    }
}

fn releases(mirror: String) -> Result<String, K6Error> {
    if mirror.is_empty() {
        return Ok(RELEASES.to_owned());
    }
    match reqwest::Url::parse(&mirror) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => {
            Ok(mirror.trim_end_matches('/').to_owned())
        }
        _ => Err(K6Error::Releases(mirror)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_replaces_the_makers_address() {
        assert_eq!(releases(String::new()).unwrap(), RELEASES);
        assert_eq!(
            releases("http://127.0.0.1:8/k6/".into()).unwrap(),
            "http://127.0.0.1:8/k6"
        );
        for bad in ["mirror", "/srv/k6", "ftp://mirror.example/k6"] {
            let error = releases(bad.into()).unwrap_err().to_string();
            assert!(
                error.contains("TACHIKOMA_K6_RELEASES") && error.contains(bad),
                "{error}"
            );
        }
    }
}
