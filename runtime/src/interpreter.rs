//! The interpreter: runs a kernel's instructions one by one for one element after the other. This is what kernels mean.

use nmc_program::{Access, Binary, Compare, Draw, Inst, Kernel, KernelId, Unary, Value};

use crate::fuse::fuse;
use crate::math::{self, Arithmetic, Scalar32, Scalar64};
use crate::random::Key;
use crate::state::{Buffer, Clock, Indices, Kernels, Real, Synapses, per_byte};

/// A number type the interpreter can compute with.
pub trait Computable: Real + Default + 'static {
    /// Its elementary operations.
    type Unit: Arithmetic<Number = Self, Truth = bool>;
    /// The operations themselves hold nothing.
    const UNIT: Self::Unit;

    fn draw(key: Key, draw: Draw) -> Self;
    /// The same for the elements from `key.element` on.
    fn draw_all(key: Key, draw: Draw, out: &mut [Self]);
    fn negate(self) -> Self;
    fn floor(self) -> Self;
    fn round(self) -> Self;
}

macro_rules! computable {
    ($float:ty, $unit:ident, $uniform:ident, $normal:ident, $uniforms:ident, $normals:ident) => {
        impl Computable for $float {
            type Unit = $unit;
            const UNIT: $unit = $unit;
            fn draw(key: Key, draw: Draw) -> Self {
                match draw {
                    Draw::Uniform => key.$uniform(),
                    Draw::Normal => key.$normal(),
                }
            }
            fn draw_all(key: Key, draw: Draw, out: &mut [Self]) {
                match draw {
                    Draw::Normal => crate::random::block::$normals(key, out),
                    Draw::Uniform => crate::random::block::$uniforms(key, out),
                }
            }
            fn negate(self) -> Self {
                -self
            }
            fn floor(self) -> Self {
                <$float>::floor(self)
            }
            fn round(self) -> Self {
                self.round_ties_even()
            }
        }
    };
}
computable!(f32, Scalar32, uniform_f32, normal_f32, uniforms_f32, normals_f32);
computable!(f64, Scalar64, uniform_f64, normal_f64, uniforms_f64, normals_f64);

/// Runs kernels by reading them.
#[derive(Debug, Clone)]
pub struct Interpreter {
    kernels: Vec<Kernel>,
}

impl Interpreter {
    /// For the kernels of a program.
    pub fn new(kernels: &[Kernel]) -> Self {
        Interpreter { kernels: kernels.iter().map(fuse).collect() }
    }
}

/// Where the element at hand stands in each array, and who it is.
#[derive(Debug, Clone, Copy, Default)]
struct Position {
    element: usize,
    source: usize,
    target: usize,
    synapse: usize,
}

impl Position {
    fn of(self, access: Access) -> usize {
        match access {
            Access::Element { offset } => self.element + offset,
            Access::Broadcast { offset } => offset,
            Access::Source => self.source,
            Access::Target => self.target,
            Access::Synapse => self.synapse,
        }
    }
}

/// The result of an instruction.
#[derive(Debug, Clone, Copy)]
enum Result<T> {
    Number(T),
    Truth(bool),
}

fn number<T: Computable>(results: &[Result<T>], value: Value) -> T {
    match results[value.0 as usize] {
        Result::Number(number) => number,
        Result::Truth(truth) => T::of(f64::from(u8::from(truth))),
    }
}

fn truth<T: Computable>(results: &[Result<T>], value: Value) -> bool {
    match results[value.0 as usize] {
        Result::Truth(truth) => truth,
        Result::Number(number) => number.wide() != 0.0,
    }
}

/// Runs the kernel for one element; whether it spiked.
fn element<T: Computable>(
    kernel: &Kernel,
    buffers: &mut [Buffer<T>],
    lane: usize,
    at: Position,
    clock: Clock,
    results: &mut Vec<Result<T>>,
) -> bool {
    let mut spiked = false;
    results.clear();
    for inst in &kernel.body {
        let result = match *inst {
            Inst::Const(value) => Result::Number(T::of(value)),
            Inst::Load(slot) => {
                let slot = kernel.slots[slot as usize];
                Result::Number(buffers[slot.array.index()].lane(lane)[at.of(slot.access)])
            }
            Inst::Time => Result::Number(T::of(clock.time)),
            Inst::Index => Result::Number(T::of(at.element as f64)),
            Inst::SourceIndex => Result::Number(T::of(at.source as f64)),
            Inst::TargetIndex => Result::Number(T::of(at.target as f64)),
            Inst::Unary(op, a) => Result::Number(unary(op, number(results, a))),
            Inst::Binary(op, a, b) => Result::Number(binary(op, number(results, a), number(results, b))),
            Inst::Fma(a, b, c) => {
                let mut unit = T::UNIT;
                Result::Number(unit.fma(number(results, a), number(results, b), number(results, c)))
            }
            Inst::Compare(op, a, b) => Result::Truth(compare(op, number(results, a), number(results, b))),
            Inst::And(a, b) => Result::Truth(truth(results, a) && truth(results, b)),
            Inst::Or(a, b) => Result::Truth(truth(results, a) || truth(results, b)),
            Inst::Not(a) => Result::Truth(!truth(results, a)),
            Inst::Select(c, a, b) => {
                Result::Number(if truth(results, c) { number(results, a) } else { number(results, b) })
            }
            Inst::Random { draw, number } => Result::Number(T::draw(
                Key {
                    seed: clock.seed,
                    component: kernel.component,
                    element: at.element as u32,
                    number,
                    tick: clock.tick as u32,
                    sample: clock.sample as u32,
                },
                draw,
            )),
            Inst::Store { slot, value } => {
                let stored = number(results, value);
                let slot = kernel.slots[slot as usize];
                buffers[slot.array.index()].lane_mut(lane)[at.of(slot.access)] = stored;
                Result::Number(stored)
            }
            Inst::Spike(value) => {
                spiked = truth(results, value);
                Result::Truth(spiked)
            }
        };
        results.push(result);
    }
    spiked
}

