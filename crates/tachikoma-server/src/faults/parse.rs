//! `METHOD /route: fault=value ...; METHOD /route: ...`

use std::time::Duration;

use super::units;
use crate::metrics::ROUTES;

/// The methods that a route can have, and `*` for all of them.
const METHODS: [&str; 6] = ["GET", "POST", "PATCH", "DELETE", "HEAD", "*"];

/// What is injected into the requests of one route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteFaults {
    /// The method, or `*`.
    pub method: String,
    /// The route template, such as `/api/missions/{id}`.
    pub route: String,
    /// What is injected.
    pub fault: Fault,
}

/// What is injected into each matching request. Shares are in parts per million.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fault {
    /// Waits before the request is worked on.
    pub latency: Option<Duration>,
    /// Share of requests that are answered with 500 instead.
    pub error: Option<u32>,
    /// CPU time that is burnt.
    pub cpu: Option<Duration>,
    /// Bytes that are allocated, touched and never freed, for each request.
    pub leak: Option<usize>,
    /// The same, but for the first request only.
    pub once: Option<usize>,
    /// Share of requests whose connection is closed without an answer.
    pub drop: Option<u32>,
    /// Where among the requests the first error or drop lies: the same for the same number; random without one.
    pub seed: Option<u32>,
}

/// Why a text is no list of faults.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "failed to understand the faults at {part:?}: {reason}; \
     an example is \"POST /api/missions: latency=300ms error=2%; GET /api/health: cpu=200us\""
)]
pub struct FaultError {
    /// The part that is wrong.
    pub part: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Reads a list of faults.
///
/// # Errors
/// [`FaultError`], which shows the part and an example.
pub fn parse(text: &str) -> Result<Vec<RouteFaults>, FaultError> {
    let mut all: Vec<RouteFaults> = Vec::new();
    for part in text
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let error = |reason: String| FaultError {
            part: part.to_owned(),
            reason,
        };
        let route = parse_route(part).map_err(error)?;
        let again = all
            .iter()
            .any(|r| r.method == route.method && r.route == route.route);
        if again {
            return Err(error(
                "this route is listed twice; write its faults together".to_owned(),
            ));
        }
        all.push(route);
    }
    if all.is_empty() {
        let reason = "there is no fault in it".to_owned();
        return Err(FaultError {
            part: text.to_owned(),
            reason,
        });
    }
    Ok(all)
}

fn parse_route(part: &str) -> Result<RouteFaults, String> {
    let (target, faults) = part
        .split_once(':')
        .ok_or("a colon is missing between the route and its faults")?;
    let mut words = target.split_whitespace();
    let (Some(method), Some(route), None) = (words.next(), words.next(), words.next()) else {
        return Err("a route is a method and a path, such as 'GET /api/health'".to_owned());
    };
    if !METHODS.contains(&method) {
        return Err(format!(
            "the method {method:?} is not one of {}",
            METHODS.join(", ")
        ));
    }
    if !ROUTES.contains(&route) {
        return Err(format!(
            "the route {route:?} is not one of {}",
            ROUTES.join(", ")
        ));
    }
    let fault = parse_faults(faults)?;
    Ok(RouteFaults {
        method: method.to_owned(),
        route: route.to_owned(),
        fault,
    })
}

fn parse_faults(text: &str) -> Result<Fault, String> {
    let mut fault = Fault::default();
    for word in text.split_whitespace() {
        let (name, value) = word
            .split_once('=')
            .ok_or_else(|| format!("{word:?} is not of the form fault=value"))?;
        let twice = match name {
            "latency" => fault
                .latency
                .replace(within(word, units::duration(value))?)
                .is_some(),
            "cpu" => fault
                .cpu
                .replace(within(word, units::duration(value))?)
                .is_some(),
            "error" => fault
                .error
                .replace(within(word, units::share(value))?)
                .is_some(),
            "drop" => fault
                .drop
                .replace(within(word, units::share(value))?)
                .is_some(),
            "leak" => fault
                .leak
                .replace(within(word, units::size(value))?)
                .is_some(),
            "once" => fault
                .once
                .replace(within(word, units::size(value))?)
                .is_some(),
            "seed" => {
                let seed = value.parse().map_err(|_| "write a whole number".to_owned());
                fault.seed.replace(within(word, seed)?).is_some()
            }
            _ => {
                return Err(format!(
                    "the fault {name:?} is not one of latency, error, cpu, leak, once, drop, seed"
                ));
            }
        };
        if twice {
            return Err(format!("{name} is given twice"));
        }
    }
    if fault == Fault::default() {
        return Err("the route has no faults".to_owned());
    }
    Ok(fault)
}

