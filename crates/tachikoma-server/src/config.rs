//! From options and environment to a checked configuration.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::auth::ApiKey;
use crate::cli::ServeArgs;
use crate::limits::Limits;

/// The variable that holds the key itself.
pub const KEY_VARIABLE: &str = "TACHIKOMA_API_KEY";

/// What a server is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub addr: SocketAddr,
    /// Where the database is.
    pub data_dir: PathBuf,
    /// Where the specs are.
    pub specs_dir: PathBuf,
    /// The key that clients must show.
    pub key: ApiKey,
    /// Whether `/metrics` answers clients from other machines too.
    pub metrics_public: bool,
    /// Threads that read from the database.
    pub readers: usize,
    /// All bounds.
    pub limits: Limits,
}

/// Why the options and the environment do not make a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No key was given.
    #[error(
        "no API key is set; set {KEY_VARIABLE} to a key of at least {} characters, \
         or name a file that holds one with --api-key-file",
        crate::auth::KEY_MIN
    )]
    KeyMissing,
    /// The variable and the file are both given.
    #[error("both {KEY_VARIABLE} and --api-key-file are set; unset one of them")]
    KeyTwice,
    /// The key cannot be used.
    #[error("the API key in {place} {reason}")]
    KeyUnusable {
        /// The variable or file.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The key file cannot be read.
    #[error("failed to read the API key from {path}: {source}")]
    KeyUnreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

impl Config {
    /// Checks the options; `key` is the value of [`KEY_VARIABLE`], if it is set.
    ///
    /// # Errors
    /// [`ConfigError`], which says what to set.
    pub fn new(args: &ServeArgs, key: Option<std::ffi::OsString>) -> Result<Self, ConfigError> {
        let limits = &args.limits;
        Ok(Self {
            addr: args.addr,
            data_dir: args.data_dir.clone(),
            specs_dir: args.specs_dir.clone(),
            key: read_key(key, args.api_key_file.as_deref())?,
            metrics_public: args.metrics_public,
            readers: limits.readers,
            limits: Limits {
                request_timeout: limits.request_timeout,
                read_timeout: limits.read_timeout,
                idle_timeout: limits.idle_timeout,
                write_timeout: limits.write_timeout,
                shutdown_timeout: limits.shutdown_timeout,
                ping_interval: limits.ping_interval,
                max_connections: limits.max_connections,
                max_websockets: limits.max_websockets,
                max_in_flight: limits.max_in_flight,
                max_body_bytes: limits.max_body_bytes,
                max_queue: limits.max_queue,
                ..Limits::default()
            },
        })
    }
}

fn read_key(
    variable: Option<std::ffi::OsString>,
    file: Option<&Path>,
) -> Result<ApiKey, ConfigError> {
    // An empty variable is how many tools write "not set".
    let variable = variable.filter(|value| !value.is_empty());
    let (text, place) = match (variable, file) {
        (Some(_), Some(_)) => return Err(ConfigError::KeyTwice),
        (None, None) => return Err(ConfigError::KeyMissing),
        (Some(value), None) => (
            value.to_string_lossy().into_owned(),
            KEY_VARIABLE.to_owned(),
        ),
        (None, Some(path)) => {
            let text =
                std::fs::read_to_string(path).map_err(|source| ConfigError::KeyUnreadable {
                    path: path.to_owned(),
                    source,
                })?;
            (
                text.trim_end_matches(['\r', '\n']).to_owned(),
                path.display().to_string(),
            )
        }
    };
    ApiKey::new(&text).map_err(|reason| ConfigError::KeyUnusable { place, reason })
}
