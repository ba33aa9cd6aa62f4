//! `Timetable`: when everything happens within a sample, over which links; times in seconds from the start of a sample.

use super::circuit::PartId;

/// The timetable of one sample; the next begins `interval` later, before this one has ended where that is possible.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Timetable {
    /// Work of parts, in the order of their first parts.
    pub works: Vec<Work>,
    /// What is sent, in the order of `Circuit::nets`; nets that do not leave a core are not sent.
    pub transfers: Vec<Transfer>,
    /// Time between the starts of two samples.
    pub interval: f64,
    /// Time from a sample's first input to its last output.
    pub latency: f64,
    /// No timetable has a shorter interval.
    pub lower_bound: f64,
    /// Name of what limits the interval.
    pub bottleneck: String,
    /// How long a tick lasts on the chip; none without ticks.
    pub tick: Option<f64>,
}

/// Parts that work together for a time: one digital part, or an island of parts joined by analog wires.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    pub parts: Vec<PartId>,
    pub core: usize,
    pub start: f64,
    pub end: f64,
    /// For each of `parts`: when it begins and has done its work, from the work's start.
    pub spans: Vec<(f64, f64)>,
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub struct Transfer {
    /// Index into `Circuit::nets`.
    pub net: usize,
    pub bits: f64,
    /// When it passes the host's port.
    pub port: Option<(f64, f64)>,
    /// Links of its tree with the time each is taken: (from, to, start, end).
    pub links: Vec<(usize, usize, f64, f64)>,
    /// When all of it has arrived everywhere.
    pub arrival: f64,
}