fn within<T>(word: &str, value: Result<T, String>) -> Result<T, String> {
    value.map_err(|reason| format!("{word:?} is not valid: {reason}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_example_is_understood() {
        let faults = parse(
            "POST /api/missions: latency=300ms error=2% cpu=200us leak=64KiB drop=1% seed=7;\
             * /api/health: once=50MiB;",
        )
        .expect("valid");
        assert_eq!(faults.len(), 2);
        assert_eq!(
            faults[0].fault,
            Fault {
                latency: Some(Duration::from_millis(300)),
                error: Some(20_000),
                cpu: Some(Duration::from_micros(200)),
                leak: Some(65_536),
                once: None,
                drop: Some(10_000),
                seed: Some(7),
            }
        );
        assert_eq!(
            (faults[1].method.as_str(), faults[1].fault.once),
            ("*", Some(52_428_800))
        );
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
            ("POST /api/missions: leak=64", "size"),
            ("POST /api/missions: cpu=1ms cpu=2ms", "twice"),
            ("GET /ws: cpu=1ms; GET /ws: drop=1%", "listed twice"),
        ] {
            let message = parse(text).expect_err(text).to_string();
            assert!(message.contains(word), "{text:?}: {message}");
        }
    }

    /// What [`parse`] reads, written as it reads it.
    fn write(faults: &[RouteFaults]) -> String {
        let percent = |ppm: u32| format!("{}.{:04}%", ppm / 10_000, ppm % 10_000);
        let mut text = String::new();
        for RouteFaults {
            method,
            route,
            fault,
        } in faults
        {
            text += &format!("{method} {route}:");
            let mut add = |name: &str, value: Option<String>| {
                if let Some(value) = value {
                    text += &format!(" {name}={value}");
                }
            };
            add(
                "latency",
                fault.latency.map(|d| format!("{}us", d.as_micros())),
            );
            add("cpu", fault.cpu.map(|d| format!("{}us", d.as_micros())));
            add("error", fault.error.map(percent));
            add("drop", fault.drop.map(percent));
            add("leak", fault.leak.map(|n| format!("{n}B")));
            add("once", fault.once.map(|n| format!("{n}B")));
            text += ";";
        }
        text
    }

    fn any_fault() -> impl Strategy<Value = Fault> {
        let duration = || proptest::option::of((0..60_000_000_u64).prop_map(Duration::from_micros));
        let share = || proptest::option::of(0..=units::WHOLE);
        let size = || proptest::option::of(0..(1_usize << 30));
        (duration(), share(), duration(), size(), size(), share())
            .prop_map(|(latency, error, cpu, leak, once, drop)| Fault {
                latency,
                error,
                cpu,
                leak,
                once,
                drop,
            })
            .prop_filter("a route needs a fault", |fault| *fault != Fault::default())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            faults in proptest::collection::vec(any_fault(), 1..METHODS.len()),
        ) {
            let faults: Vec<RouteFaults> = METHODS
                .iter()
                .zip(faults)
                .map(|(method, fault)| RouteFaults {
                    method: (*method).to_owned(),
                    route: "/api/missions".to_owned(),
                    fault,
                })
                .collect();
            prop_assert_eq!(parse(&write(&faults)), Ok(faults));
        }

        #[test]
        fn no_text_makes_it_panic(text in "(POST|GET|[*]|) ?(/api/missions|/ws|/x)?:? ?[a-z%=;:0-9. ]{0,60}|\\PC{0,80}") {
            if let Err(error) = parse(&text) {
                prop_assert!(!error.reason.is_empty());
            }
        }
    }
}
