//! What a manifest must say, each for something that a cluster was seen to do without it.

mod judged;
mod recorded;
mod schema;
mod unseen;

use std::collections::BTreeMap;

use clap::Parser as _;
use serde_json::{Value, json};

use super::manifest::{Packed, name, objects};
use super::yaml;
use crate::cli::{Cli, Command, Manifest};
use crate::config::testing::ours;
use schema::problems;

const BARE: &str = "--runners 2";
const FULL: &str = "--runners 7 --namespace load --image-pull-secret pull --api-key-secret secret/entry --cpu 500m \
    --memory 2Gi --spread require --starter-image mirror:5000/starter:1@sha256:0f";

fn args(line: &str) -> Manifest {
    let words = ["xtask", "manifest"]
        .into_iter()
        .chain(line.split_whitespace());
    match Cli::try_parse_from(words).unwrap().command {
        Command::Manifest(args) => *args,
        other => panic!("{other:?}"),
    }
}

fn tags(tags: &[(&str, &str)]) -> BTreeMap<String, String> {
    tags.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// The manifest of one test by these options.
fn text(line: &str, name: &str, tags: &BTreeMap<String, String>) -> String {
    let args = args(line);
    let packed = Packed {
        name,
        namespace: args.namespace.as_deref(),
        tar: b"what k6 packed",
        tags,
        exact: false,
        about: BTreeMap::from([("load-test/load", "1 virtual user: 30 s".to_owned())]),
    };
    yaml::stream(&objects(
        &args.runners,
        "grafana/k6:1.1.0",
        "1a2b3c4d",
        &packed,
    ))
}

fn read(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap()
}

#[test]
fn a_runners_own_pod_is_no_server() {
    for (urls, refused) in [
        (
            "--base-url http://a --ws-url ws://127.0.0.1:1/ws",
            Some("`ws://127.0.0.1:1/ws` is each"),
        ),
        (
            "--base-url http://localhost:1 --ws-url ws://a/ws",
            Some("`http://localhost:1` is each"),
        ),
        ("--base-url http://a --ws-url ws://b/ws", None),
    ] {
        let args = args(&format!("{BARE} {urls}"));
        let error = super::target(&args.load, &ours()).err();
        let error = error.map(|error| error.to_string()).unwrap_or_default();
        assert_eq!(error.is_empty(), refused.is_none(), "{urls}: {error}");
        assert!(error.contains(refused.unwrap_or_default()), "{error}");
    }
}

/// The TestRun's specification by these options.
fn spec(line: &str) -> Value {
    let tags = tags(&[
        ("profile", "smoke"),
        ("testid", "a"),
        ("odd", "$(HOME) $$ $x"),
    ]);
    read(&text(line, "smoke-health-0", &tags))[1]["spec"].clone()
}

/// The blocks of every pod by both sets of options.
fn pods() -> Vec<Value> {
    let specs = [spec(BARE), spec(FULL)];
    let all = specs
        .iter()
        .flat_map(|spec| ["initializer", "starter", "runner"].map(|pod| spec[pod].clone()));
    all.collect()
}

#[test]
fn every_profile_test_and_number_of_runners_fits_the_schema() {
    let config = ours();
    let mut seen = 0;
    for profile in &config.profiles.known {
        for script in &config.scripts {
            for runners in [1, 2, 7, 100] {
                for others in ["", FULL.split_once("--namespace").unwrap().1] {
                    let others = others.replacen(" load", "--namespace load", 1);
                    let line = format!("--runners {runners} {others}");
                    let name = name(&profile.name, &script.name, "0a1b2c3d");
                    let tags = tags(&[("profile", &profile.name), ("test", &script.name)]);
                    let read = read(&text(&line, &name, &tags));
                    assert_eq!(read.iter().flat_map(problems).collect::<Vec<_>>(), [""; 0]);
                    let kinds: Vec<&Value> = read.iter().map(|object| &object["kind"]).collect();
                    assert_eq!(kinds, ["ConfigMap", "TestRun"]);
                    assert_eq!(read[1]["spec"]["parallelism"], runners);
                    assert_eq!(
                        read[1]["spec"]["script"]["configMap"]["name"],
                        read[0]["metadata"]["name"]
                    );
                    seen += 1;
                }
            }
        }
    }
    assert_eq!(seen, 6 * 4 * 4 * 2);
}

#[test]
fn the_schema_lets_nothing_unknown_or_wrong_pass() {
    let good = &read(&text(FULL, "a", &tags(&[])))[1];
    assert_eq!(problems(good), [""; 0]);
    for (place, value, problem) in [
        (
            "/spec/runner/enviroment",
            json!([]),
            ".spec.runner.enviroment is unknown",
        ),
        (
            "/spec/runner/livenessProbe/periodSecond",
            json!(1),
            "periodSecond is unknown",
        ),
        (
            "/spec/parallelism",
            json!("2"),
            ".spec.parallelism is \"2\", no \"integer\"",
        ),
        ("/spec/args", json!([1]), ".spec.args[] is 1"),
        (
            "/spec/runner/resources/limits/memory",
            json!(true),
            "memory is true",
        ),
        (
            "/spec/script/configMap",
            json!({}),
            ".spec.script.configMap has no name",
        ),
        ("/kind", json!("K6"), "\"K6\""),
    ] {
        let mut wrong = good.clone();
        let (parent, key) = place.rsplit_once('/').unwrap();
        wrong.pointer_mut(parent).unwrap()[key] = value;
        let said = problems(&wrong);
        assert!(said.len() == 1 && said[0].contains(problem), "{said:?}");
    }
}

#[test]
fn a_whole_manifest_reads_well() {
    let tags = tags(&[
        ("profile", "stress"),
        ("project", "tachikoma"),
        ("test", "missions"),
    ]);
    let written = text(FULL, "stress-missions-0a1b2c3d", &tags);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some_and(|value| value == "1") {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src/cluster/fixtures/manifest.yaml"
        );
        std::fs::write(path, &written).unwrap();
        return;
    }
    let differs = "manifest.yaml differs: look, and write it anew with UPDATE_SNAPSHOTS=1";
    assert!(
        written == include_str!("fixtures/manifest.yaml"),
        "{differs}\n{written}"
    );
}

