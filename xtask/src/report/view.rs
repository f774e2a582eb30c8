//! What a report says, laid out by nobody yet: terminal, Markdown, HTML and JUnit all show this.
//!
//! A view is built once for a document. It holds the rows in their order with what is made of each, so that no report
//! has to look for one, and the same row has the same tone in all of them.

mod capacity;
mod comparison;
mod endpoints;
mod functions;
mod history;
mod past;
mod run;
mod runners;
mod searches;
mod test;

use std::time::Duration;

use k6_summary::{Quantity, Unit};
use serde::{Serialize, Serializer};

use super::chart::Chart;
use super::text::Text;
use crate::k6::short;
use crate::record::{Measure, Outcome, short_commit};

pub use comparison::{comparison, side};
pub use history::{history, name, place};
pub use run::{run, title};
pub use test::{cpu_text, p95_text, section};

/// The most checks that are shown of a test: names with ids in them are thousands.
const MOST_CHECKS: usize = 50;
/// How wide a bar is, in px.
const BAR: f64 = 180.0;

/// What is made of a row, a test or a whole document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// It did not hold: the run is red.
    Bad,
    /// Somebody should look, but the run is not red because of it.
    Warn,
    /// There is no verdict.
    Open,
    /// There is nothing to judge: a number, or one that has not changed.
    #[default]
    Plain,
    /// It held.
    Good,
}

/// How a tone looks: colour is never the only sign.
#[derive(Serialize)]
pub struct Look {
    /// A sign of one column.
    pub glyph: &'static str,
    /// A sign for Markdown.
    pub emoji: &'static str,
    /// A class of the style sheet.
    pub class: &'static str,
    /// A word for who sees no signs.
    pub word: &'static str,
}

impl Tone {
    /// How it looks.
    pub fn look(self) -> Look {
        let look = |glyph, emoji, class, word| Look {
            glyph,
            emoji,
            class,
            word,
        };
        match self {
            Self::Bad => look("✗", "❌", "bad", "not kept"),
            Self::Warn => look("!", "⚠️", "warn", "to be looked at"),
            Self::Open => look("–", "➖", "none", "not judged"),
            Self::Plain => look("·", "", "none", "no verdict needed"),
            Self::Good => look("✓", "✅", "good", "kept"),
        }
    }

    /// What an outcome comes to.
    pub fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Passed => Self::Good,
            Outcome::Failed | Outcome::CouldNotRun => Self::Bad,
            Outcome::Interrupted => Self::Warn,
            Outcome::NotRun => Self::Open,
        }
    }
}

impl Serialize for Tone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.look().serialize(serializer)
    }
}

/// One thing that was judged or measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Row {
    /// What is made of it.
    pub tone: Tone,
    /// What it is, such as `http_req_duration p(95)`.
    pub what: Text,
    /// What was demanded, or what it is compared with.
    pub bound: Text,
    /// What was found.
    pub value: Text,
    /// Further figures, under the heads of the table.
    pub more: Vec<Text>,
    /// A remark; may be empty.
    pub note: Text,
    /// The values of all runs up to this one, if it is the newest of a series.
    #[serde(skip)]
    pub trail: Vec<f64>,
    /// Value and bound as lengths in px, if they are numbers and there is a verdict.
    bar: Option<(f64, f64)>,
    /// The change with its interval, as places in px.
    forest: Option<Forest>,
}

/// An interval on a line that all rows of a table share.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Forest {
    /// Its ends.
    low: f64,
    high: f64,
    /// Where the estimate is.
    estimate: f64,
    /// Where nothing has changed.
    zero: f64,
    /// The changes that are let pass.
    floor: (f64, f64),
    /// Whether the ends lie beyond the line.
    cut: (bool, bool),
    /// It in words.
    words: Text,
}

impl Row {
    /// A row that says what something is.
    pub fn measured(what: impl Into<Text>, value: impl Into<Text>) -> Self {
        Self {
            what: what.into(),
            value: value.into(),
            ..Self::default()
        }
    }

    /// Draws `value` and `bound`, which are in one unit, if both are known and there is a verdict.
    #[must_use]
    fn with_bar(mut self, value: Option<f64>, bound: Option<f64>) -> Self {
        let judged = matches!(self.tone, Tone::Good | Tone::Bad);
        let numbers = value.zip(bound).filter(|_| judged);
        self.bar = numbers.and_then(|(value, bound)| {
            let (value, bound) = (value.max(0.0), bound.max(0.0));
            // The bound at two thirds, unless the value needs more room.
            let full = (bound * 1.5).max(value * 1.05).max(f64::MIN_POSITIVE);
            let px = |number: f64| (number / full * BAR * 10.0).round() / 10.0;
            // A value of nothing still shows where it is.
            full.is_finite().then(|| (px(value).max(1.5), px(bound)))
        });
        self
    }

