//! HTML pages from templates: one file each, without scripts and without anything from elsewhere.

mod charts;
mod comparison;
mod history;
mod index;
mod past;
mod run;
mod test;
#[cfg(test)]
mod tests;
mod words;

pub use comparison::comparison_page;
pub use history::history_page;
pub use index::index_page;
pub use run::run_page;

use anyhow::Context as _;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};
use serde::Serialize;

/// The templates, beside this file. `base.html` is the frame that the pages extend.
const TEMPLATES: [(&str, &str); 7] = [
    ("base.html", include_str!("html/base.html")),
    ("style.css", include_str!("html/style.css")),
    ("parts.html", include_str!("html/parts.html")),
    ("run.html", include_str!("html/run.html")),
    ("comparison.html", include_str!("html/comparison.html")),
    ("history.html", include_str!("html/history.html")),
    ("index.html", include_str!("html/index.html")),
];

/// Fills template `name` with `context`. Every text in it is escaped but what [`safe`] vouches for.
///
/// # Errors
/// If the template and the context do not fit together, which is a mistake of ours.
pub fn page(name: &str, context: impl Serialize) -> anyhow::Result<String> {
    let render = || -> Result<String, minijinja::Error> {
        let mut engine = Environment::new();
        engine.set_auto_escape_callback(|_| AutoEscape::Html);
        engine.set_undefined_behavior(UndefinedBehavior::Strict);
        engine.add_global("chart_css", safe(load_charts::CSS.into()));
        for (name, text) in TEMPLATES {
            engine.add_template(name, text)?;
        }
        engine
            .get_template(name)?
            .render(Value::from(Serde(context)))
    };
    render().with_context(|| format!("failed to fill the template {name}"))
}

/// Markup that is already escaped, such as a chart.
pub fn safe(markup: String) -> Value {
    Value::from_safe_string(markup)
}
