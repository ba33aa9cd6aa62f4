//! Which register holds which vector, and the instructions that follow from it. A vector that finds no room is the one
//! used last of all; it is kept on the stack.

use super::begin;
use super::encode::{Code, General, LOAD, Opcode, Place, SCRATCH, STORE, Width, multiply_add, packed, spreading};
use super::lower::{Base, Lowered, Op, Vector};

/// A copy between registers.
const COPY: Opcode = packed(0x28, false);

/// What does not change while operations become instructions.
pub struct Setting<'a> {
    pub lowered: &'a Lowered,
    pub width: Width,
    pub double: bool,
    /// Registers of constants that stay there; they are the last ones.
    pub pinned: &'a [(u32, u8)],
    /// The register of each base; the others are loaded where they are needed.
    pub bases: &'a [Option<General>],
}

/// Emits the operations at an index; `first_kept` vectors of the stack are in use. Gives how many registers were needed and how many
/// vectors of the stack.
pub fn emit(code: &mut Code, setting: &Setting, first_kept: u32) -> (u8, u32) {
    let mut uses = vec![Vec::new(); setting.lowered.ops.len()];
    for (at, op) in setting.lowered.ops.iter().enumerate().rev() {
        if op.acts() || !uses[at].is_empty() {
            let (operands, count) = op.operands();
            operands[..count].iter().for_each(|&operand| uses[operand as usize].push(at as u32));
        }
    }
    let pinned = |op: &Op| {
        let Op::Constant(constant) = op else { return None };
        setting.pinned.iter().find(|(pinned, _)| pinned == constant).map(|&(_, register)| register)
    };
    let register = setting.lowered.ops.iter().map(pinned).collect();
    let room = setting.width.registers() - setting.pinned.len() as u8;
    let holds = vec![None; room as usize];
    let mut registers = Registers { setting, uses, at: 0, register, kept: Vec::new(), holds, needed: 0, first_kept };
    for (at, op) in setting.lowered.ops.iter().enumerate() {
        if op.acts() || !registers.uses[at].is_empty() {
            registers.at = at as u32;
            registers.op(code, op);
        }
    }
    (registers.needed, first_kept + registers.kept.len() as u32)
}

struct Registers<'a> {
    setting: &'a Setting<'a>,
    /// Where each vector is still used, the next use last.
    uses: Vec<Vec<u32>>,
    /// The operation at hand.
    at: Vector,
    register: Vec<Option<u8>>,
    /// Vectors that are on the stack, by their place there.
    kept: Vec<Vector>,
    /// What each register holds.
    holds: Vec<Option<Vector>>,
    /// How many registers have been used.
    needed: u8,
    first_kept: u32,
}

