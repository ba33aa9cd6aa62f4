//! A kernel as operations on whole vectors, without branches.

use std::collections::HashMap;

use nmc_program::{Access, Binary, Compare, Draw, Inst, Kernel, Unary};

use super::encode::{Opcode, integer, packed, selecting};
use crate::math::{self, Arithmetic};

/// A vector: the operation that makes it.
pub type Vector = u32;

/// An operation on vectors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Op {
    /// One of the constants.
    Constant(u32),
    /// Seconds, in every place.
    Time,
    /// Elements of an array, or one of them in every place.
    Load {
        base: u32,
        offset: i32,
        spread: bool,
    },
    Store {
        base: u32,
        offset: i32,
        value: Vector,
    },
    /// `swaps`: whether the order of operands is all the same. `byte`: which comparison, of one.
    Two {
        op: Opcode,
        a: Vector,
        b: Vector,
        swaps: bool,
        byte: Option<u8>,
    },
    /// Of one operand, with a byte that says which.
    One {
        op: Opcode,
        a: Vector,
        byte: Option<u8>,
    },
    /// Bits moved up or down within numbers.
    Shift {
        op: Opcode,
        way: u8,
        a: Vector,
        bits: u8,
    },
    /// a b + c.
    Fma([Vector; 3]),
    Select {
        truth: Vector,
        yes: Vector,
        no: Vector,
    },
    /// Leaves the rest to others unless all are true.
    Stop(Vector),
    Spike(Vector),
}

impl Op {
    /// What it uses.
    pub fn operands(&self) -> ([Vector; 3], usize) {
        match *self {
            Op::Constant(_) | Op::Time | Op::Load { .. } => ([0; 3], 0),
            Op::Store { value: a, .. } | Op::One { a, .. } | Op::Shift { a, .. } | Op::Stop(a) | Op::Spike(a) => {
                ([a, 0, 0], 1)
            }
            Op::Two { a, b, .. } => ([a, b, 0], 2),
            Op::Fma(all) => (all, 3),
            Op::Select { truth, yes, no } => ([truth, yes, no], 3),
        }
    }

    /// Whether it does something besides making a vector.
    pub fn acts(&self) -> bool {
        matches!(self, Op::Store { .. } | Op::Stop(_) | Op::Spike(_))
    }
}

/// Where an array begins that a loop reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// A slot, at the first neuron or synapse of the call where a kernel runs over synapses.
    Slot(u32, Access),
    /// Random numbers drawn ahead.
    Draw(usize),
    Spikes,
}

/// A kernel's operations, constants (as bits) and arrays.
#[derive(Default)]
pub struct Lowered {
    pub ops: Vec<Op>,
    pub constants: Vec<u64>,
    pub bases: Vec<Base>,
}

/// A kernel as vectors of f32 or f64 (`WIDE`); `draws` are those drawn ahead. None if it has something that is not done in vectors.
/// `same` tells which neurons are one for all elements. `stops`: where a function has a long way, vectors with a number that needs it
/// are left to others; else both ways are gone.
pub fn lower<const WIDE: bool>(
    kernel: &Kernel,
    draws: &[(Draw, u32)],
    same: impl Fn(Access) -> bool,
    stops: bool,
) -> Option<Lowered> {
    let mut on = Lowering::<WIDE> { lowered: Lowered::default(), known: HashMap::new(), stops };
    let uses = crate::fuse::count_uses(&kernel.body);
    let mut made: Vec<Option<Made>> = Vec::with_capacity(kernel.body.len());
    for (index, inst) in kernel.body.iter().enumerate() {
        let acts = matches!(inst, Inst::Store { .. } | Inst::Spike(_));
        let outcome = if uses[index] == 0 && !acts { None } else { Some(on.inst(kernel, inst, &made, draws, &same)?) };
        made.push(outcome);
    }
    // What stops must not have written anything.
    let ops = &on.lowered.ops;
    let stop = ops.iter().rposition(|op| matches!(op, Op::Stop(_)));
    let stored = ops.iter().position(|op| matches!(op, Op::Store { .. } | Op::Spike(_)));
    let sound = stop.is_none_or(|stop| stored.is_none_or(|stored| stop < stored));
    sound.then_some(on.lowered)
}

