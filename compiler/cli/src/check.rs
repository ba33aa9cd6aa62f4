//! `nmc check`: mistakes, without running anything.

use std::path::Path;

use crate::Exit;
use crate::load::{Settings, compiled};

/// Checks one program.
pub fn check(file: &Path) -> Exit {
    compiled(file, &Settings::default()).map_or_else(|failure| failure.exit, |_| Exit::Clean)
}
