//! The messages of Prometheus remote write 1.0: protobuf, compressed by snappy.
//!
//! Source: <https://prometheus.io/docs/specs/prw/remote_write_spec/>.

use prost::Message as _;

/// One time series and its new samples.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Series {
    /// The labels, sorted by name, the metric's name among them.
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<Label>,
    /// The samples, the oldest first.
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<Sample>,
}

/// A label.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Label {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// A value at a time.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Sample {
    /// The value.
    #[prost(double, tag = "1")]
    pub value: f64,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "2")]
    pub timestamp: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<Series>,
}

impl Series {
    /// A series called `name` with further labels; those without a value are left out, as Prometheus wants it.
    pub fn new<'l>(
        name: &'l str,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        samples: impl IntoIterator<Item = (f64, f64)>,
    ) -> Self {
        let label = |(name, value): (&str, &str)| Label {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        let mut labels: Vec<Label> = std::iter::once(("__name__", name))
            .chain(labels)
            .filter(|(_, value)| !value.is_empty())
            .map(label)
            .collect();
        labels.sort_by(|a, b| a.name.cmp(&b.name));
        let samples = samples.into_iter().map(|(unix_ms, value)| Sample {
            value,
            timestamp: unix_ms as i64,
        });
        Self {
            labels,
            samples: samples.collect(),
        }
    }
}

/// The body of a request that writes `series`.
///
/// # Errors
/// If it is too large to be compressed.
pub fn body(series: Vec<Series>) -> Result<Vec<u8>, snap::Error> {
    let message = WriteRequest { timeseries: series }.encode_to_vec();
    snap::raw::Encoder::new().compress_vec(&message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        let series = Series::new(
            "up",
            [("job", "a"), ("empty", ""), ("__z", "b")],
            [(1_500.9, 2.0)],
        );
        let names: Vec<&str> = series
            .labels
            .iter()
            .map(|label| label.name.as_str())
            .collect();
        assert_eq!(names, ["__name__", "__z", "job"]);
        let series = Series::new("up", [], [(1_500.9, 2.0)]);
        let message = snap::raw::Decoder::new()
            .decompress_vec(&body(vec![series]).unwrap())
            .unwrap();
        // Field 1 (series) of 30 bytes: field 1 (label) of 14 bytes, field 2 (sample) of 12 bytes.
        let mut expected = vec![0x0a, 30, 0x0a, 14, 0x0a, 8];
        expected.extend(b"__name__");
        expected.extend([0x12, 2]);
        expected.extend(b"up");
        expected.extend([0x12, 12, 0x09]);
        expected.extend(2.0_f64.to_le_bytes());
        expected.extend([0x10, 0xdc, 0x0b]);
        assert_eq!(message, expected);
    }
}
