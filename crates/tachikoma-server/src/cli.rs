//! Every command-line type, and nothing else. The doc comments are the help.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{CommandFactory, FromArgMatches, Parser};

use crate::limits::Limits;

const KEY_HELP: &str = "\
The API key:
  TACHIKOMA_API_KEY       the key that clients must show, at least 8 visible ASCII characters
  TACHIKOMA_API_KEY_FILE  a file that holds it, as --api-key-file
  One of the two is required; there is no default. A key is never an argument, because
  arguments are visible to every user of the machine.

Output:
  stdout carries one line, 'listening on http://ADDR', once requests are answered.
  Everything else is logged to stderr; RUST_LOG sets what (default: info).

Signals:
  TERM, INT  stop: no new connections, requests in flight end within --shutdown-timeout
  HUP        read the key file and the specs folder again

Exit status:
  0  stopped when told to
  1  could not start
  2  the options or the environment are wrong";

/// Missions and specs over HTTP, on embedded SQLite.
#[derive(Debug, Clone, Parser)]
#[command(name = "tachikoma-server", version, after_help = KEY_HELP)]
pub struct ServeArgs {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, env = "TACHIKOMA_ADDR", default_value = "127.0.0.1:3000")]
    pub addr: SocketAddr,
    /// Folder of the database; created if missing
    #[arg(long, env = "TACHIKOMA_DATA_DIR", default_value = "tachikoma-data")]
    pub data_dir: PathBuf,
    /// Folder of the spec files, named like 010-name.md
    #[arg(long, env = "TACHIKOMA_SPECS_DIR", default_value = "specs")]
    pub specs_dir: PathBuf,
    /// File that holds the API key, instead of TACHIKOMA_API_KEY
    #[arg(long, env = "TACHIKOMA_API_KEY_FILE", value_name = "FILE")]
    pub api_key_file: Option<PathBuf>,
    /// Stop when stdin ends, as it does when the parent process dies
    #[arg(long, env = "TACHIKOMA_EXIT_WITH_PARENT")]
    pub exit_with_parent: bool,
    /// Show /metrics to clients on other machines too
    #[arg(long, env = "TACHIKOMA_METRICS_PUBLIC")]
    pub metrics_public: bool,
    /// Bounds on time, number and size.
    #[command(flatten)]
    pub limits: Limits,
}

impl ServeArgs {
    /// Reads the command line, or ends the process. The help never shows what a variable holds.
    pub fn read() -> Self {
        let command = Self::command().mut_args(|arg| arg.hide_env_values(true));
        Self::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        ServeArgs::command().debug_assert();
    }

    #[test]
    fn every_option_has_its_variable() {
        for argument in ServeArgs::command().get_arguments() {
            let id = argument.get_id().as_str();
            if matches!(id, "help" | "version") {
                continue;
            }
            let expected = format!("TACHIKOMA_{}", id.to_uppercase());
            assert_eq!(
                argument.get_env().and_then(|e| e.to_str()),
                Some(expected.as_str())
            );
        }
    }

    #[test]
    fn valid_and_invalid_command_lines() {
        let parse = |args: &[&str]| {
            ServeArgs::try_parse_from(std::iter::once(&"tachikoma-server").chain(args))
        };
        for good in [
            &[][..],
            &["--addr", "127.0.0.1:0", "--exit-with-parent"],
            &["--addr", "[::1]:80", "--request-timeout", "1m 30s"],
        ] {
            assert!(parse(good).is_ok(), "{good:?}");
        }
        for bad in [
            &["--addr", "localhost"][..],
            &["--request-timeout", "0s"],
            &["--request-timeout", "fast"],
            &["--max-queue", "0"],
            &["--readers", "65"],
            &["--api-key", "secret"],
            &["serve"],
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
