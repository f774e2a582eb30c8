//! Percentiles of several trends together, by their samples.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read};

use super::grid::{Estimate, line, place};
use super::{MergeError, Merged, Percentiles, RunnerSummary, merged, percent};
use crate::metric::MetricKind;

/// How the line begins that names the columns.
const HEAD: &[u8] = b"metric_name,timestamp,metric_value,";
/// The column of tags that have no column of their own: `name=value`, joined by `&`.
const OTHERS: &str = "extra_tags";

/// The samples of one trend or of a part of it.
struct Trend<'a> {
    /// Its name, with tags if it is a part.
    name: &'a str,
    /// The tags of its samples.
    tags: Vec<(&'a str, &'a str)>,
    /// Those of all runners.
    samples: Vec<f64>,
    /// How many there were when a stream began.
    before: usize,
}

/// Merges the summaries of runners, each with its name, and takes percentiles from `streams` instead of estimating them:
/// what `k6 run --out csv` wrote, for each runner in the same order. Lines that are no samples are passed over, so a log
/// into which k6 wrote them by `--out csv=-` will do. Of the samples all values are kept in memory, 8 bytes each, and
/// nothing else; k6 writes six digits behind the point, nanoseconds of a duration.
///
/// # Errors
/// As [`merge`](super::merge()), and if a stream is missing, cannot be read or has not as many samples as the summary.
pub fn merge_exact<R: Read>(
    runners: &[(&str, RunnerSummary)],
    streams: impl IntoIterator<Item = R>,
) -> Result<Merged, MergeError> {
    let mut trends: BTreeMap<&[u8], Vec<Trend<'_>>> = BTreeMap::new();
    for (name, metric) in runners.iter().flat_map(|(_, it)| &it.summary.metrics) {
        let (base, tags) = split(name);
        let of_base = trends.entry(base.as_bytes()).or_default();
        if metric.kind == MetricKind::Trend && of_base.iter().all(|known| known.name != name) {
            of_base.push(Trend {
                name,
                tags,
                samples: Vec::new(),
                before: 0,
            });
        }
    }
    let mut streams = streams.into_iter();
    for (runner, summary) in runners {
        let wrong = |problem: String| MergeError::Samples {
            runner: (*runner).to_owned(),
            problem,
        };
        let stream = streams
            .next()
            .ok_or_else(|| wrong("is missing".to_owned()))?;
        read(stream, &mut trends).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        for trend in trends.values_mut().flatten() {
            let metric = summary.summary.metric(trend.name);
            let stated = metric.and_then(|it| it.value("count")).unwrap_or(0.0);
            let found = trend.samples.len() - trend.before;
            if found as f64 != stated {
                let name = trend.name;
                return Err(wrong(format!(
                    "has {found} samples of {name}, and its summary {stated}: was it read to its end?"
                )));
            }
            trend.before = trend.samples.len();
        }
    }
    let mut sorted: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for mut trend in trends.into_values().flatten() {
        trend.samples.sort_unstable_by(f64::total_cmp);
        sorted.insert(trend.name, trend.samples);
    }
    let percentiles = |name: &str, stats: &[String]| -> Percentiles {
        let samples = sorted.get(name).map_or(&[][..], Vec::as_slice);
        let at = |stat: &String| Some((stat.clone(), percentile(samples, percent(stat)?)?));
        stats.iter().filter_map(at).collect()
    };
    Ok(Merged {
        summary: merged(runners, percentiles)?,
    })
}

/// The percentile of samples in ascending order.
fn percentile(samples: &[f64], percent: f64) -> Option<Estimate> {
    let at = place(percent, samples.len() as f64);
    let sample = |place: f64| samples.get(place as usize).copied();
    let value = line(sample(at.floor())?, sample(at.ceil())?, at.fract());
    Some(Estimate {
        value,
        low: value,
        high: value,
    })
}

/// A metric's name without its tags, and these, as k6 reads them in `name{tag:value,"other":'value'}`.
fn split(name: &str) -> (&str, Vec<(&str, &str)>) {
    fn bare(text: &str) -> &str {
        text.trim().trim_matches(['"', '\'']).trim()
    }
    let Some((base, tags)) = name.split_once('{') else {
        return (name, Vec::new());
    };
    let tags = tags
        .trim_end_matches('}')
        .split(',')
        .filter_map(|tag| tag.split_once(':'));
    (
        base,
        tags.map(|(name, value)| (bare(name), bare(value)))
            .collect(),
    )
}

/// Adds the samples of a stream to those of the `trends` that they belong to.
fn read(stream: impl Read, trends: &mut BTreeMap<&[u8], Vec<Trend<'_>>>) -> std::io::Result<()> {
    let mut reader = BufReader::with_capacity(1 << 16, stream);
    let (mut row, mut columns) = (Vec::new(), Vec::<String>::new());
    while {
        row.clear();
        reader.read_until(b'\n', &mut row)? > 0
    } {
        if row.starts_with(HEAD) {
            columns = fields(&row).map(Cow::into_owned).collect();
            continue;
        }
        let mut begin = row.splitn(4, |byte| *byte == b',');
        let (Some(name), Some(_), Some(value)) = (begin.next(), begin.next(), begin.next()) else {
            continue;
        };
        let value = std::str::from_utf8(value)
            .ok()
            .and_then(|text| text.parse::<f64>().ok());
        let (Some(of_base), Some(value)) = (trends.get_mut(name), value) else {
            continue;
        };
        let has_parts = of_base.iter().any(|trend| !trend.tags.is_empty());
        // A message in quotes may go on in the next line.
        while has_parts && row.iter().filter(|byte| **byte == b'"').count() % 2 == 1 {
            if reader.read_until(b'\n', &mut row)? == 0 {
                break;
            }
        }
        let tags: Vec<Cow<'_, str>> = if has_parts {
            fields(&row).collect()
        } else {
            Vec::new()
        };
        for trend in of_base {
            if trend
                .tags
                .iter()
                .all(|(tag, wanted)| has(&columns, &tags, tag, wanted))
            {
                trend.samples.push(value);
            }
        }
    }
    Ok(())
}

/// Whether a row has this tag.
fn has(columns: &[String], row: &[Cow<'_, str>], tag: &str, wanted: &str) -> bool {
    let cell = |name: &str| {
        let at = columns.iter().position(|column| column == name)?;
        row.get(at).map(AsRef::as_ref)
    };
    match cell(tag) {
        Some(value) => value == wanted,
        None => cell(OTHERS).is_some_and(|others: &str| {
            others
                .split('&')
                .any(|other| other.split_once('=') == Some((tag, wanted)))
        }),
    }
}

/// The cells of a row (RFC 4180).
fn fields(row: &[u8]) -> impl Iterator<Item = Cow<'_, str>> {
    let mut rest = Some(row.trim_ascii_end());
    std::iter::from_fn(move || {
        let row = rest?;
        let mut is_quoted = false;
        let end = row.iter().position(|byte| {
            is_quoted ^= *byte == b'"';
            *byte == b',' && !is_quoted
        });
        let cell = &row[..end.unwrap_or(row.len())];
        rest = end.map(|end| &row[end + 1..]);
        let text = String::from_utf8_lossy(cell);
        let inner = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        Some(match inner {
            Some(inner) => Cow::Owned(inner.replace("\"\"", "\"")),
            None => text,
        })
    })
}
