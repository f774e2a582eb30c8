//! The variables of a dashboard: what they ask Prometheus for.

use serde_json::Value;

use crate::files::text;

/// Where a variable's values come from.
#[derive(Debug, PartialEq)]
pub enum Source<'v> {
    /// They are not asked for: this one is chosen at first.
    Fixed(&'v str),
    /// The values of a label among the series of a selector.
    Series {
        /// The selector.
        selector: &'v str,
        /// The label.
        label: &'v str,
    },
    /// The values of a label in the answer to a query.
    Query {
        /// The query.
        expr: &'v str,
        /// The label.
        label: &'v str,
    },
}

/// Where the values of `variable` come from.
///
/// # Errors
/// If it is none of the kinds that are in use.
pub fn source(variable: &Value) -> Result<Source<'_>, String> {
    let query = question(variable);
    match text(&variable["type"]) {
        "datasource" => return Ok(Source::Fixed(query)),
        "custom" => return Ok(Source::Fixed(text(&variable["current"]["value"]))),
        _ => {}
    }
    let regex = text(&variable["regex"]);
    if let Some(inside) = call(query, "label_values")
        && let Some((selector, label)) = inside.rsplit_once(',')
        && is_name(label.trim())
        && regex.is_empty()
    {
        let (selector, label) = (selector.trim(), label.trim());
        return Ok(Source::Series { selector, label });
    }
    // Grafana writes each series as `{label="value",…} value time`, from which the regular expression takes a value.
    let label = regex
        .strip_prefix('/')
        .and_then(|it| it.strip_suffix(r#"="([^"]+)"/"#));
    if let Some(expr) = call(query, "query_result")
        && let Some(label) = label
        && is_name(label)
    {
        return Ok(Source::Query { expr, label });
    }
    Err(format!("not understood: {query} {regex}"))
}

/// What a variable asks for, in either of the forms that Grafana writes.
pub fn question(variable: &Value) -> &str {
    let query = &variable["query"];
    let plain = query.as_str();
    plain.unwrap_or_else(|| text(&query["query"])).trim()
}

/// Whether several values of `variable` may be chosen at once.
pub fn is_many(variable: &Value) -> bool {
    variable["multi"] == true || variable["includeAll"] == true
}

fn call<'q>(question: &'q str, function: &str) -> Option<&'q str> {
    let inside = question.strip_prefix(function)?.strip_prefix('(')?;
    inside.strip_suffix(')')
}

fn is_name(text: &str) -> bool {
    let belongs = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty() && text.chars().all(belongs)
}

#[test]
fn variables_say_where_their_values_come_from() {
    use serde_json::json;
    let series = "label_values(k6_vus{a=~\"$b\", c=\"d\"}, testid)";
    let expected = Source::Series {
        selector: "k6_vus{a=~\"$b\", c=\"d\"}",
        label: "testid",
    };
    for query in [json!(series), json!({"qryType": 1, "query": series})] {
        let variable = json!({"type": "query", "query": query});
        assert_eq!(source(&variable).as_ref(), Ok(&expected));
    }
    let asked = "query_result(max by (testid) (a))";
    let variable = json!({"type": "query", "query": asked, "regex": r#"/testid="([^"]+)"/"#});
    let expected = Source::Query {
        expr: "max by (testid) (a)",
        label: "testid",
    };
    assert_eq!(source(&variable), Ok(expected));
    let custom = json!({"type": "custom", "query": "7d,30d", "current": {"value": "30d"}});
    assert_eq!(source(&custom), Ok(Source::Fixed("30d")));
    for (query, regex) in [
        (asked, ""),
        (asked, "/.*/"),
        (series, "/smoke/"),
        ("label_values(a, b{)", ""),
        ("metrics(k6_.*)", ""),
    ] {
        let variable = json!({"type": "query", "query": query, "regex": regex});
        assert!(source(&variable).is_err(), "{query} {regex}");
    }
}
