//! `cluster clean`: what was created here and is still there, and nothing else.

use std::io::{BufRead as _, IsTerminal as _};

use serde_json::Value;

use super::kubectl::Kubectl;
use super::manifest::RUN_LABEL;
use crate::cli::Which;
use crate::error::UsageError;
use crate::ui;

/// Lists what is left, and deletes it once that is agreed to.
///
/// # Errors
/// A [`UsageError`] if nobody can be asked; if the cluster refuses.
pub fn clean(which: &Which, yes: bool) -> anyhow::Result<u8> {
    let kubectl = Kubectl::find(which.context.as_deref(), which.namespace.as_deref())?;
    ui::info(&format!("context {}", kubectl.place()));
    let of_ours = format!("--selector={RUN_LABEL}");
    let found: Value = kubectl.get(&["get", "testruns.k6.io,configmaps,pods", &of_ours])?;
    let found = found["items"].as_array().cloned().unwrap_or_default();
    if found.is_empty() {
        ui::info("nothing of ours is left");
        return Ok(0);
    }
    let mut objects = Vec::new();
    for object in &found {
        let text = |at: &str| {
            object
                .pointer(at)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (kind, name) = (text("/kind"), text("/metadata/name"));
        let resource = match kind {
            "TestRun" => "testruns.k6.io",
            "ConfigMap" => "configmaps",
            // Of `check --pull`; runners have no such label.
            "Pod" => "pods",
            _ => continue,
        };
        let stage = match text("/status/stage") {
            "" => String::new(),
            stage => format!(", stage {stage}"),
        };
        let since = text("/metadata/creationTimestamp");
        ui::print(&format!("{kind} {name}, since {since}{stage}\n"))?;
        objects.push(format!("{resource}/{name}"));
    }
    if !yes && !is_agreed(objects.len())? {
        ui::info("nothing was deleted");
        return Ok(0);
    }
    kubectl.delete(&objects)?;
    ui::info(&format!("deleted {} objects", objects.len()));
    Ok(0)
}

fn is_agreed(objects: usize) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        let why = "say --yes to delete them: there is no terminal to ask on";
        return Err(UsageError(why.into()).into());
    }
    ui::info(&format!("delete these {objects}? One may still run. [y/N]"));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
