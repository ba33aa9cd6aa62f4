//! The named forms a program passes through, one file each; stages turn one into the next.

pub mod chip;
pub mod converted;
pub mod equations;
pub mod model;
pub mod network;
pub mod placed;
pub mod plan;
pub mod scheduled;
pub mod tiled;
