//! What a report says of capacities that were compared in pairs of searches.

use k6_summary::{Quantity, Unit};

use super::{Heads, Row, Table};
use crate::record::{CapacityRecord, SearchedSide, Side, TestComparison, percent, plural};
use crate::report::text::Text;

const HEADS: Heads = Heads {
    what: "Pair",
    value: "Head",
    bound: "Base",
    more: &["Change", "from", "to"],
};
const HINT: &str = "Each side held the first load and not the second, once; from and to are the least and the greatest change that these allow.";

/// Every pair of searches in `test`, in a line each; nothing if none was made.
pub fn pairs(test: &TestComparison) -> Option<Table> {
    let searches = test.searches.iter().zip(1..);
    let rows: Vec<Row> = searches.map(|(pair, nth)| row(pair, nth)).collect();
    (!rows.is_empty()).then(|| Table {
        title: "Pairs of searches".into(),
        heads: HEADS,
        rows,
        hint: HINT,
        ..Table::default()
    })
}

fn row(pair: &[SearchedSide], nth: usize) -> Row {
    let of = |side: Side| pair.iter().find(|it| it.side == side).map(|it| &it.found);
    let [base, head] = Side::BOTH.map(of);
    let answer = |found: Option<&CapacityRecord>| -> Text {
        found.map_or_else(|| "–".into(), |found| bare(found).into())
    };
    let steps: usize = pair.iter().map(|it| it.found.steps.len()).sum();
    let first = pair.first().map_or("", |it| it.side.name());
    let changes = base.zip(head).and_then(|(base, head)| changes(base, head));
    let changes = changes.map(|all| all.map(|it| percent(it).into()).to_vec());
    Row {
        what: format!("{nth}, {first} first, {}", plural(steps as u64, "step")).into(),
        bound: answer(base),
        value: answer(head),
        more: changes.unwrap_or_else(|| vec!["–".into(); 3]),
        ..Row::default()
    }
}

/// What a search found, without the unit.
fn bare(found: &CapacityRecord) -> String {
    let count = |load| Quantity::new(load, Unit::Count);
    let at_least = count(found.interval.at_least);
    match found.interval.below {
        Some(below) => format!("{at_least} … {}", count(below)),
        None => format!("at least {at_least}"),
    }
}

/// The change from the base's middle to the head's, and the least and the greatest that the intervals allow.
fn changes(base: &CapacityRecord, head: &CapacityRecord) -> Option<[f64; 3]> {
    let (base, head) = (base.interval, head.interval);
    let (base_below, head_below) = (base.below?, head.below?);
    let middle = |low: f64, high: f64| (low * high).sqrt();
    let to = |head: f64, base: f64| head / base - 1.0;
    let all = [
        to(
            middle(head.at_least, head_below),
            middle(base.at_least, base_below),
        ),
        to(head.at_least, base_below),
        to(head_below, base.at_least),
    ];
    all.iter().all(|it| it.is_finite()).then_some(all)
}
