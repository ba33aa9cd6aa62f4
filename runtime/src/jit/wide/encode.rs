//! Instructions on vectors of 256 and 512 bits as bytes (VEX and EVEX encoding, Intel SDM volume 2), and the few others that a loop needs.

/// How long vectors are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    Bits256,
    Bits512,
}

impl Width {
    pub const fn bytes(self) -> usize {
        match self {
            Width::Bits256 => 32,
            Width::Bits512 => 64,
        }
    }

    /// How many registers there are for them.
    pub const fn registers(self) -> u8 {
        match self {
            Width::Bits256 => 16,
            Width::Bits512 => 32,
        }
    }
}

/// An instruction on vectors: its table, prefix, width bit and byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opcode {
    /// 1: 0F, 2: 0F38, 3: 0F3A.
    table: u8,
    /// 0: none, 1: 66, 2: F3, 3: F2.
    prefix: u8,
    /// The width bit in either encoding: in the longer one it is that of numbers.
    wide: bool,
    double: bool,
    byte: u8,
}

/// An instruction on floats, of which doubles differ by a prefix.
pub const fn packed(byte: u8, double: bool) -> Opcode {
    Opcode { table: 1, prefix: double as u8, wide: false, double, byte }
}

/// An instruction on integers of the width of numbers.
pub const fn integer(byte: u8, double: bool) -> Opcode {
    Opcode { table: 1, prefix: 1, wide: false, double, byte }
}

/// The three ways to multiply and add, by which operands are multiplied: 213 (first second + last), 132 (first last + second) and
/// 231 (second last + first); the first is overwritten.
pub const fn multiply_add(way: u16, double: bool) -> Opcode {
    let byte = if way == 213 {
        0xA8
    } else if way == 132 {
        0x98
    } else {
        0xB8
    };
    Opcode { table: 2, prefix: 1, wide: double, double, byte }
}

/// One of table 3, of which doubles differ by the byte.
pub const fn selecting(byte: u8, double: bool) -> Opcode {
    Opcode { table: 3, prefix: 1, wide: false, double, byte: byte + double as u8 }
}

/// A number in every place of a vector.
pub const fn spreading(double: bool) -> Opcode {
    Opcode { table: 2, prefix: 1, wide: false, double, byte: 0x18 + double as u8 }
}

pub const LOAD: Opcode = packed(0x10, false);
pub const STORE: Opcode = packed(0x11, false);
const LOAD_DOUBLE: Opcode = Opcode { table: 1, prefix: 3, wide: false, double: true, byte: 0x10 };
const TO_SINGLE: Opcode = Opcode { table: 1, prefix: 3, wide: false, double: true, byte: 0x5A };

/// A truth as all bits of a number, made of a mask register, and the other way round; numbers chosen by such a register.
const fn spread_mask(double: bool) -> Opcode {
    Opcode { table: 2, prefix: 2, wide: false, double, byte: 0x38 }
}
const fn gather_mask(double: bool) -> Opcode {
    Opcode { table: 2, prefix: 2, wide: false, double, byte: 0x39 }
}
const fn choose(double: bool) -> Opcode {
    Opcode { table: 2, prefix: 1, wide: false, double, byte: 0x65 }
}
/// The mask register that is used.
const MASK: u8 = 1;

/// A general register.
pub type General = u8;
pub const INDEX: General = 0; // rax
pub const END: General = 1; // rcx
const FIRST: General = 2; // rdx
const STACK: General = 4; // rsp
const SECOND: General = 6; // rsi
/// What the function is given.
pub const ARGS: General = 7; // rdi
/// Those that hold where arrays begin; the first four need not be kept for the caller.
pub const BASES: [General; 10] = [8, 9, 10, 11, 3, 5, 12, 13, 14, 15];
/// One that code between two instructions may use.
pub const SCRATCH: General = FIRST;

