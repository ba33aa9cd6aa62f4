//! The `nmc` command as a user meets it.

mod bad_data;
mod bad_input;
mod checkpoints;
mod chips;
mod engines;
mod gallery;
mod habits;
mod keys;
mod language;
mod left;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn nmc(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nmc")).args(arguments).output().unwrap()
}

/// What it printed, of a command that ends clean.
fn clean(arguments: &[&str]) -> String {
    let output = nmc(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&clean(arguments)).unwrap()
}

fn example(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name).display().to_string()
}

/// A folder of the test's own, empty.
fn folder(test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Writes a program into a folder of its own and gives it to a subcommand: the exit code and what it said.
fn told(subcommand: &str, test: &str, text: &[u8]) -> (Option<i32>, String) {
    let file = folder(test).join("program.nmc");
    std::fs::write(&file, text).unwrap();
    let output = nmc(&[subcommand, &file.display().to_string()]);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// That exactly one error was told, of this code.
fn one_error(shown: &str, code: &str) {
    assert!(shown.contains(&format!("[{code} ")), "{code} expected: {shown}");
    let errors = shown.lines().filter(|line| line.starts_with("[E") || line.starts_with("error[")).count();
    assert_eq!(errors, 1, "one error expected: {shown}");
}
