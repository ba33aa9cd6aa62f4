//! Builds kernels: constants are folded, common subexpressions shared, divisions by constants multiplied,
//! single-use products fused into the sums that use them, and dead code left out.

use nmc_program::{Access, ArrayId, Binary, Compare, Draw, Inst, Kernel, Slot, Unary, Value};

use super::algebra;
use crate::forms::equations::Function;

/// An element's own number.
pub const OWN: Access = Access::Element { offset: 0 };

/// A kernel in the making. Loads see the values from before the kernel; stores happen at its end.
#[derive(Debug, Default)]
pub struct Builder {
    slots: Vec<Slot>,
    body: Vec<Inst>,
    stores: Vec<(u32, Value)>,
    spike: Option<Value>,
    draws: u32,
    /// Names that had no meaning here: our own mistakes.
    pub problems: Vec<String>,
}

impl Builder {
    fn slot(&mut self, array: ArrayId, access: Access) -> u32 {
        let wanted = Slot { array, access };
        let found = self.slots.iter().position(|slot| *slot == wanted).unwrap_or_else(|| {
            self.slots.push(wanted);
            self.slots.len() - 1
        });
        found as u32
    }

    fn push(&mut self, inst: Inst) -> Value {
        let found = self.body.iter().position(|other| *other == inst).unwrap_or_else(|| {
            self.body.push(inst);
            self.body.len() - 1
        });
        Value(found as u32)
    }

    /// The element before the kernel.
    pub fn load(&mut self, array: ArrayId, access: Access) -> Value {
        let slot = self.slot(array, access);
        self.push(Inst::Load(slot))
    }

    /// Sets the element at the end; a later store to the same place wins.
    pub fn store(&mut self, array: ArrayId, access: Access, value: Value) {
        let slot = self.slot(array, access);
        self.stores.retain(|(other, _)| *other != slot);
        self.stores.push((slot, value));
    }

    /// Marks spikes.
    pub fn spike(&mut self, condition: Value) {
        self.spike = Some(condition);
    }

    pub fn number(&mut self, value: f64) -> Value {
        // Negative and positive zero compare equal; nothing here depends on the sign of zero.
        self.push(Inst::Const(value))
    }

    fn constant(&self, value: Value) -> Option<f64> {
        match self.body[value.0 as usize] {
            Inst::Const(number) => Some(number),
            Inst::Load(_) | Inst::Time | Inst::Index | Inst::SourceIndex | Inst::TargetIndex => None,
            Inst::Unary(..) | Inst::Binary(..) | Inst::Fma(..) | Inst::Compare(..) | Inst::And(..) => None,
            Inst::Or(..) | Inst::Not(_) | Inst::Select(..) | Inst::Random { .. } => None,
            Inst::Store { .. } | Inst::Spike(_) => None,
        }
    }

    /// An instruction without operands.
    pub fn nullary(&mut self, inst: Inst) -> Value {
        self.push(inst)
    }

    pub fn unary(&mut self, operation: Unary, a: Value) -> Value {
        if let Some(number) = self.constant(a) {
            let folded = match operation {
                Unary::Negate => -number,
                Unary::Absolute => number.abs(),
                Unary::SquareRoot => number.sqrt(),
                Unary::Exp => number.exp(),
                Unary::Log => number.ln(),
                Unary::Sin => number.sin(),
                Unary::Cos => number.cos(),
                Unary::Tanh => number.tanh(),
                Unary::Floor => number.floor(),
                Unary::Round => number.round_ties_even(),
                Unary::Phi1 => algebra::phi1(number),
            };
            return self.number(folded);
        }
        self.push(Inst::Unary(operation, a))
    }

    pub fn binary(&mut self, operation: Binary, a: Value, b: Value) -> Value {
        let (left, right) = (self.constant(a), self.constant(b));
        if let (Some(x), Some(y)) = (left, right) {
            let function = match operation {
                Binary::Add => Function::Add,
                Binary::Subtract => Function::Subtract,
                Binary::Multiply => Function::Multiply,
                Binary::Divide => Function::Divide,
                Binary::Minimum => Function::Minimum,
                Binary::Maximum => Function::Maximum,
                Binary::Power => Function::Power,
            };
            if let Some(folded) = algebra::evaluate(function, &[x, y]) {
                return self.number(folded);
            }
        }
        match (operation, left, right) {
            (Binary::Add, Some(0.0), None) | (Binary::Multiply, Some(1.0), None) => b,
            (Binary::Add | Binary::Subtract, None, Some(0.0)) => a,
            (Binary::Multiply | Binary::Divide, None, Some(1.0)) => a,
            (Binary::Multiply, None, Some(-1.0)) => self.unary(Unary::Negate, a),
            (Binary::Multiply, Some(-1.0), None) => self.unary(Unary::Negate, b),
            (Binary::Divide, None, Some(divisor)) if divisor != 0.0 && (1.0 / divisor).is_normal() => {
                let factor = self.number(1.0 / divisor);
                self.binary(Binary::Multiply, a, factor)
            }
            // Sums and products of the same operands are the same, whatever their order.
            (Binary::Add | Binary::Multiply, ..) if a > b => self.push(Inst::Binary(operation, b, a)),
            (Binary::Power, None, Some(2.0)) => self.binary(Binary::Multiply, a, a),
            (Binary::Power, None, Some(n)) if n == 3.0 || n == 4.0 => {
                let square = self.binary(Binary::Multiply, a, a);
                self.binary(Binary::Multiply, square, if n == 3.0 { a } else { square })
            }
            _ => self.push(Inst::Binary(operation, a, b)),
        }
    }

