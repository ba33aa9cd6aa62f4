//! One kernel's instructions as Cranelift code, for the element (or vector of elements) at hand.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{FuncRef, InstBuilder, MemFlagsData, Value, types};
use nmc_program::{Access, Binary, Compare, Draw, Inst, Kernel, Unary};

use super::emit::Emit;
use crate::math::{self, Arithmetic};

/// Values that stay the same through a function.
pub struct Frame {
    pub args: Value,
    /// First element of each slot's array.
    pub slots: Vec<Value>,
    pub time: Value,
    pub calls: Calls,
    /// Where random numbers drawn ahead begin.
    pub ahead: Vec<((Draw, u32), Value)>,
}

/// Functions that can be called.
#[derive(Clone, Copy)]
pub struct Calls {
    pub sin: FuncRef,
    pub cos: FuncRef,
    pub tanh: FuncRef,
    pub power: FuncRef,
    pub draw: FuncRef,
}

/// Who is at hand: indices as 64-bit integers. Source and target only where the kernel knows them.
#[derive(Clone, Copy)]
pub struct At {
    pub element: Value,
    pub source: Option<Neuron>,
    pub target: Option<Neuron>,
}

/// A neuron that a synapse joins.
#[derive(Clone, Copy)]
pub struct Neuron {
    pub index: Value,
    /// Whether it is the same for all elements of a vector.
    pub same: bool,
}

/// The result of an instruction.
#[derive(Clone, Copy)]
enum Outcome {
    Number(Value),
    Truth(Value),
    Nothing,
}

/// Emits the body; gives the truth of its `Spike`, if it has one. An error says what cannot be compiled.
pub fn emit<const WIDE: bool>(
    on: &mut Emit<WIDE>,
    kernel: &Kernel,
    frame: &Frame,
    at: At,
) -> Result<Option<Value>, String> {
    let mut body = Body { on, kernel, frame, at, results: Vec::with_capacity(kernel.body.len()) };
    let mut spike = None;
    let uses = crate::fuse::count_uses(&kernel.body);
    for (index, inst) in kernel.body.iter().enumerate() {
        let kept = matches!(inst, Inst::Store { .. } | Inst::Spike(_));
        let outcome = if uses[index] == 0 && !kept { Outcome::Nothing } else { body.inst(inst)? };
        if let (Inst::Spike(_), Outcome::Truth(truth)) = (inst, outcome) {
            spike = Some(truth);
        }
        body.results.push(outcome);
    }
    Ok(spike)
}

struct Body<'x, 'b, 'f, const WIDE: bool> {
    on: &'x mut Emit<'b, 'f, WIDE>,
    kernel: &'x Kernel,
    frame: &'x Frame,
    at: At,
    results: Vec<Outcome>,
}

