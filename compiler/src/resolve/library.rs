//! Names of the standard library, for messages about those that were not brought in or are nearly right.

use nmc_grammar::suggest::closest;

/// Names that the library once had: their module, and what they are called today.
const RENAMED: &[(&str, &str, &str)] = &[("std.chip", "neurram", "crossbars48")];

/// The new name of what a module once had; of any module, when none is said.
pub fn renamed(module: Option<&str>, name: &str) -> Option<String> {
    let was = |(of, old, _): &&(&str, &str, &str)| *old == name && module.is_none_or(|module| module == *of);
    let (module, _, new) = RENAMED.iter().find(was)?;
    Some(format!("it is called `{new}` now: `use {module}.{new}`"))
}

/// Where the standard library has a name that was not brought in.
pub fn library(name: &str) -> Option<String> {
    let defines = |module: &&nmc_stdlib::Module| {
        module.text.lines().any(|line| {
            line.split(|c: char| !(c.is_alphanumeric() || c == '_')).nth(1) == Some(name)
                && !line.starts_with(['/', ' '])
        })
    };
    nmc_stdlib::modules().iter().find(defines).map(|module| format!("bring it in with `use {}.{name}`", module.path))
}

/// Names that a module of the standard library defines.
fn defined(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines()
        .filter(|line| !line.starts_with(['/', ' ', '}']))
        .filter_map(|line| line.split(|c: char| !(c.is_alphanumeric() || c == '_')).nth(1))
}

/// A name of the standard library that is nearly this one.
pub fn library_slip(name: &str) -> Option<String> {
    let all = nmc_stdlib::modules().iter().flat_map(|module| defined(module.text));
    let near = closest(name, all)?;
    Some(format!("did you mean `{near}`? {}", library(near)?))
}

/// The path in the standard library that one like `std.chip.neuram` means; none when there is nothing near it.
pub fn in_library(path: &str) -> Option<String> {
    let (module, name) = path.rsplit_once('.')?;
    if let Some((module, _, new)) = RENAMED.iter().find(|(of, old, _)| (*of, *old) == (module, name)) {
        return Some(format!("{module}.{new}"));
    }
    let modules = nmc_stdlib::modules();
    let paths = modules.iter().map(|module| module.path);
    let module =
        modules.iter().find(|known| known.path == module).map_or_else(|| closest(module, paths), |_| Some(module))?;
    let text = modules.iter().find(|known| known.path == module)?.text;
    let name = defined(text).find(|known| *known == name).or_else(|| closest(name, defined(text)))?;
    Some(format!("{module}.{name}"))
}
