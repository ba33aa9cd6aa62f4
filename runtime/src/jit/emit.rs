//! Elementary operations as Cranelift instructions, for single numbers and for 128-bit vectors alike.

use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{Block, BlockArg, FuncRef, InstBuilder, MemFlagsData, Type, Value, types};
use cranelift_frontend::FunctionBuilder;

use crate::math::Arithmetic;

/// Emits operations on f32 or f64 (`WIDE`), on one number or a vector (`vector`).
pub struct Emit<'b, 'f, const WIDE: bool> {
    pub builder: &'b mut FunctionBuilder<'f>,
    pub vector: bool,
    pub fma: bool,
    /// Where to start over when a function needs its long way; none: the long way is taken on the spot.
    pub start_over: Option<Block>,
}

impl<const WIDE: bool> Emit<'_, '_, WIDE> {
    /// The type of one number.
    pub fn scalar(&self) -> Type {
        if WIDE { types::F64 } else { types::F32 }
    }

    /// How many numbers a value holds.
    pub fn width(&self) -> u8 {
        match (self.vector, WIDE) {
            (false, _) => 1,
            (true, false) => 4,
            (true, true) => 2,
        }
    }

    /// The type of a number or vector.
    pub fn float(&self) -> Type {
        match (self.vector, WIDE) {
            (false, _) => self.scalar(),
            (true, false) => types::F32X4,
            (true, true) => types::F64X2,
        }
    }

    fn bits(&self) -> Type {
        match (self.vector, WIDE) {
            (false, false) => types::I32,
            (false, true) => types::I64,
            (true, false) => types::I32X4,
            (true, true) => types::I64X2,
        }
    }

    /// A scalar in every place.
    pub fn spread(&mut self, scalar: Value) -> Value {
        if !self.vector {
            return scalar;
        }
        let float = self.float();
        self.builder.ins().splat(float, scalar)
    }

    fn integer(&mut self, value: u64) -> Value {
        let scalar = if WIDE { types::I64 } else { types::I32 };
        let value = self.builder.ins().iconst(scalar, value as i64);
        if !self.vector {
            return value;
        }
        let bits = self.bits();
        self.builder.ins().splat(bits, value)
    }

    fn as_bits_of(&mut self, value: Value) -> Value {
        let bits = self.bits();
        self.builder.ins().bitcast(bits, MemFlagsData::new(), value)
    }

    fn as_float_of(&mut self, value: Value) -> Value {
        let float = self.float();
        self.builder.ins().bitcast(float, MemFlagsData::new(), value)
    }

    /// A comparison: a mask for vectors.
    pub fn compare(&mut self, condition: FloatCC, a: Value, b: Value) -> Value {
        self.builder.ins().fcmp(condition, a, b)
    }

    /// Truth as a number, 1 or 0.
    pub fn truth_to_number(&mut self, truth: Value) -> Value {
        let (one, zero) = (self.number(1.0), self.number(0.0));
        self.select(truth, one, zero)
    }

    /// Calls `function` for each number; `arguments` gives those of the number at a place.
    pub fn each(&mut self, function: FuncRef, mut arguments: impl FnMut(&mut Self, u8) -> Vec<Value>) -> Value {
        let mut result = self.number(0.0);
        for place in 0..self.width() {
            let arguments = arguments(self, place);
            let call = self.builder.ins().call(function, &arguments);
            let value = self.builder.inst_results(call)[0];
            result = if self.vector { self.builder.ins().insertlane(result, value, place) } else { value };
        }
        result
    }

    /// The number at a place.
    pub fn extract(&mut self, value: Value, place: u8) -> Value {
        if self.vector { self.builder.ins().extractlane(value, place) } else { value }
    }
}

impl<const WIDE: bool> Arithmetic for Emit<'_, '_, WIDE> {
    type Number = Value;
    type Truth = Value;
    const WIDE: bool = WIDE;

