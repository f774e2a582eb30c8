//! The chain of comparisons: what each found of a build beside the one before it, whatever machine it was measured on.

use std::collections::{BTreeMap, BTreeSet};

use load_stats::drift::{Drift, Link, WINDOW, added, drift};
use serde::{Deserialize, Serialize};

use super::lines::HISTORY_VERSION;
use super::read::Past;
use crate::record::{Measure, Outcome};

/// What a comparison of two commits found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// The comparison's folder.
    pub run: String,
    /// When it began, in UTC.
    pub at: String,
    /// What came of it: only what passed becomes the base of another.
    pub outcome: Outcome,
    /// The commit that was compared with.
    pub base: String,
    /// The commit that was judged.
    pub head: String,
    /// Whether both were one program, so that nothing differs and nothing was measured.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_same: bool,
    /// Of each test the logarithms of head by base, with intervals of 95 %.
    pub tests: BTreeMap<String, BTreeMap<Measure, Link>>,
}

/// The line that holds a [`Ratio`].
#[derive(Debug, Serialize, Deserialize)]
pub struct RatioLine {
    /// The version of the line's format.
    pub schema_version: u32,
    /// What was found.
    pub ratio: Ratio,
}

impl RatioLine {
    /// The line for `ratio`.
    pub fn new(ratio: Ratio) -> Self {
        Self {
            schema_version: HISTORY_VERSION,
            ratio,
        }
    }
}

impl Ratio {
    /// What makes two of them the same comparison, wherever they were read.
    pub fn identity(&self) -> (String, String, String) {
        (self.run.clone(), self.at.clone(), self.head.clone())
    }

    fn link(&self, test: &str, measure: &Measure) -> Option<Link> {
        let same = Link {
            estimate: 0.0,
            low: 0.0,
            high: 0.0,
        };
        let found = self.tests.get(test).and_then(|of| of.get(measure));
        found.copied().or(self.is_same.then_some(same))
    }
}

impl Past {
    /// The links that lead to `newest` for one number, the oldest first, each with the comparison that found it. They go back to where a comparison lacks the number, where none led to its base, or where a change was accepted.
    pub fn chain<'a>(
        &'a self,
        newest: &'a Ratio,
        test: &str,
        measure: &Measure,
    ) -> Vec<(&'a Ratio, Link)> {
        let mut links = Vec::new();
        let mut next = Some(newest);
        while let Some((ratio, link)) = next.and_then(|it| Some((it, it.link(test, measure)?))) {
            links.push((ratio, link));
            let of_test = self.accepted.iter().filter(|it| it.is_of(test));
            let is_accepted = of_test.map(|it| &it.commit).any(|it| *it == ratio.base);
            let led = |before: &&Ratio| {
                before.head == ratio.base
                    && before.at < ratio.at
                    && before.outcome == Outcome::Passed
            };
            next = self.ratios.iter().rev().find(led);
            if is_accepted || links.len() == WINDOW {
                break;
            }
        }
        links.reverse();
        links
    }

    /// What the newest comparisons of each test add up to, where there are several in a row.
    pub fn builds(&self) -> Vec<Builds> {
        let tests: BTreeSet<&String> = self.ratios.iter().flat_map(|it| it.tests.keys()).collect();
        let of_test = |test: &String| {
            let newest = self.ratios.iter().rfind(|it| it.tests.contains_key(test))?;
            let of_measure = |measure: &Measure| {
                let chain = self.chain(newest, test, measure);
                let links: Vec<Link> = chain.iter().map(|(_, link)| *link).collect();
                let steps = chain.iter().zip(added(&links));
                let steps = steps.map(|((ratio, link), sum)| BuildStep {
                    at: ratio.at.clone(),
                    base: ratio.base.clone(),
                    head: ratio.head.clone(),
                    change: link.estimate.exp_m1(),
                    sum: [sum.estimate, sum.low, sum.high].map(f64::exp_m1),
                });
                let floor = measure.kind().floor_in_pairs().ln_1p();
                (links.len() > 1).then(|| AddedUp {
                    measure: measure.clone(),
                    drift: drift(&links, floor),
                    steps: steps.collect(),
                })
            };
            let measures: Vec<AddedUp> = newest.tests[test].keys().filter_map(of_measure).collect();
            (!measures.is_empty()).then(|| Builds {
                test: test.clone(),
                measures,
            })
        };
        tests.into_iter().filter_map(of_test).collect()
    }
}

/// What the comparisons of a test from build to build add up to.
#[derive(Debug)]
pub struct Builds {
    /// The test.
    pub test: String,
    /// Each number that several comparisons in a row have.
    pub measures: Vec<AddedUp>,
}

