//! The templates: HTML pages that are one file each, without scripts and without anything from elsewhere; Markdown as
//! GitHub has it; charts.
//!
//! Every text is escaped by the kind of its template. In Markdown nothing of it is taken for markup or HTML, and it stays
//! in its cell of a table.

use std::fmt::Write as _;
use std::sync::LazyLock;

use anyhow::Context as _;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, Output, State, UndefinedBehavior, Value};
use serde::Serialize;

/// The templates, beside this file. `base.html` is the frame that the pages extend.
const TEMPLATES: [(&str, &str); 9] = [
    ("base.html", include_str!("templates/base.html")),
    ("style.css", include_str!("templates/style.css")),
    ("parts.html", include_str!("templates/parts.html")),
    ("report.html", include_str!("templates/report.html")),
    ("history.html", include_str!("templates/history.html")),
    ("index.html", include_str!("templates/index.html")),
    ("chart.html", include_str!("templates/chart.html")),
    ("junit.xml", include_str!("templates/junit.xml")),
    ("summary.md", include_str!("templates/summary.md")),
];
/// The way of escaping of Markdown.
const MARKDOWN: &str = "markdown";

static ENGINE: LazyLock<Result<Environment<'static>, Error>> = LazyLock::new(|| {
    let mut engine = Environment::new();
    let is_markdown = |name: &str| std::path::Path::new(name).extension() == Some("md".as_ref());
    engine.set_auto_escape_callback(move |name| {
        if is_markdown(name) {
            AutoEscape::Custom(MARKDOWN.into())
        } else {
            AutoEscape::Html
        }
    });
    engine.set_formatter(format);
    engine.add_filter("columns", columns);
    let mut syntax = SyntaxConfig::builder();
    syntax.trim_blocks(true).lstrip_blocks(true);
    engine.set_syntax(syntax.keep_trailing_newline(true).build()?);
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, text) in TEMPLATES {
        engine.add_template(name, text)?;
    }
    Ok(engine)
});

/// Fills template `name` with `context`.
///
/// # Errors
/// If the template and the context do not fit together, which is a mistake of ours.
pub fn fill(name: &str, context: impl Serialize) -> anyhow::Result<String> {
    let engine = ENGINE
        .as_ref()
        .map_err(|error| anyhow::anyhow!("{error:#}"))?;
    engine
        .get_template(name)
        .and_then(|template| template.render(Value::from(Serde(context))))
        .with_context(|| format!("failed to fill the template {name}"))
}

/// A chart as markup for a page; a sentence in its place if the template does not fit.
pub fn drawing(context: Value) -> Value {
    match fill("chart.html", context) {
        Ok(figure) => Value::from_safe_string(figure),
        Err(error) => format!("{error:#}").into(),
    }
}

/// Which of a table's further figures any of its rows has.
fn columns(table: &Value) -> Result<Vec<usize>, Error> {
    let heads = table.get_attr("heads")?.get_attr("more")?;
    let rows: Vec<Value> = table.get_attr("rows")?.try_iter()?.collect();
    let has = |row: &Value, at: usize| {
        let figure = row
            .get_attr("more")
            .and_then(|all| all.get_item_by_index(at));
        figure.is_ok_and(|it| it.as_str().is_some_and(|text| !matches!(text, "" | "–")))
    };
    let all = 0..heads.len().unwrap_or_default();
    Ok(all
        .filter(|at| rows.iter().any(|row| has(row, *at)))
        .collect())
}

/// Writes a value by the way of escaping of its template.
fn format(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if *state.auto_escape() != AutoEscape::Custom(MARKDOWN.into()) {
        return minijinja::escape_formatter(out, state, value);
    }
    let Some(text) = value.as_str().filter(|_| !value.is_safe()) else {
        return Ok(write!(out, "{value}")?);
    };
    for c in text.chars() {
        match c {
            '\n' => out.write_str("<br>"),
            '<' => out.write_str("&lt;"),
            '>' => out.write_str("&gt;"),
            '&' => out.write_str("&amp;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '~' | '#' | '$' | '@' => {
                write!(out, "\\{c}")
            }
            c => out.write_char(c),
        }?;
    }
    Ok(())
}
