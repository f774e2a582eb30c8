//! Which runs can be compared.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::record::{CapacityRecord, RunRecord, ServerKind, unscaled};

/// What two lines must share to be comparable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// The test.
    pub test: String,
    /// The profile.
    pub profile: String,
    /// What every duration of the profile was multiplied by.
    pub time_scale: f64,
    /// What its virtual users and rates were multiplied by.
    #[serde(default = "unscaled")]
    pub vus_scale: f64,
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
    /// Which of the hosts that are alike; unknown in the oldest lines, and in some containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// The major and minor version of the Rust that built the server; unknown in the oldest lines, and of servers that
    /// were not built for the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rust: Option<String>,
    /// How the capacity was searched for, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<String>,
    /// How many k6 of a cluster made the load, and of which; none if it was made here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runners: Option<String>,
}

impl Key {
    /// The key of one test of a run.
    pub fn of(run: &RunRecord, test: &str) -> Self {
        let target = run.server.as_ref().map(|server| server.kind);
        let before = run.tests.iter().take_while(|before| before.name != test);
        let own = run.tests.iter().find(|own| own.name == test);
        let capacity = own.and_then(|own| own.capacity.as_ref());
        let key = Self {
            test: test.to_owned(),
            profile: run.profile.clone(),
            time_scale: run.time_scale,
            vus_scale: run.vus_scale,
            k6_args: run.k6_args.clone(),
            target,
            url: (target == Some(ServerKind::Url)).then(|| run.target.base_url.clone()),
            after: before.map(|before| before.name.clone()).collect(),
            k6: major_and_minor(&run.k6.version),
            // Whatever machine asks a cluster for runners: the cluster makes the load.
            host: run.cluster.as_ref().map_or_else(
                || run.host.fingerprint.clone(),
                |cluster| format!("cluster of {}", cluster.context),
            ),
            machine: run.host.machine.clone().filter(|_| run.cluster.is_none()),
            rust: run
                .server
                .as_ref()
                .and_then(|server| server.compiler.as_deref())
                .and_then(|compiler| compiler.split_whitespace().nth(1))
                .map(major_and_minor),
            search: capacity.map(CapacityRecord::conditions),
            runners: run
                .cluster
                .as_ref()
                .map(|cluster| format!("{} in {}", cluster.runners, cluster.namespace)),
        };
        // Each step of a search has a server of its own.
        match capacity {
            Some(_) => key.measured_again(),
            None => key,
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
        let same_machine = agree(self.machine.as_ref(), other.machine.as_ref());
        same_machine && self.host == other.host && self.is_same_test(other)
    }

    /// Whether they differ in nothing but the kind of machine.
    pub fn is_of_another_host(&self, other: &Self) -> bool {
        self.host != other.host && self.is_same_test(other)
    }

    /// Whether this key is comparable with `other`, of which less is known.
    pub fn says_more_than(&self, other: &Self) -> bool {
        let known = |key: &Self| [&key.machine, &key.rust].into_iter().flatten().count();
        known(self) > known(other) && self.is_comparable_with(other)
    }

    /// Whether the same was measured the same way, whatever the machine.
    fn is_same_test(&self, other: &Self) -> bool {
        let Self {
            test,
            profile,
            time_scale,
            vus_scale,
            k6_args,
            target,
            url,
            after,
            k6,
            host: _,
            machine: _,
            rust,
            search,
            runners,
        } = other;
        (test, profile, k6_args) == (&self.test, &self.profile, &self.k6_args)
            && (time_scale, vus_scale) == (&self.time_scale, &self.vus_scale)
            && *search == self.search
            && (target, url, after, k6) == (&self.target, &self.url, &self.after, &self.k6)
            && runners == &self.runners
            && agree(self.rust.as_ref(), rust.as_ref())
            && k6_args.is_empty()
    }

    /// What differs between this key and an earlier one, in words.
    pub fn differences(&self, then: &Self) -> String {
        let fields = |key: &Self| serde_json::to_value(key).unwrap_or_default();
        let (then, now) = (fields(then), fields(self));
        let bare = |value: &Value| match value {
            Value::Null => "none".to_owned(),
            Value::String(text) => text.to_owned(),
            Value::Array(all) => all
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join(", "),
            other => other.to_string(),
        };
        // What a key leaves out is missing on its side only.
        let names: BTreeSet<&String> = [&then, &now]
            .into_iter()
            .flat_map(|key| key.as_object().into_iter().flat_map(Map::keys))
            .collect();
        let differing = names
            .into_iter()
            .filter(|name| then[name.as_str()] != now[name.as_str()]);
        let words = differing.map(|name| {
            let (then, now) = (bare(&then[name.as_str()]), bare(&now[name.as_str()]));
            let what = match name.as_str() {
                "after" => "list of tests before it".to_owned(),
                "rust" => "Rust".to_owned(),
                name => name.replace('_', " "),
            };
            format!("the {what} was {then}, now it is {now}")
        });
        words.collect::<Vec<String>>().join("; ")
    }
}

/// Whether two things are the same as far as both are known.
fn agree<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
    one.zip(other).is_none_or(|(one, other)| one == other)
}

