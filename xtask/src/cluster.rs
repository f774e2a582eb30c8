//! The same tests on Kubernetes, by k6-operator.

mod check;
mod clean;
mod collect;
mod follow;
mod judge;
mod kubectl;
mod logs;
mod manifest;
mod objects;
mod planned;
mod pull;
mod refused;
mod run;
mod seen;
mod trouble;
mod watch;
mod yaml;

#[cfg(test)]
mod tests;

use std::path::Path;

use manifest::RUN_LABEL;
use planned::Packer;
use semver::Version;

use crate::cli::{Cluster, ClusterAction, Load, Manifest, Runners};
use crate::config::Config;
use crate::error::UsageError;
use crate::k6::{self, FindOptions, K6};
use crate::load_test::consent;
use crate::server::target::Target;
use crate::shell::interrupt;
use crate::{repo, ui};

/// Does what the command line says on a cluster, and returns the exit code.
///
/// # Errors
/// If the command line is wrong, or the cluster, the operator or k6 is in the way.
pub fn cluster(args: &Cluster, root: &Path, config: &Config) -> anyhow::Result<u8> {
    interrupt::listen()?;
    match &args.action {
        ClusterAction::Check { cluster, images } => check::check(cluster, images),
        ClusterAction::Run(args) => run::run(args, root, config),
        ClusterAction::Attach {
            name,
            cluster,
            follow,
        } => run::attach(name, cluster, follow, root, config),
        ClusterAction::Clean { cluster, yes } => clean::clean(cluster, *yes),
    }
}

/// Writes the tests of the command line as a manifest to standard output and returns the exit code.
///
/// # Errors
/// If the command line is wrong, k6 is missing, or a test cannot be packed.
pub fn manifest(args: &Manifest, root: &Path, config: &Config) -> anyhow::Result<u8> {
    interrupt::listen()?;
    let target = target(&args.load, config)?;
    let tests = config.chosen(&args.load.tests(config));
    let without_key = without_key(&args.runners, config, &tests)?;
    let k6 = k6::ensure(&FindOptions::new(&args.k6, &repo::target_dir(root)))?;
    let packer = Packer {
        load: &args.load,
        namespace: args.namespace.as_deref(),
        exact: false,
        runners: &args.runners,
        config,
        address: target.as_given(),
        image: image(&args.runners, &k6)?,
        k6,
        run: suffix(),
    };
    let (mut objects, mut users) = (Vec::new(), 0);
    for test in &tests {
        let (planned, of_test) = packer.pack(test)?;
        users += planned.max_vus;
        objects.extend(of_test);
    }
    ui::print_data(&yaml::stream(&objects))?;
    if let [_, _, ..] = tests.as_slice() {
        let all = tests.len();
        ui::notice(&format!(
            "kubectl create starts all {all} tests at once; for one after the other write one manifest for each"
        ));
    }
    // All at once, as they would begin.
    let much = consent::much_for(&target, users);
    let much = much.map(|much| format!("{much}: create it only if that is yours to load"));
    for notice in without_key.iter().chain(&much) {
        ui::notice(notice);
    }
    let namespace = args.namespace.as_ref();
    let namespace = namespace.map_or_else(String::new, |name| format!("--namespace {name} "));
    ui::info(&format!(
        "once created, it is seen with `kubectl {namespace}get testruns,jobs,pods`, and taken away with `kubectl {namespace}delete testruns,configmaps -l {RUN_LABEL}={}`",
        packer.run
    ));
    Ok(0)
}

/// Where the runners find the server.
fn target(load: &Load, config: &Config) -> Result<Target, UsageError> {
    let given = |url: &'_ Option<String>| url.clone().filter(|url| !url.is_empty());
    let base_url = given(&load.to.base_url).ok_or_else(|| {
        UsageError("say with --base-url where the runners find the server: there is no default on a cluster".into())
    })?;
    let ws_url = given(&load.to.ws_url);
    let target = Target::new(&base_url, ws_url.as_deref(), &config.table.server.ws_path)?;
    let address = target.as_given();
    let own = match target.is_loopback() {
        true => Some(&address.base_url),
        false => address.is_ws_loopback().then_some(&address.ws_url),
    };
    if let Some(own) = own {
        return Err(UsageError(format!(
            "`{own}` is each runner's own pod: give the address that the server has on the cluster, such as http://SERVICE.NAMESPACE.svc:PORT"
        )));
    }
    Ok(target)
}

/// The runners' image.
fn image(runners: &Runners, k6: &K6) -> Result<String, UsageError> {
    let Some(image) = &runners.image else {
        return Ok(format!("grafana/k6:{}", k6.version));
    };
    let name = image.rsplit('/').next().unwrap_or_default();
    // Other images may have k6 in them and versions of their own.
    let is_k6 = name.split([':', '@']).next() == Some("k6");
    // What follows a version in a tag is the image's kind, as in `0.57.0-with-browser`, and makes it no older.
    let version = check::version_of(image).map(|it| Version::new(it.major, it.minor, it.patch));
    match version {
        Some(old) if is_k6 && old < k6::MINIMUM => Err(UsageError(format!(
            "--image {image} is k6 {old}, and at least {} runs the scripts: name a newer one",
            k6::MINIMUM
        ))),
        _ => Ok(image.clone()),
    }
}

/// What is to be said of `tests` without a key, if one of them uses it.
fn without_key(
    runners: &Runners,
    config: &Config,
    tests: &[String],
) -> Result<Option<String>, UsageError> {
    let keyed: Vec<&str> = tests
        .iter()
        .map(String::as_str)
        .filter(|test| config.needs_key(test))
        .collect();
    if keyed.is_empty() || runners.api_key_secret.is_some() {
        return Ok(None);
    }
    let is_set = std::env::var_os("API_KEY").is_some_and(|key| !key.is_empty());
    let tests = keyed.join(", ");
    match is_set {
        true => Err(UsageError(format!(
            "API_KEY is set, and no manifest holds a key: put it into a Secret for {tests}, and name that with --api-key-secret"
        ))),
        false => Ok(Some(format!(
            "without --api-key-secret {tests} will use the key that the script falls back on"
        ))),
    }
}

/// Tells objects of one manifest from those of any other.
fn suffix() -> String {
    let letters = std::iter::repeat_with(|| char::from_digit(fastrand::u32(0..36), 36));
    letters.take(8).flatten().collect()
}
