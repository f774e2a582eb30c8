//! Where k6 may come from on this machine.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

use super::pins::{self, Pins};
use crate::http;
use crate::secret::{self, Secret};

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
    pub fn of_this_machine() -> anyhow::Result<Self> {
        Ok(Self {
            path: std::env::var_os("PATH").unwrap_or_default(),
            pins: Pins::committed().context("failed to read xtask/k6-pins.json")?,
            platform: pins::platform(),
            releases: releases(&std::env::var(RELEASES_VARIABLE).unwrap_or_default())?,
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

fn releases(mirror: &str) -> anyhow::Result<String> {
    if mirror.is_empty() {
        return Ok(RELEASES.to_owned());
    }
    match reqwest::Url::parse(mirror) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => {
            if let Some(password) = url.password() {
                secret::keep(&Secret::new(password.to_owned()));
            }
            Ok(mirror.trim_end_matches('/').to_owned())
        }
        _ => anyhow::bail!(
            "{RELEASES_VARIABLE} is \"{}\", which is not an http or https URL; unset it to use Grafana's",
            http::without_credentials(mirror)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_replaces_the_makers_address() {
        assert_eq!(releases("").unwrap(), RELEASES);
        assert_eq!(
            releases("http://127.0.0.1:8/k6/").unwrap(),
            "http://127.0.0.1:8/k6"
        );
        for bad in ["mirror", "/srv/k6", "ftp://mirror.example/k6"] {
            let error = releases(bad).unwrap_err().to_string();
            assert!(
                error.contains("TACHIKOMA_K6_RELEASES") && error.contains(bad),
                "{error}"
            );
        }
        let error = releases("ftp://me:s3cret@mirror.example").unwrap_err();
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}