/// `1.1` of `1.1.0`.
fn major_and_minor(version: &str) -> String {
    let parts: Vec<&str> = version.splitn(3, '.').take(2).collect();
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::record::ClusterRecord;

    #[test]
    fn every_part_of_the_key_counts() {
        let key = || Key {
            machine: Some("one".into()),
            rust: Some("1.94".into()),
            search: None,
            ..testing::line(0).key
        };
        assert!(key().is_comparable_with(&key()));
        // The line is from before there was such a scale.
        assert_eq!(key().vus_scale, 1.0);
        let changes: [fn(&mut Key); 13] = [
            |key| key.test = "other".into(),
            |key| key.profile = "other".into(),
            |key| key.time_scale = 0.5,
            |key| key.vus_scale = 10.0,
            |key| key.target = Some(ServerKind::Url),
            |key| key.url = Some("https://staging.example.org".into()),
            |key| key.after = vec!["health".into()],
            |key| key.k6 = "1.2".into(),
            |key| key.host = "another".into(),
            |key| key.machine = Some("another".into()),
            |key| key.rust = Some("1.95".into()),
            |key| key.runners = Some("4 in load".into()),
            |key| key.k6_args = vec!["--vus".into()],
        ];
        for change in changes {
            let mut other = key();
            change(&mut other);
            assert!(!key().is_comparable_with(&other), "{other:?}");
            // A field that one side leaves out is named from both.
            for said in [key().differences(&other), other.differences(&key())] {
                assert!(
                    said.starts_with("the ") && said.contains(", now it is "),
                    "{said}"
                );
            }
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

    #[test]
    fn a_line_that_does_not_say_which_machine_or_compiler_it_was_may_be_of_any() {
        let of = |machine: Option<&str>, rust: Option<&str>| Key {
            machine: machine.map(str::to_owned),
            rust: rust.map(str::to_owned),
            ..testing::line(0).key
        };
        let whole = of(Some("one"), Some("1.95"));
        for less in [
            of(None, None),
            of(Some("one"), None),
            of(None, Some("1.95")),
        ] {
            assert!(less.is_comparable_with(&whole) && whole.is_comparable_with(&less));
            assert!(whole.says_more_than(&less) && !less.says_more_than(&whole));
        }
    }

    #[test]
    fn the_compiler_of_the_servers_build_is_part_of_the_key() {
        let mut run: RunRecord =
            serde_json::from_str(include_str!("../report/fixtures/run.json")).unwrap();
        assert_eq!(Key::of(&run, "missions").rust, None);
        let server = run.server.as_mut().unwrap();
        server.compiler = Some("rustc 1.95.0 (59807616e 2026-04-14)".into());
        assert_eq!(Key::of(&run, "missions").rust, Some("1.95".into()));
    }

    #[test]
    fn runs_on_a_cluster_compare_with_those_of_as_many_runners_whatever_machine_asked() {
        let run: RunRecord =
            serde_json::from_str(include_str!("../report/fixtures/run.json")).unwrap();
        let of = |runners, machine: &str| {
            let mut run = run.clone();
            run.host.machine = Some(machine.into());
            run.host.fingerprint = machine.into();
            run.cluster = Some(ClusterRecord {
                context: "staging".into(),
                runners,
                ..ClusterRecord::default()
            });
            Key::of(&run, "missions")
        };
        assert!(of(4, "one").is_comparable_with(&of(4, "another")));
        assert!(!of(4, "one").is_comparable_with(&of(2, "one")));
        assert!(!of(4, "one").is_comparable_with(&Key::of(&run, "missions")));
    }
}