/// What the comparisons from build to build add up to in one number.
#[derive(Debug)]
pub struct AddedUp {
    /// The number.
    pub measure: Measure,
    /// Whether that is a drift.
    pub drift: Option<Drift>,
    /// The comparisons, the oldest first.
    pub steps: Vec<BuildStep>,
}

/// One comparison of those that are added up.
#[derive(Debug)]
pub struct BuildStep {
    /// When it began, in UTC.
    pub at: String,
    /// The commit that was compared with.
    pub base: String,
    /// The commit that was judged.
    pub head: String,
    /// The relative change that it found: 0.1 is +10 %.
    pub change: f64,
    /// The relative change since the first base, and the ends of its interval of 95 %.
    pub sum: [f64; 3],
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    /// Night `night`, when the build of that night was `percent` slower than the one before.
    fn ratio(night: usize, percent: f64) -> Ratio {
        let link = Link {
            estimate: percent / 100.0,
            low: (percent - 0.6) / 100.0,
            high: (percent + 0.6) / 100.0,
        };
        Ratio {
            run: format!("{night}-compare"),
            at: testing::line(night).at,
            outcome: Outcome::Passed,
            base: testing::commit(night - 1),
            head: testing::commit(night),
            is_same: false,
            tests: BTreeMap::from([(
                "missions".to_owned(),
                BTreeMap::from([(Measure::CpuPerRequest, link)]),
            )]),
        }
    }

    fn bases(past: &Past, newest: &Ratio) -> Vec<usize> {
        let chain = past.chain(newest, "missions", &Measure::CpuPerRequest);
        let night = |base: &str| {
            (0..40)
                .find(|night| testing::commit(*night) == base)
                .unwrap()
        };
        chain.iter().map(|(it, _)| night(&it.base)).collect()
    }

    #[test]
    fn links_lead_from_build_to_build_whatever_was_measured_between() {
        let mut past = Past {
            ratios: (1..=8).map(|night| ratio(night, 1.0)).collect(),
            ..Past::default()
        };
        let newest = ratio(9, 1.0);
        assert_eq!(bases(&past, &newest), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
        // A red night is compared with by nobody, and the next one with the last green one.
        past.ratios[7].outcome = Outcome::Failed;
        let over_red = Ratio {
            base: testing::commit(7),
            ..newest.clone()
        };
        assert_eq!(bases(&past, &over_red), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(bases(&past, &newest), [8]);
        // Where both were one program nothing differs.
        past.ratios[4].tests.clear();
        assert_eq!(bases(&past, &over_red), [5, 6, 7]);
        past.ratios[4].is_same = true;
        assert_eq!(bases(&past, &over_red).len(), 8);
    }

    #[test]
    fn builds_are_added_up_where_there_are_several() {
        let mut past = Past {
            ratios: (1..=8).map(|night| ratio(night, 1.0)).collect(),
            ..Past::default()
        };
        let builds = past.builds();
        let [missions] = builds.as_slice() else {
            panic!("{builds:?}")
        };
        let [cpu] = missions.measures.as_slice() else {
            panic!("{missions:?}")
        };
        let last = cpu.steps.last().unwrap();
        assert_eq!(
            (cpu.steps.len(), last.head.clone()),
            (8, testing::commit(8))
        );
        let [sum, low, high] = last.sum;
        assert!((sum - 0.08_f64.exp_m1()).abs() < 1e-9, "{sum}");
        assert!(low < sum && sum < high && cpu.drift.is_some());
        past.ratios.truncate(1);
        assert!(past.builds().is_empty());
    }

    #[test]
    fn an_accepted_change_begins_a_new_chain_for_its_tests() {
        let mut past = Past {
            ratios: (1..=8).map(|night| ratio(night, 1.0)).collect(),
            ..Past::default()
        };
        past.accepted = vec![super::super::lines::Accepted {
            commit: testing::commit(5),
            tests: vec!["missions".into()],
            ..testing::accepted("wanted")
        }];
        assert_eq!(bases(&past, &ratio(9, 1.0)), [5, 6, 7, 8]);
        past.accepted[0].tests = vec!["specs".into()];
        assert_eq!(bases(&past, &ratio(9, 1.0)).len(), 9);
    }

    #[test]
    fn no_more_than_the_window_is_looked_at() {
        let past = Past {
            ratios: (1..=30).map(|night| ratio(night, 1.0)).collect(),
            ..Past::default()
        };
        assert_eq!(bases(&past, &ratio(31, 1.0)).len(), WINDOW);
    }
}
