//! The pipeline of `compare`: plan → binaries → duets → verdict → results → report.

mod bench;
mod binaries;
mod both;
mod calibrate;
mod capacity;
mod chain;
mod checks;
mod duet;
mod functions;
mod instructions;
mod judge;
mod plan;
mod recording;
mod rounds;

use std::path::Path;
use std::time::SystemTime;

use anyhow::Context as _;

use crate::cli::{Compare, MessageFormat, Use};
use crate::config::Config;
use crate::error::{COULD_NOT_RUN, UsageError};
use crate::profile::Profiler;
use crate::record::{Blocks, Change, Comparison, Host, Outcome, RunFolder, Side};
use crate::server;
use crate::shell::interrupt::{self, Interrupted};
use crate::{github, k6, load_test, record, repo, report, secret, ui};
use instructions::Callgrind;
use judge::Floors;
use plan::ComparisonPlan;
use rounds::Rounds;

/// Compares as the command line says and returns the exit code.
///
/// # Errors
/// If nothing could be compared or its results not be kept: a wrong command line, a revision that does not build, no
/// k6, blocks that do not pair.
pub fn run(args: &Compare, root: &Path, config: &Config) -> anyhow::Result<u8> {
    interrupt::listen()?;
    let results = args
        .output
        .results()
        .map_or_else(|| config.results(), Path::to_owned);
    let mut floors = Floors::new(&args.floor);
    if let Some(path) = &args.replay {
        return replay(args, path, floors, &results);
    }
    let plan = ComparisonPlan::new(args, config)?;
    let target_dir = repo::target_dir(root);
    require_text("the repository", root, "move it to")?;
    require_text(
        "the target directory",
        &target_dir,
        "set CARGO_TARGET_DIR to",
    )?;
    let searched = capacity::asked(args, &plan.tests);
    if let Some(asked) = &searched {
        // What is wrong with it is said before anything is built.
        load_test::search_plan(asked, config)?;
        floors.resolution = Some(asked.search.resolution);
    }
    if let Some(path) = args.output.junit() {
        // Reports may go there, and the run makes it anyway: why it cannot be made is said then.
        let _not_yet_needed = std::fs::create_dir_all(&results);
        record::try_output("--junit", path)?;
    }
    let is_duet = !args.calibrate && !args.capacity;
    let is_counted = is_duet || (args.calibrate && args.instructions == Use::On);
    let callgrind = match is_counted {
        true => Callgrind::find(args.instructions)?,
        false => None,
    };
    if callgrind.is_none() && args.instructions == Use::Auto && is_duet {
        ui::info("instructions are not counted: valgrind is not installed");
    }
    let profiler = match is_duet {
        true => Profiler::find(args.profile, "--profile on", &config.table)?,
        false => None,
    };
    let (of_base, of_head) = binaries::sources(args, root)?;
    let k6 = k6::ensure(&k6::FindOptions::new(&args.k6, &target_dir))?;
    let key = server::api_key(config, &plan.tests)?;
    let options = k6::Options::read(&[], None)?;
    std::fs::create_dir_all(&target_dir)
        .with_context(|| format!("failed to create {}", target_dir.display()))?;
    // Removed however this ends, if need be by the next one.
    let kept = server::DataDir::create(&target_dir)?;
    let building = github::group("the servers");
    let profiler_here = profiler.as_ref().and_then(|it| it.as_ref().ok());
    let is_built_twice = profiler_here.is_some_and(|it| it.feature(&config.table).is_some());
    let changes = is_built_twice.then(|| repo::changes(root)).flatten();
    let place = binaries::SourcePlace {
        root,
        keep_in: kept.path(),
        server: &config.table.server,
    };
    let base = place.provide(&of_base, Side::Base, None)?;
    let head = place.provide(&of_head, Side::Head, None)?;
    drop(building);
    let now = SystemTime::now();
    let folder = RunFolder::create(&results, "compare", now)?;
    let mut rounds = Rounds {
        bench: bench::Bench {
            root,
            config,
            target_dir: &target_dir,
            k6: &k6,
            key: &key,
            vus: args.vus,
            block: plan.block,
            scratch: kept.path(),
            options: &options,
            programs: [&base.path, &head.path],
            dir: &folder.path,
        },
        plan: &plan,
        callgrind: callgrind.as_ref(),
        profiler: profiler.as_ref(),
        sources: [&of_base, &of_head],
        place: &place,
        changes,
        floors: &floors,
        random: fastrand::Rng::with_seed(plan.seed),
        blocks: Blocks {
            format: record::FORMAT.into(),
            schema_version: record::BLOCKS_VERSION,
            started_at: humantime::format_rfc3339_seconds(now).to_string(),
            base: base.record.clone(),
            head: head.record.clone(),
            host: Host::look(),
            k6: k6.version.to_string(),
            seed: plan.seed,
            planned: plan.pairs,
            block_s: match args.capacity {
                true => 0.0,
                false => plan.block.as_secs_f64(),
            },
            vus: args.vus,
            broken: None,
            checks: Vec::new(),
            pairs: Vec::new(),
            instructions: None,
            sampled: Vec::new(),
            capacity: searched.as_ref().map(capacity::to_record),
        },
        notices: Vec::new(),
    };
    let is_same = !args.calibrate && binaries::same(&base.path, &head.path);
    let measuring = match is_same {
        true => binaries::Measuring::default(),
        false => binaries::Measuring::begin(),
    };
    let began = SystemTime::now();
    let measured = if is_same {
        Ok(())
    } else {
        ui::step(&report::comparison_announcement(
            &rounds.blocks,
            &plan.tests,
            plan.at_most(config, callgrind.is_some()),
        ));
        match &searched {
            Some(asked) => rounds.search(asked, &folder),
            None => rounds.measure(),
        }
    };
    let pairs_kept = rounds.blocks.write(&folder.path);
    let mut comparison = judged(&rounds.blocks, &floors, &folder.name);
    comparison.duration_s = began.elapsed().unwrap_or_default().as_secs_f64();
    comparison.is_same = is_same;
    comparison.notices.splice(
        0..0,
        binaries::notice(&base, &head)
            .into_iter()
            .chain(measuring.notice.clone())
            .chain(std::mem::take(&mut rounds.notices))
            .chain(pairs_kept.err().map(|problem| format!("{problem:#}"))),
    );
    if args.calibrate {
        comparison.calibration = Some(drawn(&rounds.blocks, &floors));
    }
    // The logs of what went wrong.
    match record::scrub(&folder.path, &key) {
        Ok(notices) => comparison.notices.extend(notices),
        Err(problem) => ui::notice(&format!("{problem:#}")),
    }
    if measured.is_ok() && is_duet && has_verdict(&comparison) {
        chain::judge_and_append(&results, &rounds.blocks, &floors, &mut comparison);
    }
    conclude(args, comparison, &rounds.blocks, &folder, measured)
}

