//! `Model` to `Network`: the check of its result, written apart from what makes it.

pub mod verify;
