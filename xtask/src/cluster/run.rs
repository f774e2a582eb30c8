//! `cluster run` and `cluster attach`: create, follow, collect, judge, delete.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context as _;
use serde_json::{Value, json};
use signal_hook::consts::SIGHUP;

use super::collect::{collect, together};
use super::follow::{Following, Silent};
use super::kubectl::{Kubectl, refuse_production};
use super::logs::RunnerLog;
use super::planned::{ANNOTATION, Packer, Planned};
use super::refused::{RefusalKind, Refused};
use super::seen::Wanted;
use super::watch::{Conclusion, Step};
use super::{check, judge, yaml};
use crate::cli::{ClusterRun, Follow, Which};
use crate::config::Config;
use crate::error::{COULD_NOT_RUN, USAGE};
use crate::history::{self, Key, Past, Reference};
use crate::k6::{self, FindOptions};
use crate::load_test::{self, Keeping, consent};
use crate::record::{
    self, ClusterRecord, Heard, Host, K6Record, Outcome, RunFolder, RunRecord, SCHEMA_VERSION,
    ServerKind, ServerRecord, TargetRecord, TestRecord, measured,
};
use crate::secret::Secret;
use crate::shell::interrupt::{self, Interrupted};
use crate::{github, repo, report, ui};

/// How long nothing may come of runners that are told to end and write their summaries: Kubernetes gives them half a minute.
const GRACE: Duration = Duration::from_secs(40);
/// How long nothing may come of the logs of those that ended before an interruption: somebody waits.
const ENDED: Duration = Duration::from_secs(5);
/// How long nothing may come of the rest of the logs once the runners have ended.
const REST: Duration = Duration::from_secs(60);

/// Runs the tests of the command line on the cluster, and returns the exit code.
///
/// # Errors
/// If the command line is wrong, a test cannot be packed, or the cluster is not ready for it.
pub fn run(args: &ClusterRun, root: &Path, config: &Config) -> anyhow::Result<u8> {
    let target = super::target(&args.load, config)?;
    let tests = config.chosen(&args.load.tests(config));
    let without_key = super::without_key(&args.runners, config, &tests)?;
    let kubectl = find(&args.cluster)?;
    refuse_production(&kubectl, args.yes)?;
    if let Some(path) = args.follow.output.junit() {
        record::try_output("--junit", path)?;
    }
    let k6 = k6::ensure(&FindOptions::new(&args.k6, &repo::target_dir(root)))?;
    let packer = Packer {
        load: &args.load,
        namespace: None,
        exact: args.exact,
        runners: &args.runners,
        config,
        address: target.as_given(),
        image: super::image(&args.runners, &k6)?,
        k6,
        run: super::suffix(),
    };
    let packed = tests.iter().map(|test| packer.pack(test));
    let packed = packed.collect::<anyhow::Result<Vec<_>>>()?;
    let users = packed.iter().map(|(planned, _)| planned.max_vus).max();
    consent::ask(args.yes, &target, users.unwrap_or_default())?;
    let found = check::look(&kubectl)?;
    if let Some(problem) = found.problem() {
        anyhow::bail!("{}: {}", problem.what, problem.said);
    }
    let plans: Vec<Planned> = packed.iter().map(|(planned, _)| planned.clone()).collect();
    let mut run =
        DistributedRun::begin(kubectl, &args.follow, root, config, &plans, found.operator)?;
    run.record
        .notices
        .extend(without_key.inspect(|it| ui::notice(it)));
    let mut ended = Ok(());
    for (index, (planned, objects)) in packed.iter().enumerate() {
        if interrupt::pending().is_some() {
            break;
        }
        let _group = github::group(&format!("{} {}", planned.profile, planned.test));
        ui::step(&format!(
            "{}: {}, by {} runners",
            planned.test, planned.load, planned.runners
        ));
        ended = run.test(index, planned, Some(objects));
        if ended.is_err() || run.record.tests[index].outcome == Outcome::CouldNotRun {
            break;
        }
    }
    run.conclude(ended)
}

