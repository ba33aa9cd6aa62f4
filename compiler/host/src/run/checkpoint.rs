//! Checkpoints: where a run that was killed goes on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::Program;
use nmc_runtime::checkpoint::{Origin, mark};
use nmc_runtime::chips::Reached;
use nmc_runtime::{Checkpoint, Results};

use super::parts::{Begun, is_same};
use super::{Settings, coded};
use crate::disk;

/// Where checkpoints go to and come from.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// Where the state is written.
    pub into: Option<PathBuf>,
    /// How often, but for the pace of the simulation.
    pub every: Duration,
    /// What is gone on from.
    pub resume: Option<PathBuf>,
}

/// How far the experiments have come, and where that is written. What they record grows in a folder beside the file, of which the file says how much of
/// it counts.
pub struct Checkpoints {
    files: Files,
    origin: Origin,
    reached: Checkpoint,
    /// When the file was written.
    written: Option<Instant>,
    /// Of the experiment that was asked for last.
    mark: u64,
    /// Experiments that were done already.
    known: usize,
}

impl Checkpoints {
    /// From the start, or from a file; none where no file is read or written. A sweep has no `programs` yet: of those that come, what is known is
    /// taken up. `recorded`: whether recordings are wanted.
    pub fn begin(
        programs: &[Program],
        settings: &Settings,
        files: Files,
        recorded: bool,
    ) -> Result<Option<Self>, Diagnostic> {
        if files.into.is_none() && files.resume.is_none() {
            return Ok(None);
        }
        let chips = programs.iter().map(|program| settings.chips(program)).collect();
        let origin = Origin::new(programs, &settings.options(None), chips);
        let mut reached = Checkpoint { recorded: recorded.then(BTreeMap::new), ..Checkpoint::default() };
        if let Some(file) = &files.resume {
            reached = read(file, &origin)?;
            let kept = reached.recorded.take().filter(|_| recorded);
            if let (true, None) = (recorded, &kept) {
                let message = format!("{} is of a run without --out: what it recorded was not kept", file.display());
                let wrong = Diagnostic::placeless(Code::E0709, message);
                return Err(wrong.with_help("go on without --out, or run from the start with it"));
            }
            reached.recorded = kept;
        }
        let (into, from) = (files.into.as_deref().map(recordings), files.resume.as_deref().map(recordings));
        if let Some(into) = into.filter(|into| into.is_dir() && !from.is_some_and(|from| is_same(into, &from))) {
            // What another run left there is of no use without its checkpoint, which is about to be replaced.
            if !files.into.as_ref().is_some_and(|file| file.is_file()) {
                let message = format!("{} is there already, and no checkpoint beside it", into.display());
                let help = "recordings are to grow there: take it away, or give the checkpoint another name";
                return Err(Diagnostic::placeless(Code::E0905, message).with_help(help));
            }
            std::fs::remove_dir_all(&into).map_err(|error| disk::cannot_write(&into, &error))?;
        }
        Ok(Some(Checkpoints { files, origin, reached, written: None, mark: 0, known: 0 }))
    }

    /// Whether it is time to write the state.
    pub fn is_due(&self) -> bool {
        self.files.into.is_some() && self.written.is_none_or(|written| written.elapsed() >= self.files.every)
    }

    /// What recordings begin with and grow in.
    pub fn begun(&self) -> Begun {
        Begun {
            numbers: self.reached.recorded.clone().unwrap_or_default(),
            from: self.files.resume.as_deref().map(recordings),
            into: self.files.into.as_deref().map(recordings),
        }
    }

    /// The results of the next experiment, if they are known.
    pub fn next(&mut self, program: &Program, chips: usize) -> Option<Vec<Results>> {
        self.mark = mark(program);
        let known = self.reached.done.iter().find(|(mark, results)| *mark == self.mark && results.len() == chips);
        self.known += usize::from(known.is_some());
        known.map(|(_, results)| results.clone())
    }

    /// How many experiments were done already.
    pub fn known(&self) -> usize {
        self.known
    }

    /// How far its chips have come, if it is not done.
    pub fn under_way(&mut self) -> Vec<Reached> {
        let under_way = self.reached.under_way.take().filter(|(mark, _)| *mark == self.mark);
        under_way.map_or_else(Vec::new, |(_, reached)| reached)
    }

    /// That experiment is done, all of its chips.
    pub fn done(&mut self, results: &[Results], recorded: BTreeMap<String, u64>) {
        self.reached.done.push((self.mark, results.to_vec()));
        self.record(recorded);
    }

    fn record(&mut self, recorded: BTreeMap<String, u64>) {
        if let Some(kept) = &mut self.reached.recorded {
            kept.extend(recorded);
        }
    }

    /// Replaces the file by one of the present state: there is a whole one at any moment.
    pub fn write(&mut self, under_way: Vec<Reached>, recorded: BTreeMap<String, u64>) -> Result<(), Diagnostic> {
        let Some(file) = self.files.into.clone() else { return Ok(()) };
        self.record(recorded);
        self.reached.under_way = Some((self.mark, under_way));
        let written = disk::write(&file, &self.reached.encode(&self.origin));
        (self.reached.under_way, self.written) = (None, Some(Instant::now()));
        written
    }

    /// All is over: what was recorded has been put together.
    pub fn finish(self) -> Result<(), Diagnostic> {
        let Some(folder) = self.files.into.as_deref().map(recordings).filter(|folder| folder.is_dir()) else {
            return Ok(());
        };
        std::fs::remove_dir_all(&folder).map_err(|error| disk::cannot_write(&folder, &error))
    }
}

/// The folder in which recordings grow.
fn recordings(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_os_string();
    name.push(".recordings");
    file.with_file_name(name)
}

fn read(file: &Path, origin: &Origin) -> Result<Checkpoint, Diagnostic> {
    let bytes = disk::bytes(file)?;
    Checkpoint::decode(&bytes, origin).map_err(|error| coded(&error, format!("{}: {}", file.display(), error.message)))
}
