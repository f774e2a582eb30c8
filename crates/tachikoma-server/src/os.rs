//! What the server asks the operating system about itself.

use std::time::Duration;

use cpu_time::ProcessTime;

/// Resident memory of this process in bytes, from `/proc/self/status` (proc(5)); `None` where there is no such file.
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

/// CPU time of this process, in user and kernel space (`clock_gettime(2)`, `CLOCK_PROCESS_CPUTIME_ID`).
pub fn cpu_time() -> Option<Duration> {
    Some(ProcessTime::try_now().ok()?.as_duration())
}

/// Raises the limit of open files to what `wanted` files need, as far as the hard limit allows,
/// and gives the limit that then holds.
pub fn raise_open_files(wanted: u64) -> u64 {
    let raised = rlimit::increase_nofile_limit(wanted);
    raised
        .or_else(|_| rlimit::Resource::NOFILE.get_soft())
        .unwrap_or(0)
}
