//! The machine and the revision that a result belongs to: a number without its context is never compared.

use serde::{Deserialize, Serialize};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// The machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
}

/// The revision of the working tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
        }
    }
}