    /// The row in one sentence.
    pub fn sentence(&self) -> String {
        let mut out = format!("{}: {}", self.what, self.value);
        match self.more.first() {
            Some(_) if self.bound.is_empty() => {
                let more: Vec<&str> = self.more.iter().map(|text| &**text).collect();
                out += &format!(", {}", more.join(", "));
            }
            Some(change) => out += &format!(", {change} from {}", self.bound),
            None if self.bound.is_empty() => {}
            None => out += &format!(", limit {}", self.bound),
        }
        if !self.note.is_empty() {
            out += &format!("; {}", self.note);
        }
        out
    }

    /// The value and the remark, as they read one behind the other.
    pub fn found(&self) -> String {
        let parts = [&self.value, &self.note];
        let parts = parts.map(|text| text.trim_start_matches('–').to_owned());
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join("; ")
    }
}

/// Rows under one heading.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Table {
    /// What stands over it.
    pub title: Text,
    /// The heads: of what, of the value, of the bound, and of further figures; a head that is empty has no column.
    pub heads: Heads,
    /// The rows.
    pub rows: Vec<Row>,
    /// How to read it, in small print.
    pub hint: &'static str,
    /// What the ends of the line stand for that the intervals of all rows are drawn on, if they have any.
    pub scale: Option<(Text, Text)>,
}

/// The heads of a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Heads {
    /// Over the names.
    pub what: &'static str,
    /// Over the values.
    pub value: &'static str,
    /// Over the bounds.
    pub bound: &'static str,
    /// Over further figures.
    pub more: &'static [&'static str],
}

