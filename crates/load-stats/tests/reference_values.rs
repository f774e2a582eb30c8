//! Every method against values that SciPy, pyMannKendall or the definition gave: `reference/make.py` writes the table and
//! names their versions.

use load_stats::energy::best_split;
use load_stats::mann_kendall::mann_kendall;
use load_stats::signed_rank::signed_rank;
use load_stats::slope::theil_sen;
use serde::Deserialize;

#[derive(Deserialize)]
struct Table {
    signed_rank: Vec<SignedRank>,
    mann_kendall: Vec<Trend>,
    exact_trend: Vec<ExactTrend>,
    theil_sen: Vec<Line>,
    split: Vec<SplitRow>,
}

#[derive(Deserialize)]
struct SignedRank {
    name: String,
    differences: Vec<f64>,
    p_two_sided: f64,
}

#[derive(Deserialize)]
struct Trend {
    name: String,
    dependence: String,
    values: Vec<f64>,
    s: f64,
    p_two_sided: f64,
}

#[derive(Deserialize)]
struct ExactTrend {
    name: String,
    values: Vec<f64>,
    p_rising: f64,
}

#[derive(Deserialize)]
struct Line {
    name: String,
    x: Vec<f64>,
    y: Vec<f64>,
    confidence: f64,
    slope: f64,
    low: f64,
    high: f64,
}

#[derive(Deserialize)]
struct SplitRow {
    name: String,
    values: Vec<f64>,
    min_segment: usize,
    statistic: f64,
    index: usize,
}

fn table() -> Table {
    serde_json::from_str(include_str!("reference/values.json")).expect("the table parses")
}

fn assert_near(have: f64, want: f64, relative: f64, what: &str) {
    let distance = (have - want).abs();
    assert!(
        distance <= relative * want.abs().max(1e-12),
        "{what}: {have}, expected {want}"
    );
}

#[test]
fn the_signed_rank_test_is_that_of_the_definition() {
    let rows = table().signed_rank;
    assert_eq!(rows.len(), 17);
    for row in rows {
        let found = signed_rank(&row.differences).expect(&row.name);
        let p = (2.0 * found.above.min(found.below)).min(1.0);
        assert_near(p, row.p_two_sided, 1e-9, &row.name);
    }
}

#[test]
fn mann_kendall_is_pymannkendalls() {
    let rows = table().mann_kendall;
    assert_eq!(rows.len(), 7);
    for row in rows {
        let test = mann_kendall(&row.values).expect(&row.name);
        // Values that the table calls independent need no correction, and get none.
        let corrected = test.variance_factor > 1.0;
        assert_eq!(corrected, row.dependence == "hamed-rao", "{}", row.name);
        assert!(row.s > 0.0, "a rise, so that half of p is one-sided");
        assert_near(test.p_rising, row.p_two_sided / 2.0, 1e-7, &row.name);
    }
}

#[test]
fn exact_mann_kendall_is_scipys_kendalltau() {
    let rows = table().exact_trend;
    assert_eq!(rows.len(), 4);
    for row in rows {
        let test = mann_kendall(&row.values).expect(&row.name);
        assert_eq!(test.variance_factor, 1.0, "{}", row.name);
        assert_near(test.p_rising, row.p_rising, 1e-9, &row.name);
    }
}

#[test]
fn theil_sen_is_scipys() {
    let rows = table().theil_sen;
    assert_eq!(rows.len(), 8);
    for row in rows {
        let points: Vec<(f64, f64)> = row.x.iter().copied().zip(row.y.iter().copied()).collect();
        let line = theil_sen(&points, row.confidence, 1.0).expect(&row.name);
        assert_near(line.slope, row.slope, 1e-9, &row.name);
        assert_near(line.low, row.low, 1e-9, &row.name);
        assert_near(line.high, row.high, 1e-9, &row.name);
    }
}

#[test]
fn the_best_split_is_that_of_the_definition() {
    let rows = table().split;
    assert_eq!(rows.len(), 3);
    for row in rows {
        let split = best_split(&row.values, row.min_segment).expect(&row.name);
        assert_eq!(split.index, row.index, "{}", row.name);
        assert_near(split.statistic, row.statistic, 1e-9, &row.name);
    }
}
