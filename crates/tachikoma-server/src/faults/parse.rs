//! `METHOD /route: fault=value ...; METHOD /route: ...`

use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::inject::{RouteFaults, Share};
use crate::metrics::{METHODS, ROUTES};

/// Reads a list of faults.
///
/// # Errors
/// What is wrong with which part, and an example.
pub(super) fn parse(text: &str) -> Result<Vec<RouteFaults>> {
    let parts = text
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let read = |part: &str| {
        parse_route(part).with_context(|| {
            format!(
                "failed to understand the faults at {part:?}; an example is \
                 \"POST /api/missions: latency=300ms error=2%; GET /api/health: cpu=200us\""
            )
        })
    };
    let routes: Vec<RouteFaults> = parts.map(read).collect::<Result<_>>()?;
    ensure!(!routes.is_empty(), "there is no fault in {text:?}");
    let different: BTreeSet<_> = routes.iter().map(|r| (&r.method, &r.route)).collect();
    ensure!(
        different.len() == routes.len(),
        "a route is listed twice in {text:?}; write its faults together"
    );
    Ok(routes)
}

fn parse_route(part: &str) -> Result<RouteFaults> {
    let (target, faults) = part
        .split_once(':')
        .context("a colon is missing between the route and its faults")?;
    let (method, route) = target
        .split_once(' ')
        .context("a route is a method and a path, such as 'GET /api/health'")?;
    ensure!(
        method == "*" || METHODS.contains(&method),
        "the method {method:?} is not one of {}, *",
        METHODS.join(", ")
    );
    ensure!(
        ROUTES.contains(&route),
        "the route {route:?} is not one of {}",
        ROUTES.join(", ")
    );
    let mut fault = RouteFaults {
        method: method.to_owned(),
        route: route.to_owned(),
        latency: Duration::ZERO,
        cpu: Duration::ZERO,
        errors: Share::default(),
        drops: Share::default(),
        leak: 0,
        once: 0,
        once_done: AtomicBool::new(false),
    };
    let mut names = BTreeSet::new();
    let mut seed = None;
    for word in faults.split_whitespace() {
        let (name, value) = word
            .split_once('=')
            .with_context(|| format!("{word:?} is not of the form fault=value"))?;
        ensure!(names.insert(name), "{name} is given twice");
        match name {
            "latency" => fault.latency = duration(value)?,
            "cpu" => fault.cpu = duration(value)?,
            "error" => fault.errors = share(value)?,
            "drop" => fault.drops = share(value)?,
            "leak" => fault.leak = size(value)?,
            "once" => fault.once = size(value)?,
            "seed" => seed = Some(value.parse().context("a seed is a whole number")?),
            _ => {
                bail!(
                    "the fault {name:?} is not one of latency, error, cpu, leak, once, drop, seed"
                )
            }
        }
    }
    ensure!(!names.is_empty(), "the route has no faults");
    if let Some(seed) = seed {
        fault.errors.begin_at(seed);
        fault.drops.begin_at(seed);
    }
    Ok(fault)
}

fn duration(text: &str) -> Result<Duration> {
    let duration = humantime::parse_duration(text)
        .context("write a number and a unit, such as 300ms or 200us")?;
    ensure!(
        duration <= Duration::from_secs(60),
        "at most 60s can be injected"
    );
    Ok(duration)
}

/// `2%`, `0.5%`.
fn share(text: &str) -> Result<Share> {
    text.strip_suffix('%')
        .and_then(|number| number.parse::<f64>().ok())
        .and_then(Share::of_percent)
        .with_context(|| format!("{text:?}: write a percentage from 0% to 100%, such as 0.5%"))
}

/// `64KiB`, `50MiB`, `1GiB`, `512B`.
fn size(text: &str) -> Result<usize> {
    let units = [
        ("KiB", 1 << 10),
        ("MiB", 1 << 20),
        ("GiB", 1 << 30),
        ("B", 1_usize),
    ];
    units
        .iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))
        .and_then(|(number, unit)| number.parse::<usize>().ok()?.checked_mul(*unit))
        .filter(|bytes| *bytes <= 1 << 30)
        .with_context(|| format!("{text:?}: write a size up to 1GiB, such as 512B or 64KiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_example_is_understood() {
        let faults = parse(
            "POST /api/missions: latency=300ms error=2% cpu=200us leak=64KiB drop=0.5%;\
             * /api/health: once=50MiB;",
        );
        let [all, once] = &faults.expect("valid")[..] else {
            panic!("two routes");
        };
        assert_eq!(
            (all.method.as_str(), all.route.as_str()),
            ("POST", "/api/missions")
        );
        assert_eq!(all.latency, Duration::from_millis(300));
        assert_eq!(all.cpu, Duration::from_micros(200));
        assert_eq!((all.errors.parts, all.drops.parts), (20_000, 5_000));
        assert_eq!((all.leak, all.once), (65_536, 0));
        assert_eq!((once.method.as_str(), once.once), ("*", 52_428_800));
    }

    #[test]
    fn each_mistake_is_named() {
        for (text, word) in [
            ("", "no fault"),
            (" ; ", "no fault"),
            ("POST /api/missions", "colon"),
            ("/api/missions: latency=1s", "method and a path"),
            ("PUT /api/missions: latency=1s", "PUT"),
            ("POST /api/mission: latency=1s", "/api/missions/{id}"),
            ("POST unmatched: latency=1s", "unmatched"),
            ("POST /api/missions:", "no faults"),
            ("POST /api/missions: slow", "fault=value"),
            ("POST /api/missions: delay=1s", "delay"),
            ("POST /api/missions: latency=1", "unit"),
            ("POST /api/missions: latency=61s", "60s"),
            ("POST /api/missions: error=2", "percentage"),
            ("POST /api/missions: error=101%", "percentage"),
            ("POST /api/missions: error=-1%", "percentage"),
            ("POST /api/missions: error=NaN%", "percentage"),
            ("POST /api/missions: drop=0.00001%", "percentage"),
            ("POST /api/missions: leak=64", "size"),
            ("POST /api/missions: leak=64KB", "size"),
            ("POST /api/missions: once=2GiB", "size"),
            ("POST /api/missions: error=1% seed=x", "whole number"),
            ("POST /api/missions: once=99999999999999999999GiB", "size"),
            ("POST /api/missions: cpu=1ms cpu=2ms", "twice"),
            ("GET /ws: cpu=1ms; GET /ws: drop=1%", "listed twice"),
        ] {
            let message = format!("{:#}", parse(text).expect_err(text));
            assert!(message.contains(word), "{text:?}: {message}");
        }
    }
}
