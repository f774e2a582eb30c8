//! The variables of a dashboard: what they ask Prometheus for.

use serde_json::Value;

use crate::files::text;

/// Where a variable's values come from.
#[derive(Debug, PartialEq)]
pub enum Source<'v> {
    /// They are not asked for: this one is chosen at first.
    Fixed(&'v str),
    /// The values of a label (behind) among the series of a selector (before).
    Series(&'v str, &'v str),
    /// The values of a label (behind) in the answer to a query (before).
    Query(&'v str, &'v str),
}

/// Where the values of `variable` come from.
///
/// # Errors
/// If it is none of the kinds that are in use.
pub fn source(variable: &Value) -> Result<Source<'_>, String> {
    let query = question(variable);
    let regex = text(&variable["regex"]);
    let call = |function| query.strip_prefix(function)?.strip_suffix(')');
    let series = call("label_values(").and_then(|inside| inside.rsplit_once(", "));
    // Grafana writes each series as `{label="value",…} value time`, from which the regular expression takes a value.
    let label = regex
        .strip_prefix('/')
        .and_then(|it| it.strip_suffix(r#"="([^"]+)"/"#));
    let asked = call("query_result(").zip(label);
    match (text(&variable["type"]), series, asked) {
        ("datasource", ..) => Ok(Source::Fixed(query)),
        // Grafana puts the filters into each selector; at first there are none.
        ("adhoc", ..) => Ok(Source::Fixed("")),
        ("custom", ..) => Ok(Source::Fixed(text(&variable["current"]["value"]))),
        (_, Some((selector, label)), _) if regex.is_empty() => Ok(Source::Series(selector, label)),
        (.., Some((expr, label))) => Ok(Source::Query(expr, label)),
        _ => Err(format!("not understood: {query} {regex}")),
    }
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
