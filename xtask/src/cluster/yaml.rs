//! JSON as people read it: YAML in blocks, each text in double quotes, so that none is taken for anything else.

use std::fmt::Write as _;

use serde_json::Value;

/// Writes documents one after the other, as `kubectl` takes them. Their keys are plain words.
pub fn stream(documents: &[Value]) -> String {
    let mut out = String::new();
    for document in documents {
        out += "---\n";
        block(document, 0, &mut out);
    }
    out
}

/// Writes a value on lines of its own, `indent` spaces from the left.
fn block(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                let _infallible = write!(out, "{:indent$}{key}:", "");
                inner(value, indent + 2, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let mut text = String::new();
                block(item, indent + 2, &mut text);
                let _infallible = write!(out, "{:indent$}- {}", "", text.trim_start_matches(' '));
            }
        }
        scalar => {
            let _infallible = writeln!(out, "{:indent$}{}", "", quoted(scalar));
        }
    }
}

/// Writes what stands behind a colon.
fn inner(value: &Value, indent: usize, out: &mut String) {
    let is_block = match value {
        Value::Object(entries) => !entries.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    };
    if is_block {
        out.push('\n');
        block(value, indent, out);
    } else {
        let _infallible = writeln!(out, " {}", quoted(value));
    }
}

/// A scalar as JSON has it, but with every character escaped that some reader of YAML takes for a break or refuses.
fn quoted(value: &Value) -> String {
    let is_safe = |c: &char| !c.is_control() && !matches!(*c, '\u{2028}' | '\u{2029}' | '\u{feff}');
    let mut text = String::new();
    for c in value.to_string().chars() {
        if is_safe(&c) {
            text.push(c);
        } else {
            let _infallible = write!(text, "\\u{:04x}", u32::from(c));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_text_is_read_as_it_was() {
        let odd = "# ' \" \\ \n\t\r\u{0}\u{7f}\u{85}\u{9f}\u{2028}\u{feff}é😀 - [a]: {b} $(X) %d";
        let words = [
            "", "true", "null", "1e3", "~", "0x1f", "yes", "- a", "a: b", " a ", odd,
        ];
        let value = json!({
            "words": words,
            "nested": [[1, -2.5, true], {"a": {"b": [{"c": "d", "e": null}]}}, [], {}],
            "empty": {}, "none": [],
        });
        let text = stream(&[value.clone(), json!({"second": 2})]);
        let read: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        assert_eq!(read, [value, json!({"second": 2})]);
        assert_eq!(
            text.lines().filter(|line| line.contains("words")).count(),
            1
        );
    }
}
