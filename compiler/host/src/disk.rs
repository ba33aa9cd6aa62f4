//! Files: programs, modules and data beside them, and output by rename.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use nmc_compiler::files::{DataFile, FileProblem, Files, Trial};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::Program;
use nmc_runtime::simulation::Compiled;
use nmc_runtime::{EngineKind, Recorded, Results, RunError, RunOptions};
use rayon::prelude::*;

use crate::data;

/// The largest program text that is read.
const LARGEST_PROGRAM: u64 = 64 << 20;
/// The largest image that is read.
const LARGEST_IMAGE: u64 = 8 << 30;

/// What reading a data file gave.
type Known = BTreeMap<PathBuf, Result<Arc<DataFile>, FileProblem>>;

/// The folder of a program. Data files are read once.
pub struct Folder {
    path: PathBuf,
    known: Mutex<Known>,
    /// When the compiler entered which stage of which experiment.
    stages: Mutex<BTreeMap<String, Vec<(&'static str, Instant)>>>,
}

impl Folder {
    /// The folder `file` is in.
    pub fn of(file: &Path) -> Folder {
        let path = file.parent().map(Path::to_path_buf).unwrap_or_default();
        Folder { path, known: Mutex::default(), stages: Mutex::default() }
    }

    /// Seconds spent placing and scheduling an experiment.
    pub fn seconds(&self, experiment: &str) -> StageSeconds {
        let stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        let entered = stages.get(experiment).map_or(&[][..], Vec::as_slice);
        // Places are found while conversions are chosen, time and again.
        let of = |name: &str| {
            let spans = entered.windows(2).filter(|pair| pair[0].0 == name).map(|pair| pair[1].1 - pair[0].1);
            spans.map(|span| span.as_secs_f64()).reduce(|a, b| a + b)
        };
        StageSeconds { place: of("place"), schedule: of("schedule") }
    }
}

/// Seconds of an experiment's stages; none where it came from an image.
#[derive(Debug, Clone, Copy, Default)]
pub struct StageSeconds {
    pub place: Option<f64>,
    pub schedule: Option<f64>,
}

impl Files for Folder {
    fn module(&self, path: &[String]) -> Option<Result<String, String>> {
        let mut file = self.path.clone();
        file.extend(path);
        file.set_extension("nmc");
        file.exists().then(|| read(&file).map_err(|problem| problem.message))
    }

    fn data(&self, path: &str) -> Result<Arc<DataFile>, FileProblem> {
        let file = self.path.join(path);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(file).or_insert_with_key(|file| data::read(file).map(Arc::new)).clone()
    }

    fn entering(&self, experiment: &str, stage: &'static str) {
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        stages.entry(experiment.to_string()).or_default().push((stage, Instant::now()));
    }

