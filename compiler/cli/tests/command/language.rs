//! Every program in the language reference and the README is laid out well, has nothing to complain about, and runs: the same on both engines.

use std::fs;
use std::path::Path;

use crate::engines::agree;
use crate::{clean, example, folder, nmc};

/// The programs of a page with the lines they begin at.
fn programs(page: &str) -> Vec<(usize, String)> {
    let (mut found, mut open) = (Vec::new(), None::<(usize, String)>);
    for (at, line) in page.lines().enumerate() {
        match (&mut open, line) {
            (None, "```nmc") => open = Some((at + 2, String::new())),
            (Some(_), "```") => found.extend(open.take()),
            (Some((_, text)), line) => *text += &format!("{line}\n"),
            (None, _) => (),
        }
    }
    found
}

#[test]
fn programs_of_the_pages_run() {
    let mut faults = Vec::new();
    for (page, least) in [("docs/language.md", 6), ("README.md", 1)] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page)).unwrap();
        let programs = programs(&text);
        assert!(programs.len() >= least, "{page}: {} programs", programs.len());
        for (line, program) in programs {
            let place = folder(&format!("page_{}_{line}", page.replace('/', "_")));
            fs::create_dir(place.join("data")).unwrap();
            for entry in fs::read_dir(example("data")).unwrap() {
                let file = entry.unwrap().path();
                fs::copy(&file, place.join("data").join(file.file_name().unwrap())).unwrap();
            }
            fs::write(place.join("program.nmc"), &program).unwrap();
            let file = place.join("program.nmc").display().to_string();
            let commands: &[&[&str]] = &[&["fmt", "--check", &file], &["run", &file]];
            for command in commands {
                let output = nmc(command);
                // What a page describes may be more than is simulated.
                let said = String::from_utf8_lossy(&output.stderr);
                let warned = said.matches("warning[").count() - said.matches("warning[W0616 ").count();
                if output.status.code() != Some(0) || warned > 0 {
                    faults.push(format!("{page}:{line}: {}\n{said}", command[0]));
                }
            }
            if faults.is_empty() && program.contains("experiment ") {
                agree(&file, &[]);
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_readme_shows_what_its_main_command_prints() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap();
    let printed = clean(&["run", &example("mnist_mlp.nmc")]);
    // Sums in another order, on another processor, may turn a digit; and a clock tells what it likes.
    let steady = |line: &&str| !line.trim_start().starts_with("accuracy") && !line.contains("time to simulate");
    for line in printed.lines().filter(steady) {
        assert!(readme.contains(line), "not in README.md: {line}");
    }
}