/// Goes on with the test `name`, and returns the exit code.
///
/// # Errors
/// If it is not there, or was not made here.
pub fn attach(
    name: &str,
    which: &Which,
    follow: &Follow,
    root: &Path,
    config: &Config,
) -> anyhow::Result<u8> {
    let kubectl = find(which)?;
    let test_run: Value = kubectl
        .get(&["get", "testruns.k6.io", name])
        .with_context(|| format!("failed to find TestRun {name}"))?;
    let plan = test_run
        .pointer("/metadata/annotations")
        .and_then(|all| all[ANNOTATION].as_str());
    let plan = plan.with_context(|| {
        format!("TestRun {name} has no annotation {ANNOTATION}: it was not made by `cluster run` or `manifest` of this version")
    })?;
    let planned: Planned = serde_json::from_str(plan)
        .with_context(|| format!("failed to understand the annotation {ANNOTATION} of {name}"))?;
    let plans = [planned];
    let mut run = DistributedRun::begin(kubectl, follow, root, config, &plans, None)?;
    ui::step(&format!(
        "{}: {}, attached to {name}",
        plans[0].test, plans[0].load
    ));
    let ended = run.test(0, &plans[0], None);
    run.conclude(ended)
}

/// kubectl, once it was said where it is for.
fn find(which: &Which) -> anyhow::Result<Kubectl> {
    let kubectl = Kubectl::find(which.context.as_deref(), which.namespace.as_deref())?;
    ui::info(&format!("context {}", kubectl.place()));
    Ok(kubectl)
}

/// A run under way.
struct DistributedRun<'a> {
    kubectl: Kubectl,
    follow: &'a Follow,
    results: PathBuf,
    folder: RunFolder,
    record: RunRecord,
    before: Option<Past>,
    key: Secret,
    began: Instant,
    /// Whether the command line was at fault after all.
    is_usage: bool,
}

impl<'a> DistributedRun<'a> {
    fn begin(
        kubectl: Kubectl,
        follow: &'a Follow,
        root: &Path,
        config: &Config,
        plans: &[Planned],
        operator: Option<String>,
    ) -> anyhow::Result<Self> {
        let first = plans.first().context("there is no test to run")?;
        let results = follow
            .output
            .results()
            .map_or_else(|| config.results(), Path::to_owned);
        let now = SystemTime::now();
        let folder = RunFolder::create(&results, &first.profile, now)?;
        let tag = first.image.rsplit('/').next().unwrap_or_default();
        let tag = tag.split('@').next().and_then(|name| name.split_once(':'));
        let record = RunRecord {
            schema_version: SCHEMA_VERSION,
            run: folder.name.clone(),
            outcome: Outcome::CouldNotRun,
            exit_code: COULD_NOT_RUN,
            reasons: Vec::new(),
            notices: Vec::new(),
            started_at: humantime::format_rfc3339_seconds(now).to_string(),
            duration_s: 0.0,
            teardown_s: 0.0,
            profile: first.profile.clone(),
            time_scale: first.time_scale,
            vus_scale: first.vus_scale,
            command: Some(load_test::command_line()),
            // It costs CPU time: such a run is comparable with none.
            k6_args: match first.exact {
                true => ["--out", "csv=-"].map(str::to_owned).into(),
                false => Vec::new(),
            },
            target: TargetRecord {
                base_url: first.base_url.clone(),
                ws_url: first.ws_url.clone(),
            },
            k6: K6Record {
                version: tag.map_or("unknown", |(_, tag)| tag).to_owned(),
                origin: format!("the image {}", first.image),
            },
            server: Some(ServerRecord {
                kind: ServerKind::Url,
                version: "unknown".into(),
                faults: false,
                compiler: None,
            }),
            dashboard: None,
            cluster: Some(ClusterRecord {
                context: kubectl.context.clone(),
                namespace: kubectl.namespace.clone(),
                operator,
                image: first.image.clone(),
                runners: first.runners,
                heard: 0,
            }),
            revision: repo::revision(root),
            host: Host::look(),
            tests: plans.iter().map(judge::planned).collect(),
        };
        let mut run = Self {
            kubectl,
            follow,
            results,
            folder,
            record,
            before: None,
            key: Secret::new(std::env::var("API_KEY").unwrap_or_default()),
            began: Instant::now(),
            is_usage: false,
        };
        match history::read(&history::history_path(&run.results), now) {
            Ok(past) => {
                past.notices
                    .iter()
                    .for_each(|notice| run.say(notice.clone()));
                run.before = Some(past);
            }
            Err(error) => run.say(format!("nothing is compared with past runs: {error:#}")),
        }
        run.say(
            "neither the server nor the runners' machines are watched from here: what is wrong with the server shows in its answers only, and a k6 that lacks processors may look like a slow server"
                .into(),
        );
        Ok(run)
    }

