//! What a report says of functions: one line each, the figures first, for their names are long.

use k6_summary::Unit;

use super::{Heads, Row, Table, known, micros, number};
use crate::record::{Blocks, Function, ProfileRecord, Sampled, TestComparison, percent, share};

/// Where the CPU time of a test's server went.
pub fn profile(profile: &ProfileRecord) -> Table {
    let row = |name: &str, share_of: f64, us: Option<f64>| Row {
        more: vec![share(share_of).into()],
        ..Row::measured(name, known(us.map(micros)))
    };
    let rows = profile.functions.iter();
    Table {
        title: format!(
            "Where the CPU time of a request went ({} samples)",
            profile.samples
        )
        .into(),
        heads: Heads {
            what: "Function",
            value: "CPU",
            more: &["Share"],
            ..Heads::default()
        },
        rows: rows
            .map(|it| row(&it.name, it.share, it.cpu_us_per_request))
            .collect(),
        ..Table::default()
    }
}

/// The functions that make `test` worse or better: by CPU time, and by the instructions of each route.
pub fn compared(test: &TestComparison, sampled: &[Sampled], blocks: &Blocks) -> Vec<Table> {
    let sampled = sampled.iter().filter(|it| it.test == test.name);
    let mut tables: Vec<Table> = sampled
        .map(|it| {
            let title = format!(
                "Where the CPU time of a request went ({} and {} samples)",
                it.samples[0], it.samples[1]
            );
            table(title, it.functions.iter(), it.cpu_ms[0], |ms| {
                micros(ms * 1e3)
            })
        })
        .collect();
    let counted = blocks.instructions.iter().flat_map(|it| &it.functions);
    let counted: Vec<&Function> = counted.filter(|it| it.test == test.name).collect();
    for route in counted.chunk_by(|a, b| a.metric == b.metric) {
        let mut metrics = test.metrics.iter();
        let whole = metrics.find(|it| it.metric == route[0].metric);
        let Some(whole) = whole.and_then(|it| it.base) else {
            continue;
        };
        let title = format!("{} of a request, by function", route[0].metric);
        let count = |count| number(Some(count), Unit::Count);
        tables.push(table(title, route.iter().copied(), whole, count));
    }
    tables.retain(|table| !table.rows.is_empty());
    tables
}

fn table<'a>(
    title: String,
    functions: impl Iterator<Item = &'a Function>,
    whole: f64,
    amount: impl Fn(f64) -> String,
) -> Table {
    let row = |function: &Function| Row {
        what: function.name.as_str().into(),
        bound: amount(function.base).into(),
        value: amount(function.head).into(),
        more: vec![percent((function.head - function.base) / whole).into()],
        ..Row::default()
    };
    Table {
        title: title.into(),
        heads: Heads {
            what: "Function",
            value: "Head",
            bound: "Base",
            more: &["Of the whole"],
        },
        rows: functions.map(row).collect(),
        ..Table::default()
    }
}
