//! What a test left on the cluster: each runner's summary, from its log or in short from its termination message.

use std::io::{self, Read};
use std::path::Path;

use k6_summary::{K6Exit, LineProblem, MergeError, Merged, RunnerSummary, merge, merge_exact};

use super::follow::Following;
use super::logs::RunnerLog;
use super::seen::{RunnerEnd, Wanted};
use super::watch::Conclusion;
use crate::k6::Said;
use crate::record::RunnerRecord;

/// k6's exit code after a signal asked it to stop.
const STOPPED_BY_SIGNAL: i32 = 105;

/// What was heard of all runners.
#[derive(Debug)]
pub struct Collected {
    /// Each runner that should have been.
    pub runners: Vec<RunnerRecord>,
    /// Why the verdict cannot be green, in sentences: runners that were not heard in full, did not come to their end, or made
    /// no load.
    pub problems: Vec<String>,
    /// How k6 ended where it did not come to its end; of a runner that is lost nobody knows more than that it was stopped.
    pub cut_short: Option<K6Exit>,
    /// What those measured together that were heard in full.
    pub merged: Result<Merged, MergeError>,
    /// Why percentiles are estimates though samples were asked for, if so.
    pub notice: Option<String>,
    /// What their logs say.
    pub said: Said,
}

/// Collects what is there after `conclusion`, or none if the test was interrupted.
pub fn collect(
    following: &mut Following<'_>,
    wanted: &Wanted,
    conclusion: Option<&Conclusion>,
    dir: &Path,
) -> Collected {
    let ends = match conclusion {
        Some(Conclusion::Ran { ends, .. }) => ends.clone(),
        _ => following.seen.ends(wanted),
    };
    let mut heard = Vec::new();
    let (mut runners, mut problems, mut idle) = (Vec::new(), Vec::new(), Vec::new());
    for end in &ends {
        let node = following.seen.node(end);
        let text = following.logs.get_mut(&end.runner);
        let text = text.map(RunnerLog::rest).unwrap_or_default();
        let summary = RunnerSummary::from_log(&text);
        let record = RunnerRecord {
            node,
            ..RunnerRecord::silent(&end.runner.to_string(), &*end.words, end.exit)
        };
        problems.extend(problem(end, &summary));
        if let Ok(summary) = &summary
            && end.is_whole()
        {
            idle.extend(summary.idle().map(|words| (end.runner, words.to_owned())));
        }
        let (record, summary) = match summary {
            Ok(summary) => (record.in_full(&summary), Some(summary)),
            Err(_) => (in_short(record, end, dir), None),
        };
        runners.push(record);
        heard.extend(summary.map(|summary| (end.runner.to_string(), summary)));
    }
    // That all of them are is said by the verdict on the whole.
    if idle.len() < heard.len() {
        problems.append(&mut idle);
    }
    let named: Vec<(&str, RunnerSummary)> = heard
        .iter()
        .map(|(name, summary)| (name.as_str(), summary.clone()))
        .collect();
    let samples = named.iter().map(|(name, _)| {
        let log = name
            .parse()
            .ok()
            .and_then(|runner| following.logs.get_mut(&runner));
        log.map_or(Ok(None), RunnerLog::samples)
    });
    let (merged, notice) = measured(&named, samples.collect());
    let said = following.said.lock();
    let said = said.map(|said| said.clone()).unwrap_or_default();
    let cut_short = ends.iter().find(|end| !end.is_whole());
    let cut_short = cut_short.map(|end| K6Exit::Code(end.exit.unwrap_or(STOPPED_BY_SIGNAL)));
    // What all k6 did by themselves is judged as if they were one.
    let alike = cut_short.filter(|exit| {
        let own = problems
            .iter()
            .filter(|(_, words)| *words == exit.to_string());
        own.count() == ends.len()
    });
    Collected {
        runners,
        problems: if alike.is_some() {
            Vec::new()
        } else {
            together(&problems)
        },
        cut_short,
        merged,
        notice,
        said,
    }
}

/// What `runners` measured together, by their samples if these were asked for; if one's are not all there, by estimates, and
/// why.
fn measured<R: Read>(
    runners: &[(&str, RunnerSummary)],
    samples: Vec<io::Result<Option<R>>>,
) -> (Result<Merged, MergeError>, Option<String>) {
    if samples.iter().all(|it| matches!(it, Ok(None))) {
        return (merge(runners), None);
    }
    let of = |((name, _), samples): (&(&str, RunnerSummary), io::Result<Option<R>>)| {
        let lacking = |problem: String| MergeError::Samples {
            runner: (*name).to_owned(),
            problem,
        };
        samples
            .map_err(|error| lacking(format!("could not be kept: {error}")))?
            .ok_or_else(|| lacking("is missing".into()))
    };
    let samples: Result<Vec<R>, _> = runners.iter().zip(samples).map(of).collect();
    match samples.and_then(|samples| merge_exact(runners, samples)) {
        Err(lacking @ MergeError::Samples { .. }) => (
            merge(runners),
            Some(format!(
                "percentiles are estimates in spite of --exact: {lacking}"
            )),
        ),
        merged => (merged, None),
    }
}

