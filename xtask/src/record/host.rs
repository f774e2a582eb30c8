//! The machine and the revision that a result belongs to: a number without its context is never compared.

use std::path::Path;
use std::time::Duration;

use ring::hmac;
use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use crate::shell::{self, cmd};

/// Where systemd and D-Bus keep the id of a Linux system.
const MACHINE_IDS: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];
/// What the id is hashed for, so that nobody else's hash of it is the same.
const PURPOSE: &[u8] = b"the past of load tests";

/// The machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Host {
    /// CPU model, as the system names it.
    pub cpu: String,
    /// Cores that this program may use.
    pub cores: usize,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Operating system and its version.
    pub os: String,
    /// What two runs must share to be comparable: CPU model, cores, memory in GiB, platform.
    pub fingerprint: String,
    /// Which one of those that are alike, if that is known: a hash of its system's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
}

/// The revision of the working tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Revision {
    /// The commit.
    pub commit: String,
    /// The branch, unless the head is detached.
    pub branch: Option<String>,
    /// Whether there are uncommitted changes.
    pub dirty: bool,
}

impl Host {
    /// Looks at this machine.
    pub fn look() -> Self {
        let what = RefreshKind::nothing()
            .with_memory(MemoryRefreshKind::nothing().with_ram())
            .with_cpu(CpuRefreshKind::nothing());
        let system = System::new_with_specifics(what).ok();
        let cpu = system
            .as_ref()
            .and_then(|system| system.cpus().first())
            .map_or_else(|| "unknown".into(), |cpu| cpu.brand().trim().to_owned());
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let memory_bytes = system.as_ref().map_or(0, System::total_memory);
        let platform = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
        let gib = (memory_bytes as f64 / f64::from(1 << 30)).round();
        let fingerprint = format!("{cpu} x{cores}, {gib} GiB, {platform}");
        Self {
            cpu,
            cores,
            memory_bytes,
            os: System::long_os_version().unwrap_or(platform),
            fingerprint,
            machine: machine(),
        }
    }
}

/// What tells this machine from others that are alike. GitHub's own runners are another machine each time: there it is
/// their kind, which stays. Elsewhere it is a hash of the system's id, which is nobody else's business: as its manual
/// asks for, an HMAC (<https://www.freedesktop.org/software/systemd/man/latest/machine-id.html>). In a container there may
/// be none.
fn machine() -> Option<String> {
    let variable = |name| std::env::var(name).ok();
    if variable("RUNNER_ENVIRONMENT").is_some_and(|kind| kind == "github-hosted") {
        let image = variable("ImageOS").unwrap_or_default();
        return Some(format!("github-hosted {image}").trim_end().to_owned());
    }
    let id = if cfg!(target_os = "macos") {
        platform_uuid()
    } else {
        let files = MACHINE_IDS.iter();
        let mut texts = files.filter_map(|path| std::fs::read_to_string(path).ok());
        texts.find_map(|text| system_id(&text))
    };
    id.map(|id| hashed(&id))
}

/// The id in a file of it; none while the system has not settled on one.
fn system_id(text: &str) -> Option<String> {
    let id = text.trim();
    let whole = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    whole.then(|| id.to_owned())
}

/// What macOS calls the hardware.
fn platform_uuid() -> Option<String> {
    let sh = shell::at(Path::new("/")).ok()?;
    let ioreg = cmd!(sh, "ioreg -rd1 -c IOPlatformExpertDevice");
    let said = shell::capture(ioreg, Duration::from_secs(5)).ok()?;
    uuid_in(&String::from_utf8_lossy(&said.stdout))
}

fn uuid_in(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("\"IOPlatformUUID\" = \"")?;
    Some(rest.split_once('"')?.0.to_owned())
}

/// The first 48 bits, as 12 digits: enough for all machines of a team, and short enough to read.
fn hashed(id: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, id.as_bytes());
    let tag = hmac::sign(&key, PURPOSE);
    let digits = tag.as_ref().iter().take(6);
    digits.map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_told_by_a_hash_of_its_id() {
        let id = "0123456789abcdef0123456789abcdef";
        assert_eq!(system_id(&format!("{id}\n")), Some(id.into()));
        assert_eq!(system_id("uninitialized\n"), None);
        let hash = hashed(id);
        assert_eq!(hash.len(), 12);
        assert_ne!(hash, hashed(&id.replace('0', "1")));
        assert!(!id.contains(&hash[..4]), "{hash}");
        let ioreg =
            "    {\n      \"IOBusyInterest\" = \"x\"\n      \"IOPlatformUUID\" = \"AB-12\"\n";
        assert_eq!(uuid_in(ioreg), Some("AB-12".into()));
        assert_eq!(uuid_in("nothing"), None);
    }
}