/// The last operand of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Vector(u8),
    /// The element (4 or 8 bytes: `shift` 2 or 3) at the index.
    Element {
        base: General,
        shift: u8,
        offset: i32,
    },
    /// Bytes behind a register.
    Behind {
        base: General,
        offset: i32,
    },
    /// A vector of the stack.
    Kept(u32),
    /// A constant.
    Constant(u32),
}

impl Place {
    /// The register that it names.
    fn base(self) -> u8 {
        match self {
            Place::Vector(register) => register,
            Place::Element { base, .. } | Place::Behind { base, .. } => base,
            Place::Kept(_) => STACK,
            Place::Constant(_) => 0,
        }
    }
}

/// The code of a function as it grows.
pub struct Code {
    width: Width,
    bytes: Vec<u8>,
    /// Where the distance to a constant stands, and to which.
    constants: Vec<(usize, u32)>,
    /// Where the distance to the end of the loop stands.
    exits: Vec<usize>,
}

impl Code {
    pub fn new(width: Width) -> Self {
        Code { width, bytes: Vec::new(), constants: Vec::new(), exits: Vec::new() }
    }

    /// `op first, second, last`; an instruction of two operands has `second` 0.
    pub fn vector(&mut self, op: Opcode, first: u8, second: u8, last: Place) {
        self.sized(op, (first, second, last), 0, 0);
    }

    /// The same with a byte behind it.
    pub fn vector_with(&mut self, op: Opcode, first: u8, second: u8, last: Place, byte: u8) {
        self.sized(op, (first, second, last), 0, 1);
        self.bytes.push(byte);
    }

    /// The same, of a comparison.
    pub fn compare(&mut self, op: Opcode, first: u8, second: u8, last: Place, byte: u8) {
        match self.width {
            Width::Bits256 => self.vector_with(op, first, second, last, byte),
            Width::Bits512 => {
                self.vector_with(op, MASK, second, last, byte);
                self.vector(spread_mask(op.double), first, 0, Place::Vector(MASK));
            }
        }
    }

    /// `first` is `yes` where `mask` is true, else `no`.
    pub fn select(&mut self, double: bool, first: u8, mask: u8, no: u8, yes: Place) {
        match self.width {
            Width::Bits256 => self.vector_with(selecting(0x4A, double), first, no, yes, mask << 4),
            Width::Bits512 => {
                self.vector(gather_mask(double), MASK, 0, Place::Vector(mask));
                self.sized(choose(double), (first, no, yes), MASK, 0);
            }
        }
    }

    /// `behind`: bytes of the instruction that follow the operands (distances count from its end).
    fn sized(&mut self, op: Opcode, (first, second, last): (u8, u8, Place), mask: u8, behind: i32) {
        match self.width {
            Width::Bits256 => self.short(op, true, (first, second, last), behind),
            Width::Bits512 => {
                // Bits of registers are inverted; the fifth of the last one stands where that of an index would.
                let base = last.base();
                let far = |register: u8, bit: u8, to: u8| (!register >> bit & 1) << to;
                let fifth = if matches!(last, Place::Vector(_)) { far(base, 4, 6) } else { 1 << 6 };
                let head = far(first, 3, 7) | fifth | far(base, 3, 5) | far(first, 4, 4) | op.table;
                let middle = u8::from(op.double) << 7 | (!second & 15) << 3 | 1 << 2 | op.prefix;
                let tail = 2 << 5 | far(second, 4, 3) | mask;
                self.bytes.extend([0x62, head, middle, tail, op.byte]);
                self.operands(first, last, behind);
            }
        }
    }

    /// In the shorter encoding. `whole`: 256 bits, not a single number.
    fn short(&mut self, op: Opcode, whole: bool, (first, second, last): (u8, u8, Place), behind: i32) {
        let (far_first, far_base) = (first >= 8, last.base() >= 8);
        let tail = (!second & 15) << 3 | u8::from(whole) << 2 | op.prefix;
        if op.table == 1 && !op.wide && !far_base {
            self.bytes.extend([0xC5, u8::from(!far_first) << 7 | tail]);
        } else {
            let head = u8::from(!far_first) << 7 | 0x40 | u8::from(!far_base) << 5 | op.table;
            self.bytes.extend([0xC4, head, u8::from(op.wide) << 7 | tail]);
        }
        self.bytes.push(op.byte);
        self.operands(first, last, behind);
    }