/// What an instruction made.
#[derive(Clone, Copy)]
enum Made {
    Number(Vector),
    Truth(Vector),
}

struct Lowering<const WIDE: bool> {
    lowered: Lowered,
    /// Constants that are there, by their bits.
    known: HashMap<u64, Vector>,
    stops: bool,
}

impl<const WIDE: bool> Lowering<WIDE> {
    fn inst(
        &mut self,
        kernel: &Kernel,
        inst: &Inst,
        made: &[Option<Made>],
        draws: &[(Draw, u32)],
        same: &impl Fn(Access) -> bool,
    ) -> Option<Made> {
        let of = |value: nmc_program::Value| made[value.0 as usize];
        let number = |on: &mut Self, value| match of(value)? {
            Made::Number(number) => Some(number),
            Made::Truth(truth) => {
                let one = on.number(1.0);
                Some(on.and(truth, one))
            }
        };
        let truth = |on: &mut Self, value| match of(value)? {
            Made::Truth(truth) => Some(truth),
            Made::Number(number) => {
                let zero = on.number(0.0);
                Some(on.compare(Compare::NotEqual, number, zero))
            }
        };
        let result = match *inst {
            Inst::Const(value) => self.number(value),
            Inst::Load(slot) => {
                let (base, offset, spread) = self.place(kernel, slot, same)?;
                self.push(Op::Load { base, offset, spread })
            }
            Inst::Store { slot, value } => {
                let value = number(self, value)?;
                let (base, offset, spread) = self.place(kernel, slot, same)?;
                if spread {
                    return None;
                }
                self.push(Op::Store { base, offset, value });
                value
            }
            Inst::Random { draw, number } => {
                let drawn = draws.iter().position(|&drawn| drawn == (draw, number))?;
                let base = self.base(Base::Draw(drawn));
                self.push(Op::Load { base, offset: 0, spread: false })
            }
            Inst::Time => self.push(Op::Time),
            Inst::Index | Inst::SourceIndex | Inst::TargetIndex => return None,
            Inst::Unary(op, a) => {
                let a = number(self, a)?;
                self.unary(op, a)?
            }
            Inst::Binary(op, a, b) => {
                let (a, b) = (number(self, a)?, number(self, b)?);
                self.binary(op, a, b)?
            }
            Inst::Fma(a, b, c) => {
                let all = [number(self, a)?, number(self, b)?, number(self, c)?];
                self.push(Op::Fma(all))
            }
            Inst::Select(c, a, b) => {
                let (truth, yes, no) = (truth(self, c)?, number(self, a)?, number(self, b)?);
                self.push(Op::Select { truth, yes, no })
            }
            Inst::Compare(op, a, b) => {
                let (a, b) = (number(self, a)?, number(self, b)?);
                return Some(Made::Truth(self.compare(op, a, b)));
            }
            Inst::And(a, b) => {
                let (a, b) = (truth(self, a)?, truth(self, b)?);
                return Some(Made::Truth(self.and(a, b)));
            }
            Inst::Or(a, b) => {
                let (a, b) = (truth(self, a)?, truth(self, b)?);
                return Some(Made::Truth(self.two(packed(0x56, WIDE), a, b, true)));
            }
            Inst::Not(a) => {
                let (a, ones) = (truth(self, a)?, self.bits(u64::MAX));
                return Some(Made::Truth(self.two(packed(0x57, WIDE), a, ones, true)));
            }
            Inst::Spike(a) => {
                let a = truth(self, a)?;
                self.base(Base::Spikes);
                self.push(Op::Spike(a))
            }
        };
        Some(Made::Number(result))
    }

