//! The rules of a single expression.

use rusty_promql_parser::Expr;

use crate::promql::{RANGE, RATE_INTERVAL, parse, parts, selectors};

/// Functions over a stretch of time that must be as long as the panel's points are apart, or more.
const RATES: [&str; 3] = ["rate", "irate", "increase"];

/// What breaks a rule in `expr`, a line for each.
pub fn broken(expr: &str, instant: bool) -> Vec<String> {
    let expr = match parse(expr) {
        Ok(expr) => expr,
        Err(why) => return vec![why],
    };
    let mut wrong = Vec::new();
    for name in selectors(&expr)
        .into_iter()
        .filter_map(|it| it.name.as_deref())
    {
        if name == "k6_http_req_failed_rate" {
            wrong.push(format!("{name} is a constant 0 or 1 in each series"));
        }
        if is_percentile(name) {
            wrong.push(format!("{name} is cumulative since the start"));
        }
    }
    for part in parts(&expr) {
        match part {
            Expr::Call(it) if RATES.contains(&it.name.as_str()) && !is_sound(&it.args, instant) => {
                wrong.push(format!(
                    "{} over something else than $__rate_interval",
                    it.name
                ));
            }
            // Averages: of percentiles they are percentiles of nothing.
            Expr::Call(it) if it.name == "avg_over_time" && it.args.iter().any(has_percentile) => {
                wrong.push("avg_over_time of percentiles".into());
            }
            Expr::Aggregation(it) if it.op == "avg" && has_percentile(&it.expr) => {
                wrong.push("avg of percentiles".into());
            }
            _ => {}
        }
    }
    wrong
}

/// Whether a metric holds percentiles.
fn is_percentile(name: &str) -> bool {
    let ending = name.rsplit_once("_p").map(|(_, digits)| digits);
    ending.is_some_and(|it| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether there are percentiles in `expr`.
fn has_percentile(expr: &Expr) -> bool {
    let calls = |part: &&Expr| matches!(part, Expr::Call(it) if it.name == "histogram_quantile");
    let mut names = selectors(expr)
        .into_iter()
        .filter_map(|it| it.name.as_deref());
    parts(expr).iter().any(calls) || names.any(is_percentile)
}

/// The panel's own interval, or for a single number the whole time that is shown.
fn is_sound(arguments: &[Expr], instant: bool) -> bool {
    match arguments {
        [Expr::MatrixSelector(it)] => {
            let range = it.range.milliseconds;
            range == RATE_INTERVAL || (instant && range == RANGE)
        }
        _ => false,
    }
}

#[test]
fn broken_expressions_are_seen() {
    // Those without a word behind are sound.
    let table = r#"
histogram_quantile(0.95, sum by (name) (rate(a_seconds{b="[5m]"}[$__rate_interval]))) ->
max_over_time(k6_vus[5m]) ->
avg by (test) (k6_vus) ->
max(tachikoma_load_test_latency_seconds{quantile="0.95"}) ->
rate(a[${__rate_interval}]) ->
sum(rate(a_total[5m])) -> rate over
irate(a_total[$__interval]) -> irate over
increase(a_total[$__range]) -> increase over
rate(sum(a)[$__rate_interval:1s]) -> rate over
avg(k6_http_req_duration_p95) -> avg of percentiles
avg by (test) (k6_http_req_duration_p99{a="b"}) -> avg of
avg(histogram_quantile(0.95, rate(a[$__rate_interval]))) -> avg of
avg_over_time(k6_http_req_duration_p95[1h]) -> avg_over_time of
max(k6_http_req_duration_p95) -> cumulative
1 - k6_http_req_failed_rate -> constant
a{b="} -> a{b"#;
    for line in table.trim().lines() {
        let (expr, what) = line.split_once(" ->").unwrap();
        let (seen, what) = (broken(expr, false).join("\n"), what.trim());
        assert_eq!(seen.is_empty(), what.is_empty(), "{expr}: {seen}");
        assert!(seen.contains(what), "{expr}: {seen}");
    }
    assert_eq!(broken("sum(increase(a_total[$__range]))", true), [""; 0]);
}
