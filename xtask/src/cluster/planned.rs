//! What is known of a test before it runs: packed for the cluster, and kept on its objects, so that whoever goes on with it
//! needs nothing but the cluster.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::manifest::{self, MOST_BYTES, Packed};
use crate::cli::{Load, Runners};
use crate::config::Config;
use crate::error::UsageError;
use crate::k6::{self, Archive, K6};
use crate::plan;
use crate::record::{StageRecord, plural};
use crate::server::target::Address;

/// The annotation with a [`Planned`].
pub const ANNOTATION: &str = "load-test/plan";

/// A test that is to run, or runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Planned {
    /// The name of its objects.
    pub name: String,
    /// The test.
    pub test: String,
    /// The profile.
    pub profile: String,
    /// What every duration of the profile was multiplied by.
    pub time_scale: f64,
    /// What its virtual users and rates were multiplied by.
    pub vus_scale: f64,
    /// Its load, in words.
    pub load: String,
    /// The most virtual users of all runners together.
    pub max_vus: u64,
    /// The virtual users of all runners over time.
    pub stages: Vec<StageRecord>,
    /// The longest that it may take, in seconds.
    pub at_most_s: f64,
    /// How many runners share it.
    pub runners: u32,
    /// Whether they write every sample to their logs.
    pub exact: bool,
    /// The runners' image.
    pub image: String,
    /// Where the server is.
    pub base_url: String,
    /// Where its WebSockets are.
    pub ws_url: String,
}

/// Packs tests.
#[derive(Debug)]
pub struct Packer<'a> {
    /// Which load.
    pub load: &'a Load,
    /// The objects' namespace, if not the one where kubectl is.
    pub namespace: Option<&'a str>,
    /// Whether the runners write every sample to their logs.
    pub exact: bool,
    /// Which runners.
    pub runners: &'a Runners,
    /// Which scripts.
    pub config: &'a Config,
    /// Where the runners find the server.
    pub address: Address,
    /// What packs.
    pub k6: K6,
    /// The runners' image.
    pub image: String,
    /// The label of all objects that are packed at once.
    pub run: String,
}

impl Packer<'_> {
    /// Packs `test` and returns what is known of it, with its ConfigMap and its TestRun.
    ///
    /// # Errors
    /// If k6 finds fault with the script, there are more runners than users, or no ConfigMap holds it.
    pub fn pack(&self, test: &str) -> anyhow::Result<(Planned, [Value; 2])> {
        let (load, profile) = (self.load, self.load.profile(self.config));
        let name = manifest::name(profile, test, &super::suffix());
        let mut env = plan::script_env(profile, test, load.time_scale, load.vus_scale);
        env.push(("BASE_URL", self.address.base_url.clone()));
        env.push(("WS_URL", self.address.ws_url.clone()));
        env.push(("TESTID", name.clone()));
        // It decides which percentiles are computed, so it must be there when the options are.
        env.push(("RUNNER_SUMMARY", "1".into()));
        let Archive { tar, shape } = k6::archive(&self.k6.path, &self.config.main_js(), &env)?;
        refuse_too_many(self.runners.runners, shape.max_vus, test)?;
        anyhow::ensure!(
            tar.len() <= MOST_BYTES,
            "{test} and what it reads are {} KiB: a ConfigMap holds {} KiB",
            tar.len() / 1024,
            MOST_BYTES / 1024
        );
        let planned = Planned {
            name,
            test: test.to_owned(),
            profile: profile.to_owned(),
            time_scale: load.time_scale,
            vus_scale: load.vus_scale,
            load: shape.to_string(),
            max_vus: shape.max_vus,
            stages: shape.stages.iter().map(StageRecord::from).collect(),
            at_most_s: shape.at_most.as_secs_f64(),
            runners: self.runners.runners,
            exact: self.exact,
            image: self.image.clone(),
            base_url: self.address.base_url.clone(),
            ws_url: self.address.ws_url.clone(),
        };
        let packed = Packed {
            name: &planned.name,
            namespace: self.namespace,
            tar: &tar,
            tags: &shape.tags,
            exact: self.exact,
            about: BTreeMap::from([
                ("load-test/load", planned.load.clone()),
                ("load-test/target", planned.base_url.clone()),
                (ANNOTATION, serde_json::to_string(&planned)?),
            ]),
        };
        let objects = manifest::objects(self.runners, &self.image, &self.run, &packed);
        Ok((planned, objects))
    }
}

/// The operator begins no run in which a runner would have no user.
pub fn refuse_too_many(runners: u32, users: u64, test: &str) -> Result<(), UsageError> {
    match u64::from(runners) > users {
        true => Err(UsageError(format!(
            "{test} has {}, too few for {runners} runners: take fewer, or more users with --vus-scale",
            plural(users, "virtual user")
        ))),
        false => Ok(()),
    }
}
