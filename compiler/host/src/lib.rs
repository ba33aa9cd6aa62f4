//! Programs from files, run, with results in files: what the command line, tests and other hosts share. No terminal, no exit codes.

pub mod activity;
pub mod data;
pub mod diagnostics;
pub mod disk;
pub mod image;
pub mod layers;
pub mod load;
pub mod nir;
pub mod onnx;
pub mod report;
pub mod run;