    pub fn add(&mut self, a: Value, b: Value) -> Value {
        self.binary(Binary::Add, a, b)
    }

    pub fn multiply(&mut self, a: Value, b: Value) -> Value {
        self.binary(Binary::Multiply, a, b)
    }

    pub fn compare(&mut self, comparison: Compare, a: Value, b: Value) -> Value {
        self.push(Inst::Compare(comparison, a, b))
    }

    pub fn and(&mut self, a: Value, b: Value) -> Value {
        self.push(Inst::And(a, b))
    }

    pub fn or(&mut self, a: Value, b: Value) -> Value {
        self.push(Inst::Or(a, b))
    }

    pub fn not(&mut self, a: Value) -> Value {
        self.push(Inst::Not(a))
    }

    pub fn select(&mut self, condition: Value, a: Value, b: Value) -> Value {
        if a == b { a } else { self.push(Inst::Select(condition, a, b)) }
    }

    pub fn clamp(&mut self, value: Value, low: Value, high: Value) -> Value {
        let raised = self.binary(Binary::Maximum, value, low);
        self.binary(Binary::Minimum, raised, high)
    }

    /// A fresh draw.
    pub fn random(&mut self, draw: Draw) -> Value {
        let number = self.draws;
        self.draws += 1;
        self.push(Inst::Random { draw, number })
    }

    /// Whether it draws random numbers.
    pub fn draws(&self) -> bool {
        self.draws > 0
    }

    /// The finished kernel.
    pub fn finish(mut self, name: String, component: u32) -> Kernel {
        for &(slot, value) in &self.stores {
            self.body.push(Inst::Store { slot, value });
        }
        self.body.extend(self.spike.map(Inst::Spike));
        fuse(&mut self.body);
        let (body, slots) = strip(&self.body, &self.slots);
        Kernel { name, component, slots, body }
    }
}

fn uses(body: &[Inst]) -> Vec<usize> {
    let mut uses = vec![0; body.len()];
    for inst in body {
        for (value, _) in inst.operands() {
            uses[value.0 as usize] += 1;
        }
    }
    uses
}

/// `a * b + c` becomes one instruction where the product has no other use.
fn fuse(body: &mut [Inst]) {
    let uses = uses(body);
    for index in 0..body.len() {
        let product = |value: Value| {
            let Inst::Binary(Binary::Multiply, a, b) = body[value.0 as usize] else { return None };
            (uses[value.0 as usize] == 1).then_some((a, b))
        };
        if let Inst::Binary(Binary::Add, x, y) = body[index] {
            let fused = product(x).map(|(a, b)| Inst::Fma(a, b, y));
            if let Some(fused) = fused.or_else(|| product(y).map(|(a, b)| Inst::Fma(a, b, x))) {
                body[index] = fused;
            }
        }
    }
}

/// Leaves out what nothing uses, and numbers values and slots anew.
fn strip(body: &[Inst], slots: &[Slot]) -> (Vec<Inst>, Vec<Slot>) {
    let mut live = vec![false; body.len()];
    for index in (0..body.len()).rev() {
        live[index] |= body[index].result().is_none();
        if live[index] {
            for (value, _) in body[index].operands() {
                live[value.0 as usize] = true;
            }
        }
    }
    let (mut kept, mut kept_slots): (Vec<Inst>, Vec<Slot>) = (Vec::new(), Vec::new());
    let mut renamed = vec![Value(0); body.len()];
    for (index, inst) in body.iter().enumerate().filter(|(index, _)| live[*index]) {
        let of = |value: Value| renamed[value.0 as usize];
        let mut place = |slot: u32| {
            let wanted = slots[slot as usize];
            let found = kept_slots.iter().position(|slot| *slot == wanted).unwrap_or_else(|| {
                kept_slots.push(wanted);
                kept_slots.len() - 1
            });
            found as u32
        };
        let inst = match *inst {
            Inst::Const(_) | Inst::Time | Inst::Index | Inst::SourceIndex | Inst::TargetIndex => *inst,
            Inst::Random { .. } => *inst,
            Inst::Load(slot) => Inst::Load(place(slot)),
            Inst::Unary(operation, a) => Inst::Unary(operation, of(a)),
            Inst::Binary(operation, a, b) => Inst::Binary(operation, of(a), of(b)),
            Inst::Fma(a, b, c) => Inst::Fma(of(a), of(b), of(c)),
            Inst::Compare(comparison, a, b) => Inst::Compare(comparison, of(a), of(b)),
            Inst::And(a, b) => Inst::And(of(a), of(b)),
            Inst::Or(a, b) => Inst::Or(of(a), of(b)),
            Inst::Not(a) => Inst::Not(of(a)),
            Inst::Select(c, a, b) => Inst::Select(of(c), of(a), of(b)),
            Inst::Store { slot, value } => Inst::Store { slot: place(slot), value: of(value) },
            Inst::Spike(a) => Inst::Spike(of(a)),
        };
        renamed[index] = Value(kept.len() as u32);
        kept.push(inst);
    }
    (kept, kept_slots)
}
