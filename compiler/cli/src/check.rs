//! `nmc check`: mistakes, without running anything.

use std::path::Path;

use nmc_compiler::Told;
use nmc_host::load::{Settings, compiled};

use crate::{Exit, render};

/// Checks one program.
pub fn check(file: &Path) -> Exit {
    match compiled(file, &Settings { told: Told::Mistakes, ..Settings::default() }) {
        Ok((compilation, _)) => {
            render::diagnostics(file, &compilation.model, &compilation.diagnostics);
            Exit::Clean
        }
        Err(failure) => render::failure(file, &failure),
    }
}
