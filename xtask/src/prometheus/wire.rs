//! The messages of Prometheus remote write 1.0: protobuf, compressed by snappy.
//!
//! Source: <https://prometheus.io/docs/specs/prw/remote_write_spec/>.

use prost::encoding::{WireType, double, encode_key, encode_varint, int64, string};

/// One time series and its new samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Names and values of the labels, sorted by name, the metric's name among them.
    pub labels: Vec<(String, String)>,
    /// Milliseconds since 1970 and the value then, the oldest first.
    pub samples: Vec<(i64, f64)>,
}

impl Series {
    /// A series called `name` with further labels; those without a value are left out, as Prometheus wants it.
    pub fn new<'l>(
        name: &'l str,
        labels: impl IntoIterator<Item = (&'l str, &'l str)>,
        samples: impl IntoIterator<Item = (f64, f64)>,
    ) -> Self {
        let labels = std::iter::once(("__name__", name)).chain(labels);
        let labels = labels.filter(|(_, value)| !value.is_empty());
        let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut labels: Vec<_> = labels.collect();
        labels.sort();
        let samples = samples.into_iter();
        let samples = samples.map(|(unix_ms, value)| (unix_ms as i64, value));
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
pub fn body(series: &[Series]) -> Result<Vec<u8>, snap::Error> {
    let mut message = Vec::new();
    for one in series {
        embed(1, &encoded(one), &mut message);
    }
    snap::raw::Encoder::new().compress_vec(&message)
}

/// A series as protobuf. The few fields are written one by one: prost's derive macro would cost every cold build a
/// second `syn`.
fn encoded(series: &Series) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in &series.labels {
        let mut label = Vec::new();
        string::encode(1, name, &mut label);
        string::encode(2, value, &mut label);
        embed(1, &label, &mut out);
    }
    for (timestamp, value) in &series.samples {
        let mut sample = Vec::new();
        double::encode(1, value, &mut sample);
        int64::encode(2, timestamp, &mut sample);
        embed(2, &sample, &mut out);
    }
    out
}

/// Writes a message as field `tag` of another.
fn embed(tag: u32, message: &[u8], out: &mut Vec<u8>) {
    encode_key(tag, WireType::LengthDelimited, out);
    encode_varint(message.len() as u64, out);
    out.extend_from_slice(message);
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
        let names: Vec<&str> = series.labels.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["__name__", "__z", "job"]);
        let series = Series::new("up", [], [(1_500.9, 2.0)]);
        let message = snap::raw::Decoder::new()
            .decompress_vec(&body(&[series]).unwrap())
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
