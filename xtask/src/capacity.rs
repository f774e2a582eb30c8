//! What gave way at the edge: the first threshold that was crossed there, and what was full meanwhile.

mod full;
#[cfg(test)]
mod tests;

use crate::record::{CauseRecord, LoadUnit, StepOutcome, StepRecord, plural, share};

use full::{
    FULL_CPU, cores, full, generator_is_short, is_full, is_rate_limited, machine, server, thread,
};

/// What is said where nothing was full.
const NOTHING: &str =
    "nothing measured here was full: look at the server's own waiting, locks or downstream";

/// What the generator is called as a cause.
const GENERATOR: &str = "load generator";

/// What gave way at the edge that `steps` found, of which `at_least` is known to hold; `None` if none of them was too much.
pub fn cause(steps: &[StepRecord], at_least: f64, unit: LoadUnit) -> Option<CauseRecord> {
    let came_to = |outcome| steps.iter().filter(move |step| step.outcome == outcome);
    // Near the edge chance decides: a load holds if it did more often than not.
    let holds = |step: &&StepRecord| {
        let times = |outcome| came_to(outcome).filter(|it| it.load == step.load).count();
        times(StepOutcome::Held) > times(StepOutcome::Failed)
    };
    let held = came_to(StepOutcome::Held)
        .filter(holds)
        .max_by_key(|step| step.load);
    let beyond = |step: &&StepRecord| held.is_none_or(|held| step.load > held.load);
    // Of the same load the latest, which was measured for the longest.
    let least = |outcome| {
        let steps = came_to(outcome).filter(beyond).rev();
        steps.min_by_key(|step| step.load)
    };
    if let Some(failed) = least(StepOutcome::Failed) {
        let medians = came_to(StepOutcome::Held).filter_map(|step| step.p50_ms);
        let quickest_ms = medians.min_by(f64::total_cmp);
        return Some(gave_way(failed, held, quickest_ms, at_least, unit));
    }
    let step = least(StepOutcome::Generator)?;
    Some(generator(step, held, at_least, unit))
}

/// Whether the load generator or what it took of the machine was the limit: the capacity is at least what held.
pub fn is_generator(cause: &CauseRecord) -> bool {
    cause.what == GENERATOR
}

fn gave_way(
    at: &StepRecord,
    held: Option<&StepRecord>,
    quickest_ms: Option<f64>,
    at_least: f64,
    unit: LoadUnit,
) -> CauseRecord {
    let used = &at.resources;
    let takes_more = |cpu: f64| cpu > server(used).unwrap_or(0.0);
    // A thread that has a core to itself would go no faster with k6 elsewhere.
    let shares = is_full(used) && thread(used).is_none();
    let is_busy =
        (used.generator_cpu).is_some_and(|cpu| cpu >= FULL_CPU || (shares && takes_more(cpu)));
    // Whoever is refused comes again at once, which keeps k6 busy.
    if is_busy && !is_rate_limited(at) {
        return generator(at, held, at_least, unit);
    }
    let found = full(at, held, quickest_ms, unit);
    if found.is_empty() && generator_is_short(used) {
        return generator(at, held, at_least, unit);
    }
    let what = found
        .first()
        .map_or("nothing that was measured", |full| full.what);
    let words = match found.split_first() {
        Some((first, [])) => first.words.clone(),
        Some((first, [next, ..])) => format!("{}; and {}", first.words, next.words),
        None if server(used).is_none() => {
            format!("{NOTHING}; its process is not known here, which --server-pid names")
        }
        None => format!("{NOTHING} ({})", machine(used)),
    };
    let crossed = at.reasons.first();
    let crossed = crossed.map_or_else(String::new, |reason| format!("{reason}. "));
    CauseRecord {
        what: what.into(),
        share: found.first().and_then(|full| full.share),
        sentence: format!(
            "At {}: {crossed}{}",
            unit.counted(at.load as f64),
            capital(&words)
        ),
    }
}

/// Why no more than `step` could be asked for, in words.
pub fn limit(step: &StepRecord) -> String {
    let used = &step.resources;
    match (used.generator_cpu, step.reasons.first()) {
        (Some(cpu), _) if cpu >= FULL_CPU => format!("k6 took {} of {}", share(cpu), cores(used)),
        // Something else is in the way, which the reason names.
        (_, Some(reason)) if step.outcome == StepOutcome::Generator => reason.clone(),
        _ => machine(used),
    }
}

/// The load generator as what gave way at `step`.
fn generator(
    step: &StepRecord,
    held: Option<&StepRecord>,
    at_least: f64,
    unit: LoadUnit,
) -> CauseRecord {
    let used = &step.resources;
    let words = limit(step);
    // With a fifth to spare. Where iterations were dropped, those that held tell how many requests a load makes.
    let rate = used.requests_per_core_second.filter(|rate| *rate > 0.0);
    let is_cpu = step.reasons.first() != Some(&words);
    let needs = held
        .zip(rate)
        .filter(|_| is_cpu && at_least > 0.0)
        .map(|(held, rate)| {
            let requests = held.requests_per_second / held.load as f64 * at_least * 2.0;
            let cores = (requests / rate / FULL_CPU).ceil();
            format!(
                "; to ask for twice what held, give k6 about {} of its own",
                plural(cores as u64, "core")
            )
        });
    CauseRecord {
        what: GENERATOR.into(),
        share: used.generator_cpu,
        sentence: format!(
            "At {} this machine could ask for no more: {words}{}",
            unit.counted(step.load as f64),
            needs.unwrap_or_default()
        ),
    }
}

fn capital(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters.as_str().chars()).collect()
}
