//! The compiler's only view of the world outside: texts, data and trial runs, handed in by whoever calls it.

use std::sync::Arc;

use nmc_program::Program;

/// Gives the compiler the files a program names. The command line reads them from disk; tests from memory.
pub trait Files {
    /// The text of module `path` (`["lab", "neurons"]` is `lab/neurons.nmc` beside the program). `None`: no such file.
    /// Modules under `std` never come here.
    fn module(&self, path: &[String]) -> Option<Result<String, String>>;

    /// The arrays of a data file (`npz`, `npy`, `safetensors`, `csv`), each under its name; a file with one nameless
    /// array has it under `""`. Paths are relative to the program's folder. The error says what is wrong in one sentence.
    fn data(&self, path: &str) -> Result<Arc<DataFile>, FileProblem>;

    /// Told before each stage of an experiment begins, by its name in [`crate::stages::STAGES`]: the compiler has no clock.
    fn entering(&self, _stage: &'static str) {}

    /// Runs a program once and gives what its probes recorded: by name, [samples, elements]. The compiler asks for it
    /// where ranges of signals that move in time must be measured; where nothing can be run, they are bounded instead.
    fn trial(&self, _program: &Program) -> Option<Vec<(String, Vec<f64>)>> {
        None
    }
}

/// Why a data file could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileProblem {
    /// No such file (E0901).
    NotFound(String),
    /// It is there, but cannot be read: truncated, an unknown type, too large (E0902).
    Unreadable(String),
}

/// What a data file holds.
#[derive(Debug, Clone, PartialEq)]
pub struct DataFile {
    /// Arrays in the order of the file.
    pub arrays: Vec<(String, nmc_program::Tensor)>,
    /// Metadata (safetensors), in the order of the file.
    pub metadata: Vec<(String, String)>,
}

/// No files at all: for programs that name none.
pub struct NoFiles;

impl Files for NoFiles {
    fn module(&self, _path: &[String]) -> Option<Result<String, String>> {
        None
    }

    fn data(&self, path: &str) -> Result<Arc<DataFile>, FileProblem> {
        Err(FileProblem::NotFound(format!("there is no file {path}")))
    }
}