#[test]
fn the_initializer_is_there_and_has_no_variables() {
    for line in [BARE, FULL] {
        let initializer = &spec(line)["initializer"];
        assert_eq!(initializer["image"], "grafana/k6:1.1.0");
        let fields = initializer.as_object().unwrap();
        assert!(!fields.contains_key("env") && !fields.contains_key("envFrom"));
    }
}

#[test]
fn the_key_is_an_entry_of_a_secret_for_runners_alone() {
    let entry = |line: &str| {
        let env = spec(line)["runner"]["env"].clone();
        let mut keys = env
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["name"] == "API_KEY");
        keys.next().cloned()
    };
    assert_eq!(entry(BARE), None);
    let secret = json!({"secretKeyRef": {"name": "secret", "key": "entry"}});
    assert_eq!(
        entry(FULL),
        Some(json!({"name": "API_KEY", "valueFrom": secret}))
    );
    assert_eq!(
        text(FULL, "a", &tags(&[])).matches("secretKeyRef").count(),
        1
    );
}

#[test]
fn a_runner_that_sums_up_for_half_an_hour_is_not_killed() {
    let probe = &spec(BARE)["runner"]["livenessProbe"];
    let [period, failures] =
        ["periodSeconds", "failureThreshold"].map(|it| probe[it].as_u64().unwrap());
    assert!(period * failures >= 30 * 60, "{probe}");
    // The whole probe is ours: without where to look it would be none.
    assert_eq!(
        probe["httpGet"],
        json!({"path": "/v1/status", "port": 6565, "scheme": "HTTP"})
    );
}

#[test]
fn every_pod_keeps_to_the_restricted_standard() {
    for pod in pods() {
        let (whole, container) = (&pod["securityContext"], &pod["containerSecurityContext"]);
        assert_eq!(whole["runAsNonRoot"], true);
        assert!(whole["runAsUser"].as_u64() > Some(0));
        assert_eq!(whole["seccompProfile"]["type"], "RuntimeDefault");
        assert_eq!(container["allowPrivilegeEscalation"], false);
        assert_eq!(container["capabilities"], json!({"drop": ["ALL"]}));
    }
}

#[test]
fn no_mesh_injects_a_sidecar() {
    for pod in pods() {
        let metadata = &pod["metadata"];
        assert_eq!(metadata["labels"]["sidecar.istio.io/inject"], "false");
        assert_eq!(metadata["annotations"]["sidecar.istio.io/inject"], "false");
        assert_eq!(metadata["annotations"]["linkerd.io/inject"], "disabled");
    }
}