impl Registers<'_> {
    fn op(&mut self, code: &mut Code, op: &Op) {
        let double = self.setting.double;
        match *op {
            // They are read where they are used.
            Op::Constant(_) | Op::Time => {}
            Op::Load { base, offset, spread } => {
                let (first, place) = (self.result(code), self.place(code, base, offset, spread));
                code.vector(if spread { spreading(double) } else { LOAD }, first, 0, place);
            }
            Op::Store { base, offset, value } => {
                let value = self.held(code, value, &[]);
                let place = self.place(code, base, offset, false);
                code.vector(STORE, value, 0, place);
                self.done();
            }
            Op::Two { op, a, b, swaps, byte } => {
                let (a, b) = if swaps && self.register[a as usize].is_none() { (b, a) } else { (a, b) };
                let second = self.held(code, a, &[b]);
                let last = self.anywhere(b);
                let first = self.result(code);
                match byte {
                    Some(byte) => code.compare(op, first, second, last, byte),
                    None => code.vector(op, first, second, last),
                }
            }
            Op::One { op, a, byte } => {
                let last = self.anywhere(a);
                let first = self.result(code);
                match byte {
                    Some(byte) => code.vector_with(op, first, 0, last, byte),
                    None => code.vector(op, first, 0, last),
                }
            }
            Op::Shift { op, way, a, bits } => {
                let from = self.held(code, a, &[]);
                let first = self.result(code);
                code.vector_with(op, way, first, Place::Vector(from), bits);
            }
            Op::Fma(all) => self.multiply_add(code, all),
            Op::Select { truth, yes, no } => {
                let mask = self.held(code, truth, &[yes, no]);
                let second = self.held(code, no, &[truth, yes]);
                let last = self.anywhere(yes);
                let first = self.result(code);
                code.select(double, first, mask, second, last);
            }
            Op::Stop(truth) => {
                let mask = self.held(code, truth, &[]);
                code.leave_unless(mask, double);
                self.done();
            }
            Op::Spike(truth) => {
                let mask = self.held(code, truth, &[]);
                let spikes = self.setting.lowered.bases.iter().position(|base| *base == Base::Spikes);
                let base = spikes.and_then(|at| self.setting.bases[at]).expect("spikes come first");
                code.spikes(mask, base, double);
                self.done();
            }
        }
    }

    /// One operand is overwritten, and one may be in memory.
    fn multiply_add(&mut self, code: &mut Code, [a, b, c]: [Vector; 3]) {
        let all = [a, b, c];
        let (a, b) = if self.register[a as usize].is_none() { (b, a) } else { (a, b) };
        let far = |on: &Self, vector: Vector| on.register[vector as usize].is_none();
        self.held(code, a, &all);
        let added_far = far(self, c);
        if added_far {
            self.held(code, b, &all);
        }
        // What each way overwrites, reads second and reads last.
        let ways: &[(u16, Vector, Vector, Vector)] = match (added_far, far(self, b)) {
            (true, _) => &[(213, a, b, c), (213, b, a, c)],
            (false, true) => &[(231, c, a, b), (132, a, c, b)],
            (false, false) => &[(231, c, a, b), (213, a, b, c), (213, b, a, c)],
        };
        let way = ways.iter().find(|&&(_, over, _, _)| self.ends(over));
        let &(way, over, second, last) = way.unwrap_or(&ways[0]);
        let from = self.register[over as usize].expect("it was brought into a register");
        let (second, last) = (self.register[second as usize].expect("so was this"), self.anywhere(last));
        if self.ends(over) {
            // The result takes its register.
            self.holds[from as usize] = None;
            self.register[over as usize] = None;
            self.done();
            self.take(from);
            code.vector(multiply_add(way, self.setting.double), from, second, last);
        } else {
            let first = self.free(code, &all);
            code.vector(COPY, first, 0, Place::Vector(from));
            self.done();
            self.take(first);
            code.vector(multiply_add(way, self.setting.double), first, second, last);
        }
    }

    /// Whether nothing after the operation at hand needs its register.
    fn ends(&self, vector: Vector) -> bool {
        !self.is_pinned(vector)
            && (self.is_constant(vector) || self.uses[vector as usize].iter().all(|&at| at == self.at))
    }

    fn is_constant(&self, vector: Vector) -> bool {
        matches!(self.setting.lowered.ops[vector as usize], Op::Constant(_) | Op::Time)
    }

    fn is_pinned(&self, vector: Vector) -> bool {
        self.register[vector as usize].is_some_and(|register| usize::from(register) >= self.holds.len())
    }

    /// The uses of the operation at hand are over: what is used no more gives its register back.
    fn done(&mut self) {
        let (operands, count) = self.setting.lowered.ops[self.at as usize].operands();
        for &operand in &operands[..count] {
            self.uses[operand as usize].retain(|&at| at != self.at);
            // Constants are read anew where they are used next.
            let over = self.uses[operand as usize].is_empty() || self.is_constant(operand);
            if over
                && !self.is_pinned(operand)
                && let Some(register) = self.register[operand as usize].take()
            {
                self.holds[register as usize] = None;
            }
        }
    }

    /// A register for what the operation at hand makes; it may be that of an operand that is used no more.
    fn result(&mut self, code: &mut Code) -> u8 {
        self.done();
        let (operands, count) = self.setting.lowered.ops[self.at as usize].operands();
        let register = self.free(code, &operands[..count]);
        self.take(register);
        register
    }

    fn take(&mut self, register: u8) {
        self.holds[register as usize] = Some(self.at);
        self.register[self.at as usize] = Some(register);
    }

    /// A register that holds nothing; where there is none, what is used last of all goes, but none of `stay`.
    fn free(&mut self, code: &mut Code, stay: &[Vector]) -> u8 {
        let register = self.holds.iter().position(Option::is_none).unwrap_or_else(|| {
            let held = self.holds.iter().enumerate().filter_map(|(at, held)| Some((at, (*held)?)));
            let others = held.filter(|(_, held)| !stay.contains(held));
            let furthest = others.max_by_key(|&(_, held)| self.uses[held as usize].last().copied());
            let (register, vector) = furthest.expect("an operation has three operands, and there are more registers");
            self.register[vector as usize] = None;
            if !self.is_constant(vector) && !self.kept.contains(&vector) {
                self.kept.push(vector);
                code.vector(STORE, register as u8, 0, self.anywhere(vector));
            }
            self.holds[register] = None;
            register
        });
        self.needed = self.needed.max(register as u8 + 1);
        register as u8
    }

    /// The register of a vector, loaded if it has none; `stay` keep theirs.
    fn held(&mut self, code: &mut Code, vector: Vector, stay: &[Vector]) -> u8 {
        if let Some(register) = self.register[vector as usize] {
            return register;
        }
        let register = self.free(code, stay);
        code.vector(LOAD, register, 0, self.anywhere(vector));
        self.holds[register as usize] = Some(vector);
        self.register[vector as usize] = Some(register);
        register
    }

    /// Where a vector is.
    fn anywhere(&self, vector: Vector) -> Place {
        if let Some(register) = self.register[vector as usize] {
            return Place::Vector(register);
        }
        if let Op::Constant(constant) = self.setting.lowered.ops[vector as usize] {
            return Place::Constant(constant);
        }
        if self.setting.lowered.ops[vector as usize] == Op::Time {
            // It stands on the stack before all others.
            return Place::Kept(0);
        }
        let place = self.kept.iter().position(|&kept| kept == vector).expect("a vector is somewhere");
        Place::Kept(self.first_kept + place as u32)
    }

    /// Where elements of an array are.
    fn place(&self, code: &mut Code, base: u32, offset: i32, spread: bool) -> Place {
        let base = self.setting.bases[base as usize].unwrap_or_else(|| {
            begin(code, self.setting.lowered.bases[base as usize], SCRATCH);
            SCRATCH
        });
        let shift = if self.setting.double { 3 } else { 2 };
        if spread { Place::Behind { base, offset } } else { Place::Element { base, shift, offset } }
    }
}
