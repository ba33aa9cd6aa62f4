//! A checkpoint on disk: the results of the experiments done, and the state of the one under way.

use std::collections::BTreeMap;

use nmc_program::{Image, Program};
use serde::{Deserialize, Serialize};

use crate::chips::Reached;
use crate::simulation::damaged;
use crate::{EngineKind, Results, RunError, RunOptions};

/// What every checkpoint begins with.
const MARK: &[u8; 8] = b"nmc\xffgo\r\n";
/// Raised with every change of what is saved.
pub const FORMAT: u32 = 5;
/// Mark, format, checksum.
const HEAD: usize = 8 + 4 + 8;

/// How far the experiments of a run or a sweep have come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Of each experiment that is done its [`mark`], and what came of each of its chips.
    pub done: Vec<(u64, Vec<Results>)>,
    /// Of the next its mark, and how far each of its chips has come; none before it has begun.
    pub under_way: Option<(u64, Vec<Reached>)>,
    /// What has been recorded stands in files: of each how many numbers count; none where nothing is kept.
    pub recorded: Option<BTreeMap<String, u64>>,
}

/// What a checkpoint can be gone on with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    version: String,
    seed: u64,
    interpreter: bool,
    /// Of each program of a run its [`mark`]; those of a sweep are not known before it has ended.
    programs: Vec<u64>,
    /// How many chips are asked for, by program.
    chips: Vec<usize>,
}

/// Of everything in a program.
pub fn mark(program: &Program) -> u64 {
    hash(&postcard::to_stdvec(&(Image::FORMAT, program)).unwrap_or_default())
}

impl Origin {
    /// Of these programs, run so. The number of threads is left out: it changes nothing.
    pub fn new(programs: &[Program], options: &RunOptions, chips: Vec<usize>) -> Self {
        Origin {
            version: String::from(env!("CARGO_PKG_VERSION")),
            seed: options.seed,
            interpreter: options.engine == EngineKind::Interpreter,
            programs: programs.iter().map(mark).collect(),
            chips,
        }
    }

    /// In what respect the other differs.
    fn difference(&self, other: &Origin) -> Option<String> {
        let engine = |origin: &Origin| if origin.interpreter { "interpreter" } else { "jit" };
        let pair =
            |what: &str, a: &dyn std::fmt::Display, b: &dyn std::fmt::Display| Some(format!("{what} {a}, not {b}"));
        if self.version != other.version {
            pair("version", &other.version, &self.version)
        } else if self.programs != other.programs {
            Some(String::from("another program, or other data"))
        } else if self.seed != other.seed {
            pair("seed", &other.seed, &self.seed)
        } else if self.chips != other.chips {
            Some(String::from("another number of chips"))
        } else if self.interpreter != other.interpreter {
            pair("engine", &engine(other), &engine(self))
        } else {
            None
        }
    }
}

impl Checkpoint {
    /// As the bytes of a file.
    pub fn encode(&self, origin: &Origin) -> Vec<u8> {
        let body = postcard::to_stdvec(&(origin, self)).unwrap_or_default();
        let mut bytes = Vec::with_capacity(HEAD + body.len());
        bytes.extend(MARK);
        bytes.extend(FORMAT.to_le_bytes());
        bytes.extend(hash(&body).to_le_bytes());
        bytes.extend(body);
        bytes
    }

    /// From the bytes of a file: E0710 if it is not whole, E0709 if it is of another origin.
    pub fn decode(bytes: &[u8], origin: &Origin) -> Result<Self, RunError> {
        let head = bytes.split_first_chunk().and_then(|(mark, rest)| {
            let (format, rest) = rest.split_first_chunk()?;
            let (sum, body) = rest.split_first_chunk()?;
            (mark == MARK).then_some((u32::from_le_bytes(*format), u64::from_le_bytes(*sum), body))
        });
        let Some((format, sum, body)) = head else {
            return Err(damaged("it does not begin as a checkpoint of nmc does"));
        };
        if format != FORMAT {
            return Err(another(&format!("format {format}, not {FORMAT}")));
        }
        if sum != hash(body) {
            return Err(damaged("its bytes have changed since it was written, or some are missing"));
        }
        let read = postcard::from_bytes::<(Origin, Checkpoint)>(body);
        let (of, checkpoint) = read.map_err(|error| damaged(&error.to_string()))?;
        match origin.difference(&of) {
            Some(difference) => Err(another(&difference)),
            None => Ok(checkpoint),
        }
    }
}

fn another(difference: &str) -> RunError {
    let message = format!("this checkpoint is of another run: {difference}");
    let help = "go on with the program and the options that it was made with";
    RunError { code: "E0709", message, help: Some(String::from(help)), place: None }
}

/// FNV-1a over words of eight bytes and the length; it tells damage and difference, not intent.
fn hash(bytes: &[u8]) -> u64 {
    let mix = |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = words.iter().fold(0xcbf2_9ce4_8422_2325, |sum, word| mix(sum, u64::from_le_bytes(*word)));
    mix(rest.iter().fold(sum, |sum, &byte| mix(sum, u64::from(byte))), bytes.len() as u64)
}