    /// Base, offset in bytes, and whether all elements share the one there.
    fn place(&mut self, kernel: &Kernel, slot: u32, same: &impl Fn(Access) -> bool) -> Option<(u32, i32, bool)> {
        let access = kernel.slots[slot as usize].access;
        let (offset, spread) = match access {
            Access::Element { offset } => (offset, false),
            Access::Broadcast { offset } => (offset, true),
            Access::Source | Access::Target | Access::Synapse => (0, same(access)),
        };
        let offset = i32::try_from(offset as i64 * if WIDE { 8 } else { 4 }).ok()?;
        Some((self.base(Base::Slot(slot, access)), offset, spread))
    }

    fn base(&mut self, base: Base) -> u32 {
        let bases = &mut self.lowered.bases;
        let at = bases.iter().position(|other| *other == base).unwrap_or(bases.len());
        if at == bases.len() {
            bases.push(base);
        }
        at as u32
    }

    fn unary(&mut self, op: Unary, a: Vector) -> Option<Vector> {
        let sign = if WIDE { 1 << 63 } else { 1 << 31 };
        Some(match op {
            Unary::Negate => {
                let sign = self.bits(sign);
                self.two(packed(0x57, WIDE), a, sign, true)
            }
            Unary::Absolute => self.absolute(a),
            Unary::SquareRoot => self.square_root(a),
            Unary::Exp => math::exp(self, a),
            Unary::Log => math::log(self, a),
            Unary::Phi1 => math::phi1(self, a),
            // Down, and to nearest even, without the signal of an inexact result.
            Unary::Floor => self.push(Op::One { op: selecting(0x08, WIDE), a, byte: Some(9) }),
            Unary::Round => self.push(Op::One { op: selecting(0x08, WIDE), a, byte: Some(8) }),
            Unary::Sin | Unary::Cos | Unary::Tanh => return None,
        })
    }

    fn binary(&mut self, op: Binary, a: Vector, b: Vector) -> Option<Vector> {
        Some(match op {
            Binary::Add => self.add(a, b),
            Binary::Subtract => self.subtract(a, b),
            Binary::Multiply => self.multiply(a, b),
            Binary::Divide => self.divide(a, b),
            // As the language has them, these give `b` where neither is less.
            Binary::Minimum => self.two(packed(0x5D, WIDE), a, b, false),
            Binary::Maximum => self.two(packed(0x5F, WIDE), a, b, false),
            Binary::Power => return None,
        })
    }

    fn push(&mut self, op: Op) -> Vector {
        self.lowered.ops.push(op);
        self.lowered.ops.len() as Vector - 1
    }

    fn two(&mut self, op: Opcode, a: Vector, b: Vector, swaps: bool) -> Vector {
        self.push(Op::Two { op, a, b, swaps, byte: None })
    }

    /// A constant by its bits; of f32 the lower half counts.
    fn bits(&mut self, bits: u64) -> Vector {
        let bits = if WIDE { bits } else { bits & u64::from(u32::MAX) };
        if let Some(&known) = self.known.get(&bits) {
            return known;
        }
        let constant = self.lowered.constants.len() as u32;
        self.lowered.constants.push(bits);
        let vector = self.push(Op::Constant(constant));
        self.known.insert(bits, vector);
        vector
    }

    fn compare(&mut self, op: Compare, a: Vector, b: Vector) -> Vector {
        // None signals; what is not a number is not equal, and nothing else.
        let byte = match op {
            Compare::Less => 0x11,
            Compare::LessEqual => 0x12,
            Compare::Greater => 0x1E,
            Compare::GreaterEqual => 0x1D,
            Compare::Equal => 0x00,
            Compare::NotEqual => 0x04,
        };
        self.push(Op::Two { op: packed(0xC2, WIDE), a, b, swaps: false, byte: Some(byte) })
    }