/// Refuses a folder whose path is no text: k6, git and valgrind are told in text where things are.
fn require_text(what: &str, path: &Path, instead: &str) -> Result<(), UsageError> {
    match path.to_str() {
        Some(_) => Ok(()),
        None => Err(UsageError(format!(
            "the path of {what}, {}, is not valid UTF-8, and k6, git and valgrind have to be told it: {instead} a folder whose path is",
            path.display()
        ))),
    }
}

/// Judges recorded pairs once more.
fn replay(args: &Compare, path: &Path, mut floors: Floors, results: &Path) -> anyhow::Result<u8> {
    let blocks = Blocks::read(path)?;
    anyhow::ensure!(
        !args.calibrate || blocks.capacity.is_none(),
        UsageError("--calibrate draws from many pairs, and of capacities there are few".into())
    );
    floors.resolution = blocks.capacity.as_ref().map(|it| it.resolution);
    let floors = &floors;
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
    ui::info("drawing comparisons from the pairs");
    calibrate::calibrate(blocks, floors)
}

/// The verdict on what was measured.
fn judged(blocks: &Blocks, floors: &Floors, run: &str) -> Comparison {
    let judged = judge::judge_pairs(blocks, floors);
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
        planned: blocks.planned,
        block_s: blocks.block_s,
        floors: floors.given.clone(),
        alpha: match blocks.capacity {
            Some(_) => judge::CAPACITY_ALPHA,
            None => judge::ALPHA,
        },
        is_same: false,
        tests: judged.tests,
        sampled: blocks.sampled.clone(),
        calibration: None,
        capacity: blocks.capacity.clone(),
    };
    comparison.settle();
    if let Some(why) = &blocks.broken {
        let why = format!("the head did not withstand the load: {why}");
        comparison.reasons.insert(0, why);
        (comparison.outcome, comparison.exit_code) = (Outcome::Failed, 1);
    }
    if comparison.outcome == Outcome::Passed && !judged.open.is_empty() {
        comparison.reasons.push(format!(
            "there are not enough pairs to judge {}: compare again",
            judged.open.join(", ")
        ));
        (comparison.outcome, comparison.exit_code) = (Outcome::CouldNotRun, COULD_NOT_RUN);
    }
    comparison
}

/// Whether anything was judged, or nothing had to be.
fn has_verdict(comparison: &Comparison) -> bool {
    let mut metrics = comparison.tests.iter().flat_map(|test| &test.metrics);
    comparison.is_same || metrics.any(|metric| metric.change != Change::NotJudged)
}