    fn trials(&self, program: &Program, seeds: &[u64]) -> Option<Result<Vec<Trial>, String>> {
        let options = |seed| RunOptions { seed, engine: EngineKind::Jit, threads: 1, memory: memory(), progress: None };
        let recorded = |results: Results| {
            let values = results.recordings.into_iter().filter_map(|recording| match recording.values {
                Recorded::Values { data, .. } => Some((recording.name, data)),
                Recorded::Spikes { .. } | Recorded::Synapses { .. } | Recorded::Histogram { .. } => None,
            });
            values.collect::<Trial>()
        };
        // Each needs its memory: they run side by side where there is enough for all.
        let share = memory() / rayon::current_num_threads() as u64;
        let all = || -> Result<Vec<Trial>, RunError> {
            nmc_runtime::check(program, &options(1))?;
            let compiled = Compiled::new(program, EngineKind::Jit)?;
            let one = |seed: &u64| compiled.run(&options(*seed)).map(recorded);
            match nmc_runtime::check(program, &RunOptions { memory: share, ..options(1) }) {
                Ok(()) => seeds.par_iter().map(one).collect(),
                Err(_) => seeds.iter().map(one).collect(),
            }
        };
        Some(all().map_err(|error| error.message))
    }
}

/// Bytes of memory that are free, as Linux tells; elsewhere 16 GiB are taken to be.
pub fn memory() -> u64 {
    let told = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = told.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kilobytes.map_or(16 << 30, |kilobytes| kilobytes << 10)
}

/// Bytes that are free where a folder stands or is to stand, if that can be told.
#[cfg(unix)]
pub fn room(folder: &Path) -> Option<u64> {
    let folder = std::path::absolute(folder).ok()?;
    let standing = folder.ancestors().find(|above| above.is_dir())?;
    let told = rustix::fs::statvfs(standing).ok()?;
    Some(told.f_bavail * told.f_frsize)
}

/// The same.
#[cfg(not(unix))]
pub fn room(_folder: &Path) -> Option<u64> {
    None
}

/// The text of a program; bytes that are no text become the sign for that.
pub fn read(file: &Path) -> Result<String, Diagnostic> {
    let bytes = whole(file, LARGEST_PROGRAM, "any program")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The bytes of an image.
pub fn bytes(file: &Path) -> Result<Vec<u8>, Diagnostic> {
    whole(file, LARGEST_IMAGE, "any image")
}

/// The bytes of a file that another one names, which lies in its folder or in one within; or why there are none.
pub fn named_by(file: &Path, name: &str) -> Result<Vec<u8>, String> {
    let told = Path::new(name);
    if name.is_empty() || !told.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(String::from("that is no file in its folder"));
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let path = folder.join(told);
    // A link may lead elsewhere.
    if let (Ok(folder), Ok(path)) = (folder.canonicalize(), path.canonicalize())
        && !path.starts_with(&folder)
    {
        return Err(String::from("that is no file in its folder"));
    }
    bytes(&path).map_err(|problem| problem.message)
}

fn whole(file: &Path, largest: u64, than: &str) -> Result<Vec<u8>, Diagnostic> {
    let problem = |why: &dyn std::fmt::Display| {
        let message = format!("cannot read {}: {why}", file.display());
        Diagnostic::placeless(Code::E0901, message)
    };
    let missing = std::io::ErrorKind::NotFound;
    let about = fs::metadata(file)
        .map_err(|error| if error.kind() == missing { problem(&"there is no such file") } else { problem(&error) })?;
    if about.is_dir() {
        return Err(problem(&"it is a folder").with_help("name a file, such as `nmc check program.nmc`"));
    }
    if about.len() > largest {
        return Err(problem(&format!("it is larger than {than}")));
    }
    fs::read(file).map_err(|error| problem(&error))
}

/// Writes a file whole or not at all.
pub fn write(file: &Path, bytes: &[u8]) -> Result<(), Diagnostic> {
    let temporary = beside(file);
    let done = fs::File::create(&temporary)
        .and_then(|mut out| out.write_all(bytes))
        .and_then(|()| fs::rename(&temporary, file));
    done.map_err(|error| {
        // The half-written file is of no use; that it cannot be removed either changes nothing.
        let _ = fs::remove_file(&temporary);
        cannot_write(file, &error)
    })
}

/// The same for an error.
pub fn cannot_write(file: &Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::placeless(Code::E0905, format!("cannot write {}: {error}", file.display()))
}

/// A name for what is not whole yet, in the same folder, so that renaming needs no copying. What a process that was killed
/// left there is removed.
fn beside(file: &Path) -> PathBuf {
    let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let stem = format!(".{name}.");
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let entry_name = entry.file_name().to_string_lossy().into_owned();
        if entry_name.strip_prefix(&stem).and_then(|id| id.parse().ok()).is_some_and(is_gone) {
            // What cannot be removed is somebody else's, and in nobody's way.
            let _ = fs::remove_dir_all(entry.path()).or_else(|_| fs::remove_file(entry.path()));
        }
    }
    file.with_file_name(format!("{stem}{}", std::process::id()))
}

/// Whether a process has ended, although nobody may have asked how (`Z` behind its name); where the system does not show its processes none is known to have.
fn is_gone(process: u32) -> bool {
    let processes = Path::new("/proc");
    let ended = |stat: String| stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('Z'));
    let own = processes.join(process.to_string());
    processes.join("self").exists() && (!own.exists() || fs::read_to_string(own.join("stat")).is_ok_and(ended))
}