/// The record with what Kubernetes kept of the container.
fn in_short(record: RunnerRecord, end: &RunnerEnd, dir: &Path) -> RunnerRecord {
    let Some(message) = &end.message else {
        return record;
    };
    let _for_people_only = std::fs::write(
        dir.join(format!("runner-{}-short.json", end.runner)),
        message,
    );
    match RunnerSummary::from_termination_message(message) {
        Ok(short) => record.in_short(&short),
        Err(_) => record,
    }
}

/// What is wrong with a runner, without its number.
fn problem(end: &RunnerEnd, summary: &Result<RunnerSummary, LineProblem>) -> Option<(u32, String)> {
    let words = match (end.is_whole(), summary) {
        (true, Ok(summary)) => summary.misfit(K6Exit::Code(end.exit?))?.to_string(),
        (false, Ok(_)) => end.words.clone(),
        (true, Err(problem)) => format!("no summary was heard: {problem}"),
        (false, Err(_)) => format!("{}; no summary was heard", end.words),
    };
    Some((end.runner, words))
}

/// One sentence for all runners with the same problem.
pub fn together(problems: &[(u32, String)]) -> Vec<String> {
    let mut said: Vec<(&str, Vec<String>)> = Vec::new();
    for (runner, words) in problems {
        match said.iter_mut().find(|(known, _)| known == words) {
            Some((_, runners)) => runners.push(runner.to_string()),
            None => said.push((words, vec![runner.to_string()])),
        }
    }
    let sentence = |(words, runners): (&str, Vec<String>)| match runners.as_slice() {
        [one] => format!("runner {one}: {words}"),
        some => format!("runners {}: {words}", some.join(", ")),
    };
    said.into_iter().map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::testing::runner_log;

    /// A runner with five requests of 1, 2, 3, 4 and 9 ms, whose k6 found that threshold kept or not.
    fn runner(kept: bool) -> RunnerSummary {
        let json = format!(
            r#"{{"grid":[0,50,100],"stats":["p(75)"],"metrics":{{"http_req_duration":{{"type":"trend","contains":"time",
            "values":{{"avg":3.8,"count":5}},"grid":[1,3,9],"thresholds":{{"p(75)<4.5":{{"ok":{kept}}}}}}}}},
            "root_group":{{"name":"","groups":[],"checks":[]}},"state":{{"testRunDurationMs":1000}},
            "load_test":{{"profile":"smoke","test":"health","time_scale":1,"thresholds":{{}}}}}}"#
        );
        RunnerSummary::from_log(&runner_log(&json)).unwrap()
    }

    #[test]
    fn an_exit_code_that_its_summary_does_not_bear_out_is_told() {
        for (exit, kept, told) in [
            (0, true, None),
            (99, false, None),
            (
                99,
                true,
                Some(
                    "k6 exited with 99 (thresholds were crossed), but its summary has no crossed threshold",
                ),
            ),
            (
                0,
                false,
                Some(
                    "k6 exited with 0 (the test ended as planned), but its summary has 1 crossed threshold",
                ),
            ),
            (105, true, Some("as it ended")),
        ] {
            let end = RunnerEnd {
                runner: 2,
                pod: None,
                exit: Some(exit),
                words: "as it ended".into(),
                message: None,
            };
            let told = told.map(|words| (2, words.to_owned()));
            assert_eq!(problem(&end, &Ok(runner(kept))), told, "{exit} {kept}");
        }
    }

    #[test]
    fn samples_that_are_not_all_there_are_said_and_leave_estimates_that_decide_nothing() {
        let runners = [("1", runner(true)), ("2", runner(true))];
        let rows = [1, 2, 3, 4, 9].map(|it| format!("http_req_duration,1,{it},\n"));
        let whole = &*format!("metric_name,timestamp,metric_value,\n{}", rows.concat());
        let state = |second: io::Result<Option<&str>>| {
            let samples = [Ok(Some(whole)), second].map(|it| it.map(|it| it.map(str::as_bytes)));
            let (merged, notice) = measured(&runners, samples.into());
            let summary = merged.unwrap().summary;
            let threshold = summary.metrics["http_req_duration"].thresholds["p(75)<4.5"];
            ((threshold.ok, threshold.undecided), notice)
        };
        assert_eq!(state(Ok(Some(whole))), ((true, false), None));
        let rest = whole.strip_suffix(&*rows[4]).unwrap();
        for (second, why) in [
            (
                Ok(Some(rest)),
                "has 4 samples of http_req_duration, and its summary 5: was it read to its end?",
            ),
            (Ok(None), "is missing"),
            (
                Err(io::Error::other("the disk is full")),
                "could not be kept: the disk is full",
            ),
        ] {
            let said =
                format!("percentiles are estimates in spite of --exact: the CSV of runner 2 {why}");
            assert_eq!(state(second), ((false, true), Some(said)));
        }
        let unasked: [io::Result<Option<&[u8]>>; 2] = [Ok(None), Ok(None)];
        let (merged, notice) = measured(&runners, unasked.into());
        assert!(merged.is_ok() && notice.is_none());
    }

    #[test]
    fn runners_that_fared_alike_are_named_together() {
        let of = |runner, words: &str| (runner, words.to_owned());
        assert_eq!(
            together(&[of(1, "a"), of(2, "b"), of(4, "a")]),
            ["runners 1, 4: a", "runner 2: b"]
        );
    }
}