/// Whether instructions were judged wherever they were counted, and anywhere at all.
fn all_counted(comparison: &Comparison) -> bool {
    let metrics = comparison.tests.iter().flat_map(|test| &test.metrics);
    let counted = metrics.filter(|it| it.metric.kind() == record::Kind::Instructions);
    let mut judged = counted.map(|it| it.change != Change::NotJudged).peekable();
    judged.peek().is_some() && judged.all(|is_judged| is_judged)
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
    if error.is_none() && comparison.outcome == Outcome::Passed && !has_verdict(&comparison) {
        comparison.reasons.push("no metric could be judged: the table says why for each; give more --pairs or a longer --block".into());
        (comparison.outcome, comparison.exit_code) = (Outcome::CouldNotRun, COULD_NOT_RUN);
    }
    if error.is_none()
        && comparison.outcome == Outcome::Passed
        && !comparison.is_same
        && args.instructions == Use::On
        && !all_counted(&comparison)
    {
        let why = "--instructions on: not all of them could be judged";
        comparison.reasons.push(why.into());
        (comparison.outcome, comparison.exit_code) = (Outcome::CouldNotRun, COULD_NOT_RUN);
    }
    for reason in &mut comparison.reasons {
        *reason = record::sentence(reason);
    }
    let json = serde_json::to_string_pretty(&comparison).context("failed to write compare.json")?;
    let json = secret::hide_in(Path::new("compare.json"), &format!("{json}\n")).into_owned();
    let kept = folder.write("compare.json", json.as_bytes());
    let document = report::comparison_view(&comparison, blocks, &folder.path);
    for problem in report::write_pages(&document, &folder.path, args.output.junit()) {
        ui::notice(&problem);
    }
    github::hand_over(&document, &folder.path);
    // What went wrong stays; where nothing did, the folder is empty.
    let _kept_if_not_empty = std::fs::remove_dir(folder.path.join("blocks"));
    let printed = match args.output.message_format {
        MessageFormat::Json => ui::print_data(&json),
        MessageFormat::Human => {
            let screen = report::Screen::of_stdout(args.output.verbose);
            ui::print(&report::terminal(&document, &folder.path, screen))
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::{blocks, pair};

    /// As it is with the pairs of a comparison of at most 60 that ended after `have`.
    fn cut_off(have: usize, ratio: f64) -> Blocks {
        let noise = |pair: usize| 1.0 + (pair * 7 % 5) as f64 * 0.02;
        let pairs = (0..have).map(|nth| pair(noise(nth), noise(nth + 3) * ratio));
        let mut blocks = blocks(pairs.collect());
        blocks.planned = 60;
        blocks
    }

    fn outcome(blocks: &Blocks) -> (Outcome, u8, String) {
        let comparison = judged(blocks, &Floors::default(), "run");
        (
            comparison.outcome,
            comparison.exit_code,
            comparison.reasons.join("\n"),
        )
    }

    #[test]
    fn what_was_cut_off_is_not_green_when_it_is_judged_again() {
        for have in [3, 14, 16] {
            let (outcome, code, reasons) = outcome(&cut_off(have, 1.05));
            assert_eq!(
                (outcome, code),
                (Outcome::CouldNotRun, COULD_NOT_RUN),
                "{have}"
            );
            assert!(
                reasons.contains("not enough pairs to judge missions"),
                "{reasons}"
            );
        }
        assert_eq!(outcome(&cut_off(16, 1.3)).1, 1, "a look had found it");
        assert_eq!(outcome(&cut_off(60, 1.0)).1, 0);
    }

    #[test]
    fn functions_explain_a_verdict_and_change_none() {
        let explained = |ratio, grew, lacking: &str| {
            let mut blocks = cut_off(60, ratio);
            blocks.sampled.push(record::Sampled {
                cpu_ms: [0.2, 0.25],
                lacking: lacking.into(),
                ..record::Sampled::of("missions", grew)
            });
            let comparison = judged(&blocks, &Floors::default(), "run");
            let last = |texts: &[String]| texts.last().cloned().unwrap_or_default();
            (
                comparison.exit_code,
                last(&comparison.reasons),
                last(&comparison.notices),
            )
        };
        let (code, reason, notice) = explained(1.3, true, "");
        assert_eq!(code, 1);
        assert!(
            reason.ends_with("above the base's 1.04 ms; the limit is 3 %"),
            "{reason}"
        );
        let said = "missions: +25.0 % CPU per request when sampled, and no function beyond chance";
        assert!(notice.starts_with(said), "{notice}");
        // Judged again with floors that let it pass, better, or not to be had.
        for (ratio, grew, lacking) in [(1.0, true, ""), (0.7, false, ""), (1.0, true, "no perf")] {
            let (code, reason, notice) = explained(ratio, grew, lacking);
            assert_eq!((code, reason), (0, String::new()));
            assert!(notice.contains("function"), "{notice}");
        }
    }

    #[test]
    fn a_head_that_did_not_stand_the_load_is_worse_when_it_is_judged_again() {
        let mut blocks = cut_off(3, 1.0);
        blocks.broken = Some("missions: it ended".into());
        let (outcome, code, reasons) = outcome(&blocks);
        assert_eq!((outcome, code), (Outcome::Failed, 1));
        assert_eq!(
            reasons,
            "the head did not withstand the load: missions: it ended"
        );
    }
}
