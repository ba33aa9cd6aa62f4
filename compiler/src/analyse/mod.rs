//! Questions to a network that several stages ask, each answered in one place.

pub mod evaluate;
pub mod quantiser;
pub mod sign;