    /// Says a notice, and keeps it with the run.
    fn say(&mut self, notice: String) {
        ui::notice(&notice);
        self.record.notices.push(notice);
    }

    /// Runs one test, whose objects are created if they are given.
    fn test(
        &mut self,
        index: usize,
        planned: &Planned,
        objects: Option<&[Value; 2]>,
    ) -> anyhow::Result<()> {
        let dir = self.folder.test_dir(&planned.test)?;
        let started_at = SystemTime::now();
        let own = [
            format!("testruns.k6.io/{}", planned.name),
            format!("configmaps/{}", planned.name),
        ];
        interrupt::leaves(Some(format!(
            "delete what was created: `{}`",
            self.kubectl.delete_line(&own)
        )));
        let kubectl = self.kubectl.clone();
        let wanted = Wanted {
            name: planned.name.clone(),
            runners: planned.runners,
            at_most: Duration::from_secs_f64(planned.at_most_s.max(0.0)),
            deadline: self.follow.deadline,
        };
        let created = objects.map_or(Ok(()), |objects| create(&kubectl, planned, objects, &dir));
        let followed = created.and_then(|()| {
            let mut following =
                Following::begin(&kubectl, wanted.clone(), &dir, &self.key, planned.exact)?;
            let conclusion = following.conclude()?;
            Ok((following, conclusion))
        });
        let (mut following, conclusion) = match followed {
            Ok(followed) => followed,
            Err(error) => {
                // A cluster that cannot be reached deletes nothing, and the load may be worth to go on with.
                if objects.is_some() && !is_silent(&error) {
                    self.delete(&own);
                } else if objects.is_some() && !error.is::<Silent>() {
                    // The answer to a creation may be lost, and not the creation.
                    self.say(format!(
                        "{0} may have been created: go on with it by `cargo xtask cluster attach {0}`, or delete it by `{1}`",
                        planned.name,
                        kubectl.delete_line(&own)
                    ));
                }
                return Err(error);
            }
        };
        if let Some(Conclusion::Fault { exit, .. }) = &conclusion {
            self.is_usage |= *exit == USAGE;
            keep_objects(&kubectl, &planned.name, &dir);
        }
        let is_left = interrupt::pending() == Some(Interrupted(SIGHUP));
        if conclusion.is_none() && is_left {
            ui::notice(&format!(
                "{0} goes on without this terminal: `cargo xtask cluster attach {0}`",
                planned.name
            ));
            interrupt::leaves(None);
        } else {
            let read = match &conclusion {
                // With its pod the log goes of whoever came to an end before.
                None => following.read_to_the_end(ENDED, true),
                Some(Conclusion::Ran { .. }) => following.read_to_the_end(REST, true),
                Some(Conclusion::Fault { .. }) => Ok(()),
            };
            if conclusion.is_some() {
                // What a runner says that is deleted because it hangs comes too late to count, or just so.
                following.logs.values_mut().for_each(RunnerLog::stop);
            }
            self.delete(&own);
            read?;
            if conclusion.is_none() && following.step >= Step::Running && !self.follow.keep {
                // k6 writes its summary when it is told to end, and the logs are followed still.
                following.read_to_the_end(GRACE, false)?;
            }
        }
        let collected = collect(&mut following, &wanted, conclusion.as_ref(), &dir);
        let heard = collected
            .runners
            .iter()
            .filter(|it| it.heard == Heard::InFull)
            .count();
        if let Some(cluster) = &mut self.record.cluster {
            let heard = u32::try_from(heard).unwrap_or(u32::MAX);
            cluster.heard = if index == 0 {
                heard
            } else {
                cluster.heard.min(heard)
            };
        }
        let logs = following.logs.iter();
        let problems: Vec<String> = logs.clone().filter_map(|(_, log)| log.problem()).collect();
        let gaps = logs.filter_map(|(runner, log)| Some((*runner, log.gap()?.to_owned())));
        let gaps = match &conclusion {
            Some(Conclusion::Ran { .. }) => together(&gaps.collect::<Vec<_>>()),
            _ => Vec::new(),
        };
        for problem in problems.into_iter().chain(gaps) {
            self.say(problem);
        }
        let inexact = collected.notice.clone();
        let (mut test, notice) =
            judge::judge_runners(planned, conclusion.as_ref(), collected, started_at);
        for notice in inexact.into_iter().chain(notice) {
            self.say(format!("{}: {notice}", planned.test));
        }
        ui::info(&report::one_line(&test));
        self.compare_with_history(&mut test);
        self.record.tests[index] = test;
        Ok(())
    }