#[test]
fn images_are_pinned_and_pulled_with_the_secret_that_is_named() {
    let images: Vec<Value> = pods().iter().map(|pod| pod["image"].clone()).collect();
    let k6 = "grafana/k6:1.1.0";
    let starters = [
        "ghcr.io/grafana/k6-operator:starter-v1.6.0",
        "mirror:5000/starter:1@sha256:0f",
    ];
    assert_eq!(images, [k6, starters[0], k6, k6, starters[1], k6]);
    for (index, pod) in pods().iter().enumerate() {
        let secret = (index >= 3).then(|| json!([{"name": "pull"}]));
        assert_eq!(pod.get("imagePullSecrets"), secret.as_ref());
    }
}

#[test]
fn runners_are_spread_over_the_nodes() {
    for (line, how) in [(BARE, "ScheduleAnyway"), (FULL, "DoNotSchedule")] {
        let constraint = &spec(line)["runner"]["topologySpreadConstraints"][0];
        assert_eq!(constraint["whenUnsatisfiable"], how);
        // The labels that the operator gives to the runners of a TestRun.
        let labels = json!({"k6_cr": "smoke-health-0", "runner": "true"});
        assert_eq!(constraint["labelSelector"]["matchLabels"], labels);
    }
    // It would overwrite what is said of spreading, and leaves runners without a node of their own waiting for ever.
    assert_eq!(spec(FULL).get("separate"), None);
}

#[test]
fn runners_ask_for_what_they_are_given() {
    let resources = &spec(FULL)["runner"]["resources"];
    let memory = json!({"memory": "2Gi"});
    assert_eq!(
        *resources,
        json!({"requests": {"cpu": "500m", "memory": "2Gi"}, "limits": memory})
    );
}

#[test]
fn logs_stay_after_the_end() {
    assert_eq!(spec(FULL).get("cleanup"), None);
}

#[test]
fn the_scripts_tags_are_arguments_in_words_of_their_own() {
    let arguments = spec(BARE)["args"].clone();
    let tags = [
        "--tag",
        "odd=$$(HOME) $$$$ $$x",
        "--tag",
        "profile=smoke",
        "--tag",
        "testid=a",
    ];
    assert_eq!(arguments, json!(tags));
}

#[test]
fn dollars_reach_k6_as_they_were() {
    // As Kubernetes expands arguments: https://github.com/kubernetes/kubernetes/blob/master/third_party/forked/golang/expansion/expand.go
    fn expanded(text: &str) -> String {
        let Some((before, after)) = text.split_once('$') else {
            return text.to_owned();
        };
        let (put, rest) = match (
            after.strip_prefix('$'),
            after.strip_prefix('(').and_then(|it| it.split_once(')')),
        ) {
            (Some(rest), _) => ("$", rest),
            (None, Some((_, rest))) => ("EXPANDED", rest),
            (None, None) => ("$", after),
        };
        format!("{before}{put}{}", expanded(rest))
    }
    assert_eq!(expanded("a$(B)c$d$$(E)"), "aEXPANDEDc$d$(E)");
    for text in [
        "",
        "$",
        "$$",
        "$$$",
        "$(HOME)",
        "$$(HOME)",
        "a$b $(C) $$ $(",
        "($)",
    ] {
        let argument = &read(&text_with(text))[1]["spec"]["args"][1];
        assert_eq!(expanded(argument.as_str().unwrap()), format!("tag={text}"));
    }
    fn text_with(value: &str) -> String {
        text(BARE, "a", &tags(&[("tag", value)]))
    }
}

#[test]
fn names_are_unique_labels_of_51_characters_that_begin_with_a_letter() {
    let long = "a-very-long-name-".repeat(9);
    for profile in ["smoke", "Peak_Hours", "-", "2am", &long] {
        for test in ["health", "2fa", "a--", &long] {
            let name = name(profile, test, "0a1b2c3d");
            assert!(name.len() <= 51 && name.ends_with("-0a1b2c3d"), "{name}");
            assert!(name.starts_with(|c: char| c.is_ascii_lowercase()), "{name}");
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(name.chars().all(plain), "{name}");
        }
    }
    assert_eq!(
        name("stress", "missions", "0a1b2c3d"),
        "stress-missions-0a1b2c3d"
    );
    let suffixes: std::collections::BTreeSet<String> =
        std::iter::repeat_with(super::suffix).take(1000).collect();
    assert_eq!(suffixes.len(), 1000);
}

#[test]
fn more_runners_than_virtual_users_are_refused() {
    use super::planned::refuse_too_many;
    assert!(refuse_too_many(2, 2, "health").is_ok());
    let said = refuse_too_many(7, 1, "health").unwrap_err().to_string();
    assert!(
        said.contains("1 virtual user, too few for 7 runners"),
        "{said}"
    );
}
