//! Durations as people read them.

use std::time::Duration;

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
    fn gos_durations_are_understood() {
        for (text, seconds) in [
            ("1h10m0s", 4200.0),
            ("2.4s", 2.4),
            ("300ms", 0.3),
            ("1m5s", 65.0),
            ("0m05.0s", 5.0),
            ("0s", 0.0),
        ] {
            let read = humantime::parse_duration(text).unwrap();
            assert_eq!(read.as_secs_f64(), seconds, "{text}");
        }
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
