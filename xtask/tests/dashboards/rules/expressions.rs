//! The rules of a single expression.

use crate::tokens::{Token, behind, tokens};

/// Functions over a stretch of time that must be as long as the panel's points are apart, or more.
const RATES: [&str; 3] = ["rate", "irate", "increase"];

/// Averages: of percentiles they are percentiles of nothing.
const AVERAGES: [&str; 2] = ["avg", "avg_over_time"];

/// What breaks a rule in `expr`, a line for each.
pub fn broken(expr: &str, instant: bool) -> Vec<String> {
    let tokens = match tokens(expr) {
        Ok(tokens) => tokens,
        Err(why) => return vec![why],
    };
    let mut wrong = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let Some(word) = token.word() else { continue };
        if word == "k6_http_req_failed_rate" {
            wrong.push(format!("{word} is a constant 0 or 1 in each series"));
        }
        if is_percentile(word) && !word.starts_with("histogram_") {
            wrong.push(format!("{word} is cumulative since the start"));
        }
        let Some(arguments) = arguments(&tokens, at) else {
            continue;
        };
        if RATES.contains(&word) && !ranges(arguments).all(|range| is_sound(range, instant)) {
            wrong.push(format!("{word} over something else than $__rate_interval"));
        }
        let mut words = arguments.iter().filter_map(Token::word);
        if AVERAGES.contains(&word) && words.any(is_percentile) {
            wrong.push(format!("{word} of percentiles"));
        }
    }
    wrong
}

/// Whether a word stands for percentiles.
fn is_percentile(word: &str) -> bool {
    let ending = word.rsplit_once("_p").map(|(_, digits)| digits);
    word == "histogram_quantile"
        || ending.is_some_and(|it| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit()))
}

/// What the function or aggregation at `at` is applied to; `None` if it is neither.
fn arguments(tokens: &[Token], at: usize) -> Option<&[Token]> {
    let mut open = at + 1;
    if let Some("by" | "without") = tokens.get(open)?.word() {
        open = behind(tokens, open + 1)?;
    }
    if !tokens.get(open)?.is('(') {
        return None;
    }
    tokens.get(open + 1..behind(tokens, open)? - 1)
}

/// What stands in square brackets.
fn ranges(tokens: &[Token]) -> impl Iterator<Item = &[Token]> {
    let opens = tokens.iter().enumerate().filter(|(_, token)| token.is('['));
    opens.map(|(at, _)| &tokens[at + 1..behind(tokens, at).map_or(at + 1, |end| end - 1)])
}

/// The panel's own interval, or for a single number the whole time that is shown.
fn is_sound(range: &[Token], instant: bool) -> bool {
    match range {
        [Token::Variable(name)] => name == "__rate_interval" || (instant && name == "__range"),
        _ => false,
    }
}

#[test]
fn sound_expressions_pass() {
    for (expr, instant) in [
        (
            "histogram_quantile(0.95, sum by (name) (rate(a_seconds{b=\"[5m]\"}[$__rate_interval])))",
            false,
        ),
        ("sum(increase(a_total[$__range]))", true),
        ("max_over_time(k6_vus[5m])", false),
        ("avg by (test) (k6_vus)", false),
        (
            "max(tachikoma_load_test_latency_seconds{quantile=\"0.95\"})",
            false,
        ),
        ("rate(a[${__rate_interval}])", false),
    ] {
        assert_eq!(broken(expr, instant), [""; 0], "{expr}");
    }
}

#[test]
fn broken_expressions_are_seen() {
    for (expr, what) in [
        ("sum(rate(a_total[5m]))", "rate over"),
        ("irate(a_total[$__interval])", "irate over"),
        ("increase(a_total[$__range])", "increase over"),
        ("rate(sum(a)[$__rate_interval:1s])", "rate over"),
        ("avg(k6_http_req_duration_p95)", "avg of percentiles"),
        (
            "avg by (test) (k6_http_req_duration_p99{a=\"b\"})",
            "avg of",
        ),
        (
            "avg(histogram_quantile(0.95, rate(a[$__rate_interval])))",
            "avg of",
        ),
        (
            "avg_over_time(k6_http_req_duration_p95[1h])",
            "avg_over_time of",
        ),
        ("max(k6_http_req_duration_p95)", "cumulative"),
        ("1 - k6_http_req_failed_rate", "constant"),
        ("a{b=\"}", "open quote"),
    ] {
        let broken = broken(expr, false).join("\n");
        assert!(broken.contains(what), "{expr}: {broken}");
    }
}
