//! Where the server's CPU time goes over the steady part of a test.

use std::path::Path;
use std::time::{Duration, Instant};

use super::Run;
use crate::k6::Shape;
use crate::profile::{self, Profiler, Sampling};
use crate::record::{FunctionRecord, ProfileRecord, TestRecord};
use crate::repo;
use crate::secret::Secret;
use crate::server::{DataDir, Server};
use crate::shell::interrupt::Interrupted;

/// A part of a test in which the server is sampled.
pub struct Window {
    profiler: Profiler,
    began: Instant,
    from: Duration,
    to: Duration,
    sampling: Option<anyhow::Result<Sampling>>,
    /// Where the samples lie; what a killed run leaves there goes with the next one.
    folder: DataDir,
}

impl Window {
    /// Begins or ends the sampling of `server`, whose key is `key`, if it is time to.
    pub fn tick(&mut self, server: &Server, key: &Secret) {
        let now = self.began.elapsed();
        match &mut self.sampling {
            None if now >= self.from => {
                let (length, folder) = (self.to.saturating_sub(now), self.folder.path());
                let begun = self.profiler.sample(server, key, length, folder);
                self.sampling = Some(begun);
            }
            Some(Ok(sampling)) if now >= self.to => {
                sampling.pause();
                self.to = Duration::MAX;
            }
            _ => {}
        }
    }
}

impl Run<'_> {
    /// The steady part of a test, or all of it without one; none if the server is not sampled.
    ///
    /// # Errors
    /// If there is no room for samples.
    pub(super) fn window(&self, shape: &Shape) -> anyhow::Result<Option<Window>> {
        let Some(profiler) = &self.profiler else {
            return Ok(None);
        };
        let folder = DataDir::create(&repo::target_dir(self.root))?;
        let whole = shape.duration().as_secs_f64();
        let (from, to) = shape.hold().unwrap_or((0.0, whole));
        Ok(Some(Window {
            profiler: profiler.clone(),
            began: Instant::now(),
            from: Duration::from_secs_f64(from),
            to: Duration::from_secs_f64(to),
            sampling: None,
            folder,
        }))
    }

    /// Reads what was sampled, draws it into `dir` and notes it. What goes wrong is a notice.
    pub(super) fn keep_profile(&mut self, window: Window, record: &mut TestRecord, dir: &Path) {
        let kept = match window.sampling {
            None => Err(anyhow::anyhow!("it ended before its steady part")),
            Some(sampling) => sampling.and_then(Sampling::end).and_then(|stacks| {
                let title = format!("{}: CPU time of the server", record.name);
                profile::draw(&stacks, &title, &dir.join("flame.svg"))?;
                Ok(stacks)
            }),
        };
        record.profile = match kept {
            Ok(stacks) => {
                let own = self.config.table.server.functions();
                let usage = record.server_usage.as_ref();
                Some(ProfileRecord {
                    samples: stacks.samples(),
                    functions: profile::shares(&stacks, own.as_deref())
                        .into_iter()
                        .map(|(name, share)| FunctionRecord {
                            name,
                            share,
                            cpu_us_per_request: usage
                                .and_then(|usage| Some(usage.cpu_us_per_request? * share)),
                        })
                        .collect(),
                })
            }
            Err(error) => {
                if !error.is::<Interrupted>() {
                    self.say(format!(
                        "{}: where the server's CPU time went is not known: {error:#}",
                        record.name
                    ));
                }
                Some(ProfileRecord::default())
            }
        };
    }
}
