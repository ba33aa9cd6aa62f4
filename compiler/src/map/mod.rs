//! The mapping of a network to a chip: layers to arrays, signals to domains, parts to cores, work to times.

pub mod circuit;
pub mod convert;
pub mod place;
pub mod schedule;
pub mod tile;
