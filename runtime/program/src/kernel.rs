//! Kernels: straight-line elementwise code over arrays, in single static assignment.

use serde::{Deserialize, Serialize};

use crate::ArrayId;

/// A result of an instruction: its index in [`Kernel::body`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Value(pub u32);

/// A function over the elements of arrays; it says nothing about how many.
///
/// Run *densely* over elements `0..n` of each lane (updates), over a *list* of elements (resets), or over the
/// *synapses* of one spiking neuron (events). What [`Access`] a slot may have follows from that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kernel {
    /// `exc.update`
    pub name: String,
    /// Key of its random numbers: (seed, component); counter (element, tick or sample, draw). Unique among kernels that draw.
    pub component: u32,
    /// The arrays it touches.
    pub slots: Vec<Slot>,
    /// Instructions; each may use the results of earlier ones.
    pub body: Vec<Inst>,
}

impl Kernel {
    /// Whether it writes to an array.
    pub fn stores_to(&self, array: ArrayId) -> bool {
        let stored = |inst: &Inst| {
            let Inst::Store { slot, .. } = inst else { return false };
            self.slots.get(*slot as usize).is_some_and(|slot| slot.array == array)
        };
        self.body.iter().any(stored)
    }
}

/// An array a kernel touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    pub array: ArrayId,
    pub access: Access,
}

/// Which element of the array belongs to the element (or synapse) at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Access {
    /// The same index, plus an offset (dense and list kernels; the offset is for slices of larger arrays).
    Element { offset: usize },
    /// Element `offset` for all: a scalar.
    Broadcast { offset: usize },
    /// Synapse kernels: the element of the source neuron (index within the whole source population).
    Source,
    /// Synapse kernels: the element of the target neuron (index within the whole target population).
    Target,
    /// Synapse kernels: the element of the synapse.
    Synapse,
}

/// One instruction. Operations are those of IEEE 754 in the program's precision; comparisons give a truth value, used
/// only by `And`, `Or`, `Not`, `Select`, `Spike`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Inst {
    /// A number, rounded to the program's precision.
    Const(f64),
    /// The slot's element.
    Load(u32),
    /// Seconds since the state began: tick x dt (computed in f64, then rounded).
    Time,
    /// Index of the element in its population (dense, list) as a number.
    Index,
    /// Synapse kernels (and kernels over synapse arrays): index of source and of target as a number.
    SourceIndex,
    TargetIndex,
    Unary(Unary, Value),
    Binary(Binary, Value, Value),
    /// a * b + c rounded once, where the processor has it; else rounded twice. Both engines do the same.
    Fma(Value, Value, Value),
    Compare(Compare, Value, Value),
    And(Value, Value),
    Or(Value, Value),
    Not(Value),
    /// `Select(c, a, b)`: `a` where `c`, else `b`.
    Select(Value, Value, Value),
    /// A random number; `draw` tells the draws of one kernel apart.
    Random {
        draw: Draw,
        number: u32,
    },
    /// Writes the slot's element. Where `Select` keeps the old value, load it.
    Store {
        slot: u32,
        value: Value,
    },
    /// Dense kernels: marks the element as spiking where true. At most one per kernel.
    Spike(Value),
}

/// One operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unary {
    Negate,
    Absolute,
    SquareRoot,
    /// Polynomial, the same operations on both engines; within 2 ulp in f64, 1e-7 relative in f32.
    Exp,
    /// Likewise.
    Log,
    /// By calling the runtime's function element by element.
    Sin,
    Cos,
    Tanh,
    Floor,
    /// To nearest, ties to even.
    Round,
    /// (exp(x) - 1) / x, 1 at 0: short polynomial where |x| is small.
    Phi1,
}

/// Two operands. `Minimum(a, b)` is `if a < b {a} else {b}`, `Maximum(a, b)` is `if a > b {a} else {b}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    Minimum,
    Maximum,
    /// By calling the runtime's function element by element.
    Power,
}

/// Comparisons; false with NaN, except `NotEqual`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compare {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
}

/// Distributions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Draw {
    /// Uniform in [0, 1).
    Uniform,
    /// Standard normal.
    Normal,
}
