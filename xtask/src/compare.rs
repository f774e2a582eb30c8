//! The pipeline of `compare`: plan → binaries → paired blocks → verdict → results → report.

mod binaries;
mod calibrate;
mod failures;
mod judge;
mod kept;
mod measure;
mod plan;
mod rounds;

use std::path::Path;
use std::time::SystemTime;

use anyhow::Context as _;

use crate::cli::{Compare, MessageFormat};
use crate::config::Config;
use crate::error::COULD_NOT_RUN;
use crate::record::{Blocks, Change, Comparison, Host, Outcome, RunFolder};
use crate::server;
use crate::shell::interrupt::{self, Interrupted};
use crate::{github, k6, record, repo, report, secret, ui};
use judge::{Floors, rule};
use plan::Plan;
use rounds::Rounds;

/// Compares as the command line says and returns the exit code.
///
/// # Errors
/// If nothing could be compared or its results not be kept: a wrong command line, a revision that does not build, no
/// k6, blocks that do not pair.
pub fn run(args: &Compare, root: &Path, config: &Config) -> anyhow::Result<u8> {
    interrupt::listen()?;
    let results = args
        .results
        .clone()
        .filter(|path| !path.as_os_str().is_empty())
        .unwrap_or_else(|| config.results());
    let floors = Floors::new(&args.floor);
    if let Some(path) = &args.replay {
        return replay(args, path, &floors, &results);
    }
    let plan = Plan::new(args, config)?;
    if let Some(path) = junit(args) {
        // Reports may go there, and the run makes it anyway: why it cannot be made is said then.
        let _not_yet_needed = std::fs::create_dir_all(&results);
        record::try_output("--junit", path)?;
    }
    let (base, head) = binaries::sources(args, root)?;
    let target_dir = repo::target_dir(root);
    let k6 = k6::ensure(&k6::FindOptions::new(&args.k6, &target_dir))?;
    let key = server::api_key(config, &plan.tests)?;
    let options = k6::Options::read(&[], None)?;
    let vus = plan.vus(&k6.path, config, &key, &options)?;
    std::fs::create_dir_all(&target_dir)
        .with_context(|| format!("failed to create {}", target_dir.display()))?;
    let kept = tempfile::Builder::new()
        .prefix("compare-")
        .tempdir_in(&target_dir)
        .context("failed to make a folder for the programs")?;
    let building = github::group("the servers");
    let server = &config.table.server;
    let base = binaries::provide(&base, "base", root, &target_dir, kept.path(), server)?;
    let head = binaries::provide(&head, "head", root, &target_dir, kept.path(), server)?;
    drop(building);
    let now = SystemTime::now();
    let folder = RunFolder::create(&results, "compare", now)?;
    let mut rounds = Rounds {
        bench: measure::Bench {
            root,
            config,
            target_dir: &target_dir,
            k6: &k6,
            key: &key,
            vus,
            block: plan.block,
            options: &options,
            dir: &folder.path,
        },
        plan: &plan,
        base: &base.path,
        head: &head.path,
        random: fastrand::Rng::with_seed(plan.seed),
        broken: None,
        blocks: Blocks {
            format: record::FORMAT.into(),
            schema_version: record::BLOCKS_VERSION,
            started_at: humantime::format_rfc3339_seconds(now).to_string(),
            base: base.record.clone(),
            head: head.record.clone(),
            host: Host::look(),
            k6: k6.version.to_string(),
            seed: plan.seed,
            pairs: plan.pairs,
            vus,
            block_s: plan.block.as_secs_f64(),
            blocks: Vec::new(),
        },
    };
    ui::step(&report::comparison_announcement(
        &rounds.blocks,
        &plan.tests,
        plan.expected(config),
    ));
    let mut notices = Vec::new();
    if !args.calibrate && binaries::same(&base.path, &head.path) {
        notices.push("base and head are the same program to the byte".to_owned());
    }
    let began = SystemTime::now();
    let measured = rounds.measure(0, &plan.tests);
    let measured = measured.and_then(|()| match args.confirm {
        true => rounds.confirm(&floors),
        false => Ok(()),
    });
    rounds.blocks.write(&folder.path)?;
    let mut comparison = judged(&rounds.blocks, &floors, &folder.name);
    comparison.duration_s = began.elapsed().unwrap_or_default().as_secs_f64();
    comparison.notices.extend(notices);
    if args.calibrate {
        comparison.calibration = Some(drawn(&rounds.blocks, &floors));
    }
    if let Some(why) = rounds.broken {
        comparison
            .reasons
            .insert(0, format!("head did not stand the load: {why}"));
        (comparison.outcome, comparison.exit_code) = (Outcome::Failed, 1);
    }
    conclude(args, comparison, &rounds.blocks, &folder, measured)
}

