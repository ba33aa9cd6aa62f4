//! `nmc check`: mistakes, without running anything.

use std::path::Path;

use nmc_compiler::{Compilation, Options, compile};

use crate::Exit;
use crate::disk::{self, Folder};
use crate::render;

/// Checks one program.
pub fn check(file: &Path) -> Exit {
    match compiled(file, &Options { verify: cfg!(debug_assertions), ..Options::default() }) {
        Ok(_) => Exit::Clean,
        Err(exit) => exit,
    }
}

/// Compiles a program and shows what is wrong with it.
pub fn compiled(file: &Path, options: &Options) -> Result<Compilation, Exit> {
    let text = disk::read(file).map_err(|problem| render::placeless(&problem))?;
    let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let compilation = compile(&name, &text, &Folder::of(file), options);
    render::diagnostics(file, &compilation.model, &compilation.diagnostics);
    if compilation.image.is_some() {
        return Ok(compilation);
    }
    let about_files = compilation.diagnostics.iter().any(|d| d.is_error() && d.code.number().starts_with("E09"));
    Err(if about_files { Exit::Usage } else { Exit::Diagnostics })
}
