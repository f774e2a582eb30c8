//! Durations as k6 writes them, and as people read them.

use std::time::Duration;

use anyhow::Context as _;

/// Reads a duration as Go writes it, such as `1h10m0s` or `2.4s`.
///
/// # Errors
/// If it is none.
pub fn go_duration(text: &str) -> anyhow::Result<Duration> {
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let unit_end = rest[digits..]
            .find(|c: char| c.is_ascii_digit())
            .map_or(rest.len(), |i| digits + i);
        let number: f64 = rest[..digits]
            .parse()
            .with_context(|| format!("`{text}` is not a duration"))?;
        let unit = match &rest[digits..unit_end] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "µs" | "us" => 1e-6,
            "ns" => 1e-9,
            _ => anyhow::bail!("`{text}` is not a duration"),
        };
        seconds += number * unit;
        rest = &rest[unit_end..];
    }
    Duration::try_from_secs_f64(seconds).with_context(|| format!("`{text}` is not a duration"))
}

/// A duration for people: tenths of seconds below ten, whole seconds above.
pub fn short(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 9.95 && duration.subsec_millis() != 0 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, 0) => format!("{m} min"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, 0, _) => format!("{h} h"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_gos_durations() {
        for (text, seconds) in [
            ("1h10m0s", 4200.0),
            ("2.4s", 2.4),
            ("300ms", 0.3),
            ("1m5s", 65.0),
            ("0m05.0s", 5.0),
            ("0s", 0.0),
        ] {
            assert_eq!(go_duration(text).unwrap().as_secs_f64(), seconds, "{text}");
        }
        assert!(go_duration("soon").is_err() && go_duration("5").is_err());
    }

    #[test]
    fn says_durations_shortly() {
        let say = |s: f64| short(Duration::from_secs_f64(s));
        assert_eq!(
            [say(0.6), say(30.0), say(500.0), say(4200.0)],
            ["0.6 s", "30 s", "8 min 20 s", "1 h 10 min"]
        );
    }
}
