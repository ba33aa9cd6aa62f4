//! The checks of programs as written: silent on what is right, one message for one mistake, blocks that nothing uses included.

use std::sync::Arc;

use nmc_compiler::files::{DataFile, FileProblem, Files};
use nmc_compiler::{check, resolve};

/// No files at all.
struct Nothing;

impl Files for Nothing {
    fn module(&self, _path: &[String]) -> Option<Result<String, String>> {
        None
    }

    fn data(&self, path: &str) -> Result<Arc<DataFile>, FileProblem> {
        Err(FileProblem::NotFound(path.to_string()))
    }
}

/// Codes with their messages.
fn found(text: &str) -> Vec<String> {
    let mut diagnostics = Vec::new();
    let model = resolve::resolve("program.nmc", text, &Nothing, &mut diagnostics);
    if diagnostics.is_empty() {
        check::check(&model, &mut diagnostics);
    }
    diagnostics.iter().map(|one| format!("{} {}", one.code.number(), one.message)).collect()
}

#[test]
fn the_standard_library_and_the_examples_are_clean() {
    for module in nmc_stdlib::modules() {
        assert_eq!(found(module.text), [""; 0], "{}", module.path);
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    for place in ["examples", "examples/planned", "tests/reference"] {
        let Ok(entries) = std::fs::read_dir(format!("{folder}/{place}")) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "nmc") {
                assert_eq!(found(&std::fs::read_to_string(&path).unwrap()), [""; 0], "{}", path.display());
            }
        }
    }
}