/// Where the JUnit report goes, if anywhere; a variable that is set to nothing counts as not set.
fn junit(args: &Compare) -> Option<&Path> {
    let path = args.junit.as_deref();
    path.filter(|path| !path.as_os_str().is_empty())
}

/// Judges recorded blocks once more.
fn replay(args: &Compare, path: &Path, floors: &Floors, results: &Path) -> anyhow::Result<u8> {
    let blocks = Blocks::read(path)?;
    let folder = RunFolder::create(results, "compare", SystemTime::now())?;
    let mut comparison = judged(&blocks, floors, &folder.name);
    comparison.notices.push(format!(
        "judged again from {}: nothing was measured",
        path.display()
    ));
    if args.calibrate {
        comparison.calibration = Some(drawn(&blocks, floors));
    }
    conclude(args, comparison, &blocks, &folder, Ok(()))
}

fn drawn(blocks: &Blocks, floors: &Floors) -> record::Calibration {
    ui::info("drawing comparisons from the blocks");
    calibrate::calibrate(blocks, floors, &rule(blocks.seed))
}

/// The verdict on blocks; where suspects were measured again, both rounds must agree.
fn judged(blocks: &Blocks, floors: &Floors, run: &str) -> Comparison {
    let rule = rule(blocks.seed);
    let mut comparison = Comparison {
        schema_version: record::COMPARISON_VERSION,
        run: run.to_owned(),
        outcome: Outcome::Passed,
        exit_code: 0,
        reasons: Vec::new(),
        notices: Vec::new(),
        started_at: blocks.started_at.clone(),
        duration_s: 0.0,
        base: blocks.base.clone(),
        head: blocks.head.clone(),
        host: blocks.host.clone(),
        k6: blocks.k6.clone(),
        seed: blocks.seed,
        vus: blocks.vus,
        block_s: blocks.block_s,
        alpha: rule.alpha,
        tests: judge::judge_blocks(blocks, 0, floors, &rule, None),
        calibration: None,
    };
    if blocks.blocks.iter().any(|block| block.round == 1) {
        rounds::agree(&mut comparison.tests, blocks, floors, &rule);
    }
    comparison.settle();
    comparison
}

/// Writes the results, prints the report and returns the exit code.
fn conclude(
    args: &Compare,
    mut comparison: Comparison,
    blocks: &Blocks,
    folder: &RunFolder,
    measured: anyhow::Result<()>,
) -> anyhow::Result<u8> {
    let error = measured.err();
    if let Some(error) = &error {
        comparison.reasons.insert(0, format!("{error:#}"));
        (comparison.outcome, comparison.exit_code) = match error.downcast_ref::<Interrupted>() {
            Some(signal) => (Outcome::Interrupted, signal.exit_code()),
            None => (Outcome::CouldNotRun, COULD_NOT_RUN),
        };
    }
    let judged = comparison.tests.iter().flat_map(|test| &test.metrics);
    let judged = judged.filter(|metric| metric.change != Change::NotJudged);
    if error.is_none() && comparison.outcome == Outcome::Passed && judged.count() == 0 {
        comparison.reasons.push("no metric could be judged".into());
        (comparison.outcome, comparison.exit_code) = (Outcome::CouldNotRun, COULD_NOT_RUN);
    }
    let json = serde_json::to_string_pretty(&comparison).context("failed to write compare.json")?;
    let json = secret::hide_in(Path::new("compare.json"), &format!("{json}\n")).into_owned();
    let kept = folder.write("compare.json", json.as_bytes());
    let document = report::comparison_view(&comparison, blocks);
    for problem in report::write_pages(&document, &folder.path, junit(args)) {
        ui::notice(&problem);
    }
    github::hand_over(&document, &folder.path);
    // Blocks that measured wrong stay; where none did, the folder is empty.
    let _kept_if_not_empty = std::fs::remove_dir(folder.path.join("blocks"));
    let printed = match args.message_format {
        MessageFormat::Json => ui::print_data(&json),
        MessageFormat::Human => ui::print(&report::terminal(&document, &folder.path)),
    };
    if let Err(problem) = printed {
        ui::notice(&format!(
            "failed to write the report to standard output: {problem}"
        ));
    }
    match error {
        Some(error) => Err(error),
        None => kept.map(|()| comparison.exit_code),
    }
}
