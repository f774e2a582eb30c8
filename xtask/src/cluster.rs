//! The same tests on Kubernetes, by k6-operator.

mod manifest;
mod yaml;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use manifest::{MOST_BYTES, Packed, RUN_LABEL};

use crate::cli::{Load, Manifest};
use crate::config::Config;
use crate::error::UsageError;
use crate::k6::{self, Archive, FindOptions};
use crate::server::target::{Address, Target};
use crate::shell::interrupt;
use crate::{plan, repo, ui};

/// Writes the tests of the command line as a manifest to standard output and returns the exit code.
///
/// # Errors
/// If the command line is wrong, k6 is missing, or a test cannot be packed.
pub fn manifest(args: &Manifest, root: &Path, config: &Config) -> anyhow::Result<u8> {
    interrupt::listen()?;
    let address = address(&args.load, config)?;
    let profile = args.load.profile(config);
    let tests = config.chosen(&args.load.tests(config));
    let keyed: Vec<&str> = tests
        .iter()
        .map(String::as_str)
        .filter(|test| config.needs_key(test))
        .collect();
    let without_key = without_key(args, &keyed)?;
    let k6 = k6::ensure(&FindOptions::new(&args.k6, &repo::target_dir(root)))?;
    let image = args.image.clone();
    let image = image.unwrap_or_else(|| format!("grafana/k6:{}", k6.version));
    let run = suffix();
    let mut objects = Vec::new();
    for test in &tests {
        let name = manifest::name(profile, test, &suffix());
        let mut env = plan::script_env(profile, test, args.load.time_scale, args.load.vus_scale);
        env.push(("BASE_URL", address.base_url.clone()));
        env.push(("WS_URL", address.ws_url.clone()));
        env.push(("TESTID", name.clone()));
        let Archive { tar, shape } = k6::archive(&k6.path, &config.main_js(), &env)?;
        refuse_too_many(args.runners, shape.max_vus, test)?;
        anyhow::ensure!(
            tar.len() <= MOST_BYTES,
            "{test} and what it reads are {} KiB: a ConfigMap holds {} KiB",
            tar.len() / 1024,
            MOST_BYTES / 1024
        );
        let packed = Packed {
            name: &name,
            tar: &tar,
            tags: &shape.tags,
            about: BTreeMap::from([
                ("load-test/load", shape.to_string()),
                ("load-test/target", address.base_url.clone()),
            ]),
        };
        objects.extend(manifest::objects(args, &image, &run, &packed));
    }
    ui::print_data(&yaml::stream(&objects))?;
    if let [_, _, ..] = tests.as_slice() {
        let all = tests.len();
        ui::notice(&format!(
            "kubectl create starts all {all} tests at once; for one after the other write one manifest for each"
        ));
    }
    if let Some(notice) = without_key {
        ui::notice(&notice);
    }
    let namespace = args.namespace.as_ref();
    let namespace = namespace.map_or_else(String::new, |name| format!("--namespace {name} "));
    ui::info(&format!(
        "once created, it is seen with `kubectl {namespace}get testruns,jobs,pods`, and taken away with `kubectl {namespace}delete testruns,configmaps -l {RUN_LABEL}={run}`"
    ));
    Ok(0)
}

/// Where the runners find the server.
fn address(load: &Load, config: &Config) -> Result<Address, UsageError> {
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
            "`{own}` is each runner's own pod: give the address that the server has on the cluster, such as http://SERVICE.NAMESPACE:PORT"
        )));
    }
    Ok(address)
}

/// What is to be said of a manifest without a key, if one of the `keyed` tests uses it.
fn without_key(args: &Manifest, keyed: &[&str]) -> Result<Option<String>, UsageError> {
    if keyed.is_empty() || args.api_key_secret.is_some() {
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

/// The operator begins no run in which a runner would have no user.
fn refuse_too_many(runners: u32, users: u64, test: &str) -> Result<(), UsageError> {
    match u64::from(runners) > users {
        true => Err(UsageError(format!(
            "{test} has {users} virtual user{}, too few for {runners} runners: take fewer, or more users with --vus-scale",
            if users == 1 { "" } else { "s" }
        ))),
        false => Ok(()),
    }
}

/// Tells objects of one manifest from those of any other.
fn suffix() -> String {
    let letters = std::iter::repeat_with(|| char::from_digit(fastrand::u32(0..36), 36));
    letters.take(8).flatten().collect()
}
