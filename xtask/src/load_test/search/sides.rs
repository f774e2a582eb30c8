//! Searches with programs that are given, one after the other: both sides of a comparison, pair by pair.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::{Run, SearchPlan};
use crate::cli::Capacity;
use crate::config::Config;
use crate::k6::{self, K6};
use crate::load_test::{PLAIN, begin, search_plan};
use crate::prometheus;
use crate::record::{RunFolder, TestRecord};
use crate::server::Server;

/// One search after the other, each with fresh servers in every step.
pub struct Searches<'a> {
    run: Run<'a>,
    search: SearchPlan,
    /// How long an iteration of each test took at least, in seconds.
    iteration_s: Vec<Option<f64>>,
}

/// How a search begins that believes each step at once.
#[derive(Debug, Clone, Copy)]
pub struct Begin {
    /// With this load.
    pub load: u64,
    /// The factor by which it grows at first.
    pub factor: f64,
    /// How wide the interval may be, relative to its lower end.
    pub resolution: f64,
    /// How long the search may take.
    pub budget: Duration,
}

impl<'a> Searches<'a> {
    /// For the tests that are `asked` for; the metrics have the name of `folder`.
    ///
    /// # Errors
    /// If the command line is wrong, or k6 finds fault with a script.
    pub fn new(
        asked: &'a Capacity,
        root: &'a Path,
        config: &'a Config,
        k6: K6,
        folder: RunFolder,
    ) -> anyhow::Result<Self> {
        let (plan, search) = search_plan(asked, config)?;
        let options = k6::Options::read(&[], None)?;
        let shapes = plan.shapes(&search.first_load(), &k6.path, &config.main_js(), &options)?;
        let now = SystemTime::now();
        let record = begin::begin(&options, &plan, &k6, &shapes, None, &folder.name, now);
        let run = Run {
            names_profile: false,
            args: &asked.running,
            extra: &PLAIN,
            search: None,
            options,
            root,
            config,
            plan,
            build: None,
            k6,
            profiler: None,
            shapes,
            folder,
            record,
            before: None,
            prometheus: None,
            began_unix_ms: prometheus::unix_ms(),
        };
        let iteration_s = vec![None; run.plan.tests.len()];
        Ok(Self {
            run,
            search,
            iteration_s,
        })
    }

    /// Searches in test `index` with servers of `program`, with the files of the steps in `dir`.
    pub fn search(&mut self, index: usize, program: &Path, dir: &Path, begin: Begin) -> TestRecord {
        let search = SearchPlan {
            start: begin.load,
            once: Some(begin.factor),
            resolution: begin.resolution,
            budget: begin.budget,
            iteration_s: self.iteration_s[index],
            ..self.search.clone()
        };
        let mut server = None;
        let run = &mut self.run;
        let test = run.search_in(dir, &search, index, &mut server, Some(program), &[]);
        run.record
            .notices
            .extend(server.map_or_else(Vec::new, Server::stop));
        let steps = test.capacity.iter().flat_map(|found| &found.steps);
        let took = steps
            .filter_map(|step| step.iteration_ms)
            .map(|ms| ms / 1e3);
        self.iteration_s[index] = took.chain(self.iteration_s[index]).reduce(f64::min);
        test
    }

    /// What may explain a result.
    pub fn notices(self) -> Vec<String> {
        self.run.record.notices
    }
}
