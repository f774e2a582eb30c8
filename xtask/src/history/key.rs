//! Which runs can be compared.

use serde::{Deserialize, Serialize};

use crate::record::{RunRecord, ServerKind};

/// What two lines must share to be comparable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// The test.
    pub test: String,
    /// The profile.
    pub profile: String,
    /// What every duration of the profile was multiplied with.
    pub time_scale: f64,
    /// Arguments for k6: with any a line is comparable with none.
    pub k6_args: Vec<String>,
    /// Whether the server was started for the run.
    pub target: Option<ServerKind>,
    /// The server's address, if it was not started for the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The tests that ran before on the same server: what they left in its memory is there still.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// k6's major and minor version.
    pub k6: String,
    /// The host's fingerprint.
    pub host: String,
}

impl Key {
    /// The key of one test of a run.
    pub fn of(run: &RunRecord, test: &str) -> Self {
        let mut parts = run.k6.version.splitn(3, '.');
        let k6: Vec<&str> = parts.by_ref().take(2).collect();
        let target = run.server.as_ref().map(|server| server.kind);
        let before = run.tests.iter().take_while(|before| before.name != test);
        Self {
            test: test.to_owned(),
            profile: run.profile.clone(),
            time_scale: run.time_scale,
            k6_args: run.k6_args.clone(),
            target,
            url: (target == Some(ServerKind::Url)).then(|| run.target.base_url.clone()),
            after: before.map(|before| before.name.clone()).collect(),
            k6: k6.join("."),
            host: run.host.fingerprint.clone(),
        }
    }

    /// The key of the same test, measured once more: on a server of its own, if servers are started for the run.
    #[must_use]
    pub fn measured_again(mut self) -> Self {
        if self.target == Some(ServerKind::StartedHere) {
            self.after.clear();
        }
        self
    }

    /// Whether numbers under these keys may be compared at all.
    pub fn is_comparable_with(&self, other: &Self) -> bool {
        self == other && self.k6_args.is_empty()
    }

    /// What differs between this key and an earlier one, in words.
    pub fn differences(&self, then: &Self) -> String {
        let fields = |key: &Self| serde_json::to_value(key).unwrap_or_default();
        let (then, now) = (fields(then), fields(self));
        let bare = |value: &serde_json::Value| match value.as_str() {
            Some(text) => text.to_owned(),
            None => value.to_string(),
        };
        let all = now.as_object().into_iter().flatten();
        let differing = all.filter(|(name, value)| then[name.as_str()] != **value);
        let words = differing.map(|(name, value)| {
            let (name, then) = (name.replace('_', " "), bare(&then[name.as_str()]));
            format!("the {name} was {then}, now it is {}", bare(value))
        });
        words.collect::<Vec<String>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn every_part_of_the_key_counts() {
        let key = || testing::line(0).key;
        assert!(key().is_comparable_with(&key()));
        let changes: [fn(&mut Key); 9] = [
            |key| key.test = "other".into(),
            |key| key.profile = "other".into(),
            |key| key.time_scale = 0.5,
            |key| key.target = Some(ServerKind::Url),
            |key| key.url = Some("https://staging.example.org".into()),
            |key| key.after = vec!["health".into()],
            |key| key.k6 = "1.2".into(),
            |key| key.host = "another".into(),
            |key| key.k6_args = vec!["--vus".into()],
        ];
        for change in changes {
            let mut other = key();
            change(&mut other);
            assert!(!key().is_comparable_with(&other), "{other:?}");
        }
    }

    #[test]
    fn arguments_for_k6_are_comparable_with_nothing_not_even_themselves() {
        let key = Key {
            k6_args: vec!["--vus".into(), "3".into()],
            ..testing::line(0).key
        };
        assert!(!key.is_comparable_with(&key));
    }
}
