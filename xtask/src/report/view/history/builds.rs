//! What is said of comparisons from build to build, added up.

use super::{Axis, Chart, ChartLine, Form, Heads, Point, PointShape, Row, Section, Table, when};
use crate::history::{AddedUp, BuildStep, Builds};
use crate::record::{percent, plural, short_commit};
use crate::report::text::Text;
use crate::report::view::Tone;

/// A test's comparisons from build to build.
pub fn section(builds: &Builds) -> Section {
    let rows = builds.measures.iter().map(row);
    Section {
        name: format!("{} from build to build", builds.test).into(),
        line: "comparisons of consecutive builds in pairs, added up, whatever machine each was made on".into(),
        compared: Table {
            title: "What the newest builds add up to".into(),
            heads: Heads {
                what: "Metric",
                value: "Change",
                more: &["95 %"],
                ..Heads::default()
            },
            rows: rows.collect(),
            ..Table::default()
        },
        charts: builds.measures.iter().map(chart).collect(),
        ..Section::default()
    }
}

fn row(added: &AddedUp) -> Row {
    let (Some(first), Some(last)) = (added.steps.first(), added.steps.last()) else {
        return Row::default();
    };
    let [change, low, high] = last.sum.map(percent);
    let over = plural(added.steps.len() as u64, "build");
    let since = format!("over {over}, since {}", short_commit(&first.base));
    let (tone, note) = match &added.drift {
        Some(drift) => {
            let by = percent(drift.estimate.exp_m1());
            let of = plural(drift.links as u64, "build");
            (
                Tone::Bad,
                format!("{since}; a drift of {by} in the last {of}"),
            )
        }
        None => (Tone::Good, since),
    };
    Row {
        tone,
        what: added.measure.to_string().into(),
        value: change.into(),
        more: vec![format!("{low} to {high}").into()],
        note: note.into(),
        trail: added.steps.iter().map(|step| 1.0 + step.sum[0]).collect(),
        ..Row::default()
    }
}

fn chart(added: &AddedUp) -> Chart {
    let steps = || added.steps.iter().enumerate();
    let dots = steps().map(|(place, step)| Point {
        x: place as f64,
        y: step.sum[0] * 100.0,
        title: Some(title(step)),
        shape: PointShape::Dot,
    });
    let band = steps().map(|(place, step)| {
        let [_, low, high] = step.sum.map(|sum| sum * 100.0);
        (place as f64, low, high)
    });
    let days = steps().map(|(_, step)| step.at.get(..10).unwrap_or(&step.at).into());
    Chart {
        lines: vec![ChartLine {
            name: "build".into(),
            points: dots.collect(),
            form: Form::Joined,
        }],
        band: band.collect(),
        band_name: "95 % interval".into(),
        ..Chart::new(
            format!("{}, change since the first", added.measure),
            "%",
            Axis::Items {
                label: "builds, by date",
                names: days.collect(),
            },
        )
    }
}

fn title(step: &BuildStep) -> Text {
    format!(
        "{} · {} since the first · {} in {} against {}",
        when(&step.at),
        percent(step.sum[0]),
        percent(step.change),
        short_commit(&step.head),
        short_commit(&step.base)
    )
    .into()
}
