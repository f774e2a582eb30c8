//! Text in SVG: escaping, and numbers for people.

use std::fmt;

/// Text as text: escaped for XML, and without the characters that XML does not know.
pub(crate) struct Esc<'a>(pub &'a str);

impl fmt::Display for Esc<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' | '\t' => f.write_char(' ')?,
                c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                    f.write_char('\u{fffd}')?;
                }
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// A number for people: about three significant digits, thousands apart, `–` for what is no number.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    let size = value.abs();
    if size >= 1e9 || (size > 0.0 && size < 1e-4) {
        return format!("{value:.1e}");
    }
    let decimals = match size {
        s if s >= 100.0 => 0,
        s if s >= 10.0 => 1,
        s if s >= 1.0 => 2,
        s if s >= 0.1 => 3,
        0.0 => 0,
        _ => 5,
    };
    let mut text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    apart(&text)
}

/// Sets thousands apart from ten thousand on, by a narrow space.
fn apart(text: &str) -> String {
    let digits = text.trim_start_matches('-');
    let whole = digits.split('.').next().unwrap_or(digits).len();
    if whole < 5 {
        return text.to_owned();
    }
    let (sign, fraction) = (&text[..text.len() - digits.len()], &digits[whole..]);
    let mut out = String::from(sign);
    for (at, c) in digits[..whole].chars().enumerate() {
        if at > 0 && (whole - at).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(c);
    }
    out + fraction
}

/// About how wide `text` is at a size of 12 px, in px: what a layout without the browser's fonts can know.
pub(crate) fn width(text: &str) -> f64 {
    text.chars()
        .map(|c| if c.is_ascii() { 6.6 } else { 8.0 })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_text() {
        let text = Esc("<script>alert(\"1\")</script> & 'x'\u{0}\n").to_string();
        assert_eq!(
            text,
            "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39;\u{fffd} "
        );
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (1.234_5, "1.23"),
            (12.34, "12.3"),
            (1234.5, "1234"),
            (-12_345.0, "-12\u{202f}345"),
            (1_234_567.0, "1\u{202f}234\u{202f}567"),
            (0.05, "0.05"),
            (1e300, "1.0e300"),
            (1e-12, "1.0e-12"),
            (f64::NAN, "–"),
            (f64::INFINITY, "–"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