impl<const WIDE: bool> Body<'_, '_, '_, WIDE> {
    fn number(&mut self, value: nmc_program::Value) -> Result<Value, String> {
        match self.results[value.0 as usize] {
            Outcome::Number(number) => Ok(number),
            Outcome::Truth(truth) => Ok(self.on.truth_to_number(truth)),
            Outcome::Nothing => Err(format!("v{} is used but has no value", value.0)),
        }
    }

    fn truth(&mut self, value: nmc_program::Value) -> Result<Value, String> {
        match self.results[value.0 as usize] {
            Outcome::Truth(truth) => Ok(truth),
            Outcome::Number(number) => {
                let zero = self.on.number(0.0);
                Ok(self.on.compare(FloatCC::NotEqual, number, zero))
            }
            Outcome::Nothing => Err(format!("v{} is used but has no value", value.0)),
        }
    }

    fn inst(&mut self, inst: &Inst) -> Result<Outcome, String> {
        let number = match *inst {
            Inst::Const(value) => self.on.number(value),
            Inst::Load(slot) => self.load(slot)?,
            Inst::Time => self.on.spread(self.frame.time),
            Inst::Index => self.index_number(self.at.element),
            Inst::SourceIndex => self.known_number(self.at.source)?,
            Inst::TargetIndex => self.known_number(self.at.target)?,
            Inst::Unary(op, a) => {
                let a = self.number(a)?;
                self.unary(op, a)
            }
            Inst::Binary(op, a, b) => {
                let (a, b) = (self.number(a)?, self.number(b)?);
                self.binary(op, a, b)
            }
            Inst::Fma(a, b, c) => {
                let (a, b, c) = (self.number(a)?, self.number(b)?, self.number(c)?);
                self.on.fma(a, b, c)
            }
            Inst::Compare(op, a, b) => {
                let (a, b) = (self.number(a)?, self.number(b)?);
                return Ok(Outcome::Truth(self.on.compare(condition(op), a, b)));
            }
            Inst::And(a, b) => {
                let (a, b) = (self.truth(a)?, self.truth(b)?);
                return Ok(Outcome::Truth(self.on.builder.ins().band(a, b)));
            }
            Inst::Or(a, b) => {
                let (a, b) = (self.truth(a)?, self.truth(b)?);
                return Ok(Outcome::Truth(self.on.builder.ins().bor(a, b)));
            }
            Inst::Not(a) => {
                let a = self.truth(a)?;
                let not = if self.on.vector {
                    self.on.builder.ins().bnot(a)
                } else {
                    let one = self.on.builder.ins().iconst(types::I8, 1);
                    self.on.builder.ins().bxor(a, one)
                };
                return Ok(Outcome::Truth(not));
            }
            Inst::Select(c, a, b) => {
                let (c, a, b) = (self.truth(c)?, self.number(a)?, self.number(b)?);
                self.on.select(c, a, b)
            }
            Inst::Random { draw, number } => self.random(draw, number),
            Inst::Store { slot, value } => {
                let value = self.number(value)?;
                self.store(slot, value)?;
                value
            }
            Inst::Spike(value) => return Ok(Outcome::Truth(self.truth(value)?)),
        };
        Ok(Outcome::Number(number))
    }

    fn unary(&mut self, op: Unary, a: Value) -> Value {
        match op {
            Unary::Negate => self.on.builder.ins().fneg(a),
            Unary::Absolute => self.on.absolute(a),
            Unary::SquareRoot => self.on.square_root(a),
            Unary::Exp => math::exp(self.on, a),
            Unary::Log => math::log(self.on, a),
            Unary::Phi1 => math::phi1(self.on, a),
            Unary::Sin => self.call(self.frame.calls.sin, &[a]),
            Unary::Cos => self.call(self.frame.calls.cos, &[a]),
            Unary::Tanh => self.call(self.frame.calls.tanh, &[a]),
            Unary::Floor => self.on.builder.ins().floor(a),
            Unary::Round => self.on.builder.ins().nearest(a),
        }
    }

    fn binary(&mut self, op: Binary, a: Value, b: Value) -> Value {
        match op {
            Binary::Add => self.on.add(a, b),
            Binary::Subtract => self.on.subtract(a, b),
            Binary::Multiply => self.on.multiply(a, b),
            Binary::Divide => self.on.divide(a, b),
            Binary::Minimum => {
                let less = self.on.less(a, b);
                self.on.select(less, a, b)
            }
            Binary::Maximum => {
                let greater = self.on.compare(FloatCC::GreaterThan, a, b);
                self.on.select(greater, a, b)
            }
            Binary::Power => self.call(self.frame.calls.power, &[a, b]),
        }
    }

    fn call(&mut self, function: FuncRef, operands: &[Value]) -> Value {
        self.on.each(function, |on, place| operands.iter().map(|&operand| on.extract(operand, place)).collect())
    }

    fn random(&mut self, draw: Draw, number: u32) -> Value {
        if let Some(&(_, base)) = self.frame.ahead.iter().find(|(which, _)| *which == (draw, number)) {
            let offset = self.on.builder.ins().ishl_imm_u(self.at.element, if WIDE { 3 } else { 2 });
            let address = self.on.builder.ins().iadd(base, offset);
            let kind = self.on.float();
            return self.on.builder.ins().load(kind, MemFlagsData::new().with_notrap(), address, 0);
        }
        let (args, element, component) = (self.frame.args, self.at.element, self.kernel.component);
        let normal = i64::from(draw == Draw::Normal);
        self.on.each(self.frame.calls.draw, |on, place| {
            let component = on.builder.ins().iconst(types::I32, i64::from(component));
            let element = on.builder.ins().iadd_imm_s(element, i64::from(place));
            let number = on.builder.ins().iconst(types::I32, i64::from(number));
            let normal = on.builder.ins().iconst(types::I32, normal);
            vec![args, component, element, number, normal]
        })
    }

    fn index_number(&mut self, index: Value) -> Value {
        let scalar = self.on.scalar();
        let first = self.on.builder.ins().fcvt_from_uint(scalar, index);
        let mut result = self.on.spread(first);
        for place in 1..self.on.width() {
            let next = self.on.builder.ins().iadd_imm_s(index, i64::from(place));
            let next = self.on.builder.ins().fcvt_from_uint(scalar, next);
            result = self.on.builder.ins().insertlane(result, next, place);
        }
        result
    }

    fn known_number(&mut self, neuron: Option<Neuron>) -> Result<Value, String> {
        let Neuron { index, same } = neuron.ok_or("it asks for a source or target outside of synapses")?;
        if same {
            let scalar = self.on.scalar();
            let number = self.on.builder.ins().fcvt_from_uint(scalar, index);
            return Ok(self.on.spread(number));
        }
        Ok(self.index_number(index))
    }

    fn size(&self) -> i64 {
        if WIDE { 8 } else { 4 }
    }

    /// Address of the slot's element; none for a scalar that all elements share, with its offset in bytes.
    fn address(&mut self, slot: u32) -> Result<(Value, i32, bool), String> {
        let access = self.kernel.slots[slot as usize].access;
        let base = self.frame.slots[slot as usize];
        let missing = "it asks for a source or target outside of synapses";
        let element = Neuron { index: self.at.element, same: false };
        let (Neuron { index, same }, offset) = match access {
            Access::Element { offset } => (element, offset),
            Access::Broadcast { offset } => return Ok((base, self.bytes(offset)?, true)),
            Access::Source => (self.at.source.ok_or(missing)?, 0),
            Access::Target => (self.at.target.ok_or(missing)?, 0),
            Access::Synapse => (element, 0),
        };
        let size = self.size();
        let scaled = self.on.builder.ins().imul_imm_s(index, size);
        let address = self.on.builder.ins().iadd(base, scaled);
        Ok((address, self.bytes(offset)?, same))
    }

    fn bytes(&self, offset: usize) -> Result<i32, String> {
        i32::try_from(offset as i64 * self.size()).map_err(|_| String::from("an array is too long"))
    }

    fn load(&mut self, slot: u32) -> Result<Value, String> {
        let (address, offset, shared) = self.address(slot)?;
        let flags = MemFlagsData::new().with_notrap();
        if shared {
            let scalar = self.on.scalar();
            let value = self.on.builder.ins().load(scalar, flags, address, offset);
            return Ok(self.on.spread(value));
        }
        let float = self.on.float();
        Ok(self.on.builder.ins().load(float, flags, address, offset))
    }

    fn store(&mut self, slot: u32, value: Value) -> Result<(), String> {
        let (address, offset, shared) = self.address(slot)?;
        if shared && self.on.vector {
            return Err(String::from("it writes one element from many"));
        }
        self.on.builder.ins().store(MemFlagsData::new().with_notrap(), value, address, offset);
        Ok(())
    }
}

fn condition(op: Compare) -> FloatCC {
    match op {
        Compare::Less => FloatCC::LessThan,
        Compare::LessEqual => FloatCC::LessThanOrEqual,
        Compare::Greater => FloatCC::GreaterThan,
        Compare::GreaterEqual => FloatCC::GreaterThanOrEqual,
        Compare::Equal => FloatCC::Equal,
        Compare::NotEqual => FloatCC::NotEqual,
    }
}
