//! What needs `unsafe`: generated code and tuned products. Nowhere else in the project may it stand.
#![allow(unsafe_code)]

pub mod product;
