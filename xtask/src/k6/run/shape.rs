//! The load that a test will make, as k6 itself understands the options.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::record::StageRecord;
use crate::shell::{self, cmd};

/// `k6 inspect` runs only the script's top level.
const LIMIT: Duration = Duration::from_secs(30);

/// The load of one test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shape {
    /// The most virtual users at once.
    pub max_vus: u64,
    /// The stages in order; a constant load is one stage.
    pub stages: Vec<Stage>,
    /// The longest that the test may take: the stages, and the time for the last iterations to end.
    pub at_most: Duration,
}

/// One stage: within `duration` the number of virtual users moves to `target`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Stage {
    /// How long it takes.
    pub duration: Duration,
    /// The virtual users at its end.
    pub target: u64,
}

/// What `k6 inspect --execution-requirements` prints, as far as it is read here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inspected {
    total_duration: String,
    #[serde(rename = "maxVUs")]
    max_vus: u64,
    #[serde(default)]
    scenarios: std::collections::BTreeMap<String, Scenario>,
}

#[derive(Deserialize)]
struct Scenario {
    stages: Option<Vec<InspectedStage>>,
    vus: Option<u64>,
    duration: Option<String>,
}

#[derive(Deserialize)]
struct InspectedStage {
    duration: String,
    target: u64,
}

/// Asks k6 for the load that `main_js` makes with the variables `env`.
///
/// # Errors
/// If k6 finds fault with the script; its words are in the message.
pub fn inspect(k6: &Path, main_js: &Path, env: &[(&str, String)]) -> anyhow::Result<Shape> {
    let sh = shell::here()?;
    let mut command = cmd!(sh, "{k6} inspect --execution-requirements");
    // `inspect` does not look at the process's environment.
    for (name, value) in env {
        command = command.arg("-e").arg(format!("{name}={value}"));
    }
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("K6_"))
    {
        command = command.env_remove(name);
    }
    let captured = shell::capture(command.arg(main_js), LIMIT)?;
    anyhow::ensure!(
        captured.ended.success(),
        "k6 cannot read {} ({}):{}",
        main_js.display(),
        captured.ended,
        captured.stderr.indented()
    );
    let text = String::from_utf8_lossy(&captured.stdout);
    shape(&text).with_context(|| {
        format!(
            "failed to understand what k6 inspect says of {}",
            main_js.display()
        )
    })
}

fn shape(text: &str) -> anyhow::Result<Shape> {
    let inspected: Inspected = serde_json::from_str(text)?;
    let mut stages = Vec::new();
    for scenario in inspected.scenarios.into_values() {
        for stage in scenario.stages.unwrap_or_default() {
            stages.push(Stage {
                duration: go_duration(&stage.duration)?,
                target: stage.target,
            });
        }
        if let (Some(target), Some(duration)) = (scenario.vus, scenario.duration) {
            stages.push(Stage {
                duration: go_duration(&duration)?,
                target,
            });
        }
    }
    Ok(Shape {
        max_vus: inspected.max_vus,
        stages,
        at_most: go_duration(&inspected.total_duration)?,
    })
}

/// Reads a duration as Go writes it, such as `1h10m0s` or `2.4s`.
pub(super) fn go_duration(text: &str) -> anyhow::Result<Duration> {
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
            .with_context(|| format!("`{text}` is no duration"))?;
        let unit = match &rest[digits..unit_end] {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "µs" | "us" => 1e-6,
            "ns" => 1e-9,
            _ => anyhow::bail!("`{text}` is no duration"),
        };
        seconds += number * unit;
        rest = &rest[unit_end..];
    }
    Duration::try_from_secs_f64(seconds).with_context(|| format!("`{text}` is no duration"))
}

impl From<&Stage> for StageRecord {
    fn from(stage: &Stage) -> Self {
        Self {
            duration_s: stage.duration.as_secs_f64(),
            target: stage.target,
        }
    }
}

impl Shape {
    /// The sum of the stages: how long load is made.
    pub fn duration(&self) -> Duration {
        self.stages.iter().map(|stage| stage.duration).sum()
    }

    /// The longest stretch at a constant number of virtual users that does not begin with a ramp: from when to when,
    /// in seconds since the start. `None` if there is none.
    pub fn hold(&self) -> Option<(f64, f64)> {
        let mut begin = 0.0;
        let mut before = None;
        let mut longest: Option<(f64, f64)> = None;
        for stage in &self.stages {
            let end = begin + stage.duration.as_secs_f64();
            let constant = before.is_none_or(|vus| vus == stage.target) && stage.target > 0;
            // A first stage of several ramps up from its start; a single one is constant throughout.
            let constant = constant && (before.is_some() || self.stages.len() == 1);
            if constant && longest.is_none_or(|(from, to)| end - begin > to - from) {
                longest = Some((begin, end));
            }
            before = Some(stage.target);
            begin = end;
        }
        longest
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stages.as_slice() {
            [one] => write!(f, "{} for {}", vus(one.target), short(one.duration)),
            stages => {
                write!(
                    f,
                    "up to {} in {}: ",
                    vus(self.max_vus),
                    short(self.duration())
                )?;
                for (i, stage) in stages.iter().enumerate() {
                    let arrow = if i == 0 { "" } else { ", " };
                    write!(f, "{arrow}to {} in {}", stage.target, short(stage.duration))?;
                }
                Ok(())
            }
        }
    }
}

fn vus(count: u64) -> String {
    if count == 1 {
        "1 virtual user".into()
    } else {
        format!("{count} virtual users")
    }
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

    const STRESS: &str = r#"{"stages":null,"scenarios":{"default":{"executor":"ramping-vus","startVUs":null,
        "stages":[{"duration":"2m0s","target":10},{"duration":"5m0s","target":50},{"duration":"2m0s","target":100},
        {"duration":"5m0s","target":100},{"duration":"5m0s","target":0}]}},"totalDuration":"19m30s","maxVUs":100}"#;

    #[test]
    fn reads_stages() {
        let shape = shape(STRESS).unwrap();
        assert_eq!((shape.max_vus, shape.stages.len()), (100, 5));
        assert_eq!(shape.duration(), Duration::from_secs(19 * 60));
        assert_eq!(shape.at_most, Duration::from_secs(19 * 60 + 30));
        assert_eq!(
            shape.to_string(),
            "up to 100 virtual users in 19 min: to 10 in 2 min, to 50 in 5 min, to 100 in 2 min, to 100 in 5 min, to 0 in 5 min"
        );
        assert_eq!(shape.hold(), Some((540.0, 840.0)));
    }

    #[test]
    fn reads_a_constant_load() {
        let text = r#"{"scenarios":{"default":{"executor":"constant-vus","vus":1,"duration":"30s"}},"totalDuration":"1m5s","maxVUs":1}"#;
        let shape = shape(text).unwrap();
        assert_eq!(shape.to_string(), "1 virtual user for 30 s");
        assert_eq!(shape.hold(), Some((0.0, 30.0)));
    }

    #[test]
    fn reads_gos_durations() {
        for (text, seconds) in [
            ("1h10m0s", 4200.0),
            ("2.4s", 2.4),
            ("300ms", 0.3),
            ("1m5s", 65.0),
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