    fn operands(&mut self, first: u8, last: Place, behind: i32) {
        let first = (first & 7) << 3;
        match last {
            Place::Vector(register) => self.bytes.push(0xC0 | first | register & 7),
            Place::Element { base, shift, offset } => {
                self.bytes.extend([0x84 | first, shift << 6 | INDEX << 3 | base & 7]);
                self.bytes.extend(offset.to_le_bytes());
            }
            Place::Behind { base, offset } => {
                self.bytes.extend([0x84 | first, 0x20 | base & 7]);
                self.bytes.extend(offset.to_le_bytes());
            }
            Place::Kept(slot) => {
                self.bytes.extend([0x84 | first, 0x20 | STACK]);
                self.bytes.extend((slot as i32 * self.width.bytes() as i32).to_le_bytes());
            }
            Place::Constant(constant) => {
                self.bytes.push(0x05 | first);
                self.constants.push((self.bytes.len(), constant));
                self.bytes.extend((-4 - behind).to_le_bytes());
            }
        }
    }

    /// A 64-bit move between a register and memory or another register; `byte`: 8B loads, 89 stores.
    fn general(&mut self, byte: u8, register: General, place: Place) {
        self.bytes.extend([0x48 | u8::from(register >= 8) << 2 | u8::from(place.base() >= 8), byte]);
        self.operands(register, place, 0);
    }

    /// Loads a general register.
    pub fn load(&mut self, register: General, base: General, offset: usize) {
        self.general(0x8B, register, Place::Behind { base, offset: offset as i32 });
    }

    /// `register += scratch << shift`.
    pub fn add_scaled_scratch(&mut self, register: General, shift: u8) {
        self.bytes.extend([0x48, 0xC1, 0xE0 | SCRATCH, shift]); // shl scratch, shift
        self.bytes.extend([0x48 | u8::from(register >= 8), 0x01, 0xC0 | SCRATCH << 3 | register & 7]);
    }

    /// Keeps the registers that are the caller's, and makes room on the stack.
    pub fn enter(&mut self, registers: &[General], kept: u32) {
        for &register in registers {
            self.push_or_pop(0x50, register);
        }
        self.bytes.extend([0x48, 0x81, 0xEC]);
        self.bytes.extend((kept * self.width.bytes() as u32).to_le_bytes());
    }

    /// Undoes it and returns the index.
    pub fn leave(&mut self, registers: &[General], kept: u32) {
        self.bytes.extend([0xC5, 0xF8, 0x77]); // vzeroupper
        self.bytes.extend([0x48, 0x81, 0xC4]);
        self.bytes.extend((kept * self.width.bytes() as u32).to_le_bytes());
        for &register in registers.iter().rev() {
            self.push_or_pop(0x58, register);
        }
        self.bytes.push(0xC3);
    }

    fn push_or_pop(&mut self, byte: u8, register: General) {
        if register >= 8 {
            self.bytes.push(0x41);
        }
        self.bytes.push(byte | register & 7);
    }

    /// A double of the arguments, rounded to the width of numbers, in every place of a vector.
    pub fn spread_double(&mut self, vector: u8, offset: usize, double: bool) {
        let place = Place::Behind { base: ARGS, offset: offset as i32 };
        self.short(LOAD_DOUBLE, false, (vector, 0, place), 0);
        if !double {
            self.short(TO_SINGLE, false, (vector, vector, Place::Vector(vector)), 0);
        }
        self.vector(spreading(double), vector, 0, Place::Vector(vector));
    }

    /// Where the next instruction stands.
    pub fn here(&self) -> usize {
        self.bytes.len()
    }

