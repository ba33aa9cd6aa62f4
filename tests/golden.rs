//! Every form of a few programs, as `--emit` prints it, beside what it was: `UPDATE=1 cargo test` rewrites the files in `tests/golden`.

use std::fs;
use std::path::{Path, PathBuf};

use nmc_compiler::{Options, compile, stages};
use nmc_host::disk::Folder;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

#[test]
fn forms_are_as_they_were() {
    let mut programs: Vec<PathBuf> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    programs.retain(|path| path.extension().is_some_and(|extension| extension == "nmc"));
    programs.sort();
    assert!(programs.len() >= 3, "the programs were not found");
    let mut changed = Vec::new();
    for program in programs {
        let text = fs::read_to_string(&program).unwrap();
        let compilation = compile("program.nmc", &text, &Folder::of(&program), &Options::default());
        let errors: Vec<_> = compilation.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", program.display());
        for form in stages::forms() {
            let printed = (form.print)(&compilation);
            let file = program.with_extension(format!("{}.txt", form.name));
            if std::env::var_os("UPDATE").is_some() {
                fs::write(&file, printed).unwrap();
            } else if fs::read_to_string(&file).unwrap_or_default() != printed {
                changed.push(file.display().to_string());
            }
        }
    }
    assert!(changed.is_empty(), "UPDATE=1 rewrites these:\n{}", changed.join("\n"));
}