    fn and(&mut self, a: Vector, b: Vector) -> Vector {
        // `a and not b` is one instruction.
        let (xor, ones) = (packed(0x57, WIDE), self.bits(u64::MAX));
        if let Op::Two { op, a: not, b: with, .. } = self.lowered.ops[b as usize]
            && op == xor
            && with == ones
        {
            return self.two(packed(0x55, WIDE), not, a, false);
        }
        self.two(packed(0x54, WIDE), a, b, true)
    }

    fn shift(&mut self, up: bool, a: Vector, bits: u8) -> Vector {
        let op = integer(if WIDE { 0x73 } else { 0x72 }, WIDE);
        self.push(Op::Shift { op, way: if up { 6 } else { 2 }, a, bits })
    }
}

impl<const WIDE: bool> Arithmetic for Lowering<WIDE> {
    type Number = Vector;
    type Truth = Vector;
    const WIDE: bool = WIDE;

    fn number(&mut self, value: f64) -> Vector {
        self.bits(if WIDE { value.to_bits() } else { u64::from((value as f32).to_bits()) })
    }
    fn add(&mut self, a: Vector, b: Vector) -> Vector {
        self.two(packed(0x58, WIDE), a, b, true)
    }
    fn subtract(&mut self, a: Vector, b: Vector) -> Vector {
        self.two(packed(0x5C, WIDE), a, b, false)
    }
    fn multiply(&mut self, a: Vector, b: Vector) -> Vector {
        self.two(packed(0x59, WIDE), a, b, true)
    }
    fn divide(&mut self, a: Vector, b: Vector) -> Vector {
        self.two(packed(0x5E, WIDE), a, b, false)
    }
    fn fma(&mut self, a: Vector, b: Vector, c: Vector) -> Vector {
        self.push(Op::Fma([a, b, c]))
    }
    fn square_root(&mut self, a: Vector) -> Vector {
        self.push(Op::One { op: packed(0x51, WIDE), a, byte: None })
    }
    fn absolute(&mut self, a: Vector) -> Vector {
        let rest = self.bits(if WIDE { u64::MAX >> 1 } else { u64::from(u32::MAX >> 1) });
        self.two(packed(0x54, WIDE), a, rest, true)
    }
    fn less(&mut self, a: Vector, b: Vector) -> Vector {
        self.compare(Compare::Less, a, b)
    }
    fn select(&mut self, truth: Vector, yes: Vector, no: Vector) -> Vector {
        self.push(Op::Select { truth, yes, no })
    }
    fn unless(&mut self, truth: Vector, short: Vector, long: impl FnOnce(&mut Self) -> Vector) -> Vector {
        if self.stops {
            self.push(Op::Stop(truth));
            return short;
        }
        let long = long(self);
        self.select(truth, short, long)
    }
    fn scale(&mut self, a: Vector, k_shifted: Vector) -> Vector {
        let exponent = self.shift(true, k_shifted, if WIDE { 52 } else { 23 });
        self.two(integer(if WIDE { 0xD4 } else { 0xFE }, WIDE), a, exponent, true)
    }
    fn split(&mut self, a: Vector) -> (Vector, Vector) {
        let (mantissa, bias) = if WIDE { (52, 1023.0) } else { (23, 127.0) };
        let anchor = f64::from(2.0_f32).powi(mantissa);
        let or = packed(0x56, WIDE);
        let high = self.shift(false, a, mantissa as u8);
        let anchor_bits = self.number(anchor);
        let anchored = self.two(or, high, anchor_bits, true);
        let offset = self.number(anchor + bias);
        let exponent = self.subtract(anchored, offset);
        let mask = self.bits((1 << mantissa) - 1);
        let low = self.two(packed(0x54, WIDE), a, mask, true);
        let one = self.number(1.0);
        (exponent, self.two(or, low, one, true))
    }
}