    fn number(&mut self, value: f64) -> Value {
        if self.vector {
            // One load from the constant pool; a splat of a scalar would be three instructions at every use.
            let bytes = if WIDE { value.to_le_bytes().repeat(2) } else { (value as f32).to_le_bytes().repeat(4) };
            let constant = self.builder.func.dfg.constants.insert(bytes.into());
            let float = self.float();
            return self.builder.ins().vconst(float, constant);
        }
        let scalar = if WIDE { self.builder.ins().f64const(value) } else { self.builder.ins().f32const(value as f32) };
        self.spread(scalar)
    }
    fn add(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().fadd(a, b)
    }
    fn subtract(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().fsub(a, b)
    }
    fn multiply(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().fmul(a, b)
    }
    fn divide(&mut self, a: Value, b: Value) -> Value {
        self.builder.ins().fdiv(a, b)
    }
    fn fma(&mut self, a: Value, b: Value, c: Value) -> Value {
        if self.fma {
            return self.builder.ins().fma(a, b, c);
        }
        let product = self.builder.ins().fmul(a, b);
        self.builder.ins().fadd(product, c)
    }
    fn square_root(&mut self, a: Value) -> Value {
        self.builder.ins().sqrt(a)
    }
    fn absolute(&mut self, a: Value) -> Value {
        self.builder.ins().fabs(a)
    }
    fn less(&mut self, a: Value, b: Value) -> Value {
        self.compare(FloatCC::LessThan, a, b)
    }
    fn select(&mut self, truth: Value, a: Value, b: Value) -> Value {
        if self.vector {
            let mask = self.as_float_of(truth);
            self.builder.ins().bitselect(mask, a, b)
        } else {
            self.builder.ins().select(truth, a, b)
        }
    }
    fn unless(&mut self, truth: Value, short: Value, long: impl FnOnce(&mut Self) -> Value) -> Value {
        let all = if self.vector { self.builder.ins().vall_true(truth) } else { truth };
        if let Some(slow) = self.start_over {
            let next = self.builder.create_block();
            self.builder.ins().brif(all, next, &[], slow, &[]);
            self.builder.switch_to_block(next);
            return short;
        }
        let (slow, join) = (self.builder.create_block(), self.builder.create_block());
        let float = self.float();
        let result = self.builder.append_block_param(join, float);
        self.builder.set_cold_block(slow);
        self.builder.ins().brif(all, join, &[BlockArg::Value(short)], slow, &[]);
        self.builder.switch_to_block(slow);
        let long = long(self);
        let mixed = self.select(truth, short, long);
        self.builder.ins().jump(join, &[BlockArg::Value(mixed)]);
        self.builder.switch_to_block(join);
        result
    }
    fn scale(&mut self, a: Value, k_shifted: Value) -> Value {
        let (a, k) = (self.as_bits_of(a), self.as_bits_of(k_shifted));
        let mantissa = self.builder.ins().iconst(types::I32, if WIDE { 52 } else { 23 });
        let exponent = self.builder.ins().ishl(k, mantissa);
        let sum = self.builder.ins().iadd(a, exponent);
        self.as_float_of(sum)
    }
    fn split(&mut self, a: Value) -> (Value, Value) {
        let (mantissa, bias) = if WIDE { (52, 1023.0) } else { (23, 127.0) };
        let anchor = f64::from(2.0_f32).powi(mantissa);
        let bits_of = |value: f64| if WIDE { value.to_bits() } else { u64::from((value as f32).to_bits()) };
        let bits = self.as_bits_of(a);
        let amount = self.builder.ins().iconst(types::I32, i64::from(mantissa));
        let high = self.builder.ins().ushr(bits, amount);
        let anchor_bits = self.integer(bits_of(anchor));
        let anchored = self.builder.ins().bor(high, anchor_bits);
        let anchored = self.as_float_of(anchored);
        let offset = self.number(anchor + bias);
        let exponent = self.builder.ins().fsub(anchored, offset);
        let mask = self.integer((1 << mantissa) - 1);
        let low = self.builder.ins().band(bits, mask);
        let one = self.integer(bits_of(1.0));
        let bits = self.builder.ins().bor(low, one);
        (exponent, self.as_float_of(bits))
    }
}
