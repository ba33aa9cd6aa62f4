//! `Placement`: the core of every part of a circuit.

/// Where everything lies.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Placement {
    /// Core of each of `Circuit::parts`, an index into `Chip::cores`.
    pub cores: Vec<usize>,
    /// For arrays, the first tile of the core that they take.
    pub tiles: Vec<Option<usize>>,
    /// Bits a sample times the links they pass, each link of a multicast tree once.
    pub cost: f64,
    pub lower_bound: f64,
    /// The same for parts in the order of the program along a snake, and for random placements (their mean).
    pub snake_cost: f64,
    pub random_cost: f64,
}