    /// Deletes a test's objects, and says so if that fails.
    fn delete(&mut self, own: &[String]) {
        let line = self.kubectl.delete_line(own);
        if self.follow.keep {
            ui::info(&format!("left as it is; `{line}` deletes it"));
        } else if let Err(error) = self.kubectl.delete(own) {
            self.say(format!("{error:#}; delete what is left: `{line}`"));
        } else {
            ui::info(&format!("deleted {}", own.join(" ")));
        }
        interrupt::leaves(None);
    }

    /// Shows how the numbers compare with those of past runs; they fail nothing, since nobody measures them once more.
    fn compare_with_history(&self, test: &mut TestRecord) {
        let (Some(before), Some(metrics)) = (&self.before, &test.metrics) else {
            return;
        };
        let key = Key::of(&self.record, &test.name);
        let mut past = Reference::of(before, &key).compare(&measured(metrics, None));
        history::only_show(&mut past);
        if test.outcome != Outcome::Passed {
            history::withdraw_verdicts(&mut past);
        }
        test.past = Some(past);
    }

    fn conclude(mut self, ended: anyhow::Result<()>) -> anyhow::Result<u8> {
        self.record.duration_s = self.began.elapsed().as_secs_f64();
        let error = ended.err().filter(|error| !error.is::<Interrupted>());
        load_test::settle(&mut self.record, error.as_ref(), interrupt::pending());
        if self.is_usage && self.record.exit_code == COULD_NOT_RUN {
            self.record.exit_code = USAGE;
        }
        let keeping = Keeping {
            folder: &self.folder,
            results: &self.results,
            key: &self.key,
            before: self.before.as_ref(),
            junit: self.follow.output.junit(),
            format: self.follow.output.message_format,
            verbose: self.follow.output.verbose,
        };
        load_test::conclude(self.record, &keeping, error)
    }
}

/// Whether the cluster could not be reached.
fn is_silent(error: &anyhow::Error) -> bool {
    let refused = error.downcast_ref::<Refused>();
    error.is::<Silent>() || refused.is_some_and(|it| it.kind == RefusalKind::Server)
}

/// Creates the ConfigMap, then the TestRun, and has the first go with the second.
fn create(
    kubectl: &Kubectl,
    planned: &Planned,
    [config_map, test_run]: &[Value; 2],
    dir: &Path,
) -> anyhow::Result<()> {
    let write = |name: &str, object: &Value| {
        let path = dir.join(name);
        record::write_whole(&path, yaml::stream(std::slice::from_ref(object)).as_bytes())?;
        anyhow::Ok(path)
    };
    kubectl
        .create(&write("configmap.yaml", config_map)?)
        .context("failed to create the ConfigMap")?;
    let made = kubectl
        .create(&write("testrun.yaml", test_run)?)
        .context("failed to create the TestRun")?;
    let owner = json!({"metadata": {"ownerReferences": [{
        "apiVersion": "k6.io/v1alpha1",
        "kind": "TestRun",
        "name": planned.name,
        "uid": made["metadata"]["uid"],
    }]}});
    let patch = owner.to_string();
    let args = [
        "patch",
        "configmap",
        &planned.name,
        "--type=merge",
        "-p",
        &patch,
        "-o",
        "name",
    ];
    kubectl
        .ask(&args)
        .context("failed to hand the ConfigMap over to the TestRun")?;
    ui::info(&format!("created {}", planned.name));
    Ok(())
}

/// Keeps the objects of a test that came to nothing, for people to look at.
fn keep_objects(kubectl: &Kubectl, name: &str, dir: &Path) {
    let of_it = format!("--selector=k6_cr={name}");
    for (file, args) in [
        ("objects.json", ["get", "jobs,pods", of_it.as_str()]),
        (
            "events.json",
            ["get", "events", "--field-selector=type=Warning"],
        ),
    ] {
        if let Ok(objects) = kubectl.get::<Value>(&args) {
            let _for_people_only =
                record::write_whole(&dir.join(file), format!("{objects:#}\n").as_bytes());
        }
    }
}
