//! Text to syntax tree. Knows no meaning: names, units and shapes are the compiler's business.

pub mod ast;
pub mod codes;
pub mod diagnostic;
pub mod elsewhere;
pub mod format;
mod layout;
mod message;
pub mod parse;
pub mod span;
mod strange;
pub mod suggest;
pub mod token;
mod tree;

pub use format::format;
pub use parse::{parse, parse_expression};

lalrpop_util::lalrpop_mod!(
    #[allow(clippy::all, clippy::wildcard_enum_match_arm, unused)]
    nmc
);
