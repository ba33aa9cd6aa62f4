//! The named forms a program passes through, one file each; stages make one from those before it.

pub mod builder;
pub mod chip;
pub mod circuit;
pub mod costs;
pub mod decisions;
pub mod equations;
pub mod gather;
pub mod mapped;
pub mod measured;
pub mod model;
pub mod network;
pub mod placement;
pub mod plan;
pub mod tiling;
pub mod timetable;
