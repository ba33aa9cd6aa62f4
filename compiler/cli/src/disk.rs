//! Files: programs, modules beside them, and output by rename.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nmc_compiler::files::{DataFile, FileProblem, Files};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::Program;
use nmc_runtime::{EngineKind, Recorded, RunOptions};

use crate::data;

/// The largest program text that is read.
const LARGEST_PROGRAM: u64 = 64 << 20;

/// What reading a data file gave.
type Known = BTreeMap<PathBuf, Result<Arc<DataFile>, FileProblem>>;

/// The folder of a program. Data files are read once.
pub struct Folder {
    path: PathBuf,
    known: RefCell<Known>,
}

impl Folder {
    /// The folder `file` is in.
    pub fn of(file: &Path) -> Folder {
        Folder { path: file.parent().map(Path::to_path_buf).unwrap_or_default(), known: RefCell::default() }
    }
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
        let mut known = self.known.borrow_mut();
        known.entry(file).or_insert_with_key(|file| data::read(file).map(Arc::new)).clone()
    }

    fn trial(&self, program: &Program) -> Option<Vec<(String, Vec<f64>)>> {
        let options = RunOptions { seed: 1, engine: EngineKind::Jit, threads: 1, progress: None };
        let results = nmc_runtime::run(program, &options).ok()?;
        let values = results.recordings.into_iter().filter_map(|recording| match recording.values {
            Recorded::Values { data, .. } => Some((recording.name, data)),
            Recorded::Spikes { .. } | Recorded::Synapses { .. } => None,
        });
        Some(values.collect())
    }
}

/// The text of a program; bytes that are no text become the sign for that.
pub fn read(file: &Path) -> Result<String, Diagnostic> {
    let problem = |why: &dyn std::fmt::Display| {
        let message = format!("cannot read {}: {why}", file.display());
        Diagnostic::placeless(Code::E0901, message)
    };
    let size = fs::metadata(file).map_err(|error| problem(&error))?;
    if size.is_dir() {
        return Err(problem(&"it is a folder").with_help("name a file, such as `nmc check program.nmc`"));
    }
    if size.len() > LARGEST_PROGRAM {
        return Err(problem(&"it is larger than any program"));
    }
    let bytes = fs::read(file).map_err(|error| problem(&error))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Writes a file whole or not at all.
pub fn write(file: &Path, bytes: &[u8]) -> Result<(), Diagnostic> {
    let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let temporary = file.with_file_name(format!(".{name}.{}", std::process::id()));
    let done = fs::File::create(&temporary)
        .and_then(|mut out| out.write_all(bytes))
        .and_then(|()| fs::rename(&temporary, file));
    done.map_err(|error| {
        // The half-written file is of no use; that it cannot be removed either changes nothing.
        let _ = fs::remove_file(&temporary);
        Diagnostic::placeless(Code::E0905, format!("cannot write {}: {error}", file.display()))
    })
}
