//! From options and environment to a checked configuration.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::auth::ApiKey;
use crate::cli::ServeArgs;
use crate::limits::Limits;

/// The variable that holds the key itself.
pub const KEY_VARIABLE: &str = "TACHIKOMA_API_KEY";

/// Says which faults to inject. A build without the feature `faults` refuses to start when it is
/// set, so that nobody believes in faults that do not happen.
pub const FAULTS_VARIABLE: &str = "TACHIKOMA_FAULTS";

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
    /// The file that it came from.
    pub key_file: Option<PathBuf>,
    /// Whether `/metrics` answers clients from other machines too.
    pub metrics_public: bool,
    /// All bounds.
    pub limits: Limits,
    /// What to break on purpose; empty for a sound server.
    #[cfg(feature = "faults")]
    pub faults: Vec<crate::faults::RouteFaults>,
}

/// The environment as far as it matters, apart from the variables of the options.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// The value of [`KEY_VARIABLE`].
    pub key: Option<OsString>,
    /// The value of [`FAULTS_VARIABLE`].
    pub faults: Option<OsString>,
    /// The value of `TACHIKOMA_ALLOW_FAULTS`.
    pub allow_faults: Option<OsString>,
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        // An empty variable is how many tools write "not set".
        let get = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            key: get(KEY_VARIABLE),
            faults: get(FAULTS_VARIABLE),
            allow_faults: get("TACHIKOMA_ALLOW_FAULTS"),
        }
    }
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
    /// Faults were asked of a build that has none.
    #[cfg(not(feature = "faults"))]
    #[error(
        "{FAULTS_VARIABLE} is set, but this build cannot inject faults; \
         unset it, or build with 'cargo build -p tachikoma-server --features faults'"
    )]
    FaultsUnknown,
    /// Faults were asked for, but not twice.
    #[cfg(feature = "faults")]
    #[error(
        "{FAULTS_VARIABLE} is set, but {} is not 1; \
         set it as well if this server is to break things on purpose",
        crate::faults::ALLOW_VARIABLE
    )]
    FaultsNotAllowed,
    /// The faults cannot be read.
    #[cfg(feature = "faults")]
    #[error("{FAULTS_VARIABLE}: {0}")]
    Faults(#[from] crate::faults::FaultError),
}

impl Config {
    /// Checks the options and the environment.
    ///
    /// # Errors
    /// [`ConfigError`], which says what to set.
    pub fn new(args: &ServeArgs, environment: Environment) -> Result<Self, ConfigError> {
        #[cfg(not(feature = "faults"))]
        if environment.faults.is_some() {
            return Err(ConfigError::FaultsUnknown);
        }
        Ok(Self {
            addr: args.addr,
            data_dir: args.data_dir.clone(),
            specs_dir: args.specs_dir.clone(),
            key: read_key(environment.key, args.api_key_file.as_deref())?,
            key_file: args.api_key_file.clone(),
            metrics_public: args.metrics_public,
            limits: args.limits.clone(),
            #[cfg(feature = "faults")]
            faults: read_faults(environment.faults, environment.allow_faults)?,
        })
    }
}

#[cfg(feature = "faults")]
fn read_faults(
    faults: Option<OsString>,
    allow: Option<OsString>,
) -> Result<Vec<crate::faults::RouteFaults>, ConfigError> {
    let Some(faults) = faults else {
        return Ok(Vec::new());
    };
    if allow.is_none_or(|allow| allow != "1") {
        return Err(ConfigError::FaultsNotAllowed);
    }
    Ok(crate::faults::parse(&faults.to_string_lossy())?)
}

fn read_key(variable: Option<OsString>, file: Option<&Path>) -> Result<ApiKey, ConfigError> {
    match (variable, file) {
        (Some(_), Some(_)) => Err(ConfigError::KeyTwice),
        (None, None) => Err(ConfigError::KeyMissing),
        (Some(value), None) => key(&value.to_string_lossy(), KEY_VARIABLE.to_owned()),
        (None, Some(path)) => read_key_file(path),
    }
}

/// Reads the key from its file.
///
/// # Errors
/// [`ConfigError`], which names the file.
pub fn read_key_file(path: &Path) -> Result<ApiKey, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::KeyUnreadable {
        path: path.to_owned(),
        source,
    })?;
    key(
        text.trim_end_matches(['\r', '\n']),
        path.display().to_string(),
    )
}

fn key(text: &str, place: String) -> Result<ApiKey, ConfigError> {
    ApiKey::new(text).map_err(|reason| ConfigError::KeyUnusable { place, reason })
}
