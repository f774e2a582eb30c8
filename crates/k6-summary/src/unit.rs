//! Units, and values with their unit as people read them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What one of a metric's values counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Milliseconds.
    Milliseconds,
    /// A share from 0 to 1, shown in percent.
    Ratio,
    /// Events or things.
    Count,
    /// Events per second.
    PerSecond,
    /// Bytes, shown with decimal prefixes as k6 does.
    Bytes,
    /// Bytes per second.
    BytesPerSecond,
    /// A number of which the unit is not known.
    None,
}

/// A number with its unit, written short: `712.4 ms`, `4.17 %`, `29,144`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quantity {
    /// How many.
    pub number: f64,
    /// Of what.
    pub unit: Unit,
}

impl Quantity {
    /// A number of some unit.
    #[must_use]
    pub fn new(number: f64, unit: Unit) -> Self {
        Self { number, unit }
    }

    /// As it is written, or with every digit if that would read like `bound` though it differs.
    #[must_use]
    pub fn distinct_from(self, bound: f64) -> String {
        let short = self.to_string();
        if self.number == bound || short != Self::new(bound, self.unit).to_string() {
            return short;
        }
        match self.unit {
            Unit::Milliseconds => format!("{} ms", self.number),
            Unit::Ratio => format!("{} %", self.number * 100.0),
            Unit::PerSecond => format!("{}/s", self.number),
            Unit::Bytes => format!("{} B", self.number),
            Unit::BytesPerSecond => format!("{} B/s", self.number),
            Unit::Count | Unit::None => self.number.to_string(),
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number;
        match self.unit {
            // Never in seconds: a value and its bound shall be compared at a glance.
            Unit::Milliseconds if number.abs() < 1000.0 => write!(f, "{} ms", short(number)),
            Unit::Milliseconds => write!(f, "{} ms", grouped(number.round())),
            Unit::Ratio => f.write_str(&percent(number)),
            Unit::Count => f.write_str(&grouped(number)),
            Unit::PerSecond => write!(f, "{}/s", short(number)),
            Unit::Bytes => f.write_str(&bytes(number)),
            Unit::BytesPerSecond => write!(f, "{}/s", bytes(number)),
            Unit::None => f.write_str(&short(number)),
        }
    }
}

/// A share in percent. Only none is `0 %` and only all is `100 %`.
fn percent(share: f64) -> String {
    match rounded(share * 100.0, 2).as_str() {
        "0" if share > 0.0 => "< 0.01 %".to_owned(),
        "100" if share < 1.0 => "> 99.99 %".to_owned(),
        text => format!("{text} %"),
    }
}

fn bytes(number: f64) -> String {
    let mut scaled = number;
    for unit in ["B", "kB", "MB", "GB"] {
        if scaled.abs() < 1000.0 {
            return format!("{} {unit}", short(scaled));
        }
        scaled /= 1000.0;
    }
    format!("{} TB", short(scaled))
}

/// About three significant digits, without trailing zeros.
fn short(number: f64) -> String {
    match number.abs() {
        size if size < 0.01 => rounded(number, 4),
        size if size < 10.0 => rounded(number, 2),
        size if size < 1000.0 => rounded(number, 1),
        _ => rounded(number, 0),
    }
}

fn rounded(number: f64, decimals: usize) -> String {
    if number.abs() >= 1e15 {
        return format!("{number:e}");
    }
    let text = format!("{number:.decimals$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    if text == "-0" { "0" } else { text }.to_owned()
}

/// Thousands apart: `29,144`.
fn grouped(number: f64) -> String {
    let text = rounded(number, 0);
    if number.fract() != 0.0 || !number.is_finite() || text.contains('e') {
        return short(number);
    }
    let digits = text.trim_start_matches('-');
    let mut out = String::with_capacity(text.len() + digits.len() / 3);
    out.push_str(&text[..text.len() - digits.len()]);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_as_people_write_them() {
        for (number, unit, text) in [
            (712.44, Unit::Milliseconds, "712.4 ms"),
            (500.0, Unit::Milliseconds, "500 ms"),
            (0.6412, Unit::Milliseconds, "0.64 ms"),
            (0.0042, Unit::Milliseconds, "0.0042 ms"),
            (0.0, Unit::Milliseconds, "0 ms"),
            (30_013.4, Unit::Milliseconds, "30,013 ms"),
            (0.0417, Unit::Ratio, "4.17 %"),
            (0.0, Unit::Ratio, "0 %"),
            (1.0, Unit::Ratio, "100 %"),
            (0.999_999, Unit::Ratio, "> 99.99 %"),
            (0.000_001, Unit::Ratio, "< 0.01 %"),
            (29_144.0, Unit::Count, "29,144"),
            (999.0, Unit::Count, "999"),
            (1_000_000.0, Unit::Count, "1,000,000"),
            (-1_234.0, Unit::Count, "-1,234"),
            (1e21, Unit::Count, "1e21"),
            (4028.66, Unit::PerSecond, "4029/s"),
            (1.9858, Unit::PerSecond, "1.99/s"),
            (173.0, Unit::Bytes, "173 B"),
            (84_300.0, Unit::Bytes, "84.3 kB"),
            (5e16, Unit::Bytes, "50000 TB"),
            (1_250_000.0, Unit::BytesPerSecond, "1.25 MB/s"),
            (2.34567, Unit::None, "2.35"),
            (f64::NAN, Unit::Count, "NaN"),
            (f64::INFINITY, Unit::Milliseconds, "inf ms"),
            (f64::NEG_INFINITY, Unit::Bytes, "-inf TB"),
            (f64::MAX, Unit::None, "1.7976931348623157e308"),
        ] {
            assert_eq!(Quantity::new(number, unit).to_string(), text);
        }
    }

    #[test]
    fn a_value_never_reads_like_a_bound_that_it_misses() {
        let value = |number| Quantity::new(number, Unit::Milliseconds).distinct_from(500.0);
        assert_eq!(value(500.0), "500 ms");
        assert_eq!(value(500.04), "500.04 ms");
        assert_eq!(value(501.0), "501 ms");
        let share = Quantity::new(0.010_000_1, Unit::Ratio);
        assert_eq!(share.distinct_from(0.01), "1.00001 %");
    }
}
