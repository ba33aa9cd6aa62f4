//! Questions to a network that several stages ask, each answered in one place.

pub mod adjoint;
pub mod digits;
pub mod evaluate;
pub mod frames;
pub mod normalised;
pub mod pairs;
pub mod product;
pub mod quantiser;
pub mod sign;