/// One test of a document, or one series of runs.
#[derive(Debug, Default, Serialize)]
pub struct Section {
    /// Its name.
    pub name: Text,
    /// What came of it, if it has a verdict of its own.
    pub outcome: Option<Outcome>,
    /// What is made of it.
    pub tone: Tone,
    /// Its verdict in words; may be empty.
    pub verdict: Text,
    /// What it was, in small print.
    pub line: Text,
    /// The few figures that are worth a line.
    pub brief: Text,
    /// Why it did not pass.
    pub reasons: Vec<Text>,
    /// What else is to be said of it.
    pub notes: Vec<Text>,
    /// What each load came to, by rising load.
    pub curve: Table,
    /// Thresholds, checks and growth.
    pub judged: Table,
    /// What the server was asked, and what failed of it.
    pub endpoints: Table,
    /// The k6 that made a part of the load each, and all together.
    pub runners: Table,
    /// What was measured.
    pub measured: Table,
    /// Numbers beside others: those of the past, or of a base.
    pub compared: Table,
    /// The functions that its figures are made of: each takes a line to itself.
    pub functions: Vec<Table>,
    /// Tables for a page that has room for them.
    pub details: Vec<Table>,
    /// How the durations of requests are distributed.
    pub distribution: Vec<Chart>,
    /// Charts.
    pub charts: Vec<Chart>,
    /// Why there are fewer charts than one would think; may be empty.
    pub charts_note: Text,
    /// The p95 of the comparable runs in milliseconds, this one last; for a chart in Markdown.
    pub p95_ms: Vec<f64>,
    /// Files of it.
    pub links: Vec<Link>,
    /// When it began, in UTC.
    pub at: Text,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// A link to a file beside the page or to a dashboard: where to, and what it says.
pub type Link = (Text, Text);

/// A whole report.
#[derive(Debug, Default, Serialize)]
pub struct Document {
    /// What it is about in a word: the profile, or `compare`.
    pub subject: Text,
    /// What came of it.
    pub outcome: Outcome,
    /// Whether it compares two sides.
    pub is_comparison: bool,
    /// What is made of it.
    pub tone: Tone,
    /// The verdict in words.
    pub verdict: Text,
    /// What was run or compared.
    pub title: Text,
    /// How, in small print.
    pub line: Text,
    /// Why it did not pass; the document's own come before those of its sections.
    pub reasons: Vec<Text>,
    /// What may explain a result.
    pub notices: Vec<Text>,
    /// What else is to be said of the whole.
    pub remarks: Vec<Text>,
    /// A row for each section; without rows if the sections say it all.
    pub overview: Table,
    /// The tests.
    pub sections: Vec<Section>,
    /// What the numbers need beside them to mean anything.
    pub facts: Vec<(&'static str, Text)>,
    /// The commands that make it once more.
    pub repeat: Vec<Text>,
    /// Files of it.
    pub links: Vec<Link>,
    /// Where its metrics are shown, if they were sent.
    pub dashboard: Option<Text>,
    /// When it began, in UTC.
    pub at: Text,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// Texts of several lines each.
fn lines(all: &[String]) -> Vec<Text> {
    all.iter().map(|text| Text::lines(text)).collect()
}

/// What is known, else a dash.
fn known(text: Option<impl AsRef<str>>) -> Text {
    text.map_or_else(|| "–".into(), Text::from)
}

/// A number with its unit, else a dash.
fn number(value: Option<f64>, unit: Unit) -> String {
    known(value.map(|value| Quantity::new(value, unit).to_string())).to_string()
}

/// So many.
fn count(number: u64) -> String {
    Quantity::new(number as f64, Unit::Count).to_string()
}

/// The median and the tails of durations, `p50 / p95 / p99`, in milliseconds.
fn tails(ms: [Option<f64>; 3]) -> String {
    match ms {
        [None, None, None] => number(None, Unit::Milliseconds),
        ms => ms.map(|ms| number(ms, Unit::Milliseconds)).join(" / "),
    }
}

/// A number of `measure` as people read it: CPU time is microseconds wherever it stands.
fn amount(measure: &Measure, number: f64) -> String {
    match measure {
        Measure::CpuPerRequest => micros(number * 1e3),
        _ => Quantity::new(number, measure.unit()).to_string(),
    }
}

/// The unit of a chart of `measure` whose greatest value is `most`, and what values are multiplied by for it: a chart has
/// one for all points.
fn chart_unit(measure: &Measure, most: f64) -> (&'static str, f64) {
    match measure.unit() {
        _ if *measure == Measure::CpuPerRequest => ("µs", 1e3),
        Unit::Bytes if most >= 1e6 => ("MB", 1e-6),
        Unit::Bytes if most >= 1e4 => ("kB", 1e-3),
        Unit::Bytes => ("B", 1.0),
        Unit::Ratio => ("%", 100.0),
        Unit::Milliseconds => ("ms", 1.0),
        _ => match measure {
            Measure::Capacity(unit) => (unit.words(), 1.0),
            _ => ("instructions", 1.0),
        },
    }
}

/// Microseconds as people read them.
pub fn micros(us: f64) -> String {
    // Beyond a hundred, tenths of them are noise.
    let us = if us.abs() < 100.0 { us } else { us.round() };
    format!("{} µs", Quantity::new(us, Unit::Count))
}

/// What a run's profile is not without: nothing, or ` at time scale 0.1 with 10 times the users`.
pub fn scales(time: f64, users: f64) -> String {
    let time = (time != 1.0).then(|| format!(" at time scale {time}"));
    let users = (users != 1.0).then(|| format!(" with {users} times the users"));
    time.into_iter().chain(users).collect()
}

/// A time in UTC as people read it.
pub fn when(at: &str) -> String {
    at.replace('T', " ").trim_end_matches('Z').to_owned()
}

/// A revision in a few digits, with a `+` if there were uncommitted changes.
pub fn revision(commit: Option<&str>, dirty: bool) -> String {
    let dirty = if dirty { "+" } else { "" };
    format!("{}{dirty}", commit.map_or("unknown revision", short_commit))
}

/// How long something took.
fn took(seconds: f64) -> String {
    short(Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

/// An outcome in words.
pub fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Interrupted => "interrupted",
        Outcome::NotRun => "not run",
        Outcome::CouldNotRun => "could not run",
    }
}

/// The rows of many checks: those that failed first, then as many as there is room for, then how many more there are.
fn most_telling(mut rows: Vec<Row>) -> Vec<Row> {
    if rows.len() <= MOST_CHECKS {
        return rows;
    }
    rows.sort_by_key(|row| row.tone);
    let rest = rows.split_off(MOST_CHECKS);
    let tone = rest.iter().map(|row| row.tone).min().unwrap_or_default();
    let failed = rest.iter().filter(|row| row.tone != Tone::Good).count();
    let came = match failed {
        0 => "that passed".to_owned(),
        all if all == rest.len() => "that did not pass".to_owned(),
        some => format!("of which {some} did not pass"),
    };
    rows.push(Row {
        tone,
        what: format!("and {} more {came}", rest.len()).into(),
        note: "run.json has all of it".into(),
        ..Row::default()
    });
    rows
}
