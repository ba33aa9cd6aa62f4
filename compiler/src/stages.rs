//! The stages in order, each with its reason: the driver's text, `--emit` and `--help` read the same list.

/// A stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// `convert`
    pub name: &'static str,
    /// The form it makes, as `--emit` calls it; none when the form cannot be printed.
    pub emit: Option<&'static str>,
    /// What it is for.
    pub reason: &'static str,
}

const fn stage(name: &'static str, emit: Option<&'static str>, reason: &'static str) -> Stage {
    Stage { name, emit, reason }
}

/// Every stage from text to program.
pub const STAGES: &[Stage] = &[
    stage("resolve", None, "read the program and what it uses; bind every name, so that later stages ask no files"),
    stage(
        "check",
        None,
        "give every quantity its dimension and every signal its shape, so that later stages see numbers",
    ),
    stage(
        "elaborate",
        Some("network"),
        "unfold parameters, loops and sub-networks into one flat graph for an experiment",
    ),
    stage("tile", Some("tiled"), "cut weight matrices to fit arrays; before conversion, which prices the pieces"),
    stage(
        "convert",
        Some("converted"),
        "choose implementations and physical domains; before placement, which needs the units",
    ),
    stage("place", Some("placed"), "give every piece a core, near to what it talks to"),
    stage(
        "schedule",
        Some("scheduled"),
        "give every piece of work and every message its time, so that nothing is used twice at once",
    ),
    stage("lower", Some("program"), "flatten into arrays, kernels and events: all that the runtime knows"),
];

/// The names that `--emit` takes, in the order of the stages.
pub fn emitted() -> impl Iterator<Item = &'static str> {
    STAGES.iter().filter_map(|stage| stage.emit)
}
