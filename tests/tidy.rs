//! The house keeps its shape: who may depend on whom, file headers, `unsafe` in its places, file sizes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which of our crates each of them may use.
const EDGES: &[(&str, &[&str])] = &[
    ("nmc-grammar", &[]),
    ("nmc-stdlib", &[]),
    ("nmc-program", &[]),
    ("nmc-compiler", &["nmc-grammar", "nmc-stdlib", "nmc-program"]),
    ("nmc-runtime", &["nmc-program"]),
    ("nmc-host", &["nmc-grammar", "nmc-compiler", "nmc-program", "nmc-runtime"]),
    ("nmc", &["nmc-grammar", "nmc-stdlib", "nmc-compiler", "nmc-program", "nmc-runtime", "nmc-host"]),
    ("nmc-tests", &["nmc-grammar", "nmc-compiler", "nmc-program", "nmc-runtime", "nmc-host"]),
];
// A place to look, no limit.
const LONGEST_FILE: usize = 700;
const VAGUE_NAMES: &[&str] = &["utils", "util", "common", "helpers", "helper", "core", "manager", "misc"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf).unwrap_or_default()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            rust_files(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_file_keeps_the_house_rules() {
    let root = root();
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    assert!(files.len() > 10, "the source files were not found");
    let mut faults = Vec::new();
    for path in &files {
        let shown = path.strip_prefix(&root).unwrap().display().to_string();
        let text = fs::read_to_string(path).unwrap();
        if !text.starts_with("//! ") {
            faults.push(format!("{shown}: does not open with a `//!` sentence"));
        }
        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            faults.push(format!("{shown}: {lines} lines, at most {LONGEST_FILE}"));
        }
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        if VAGUE_NAMES.contains(&stem.as_str()) {
            faults.push(format!("{shown}: the name says nothing"));
        }
        let has_unsafe =
            text.lines().any(|line| line.trim_start().starts_with("unsafe ") || line.contains(" unsafe {"));
        let may =
            shown.starts_with("runtime/src/jit") || shown == "runtime/src/team/crew.rs" || shown == "tests/tidy.rs";
        if has_unsafe && !may {
            faults.push(format!("{shown}: `unsafe` outside runtime/src/jit and runtime/src/team/crew.rs"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn crates_depend_only_as_drawn() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert_eq!(packages.len(), EDGES.len(), "a crate is missing from the list of allowed edges");
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let (_, allowed) = EDGES.iter().find(|(known, _)| *known == name).expect("a crate without allowed edges");
        for dependency in package["dependencies"].as_array().unwrap() {
            let target = dependency["name"].as_str().unwrap();
            let ours = target == "nmc" || target.starts_with("nmc-");
            let for_tests = dependency["kind"].as_str() == Some("dev");
            assert!(!ours || for_tests || allowed.contains(&target), "{name} must not depend on {target}");
        }
    }
}

/// The parts of the compiler, each using only what stands before it; all but the first two, which name others in what they
/// say of themselves, are looked at.
const PARTS: &[&str] = &[
    "files",
    "forms",
    "quantity",
    "units",
    "algebra",
    "scramble",
    "graph",
    "analyse",
    "resolve",
    "typing",
    "check",
    "elaborate",
    "cost",
    "map",
    "stages",
    "report",
    "lower",
    "build",
    "settings",
    "lib",
];

#[test]
fn the_compiler_has_no_circles() {
    let source = root().join("compiler/src");
    let mut faults = Vec::new();
    for entry in fs::read_dir(&source).unwrap() {
        let part = entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
        assert!(PARTS.contains(&part.as_str()), "`{part}` has no place in the order");
    }
    for (rank, part) in PARTS.iter().enumerate().skip(2) {
        let mut files = Vec::new();
        match source.join(part).is_dir() {
            true => rust_files(&source.join(part), &mut files),
            false => files.push(source.join(format!("{part}.rs"))),
        }
        for path in files {
            // Tests may make what they need from text.
            if path.ends_with("tests.rs") || path.parent().is_some_and(|folder| folder.ends_with("tests")) {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for used in text.split("crate::").skip(1) {
                let (names, _) = match used.strip_prefix('{') {
                    Some(list) => list.split_once('}').unwrap_or((list, "")),
                    None => used.split_once(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or((used, "")),
                };
                let modules = names.split(',').map(|name| name.split("::").next().unwrap_or_default().trim());
                for module in modules.filter(|name| name.starts_with(char::is_lowercase) && name != part) {
                    if !PARTS[..rank].contains(&module) {
                        faults.push(format!("{} uses {module}", path.display()));
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Codes of kinds of mistake that both look for, each with what only `elaborate` can see: loops unrolled, arguments of layers, data.
const BOTH: &[(&str, &str)] = &[
    ("E0201", "members of populations and networks, and names with an index, are known once parameters are"),
    ("E0202", "names that loops make"),
    ("E0206", "arguments of layers"),
    ("E0207", "arguments of layers and of what gives data"),
    ("E0305", "what is a signal, what data and what a number"),
];

/// Codes that the files of a folder make diagnostics of.
fn codes(folder: &str) -> std::collections::BTreeSet<String> {
    let mut files = Vec::new();
    rust_files(&root().join(folder), &mut files);
    let text: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let made = text.match_indices("Code::").filter(|(at, _)| !text[..*at].ends_with("== "));
    made.filter_map(|(at, word)| text.get(at + word.len()..at + word.len() + 5)).map(String::from).collect()
}

#[test]
fn what_the_check_tells_is_not_told_again_when_elaborating() {
    let (check, elaborate) = (codes("compiler/src/check"), codes("compiler/src/elaborate"));
    assert!(check.len() > 20 && elaborate.len() > 20, "the codes were not found");
    let both: Vec<&String> = check.intersection(&elaborate).collect();
    let excused: Vec<&str> = BOTH.iter().map(|(code, _)| *code).collect();
    assert_eq!(both, excused, "a condition belongs to one of check and elaborate, or to typing, which both use");
}
