//! The compiler's only view of the world outside: texts, data and trial runs, handed in by whoever calls it.

use std::sync::{Arc, OnceLock};

use nmc_program::{Program, Tensor};

/// Gives the compiler the files a program names. The command line reads them from disk; tests from memory.
pub trait Files: Sync {
    /// The text of module `path` (`["lab", "neurons"]` is `lab/neurons.nmc` beside the program). `None`: no such file.
    /// Modules under `std` never come here.
    fn module(&self, path: &[String]) -> Option<Result<String, String>>;

    /// The arrays of a data file (`npz`, `npy`, `safetensors`, `csv`), each under its name; a file with one nameless
    /// array has it under `""`. Paths are relative to the program's folder. The error says what is wrong in one sentence.
    fn data(&self, path: &str) -> Result<Arc<DataFile>, FileProblem>;

    /// Told before each stage of an experiment begins or goes on, by its name in [`crate::stages::STAGES`]: the compiler has no clock.
    /// Experiments are compiled side by side.
    fn entering(&self, _experiment: &str, _stage: &'static str) {}

    /// Runs a program with each of these seeds and gives what its probes recorded: by name, [samples, elements]; or says why a run failed.
    /// The compiler asks for it where ranges of signals that move in time must be measured; where nothing can be run
    /// (none), they are bounded instead.
    fn trials(&self, _program: &Program, _seeds: &[u64]) -> Option<Result<Vec<Trial>, String>> {
        None
    }
}

/// What the probes of a trial run recorded.
pub type Trial = Vec<(String, Vec<f64>)>;

/// Why a data file could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileProblem {
    /// No such file (E0901).
    NotFound(String),
    /// It is there, but cannot be read: truncated, an unknown type, too large (E0902).
    Unreadable(String),
}

/// What a data file holds.
#[derive(Debug)]
pub struct DataFile {
    /// Arrays in the order of the file.
    pub arrays: Vec<Stored>,
    /// Metadata (safetensors), in the order of the file.
    pub metadata: Vec<(String, String)>,
}

impl DataFile {
    /// Arrays that are in memory already.
    pub fn of(arrays: impl IntoIterator<Item = (String, Tensor)>) -> DataFile {
        let stored = |(name, tensor): (String, Tensor)| {
            let shape = Ok(tensor.shape.clone());
            let tensor = Ok(Arc::new(tensor));
            Stored {
                numbers: OnceLock::from(tensor),
                ..Stored::new(name, shape, || Err(FileProblem::Unreadable(String::new())))
            }
        };
        DataFile { arrays: arrays.into_iter().map(stored).collect(), metadata: Vec::new() }
    }
}

/// An array of a file: its shape is known, its numbers are read when they are needed.
pub struct Stored {
    /// Its name; empty in files of one nameless array.
    pub name: String,
    /// Its shape, if that can be read.
    pub shape: Result<Vec<usize>, FileProblem>,
    numbers: OnceLock<Result<Arc<Tensor>, FileProblem>>,
    read: Box<dyn Fn() -> Result<Tensor, FileProblem> + Send + Sync>,
}

impl Stored {
    /// An array that `read` reads; it is called at most once.
    pub fn new(
        name: String,
        shape: Result<Vec<usize>, FileProblem>,
        read: impl Fn() -> Result<Tensor, FileProblem> + Send + Sync + 'static,
    ) -> Stored {
        Stored { name, shape, numbers: OnceLock::new(), read: Box::new(read) }
    }

    /// Its numbers.
    pub fn tensor(&self) -> Result<Arc<Tensor>, FileProblem> {
        self.numbers.get_or_init(|| (self.read)().map(Arc::new)).clone()
    }
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} {:?}", self.name, self.shape)
    }
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
