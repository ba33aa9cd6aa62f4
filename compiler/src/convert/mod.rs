//! `Tiled` to `Converted`: decides what computes each operator and in which physical domain every signal travels.

pub mod pbqp;
