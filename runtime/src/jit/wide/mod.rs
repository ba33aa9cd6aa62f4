//! Loops over vectors of 512 or 256 bits, for processors that have them: Cranelift has 128 bits only. What these loops leave is done by its code,
//! which gives the same bits: the last elements. Where a function has a long way, a kernel has two loops: one that stops at numbers which need
//! it, and one that goes both ways.

mod encode;
mod lower;
mod registers;

use nmc_program::{Access, Kernel};
use std::mem::offset_of;

use super::calls::{self, Args};
use super::forms::Form;
use super::function::{Shared, in_vectors};
pub use encode::Width;
use encode::{ARGS, BASES, Code, END, General, INDEX, LOAD, Place, SCRATCH, STORE};
use lower::{Base, Lowered, Op, lower};
use registers::{Setting, emit};

/// A loop over whole vectors, at least one; gives the element before which it stopped.
pub type Loop = extern "C" fn(*const Args) -> u64;

impl Width {
    /// Those for a kernel over so many elements. The longest ones take some of the processor's pace from what follows: they pay where much
    /// is computed of many elements; measured.
    pub fn of(kernel: &Kernel, form: Form, elements: usize) -> Option<Self> {
        let pays = matches!(form, Form::Dense) && elements >= 512 && kernel.body.len() >= 24;
        Self::longest().map(|longest| if pays { longest } else { Width::Bits256 })
    }

    /// The longest vectors of this processor, if it multiplies and adds with one rounding. The first processors that had 512 bits
    /// slow down when these are used; those after them know `vbmi2`, too.
    pub fn longest() -> Option<Self> {
        #[cfg(all(target_arch = "x86_64", unix))]
        {
            use std::arch::is_x86_feature_detected as has;
            if has!("avx512f") && has!("avx512dq") && has!("avx512vbmi2") && has!("bmi2") {
                return Some(Width::Bits512);
            }
            if has!("avx2") && has!("fma") && has!("bmi2") {
                return Some(Width::Bits256);
            }
        }
        None
    }
}

/// The bytes of a [`Loop`] for a form of a kernel, to be placed at a multiple of what a vector has, and of one that never stops if that one
/// does; none if it cannot be done so.
pub fn compile<const WIDE: bool>(kernel: &Kernel, form: Form, width: Width) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let (draws, shared) = match form {
        Form::Dense => (calls::draws(kernel), None),
        Form::Even(shared) if in_vectors(kernel, shared) => (Vec::new(), Some(shared)),
        Form::Even(_) | Form::Listed => return None,
    };
    let same = |access| match shared {
        Some(Shared::Source) => access == Access::Source,
        Some(Shared::Target) => access == Access::Target,
        None => false,
    };
    let both = lower::<WIDE>(kernel, &draws, same, false)?;
    if shared.is_some() {
        let few = both.bases.len() <= BASES.len();
        return few.then(|| (assemble::<WIDE>(&both, width, true), None));
    }
    // A kernel that writes before it stops does not.
    let short = lower::<WIDE>(kernel, &draws, same, true);
    let Some(short) = short.filter(|short| short.ops.iter().any(|op| matches!(op, Op::Stop(_)))) else {
        return Some((assemble::<WIDE>(&both, width, false), None));
    };
    Some((assemble::<WIDE>(&short, width, false), Some(assemble::<WIDE>(&both, width, false))))
}

/// `joined`: a loop over synapses, whose arrays begin where the call says.
fn assemble<const WIDE: bool>(lowered: &Lowered, width: Width, joined: bool) -> Vec<u8> {
    let timed = lowered.ops.contains(&Op::Time);
    let first_kept = u32::from(timed);
    // Spikes need a register of their own.
    let spikes = lowered.bases.iter().position(|base| *base == Base::Spikes);
    let order = spikes.into_iter().chain((0..lowered.bases.len()).filter(|&base| Some(base) != spikes));
    let mut bases: Vec<Option<General>> = vec![None; lowered.bases.len()];
    order.zip(BASES).for_each(|(base, register)| bases[base] = Some(register));
    let mut setting = Setting { lowered, width, double: WIDE, pinned: &[], bases: &bases };
    let (needed, kept) = emit(&mut Code::new(width), &setting, first_kept);
    // Registers that are left keep the constants that are used most.
    let mut counted: Vec<(usize, u32)> =
        (0..lowered.constants.len() as u32).map(|at| (uses(lowered, at), at)).collect();
    counted.sort_unstable_by_key(|&(uses, at)| (std::cmp::Reverse(uses), at));
    let registers = width.registers();
    let left = if kept == first_kept { registers - needed } else { 0 };
    let pinned: Vec<(u32, u8)> =
        counted.iter().map(|&(_, at)| at).zip((0..registers).rev().take(left.into())).collect();
    setting.pinned = &pinned;
    let (_, kept) = emit(&mut Code::new(width), &setting, first_kept);

    let mut code = Code::new(width);
    let saved: Vec<General> = BASES[4..].iter().copied().filter(|register| bases.contains(&Some(*register))).collect();
    code.enter(&saved, kept);
    code.load(INDEX, ARGS, offset_of!(Args, start));
    code.load(END, ARGS, offset_of!(Args, end));
    for (base, register) in lowered.bases.iter().zip(&bases) {
        if let Some(register) = *register {
            begin(&mut code, *base, register);
            if let (true, Base::Slot(_, access)) = (joined, base) {
                let first = match access {
                    Access::Source => offset_of!(Args, source),
                    Access::Target => offset_of!(Args, target),
                    Access::Synapse | Access::Element { .. } => offset_of!(Args, synapse),
                    Access::Broadcast { .. } => continue,
                };
                code.load(SCRATCH, ARGS, first);
                code.add_scaled_scratch(register, if WIDE { 3 } else { 2 });
            }
        }
    }
    if timed {
        code.spread_double(0, offset_of!(Args, time), WIDE);
        code.vector(STORE, 0, 0, Place::Kept(0));
    }
    for &(constant, register) in &pinned {
        code.vector(LOAD, register, 0, Place::Constant(constant));
    }
    let start = code.here();
    emit(&mut code, &setting, first_kept);
    code.repeat(start, WIDE);
    code.leave(&saved, kept);
    code.finish(&lowered.constants, WIDE)
}

/// How often a constant is used.
fn uses(lowered: &Lowered, constant: u32) -> usize {
    let is = |&&operand: &&u32| lowered.ops[operand as usize] == Op::Constant(constant);
    let used = |op: &Op| {
        let (operands, count) = op.operands();
        operands[..count].iter().filter(is).count()
    };
    lowered.ops.iter().map(used).sum()
}

/// Loads where an array begins.
fn begin(code: &mut Code, base: Base, register: General) {
    let (table, entry) = match base {
        Base::Slot(slot, _) => (offset_of!(Args, slots), slot as usize),
        Base::Draw(draw) => (offset_of!(Args, draws), draw),
        Base::Spikes => return code.load(register, ARGS, offset_of!(Args, spikes)),
    };
    code.load(register, ARGS, table);
    code.load(register, register, entry * 8);
}
