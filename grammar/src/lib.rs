//! Text to syntax tree. Knows no meaning: names, units and shapes are the compiler's business.

pub mod ast;
pub mod codes;
pub mod diagnostic;
pub mod span;