    /// The places of a mask as bits of a general register, one of the first eight.
    fn bits_of(&mut self, register: General, mask: u8, double: bool) {
        match self.width {
            Width::Bits256 => self.vector(packed(0x50, double), register, 0, Place::Vector(mask)),
            Width::Bits512 => {
                self.vector(gather_mask(double), MASK, 0, Place::Vector(mask));
                self.bytes.extend([0xC5, 0xF8, 0x93, 0xC0 | register << 3 | MASK]); // kmovw
            }
        }
    }

    /// Leaves the loop unless all places of a mask are true.
    pub fn leave_unless(&mut self, mask: u8, double: bool) {
        let places = self.width.bytes() / if double { 8 } else { 4 };
        self.bits_of(FIRST, mask, double);
        self.bytes.extend([0x81, 0xF8 | FIRST]); // cmp
        self.bytes.extend((u32::MAX >> (32 - places)).to_le_bytes());
        self.bytes.extend([0x0F, 0x85]);
        self.exits.push(self.bytes.len());
        self.bytes.extend([0; 4]);
    }

    /// Writes a mask as the runtime keeps spikes: four bits a byte, or two of doubles.
    pub fn spikes(&mut self, mask: u8, base: General, double: bool) {
        self.bits_of(SECOND, mask, double);
        let (of_each, per_byte) = if double { (0x0303_0303_u32, 1) } else { (0x0F0F_0F0F, 2) };
        self.bytes.push(0xB8 | FIRST); // mov first, of_each
        self.bytes.extend(of_each.to_le_bytes());
        let head = (!SECOND & 15) << 3 | 3;
        self.bytes.extend([0xC4, 0xE2, head, 0xF5, 0xC0 | SECOND << 3 | FIRST]); // pdep second, second, first
        self.bytes.extend([0x48, 0x89, 0xC0 | INDEX << 3 | FIRST]); // mov first, index
        self.bytes.extend([0x48, 0xC1, 0xE8 | FIRST, per_byte]); // shr first
        // mov [base + first], second: two bytes or four.
        if self.width == Width::Bits256 {
            self.bytes.push(0x66);
        }
        self.bytes.extend([0x40 | u8::from(base >= 8), 0x89, 0x44 | SECOND << 3, FIRST << 3 | base & 7, 0]);
    }

    /// Back to `start` while there are more elements; exits lead behind it.
    pub fn repeat(&mut self, start: usize, double: bool) {
        let places = self.width.bytes() / if double { 8 } else { 4 };
        self.bytes.extend([0x48, 0x83, 0xC0 | INDEX, places as u8]); // add index, places
        self.bytes.extend([0x48, 0x39, 0xC0 | END << 3 | INDEX]); // cmp index, end
        self.bytes.extend([0x0F, 0x82]); // jb
        let back = start as i32 - (self.bytes.len() as i32 + 4);
        self.bytes.extend(back.to_le_bytes());
        for exit in std::mem::take(&mut self.exits) {
            self.add_to(exit, self.bytes.len() as i32 - (exit as i32 + 4));
        }
    }

    fn add_to(&mut self, at: usize, amount: i32) {
        let field = &mut self.bytes[at..at + 4];
        let old = field.iter().rev().fold(0_u32, |sum, &byte| sum << 8 | u32::from(byte)) as i32;
        field.copy_from_slice(&(old + amount).to_le_bytes());
    }

    /// The bytes of the function, its constants behind them.
    pub fn finish(mut self, constants: &[u64], double: bool) -> Vec<u8> {
        let bytes = self.width.bytes();
        self.bytes.resize(self.bytes.len().next_multiple_of(bytes), 0);
        let first = self.bytes.len();
        for (at, constant) in std::mem::take(&mut self.constants) {
            self.add_to(at, (first + constant as usize * bytes) as i32 - at as i32);
        }
        for constant in constants {
            let number = constant.to_le_bytes();
            let number = if double { &number[..] } else { &number[..4] };
            self.bytes.extend(number.iter().cycle().take(bytes));
        }
        self.bytes
    }
}