fn unary<T: Computable>(op: Unary, a: T) -> T {
    let mut unit = T::UNIT;
    match op {
        Unary::Negate => a.negate(),
        Unary::Absolute => unit.absolute(a),
        Unary::SquareRoot => unit.square_root(a),
        Unary::Exp => math::exp(&mut unit, a),
        Unary::Log => math::log(&mut unit, a),
        Unary::Phi1 => math::phi1(&mut unit, a),
        Unary::Sin => T::of(a.wide().sin()),
        Unary::Cos => T::of(a.wide().cos()),
        Unary::Tanh => T::of(a.wide().tanh()),
        Unary::Floor => a.floor(),
        Unary::Round => a.round(),
    }
}

/// Of two numbers.
pub fn binary<T: Computable>(op: Binary, a: T, b: T) -> T {
    let mut unit = T::UNIT;
    match op {
        Binary::Add => unit.add(a, b),
        Binary::Subtract => unit.subtract(a, b),
        Binary::Multiply => unit.multiply(a, b),
        Binary::Divide => unit.divide(a, b),
        Binary::Minimum => {
            if a < b {
                a
            } else {
                b
            }
        }
        Binary::Maximum => {
            if a > b {
                a
            } else {
                b
            }
        }
        Binary::Power => T::of(a.wide().powf(b.wide())),
    }
}

fn compare<T: Computable>(op: Compare, a: T, b: T) -> bool {
    match op {
        Compare::Less => a < b,
        Compare::LessEqual => a <= b,
        Compare::Greater => a > b,
        Compare::GreaterEqual => a >= b,
        Compare::Equal => a == b,
        Compare::NotEqual => a != b,
    }
}

impl<T: Computable> Kernels<T> for Interpreter {
    fn dense(
        &self,
        kernel: KernelId,
        buffers: &mut [Buffer<T>],
        lane: usize,
        len: usize,
        clock: Clock,
        spikes: Option<&mut [u8]>,
        synapses: Option<Synapses>,
    ) {
        let kernel = &self.kernels[kernel.index()];
        let mut results = Vec::with_capacity(kernel.body.len());
        let mut bitmap = spikes;
        if let Some(bitmap) = &mut bitmap {
            bitmap.fill(0);
        }
        for index in 0..len {
            let mut at = Position { element: index, source: index, target: index, synapse: index };
            if let Some(synapses) = synapses {
                (at.source, at.target) = synapses.pair(index);
            }
            let spiked = element(kernel, buffers, lane, at, clock, &mut results);
            if let Some(bitmap) = &mut bitmap
                && spiked
            {
                bitmap[index / per_byte::<T>()] |= 1 << (index % per_byte::<T>());
            }
        }
    }

    fn list(&self, kernel: KernelId, buffers: &mut [Buffer<T>], lane: usize, elements: &[u32], clock: Clock) {
        let kernel = &self.kernels[kernel.index()];
        let mut results = Vec::with_capacity(kernel.body.len());
        for &index in elements {
            let at = Position { element: index as usize, ..Position::default() };
            element(kernel, buffers, lane, at, clock, &mut results);
        }
    }

    fn synapses(&self, kernel: KernelId, buffers: &mut [Buffer<T>], lane: usize, synapses: Synapses, clock: Clock) {
        let kernel = &self.kernels[kernel.index()];
        let mut results = Vec::with_capacity(kernel.body.len());
        let mut joined = |index: usize, (source, target): (usize, usize)| {
            let at = Position { element: index, source, target, synapse: index };
            element(kernel, buffers, lane, at, clock, &mut results);
        };
        let mut one = |index: usize| joined(index, synapses.pair(index));
        match synapses.indices {
            Indices::Ranges(ranges) => {
                ranges.iter().for_each(|&(start, end)| (start as usize..end as usize).for_each(&mut one));
            }
            Indices::List(list) => list.iter().for_each(|&index| one(index as usize)),
            Indices::Even(even) => (0..even.count).for_each(|place| {
                joined(even.synapses.at(place), (even.sources.at(place), even.targets.at(place)));
            }),
        }
    }
}