/// A folder under way: what is in it appears under its name when all of it is whole, and leaves nothing behind otherwise.
pub struct NewFolder {
    target: PathBuf,
    temporary: PathBuf,
    files: Vec<String>,
}

impl NewFolder {
    /// Begins a folder of that name.
    pub fn begin(target: &Path) -> Result<NewFolder, Diagnostic> {
        if target.is_file() {
            let message = format!("cannot write into {}: it is a file, not a folder", target.display());
            return Err(Diagnostic::placeless(Code::E0905, message));
        }
        let target = std::path::absolute(target).map_err(|error| cannot_write(target, &error))?;
        // Within a folder that stands, else beside the one to come: renaming must not copy.
        let temporary = if target.is_dir() { beside(&target.join("nmc")) } else { beside(&target) };
        fs::create_dir_all(&temporary).map_err(|error| cannot_write(&target, &error))?;
        Ok(NewFolder { target, temporary, files: Vec::new() })
    }

    /// Where a file is to be written, with the folders on its way.
    pub fn place(&self, name: &str) -> io::Result<PathBuf> {
        let file = self.temporary.join(name);
        file.parent().map_or(Ok(()), fs::create_dir_all)?;
        Ok(file)
    }

    /// A file that was written is one of the folder's.
    pub fn keep(&mut self, name: &str) {
        self.files.push(name.to_string());
    }

    /// Takes away a folder in it, if it is there.
    pub fn discard(&self, name: &str) -> io::Result<()> {
        let folder = self.temporary.join(name);
        if folder.is_dir() { fs::remove_dir_all(folder) } else { Ok(()) }
    }

    /// Adds a file, with the folders on its way.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), Diagnostic> {
        let file = self.temporary.join(name);
        let made = file.parent().map_or(Ok(()), fs::create_dir_all);
        let done = made.and_then(|()| fs::write(&file, bytes));
        self.files.push(name.to_string());
        done.map_err(|error| cannot_write(&self.target.join(name), &error))
    }

    /// Makes it appear at once, or file by file in the order added where the folder stands already; what else is there stays.
    pub fn finish(self) -> Result<(), Diagnostic> {
        if !self.target.is_dir() {
            return fs::rename(&self.temporary, &self.target).map_err(|error| cannot_write(&self.target, &error));
        }
        for name in &self.files {
            let file = self.target.join(name);
            let made = file.parent().map_or(Ok(()), fs::create_dir_all);
            let moved = made.and_then(|()| fs::rename(self.temporary.join(name), &file));
            moved.map_err(|error| cannot_write(&file, &error))?;
        }
        Ok(())
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        // After `finish` there is nothing left, or an empty folder.
        let _ = fs::remove_dir_all(&self.temporary);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_appears_whole_and_keeps_what_was_there() {
        let place = std::env::temp_dir().join(format!("nmc-folder-{}", std::process::id()));
        let _ = fs::remove_dir_all(&place);
        let folder = place.join("out");
        fs::create_dir_all(&place).unwrap();
        drop(NewFolder::begin(&folder).unwrap());
        assert_eq!(fs::read_dir(&place).unwrap().count(), 0, "a folder given up leaves nothing");
        // Of a process that was killed; no process has the largest number. And of one that lives.
        let (dead, living) = (place.join(format!(".out.{}", u32::MAX)), place.join(".out.1"));
        for left in [&dead, &living] {
            fs::create_dir_all(left.join("a")).unwrap();
        }
        drop(NewFolder::begin(&folder).unwrap());
        assert_eq!((dead.exists(), living.exists()), (!Path::new("/proc/self").exists(), true));
        fs::remove_dir_all(living).unwrap();
        for text in ["1", "2"] {
            let mut new = NewFolder::begin(&folder).unwrap();
            new.add("a/b.npz", text.as_bytes()).unwrap();
            new.finish().unwrap();
            assert_eq!(fs::read_to_string(folder.join("a/b.npz")).unwrap(), text);
            fs::write(folder.join("mine.txt"), "mine").unwrap();
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        let error = NewFolder::begin(&folder.join("mine.txt")).err().map(|error| error.code);
        assert_eq!(error, Some(Code::E0905));
        fs::remove_dir_all(&place).unwrap();
    }
}
