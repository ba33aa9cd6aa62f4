//! The standard library as text: `nmc/*.nmc`, embedded.

/// A module of the standard library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Module {
    /// Its path as `use` writes it, without the last name: `std.neuron`.
    pub path: &'static str,
    /// Its text.
    pub text: &'static str,
}

macro_rules! modules {
    ($($name:literal)*) => {
        &[$(Module { path: concat!("std.", $name), text: include_str!(concat!("../nmc/", $name, ".nmc")) },)*]
    };
}

const MODULES: &[Module] = modules! {
    "neuron" "synapse" "plasticity" "code" "device" "converter" "unit" "tile" "core" "chip"
};

/// Every module, from neurons to chips.
pub fn modules() -> &'static [Module] {
    MODULES
}

/// The text of the module at `path`: `["std", "neuron"]`.
pub fn module(path: &[&str]) -> Option<&'static str> {
    let path = path.join(".");
    MODULES.iter().find(|module| module.path == path).map(|module| module.text)
}
