//! Loops over vectors of 256 bits, for processors that have them: Cranelift has 128 bits only. What these loops leave is done by its code,
//! which gives the same bits: the last elements, and vectors whose numbers need the long way of a function.

mod encode;
mod lower;
mod registers;

use nmc_program::{Access, Kernel};
use std::mem::offset_of;

use super::calls::{self, Args};
use super::forms::Form;
use super::function::{Shared, in_vectors};
use encode::{ARGS, BASES, Code, END, General, INDEX, LOAD, Place, SCRATCH, STORE};
use lower::{Base, Lowered, Op, lower};
use registers::{REGISTERS, Setting, emit};

/// A loop over whole vectors, at least one; gives the element before which it stopped.
pub type Loop = extern "C" fn(*const Args) -> u64;

/// How many numbers a vector holds.
pub const fn width<T>() -> usize {
    32 / size_of::<T>()
}

/// Whether this processor has such vectors, and multiplies and adds with one rounding.
fn possible() -> bool {
    #[cfg(all(target_arch = "x86_64", unix))]
    return std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma");
    #[cfg(not(all(target_arch = "x86_64", unix)))]
    false
}

/// The bytes of a [`Loop`] for a form of a kernel, to be placed at a multiple of 32; none if it cannot be done so.
pub fn compile<const WIDE: bool>(kernel: &Kernel, form: Form) -> Option<Vec<u8>> {
    let (draws, shared) = match form {
        Form::Dense => (calls::draws(kernel), None),
        Form::Even(shared) if in_vectors(kernel, shared) => (Vec::new(), Some(shared)),
        Form::Even(_) | Form::Listed => return None,
    };
    if !possible() {
        return None;
    }
    let same = |access| match shared {
        Some(Shared::Source) => access == Access::Source,
        Some(Shared::Target) => access == Access::Target,
        None => false,
    };
    let lowered = lower::<WIDE>(kernel, &draws, same)?;
    let stops = lowered.ops.iter().any(|op| matches!(op, Op::Stop(_)));
    if shared.is_some() && (stops || lowered.bases.len() > BASES.len()) {
        return None;
    }
    Some(assemble::<WIDE>(&lowered, shared.is_some()))
}

/// `joined`: a loop over synapses, whose arrays begin where the call says.
fn assemble<const WIDE: bool>(lowered: &Lowered, joined: bool) -> Vec<u8> {
    let timed = lowered.ops.contains(&Op::Time);
    let first_kept = u32::from(timed);
    // Spikes need a register of their own.
    let spikes = lowered.bases.iter().position(|base| *base == Base::Spikes);
    let order = spikes.into_iter().chain((0..lowered.bases.len()).filter(|&base| Some(base) != spikes));
    let mut bases: Vec<Option<General>> = vec![None; lowered.bases.len()];
    order.zip(BASES).for_each(|(base, register)| bases[base] = Some(register));
    let mut setting = Setting { lowered, double: WIDE, pinned: &[], bases: &bases };
    let (needed, kept) = emit(&mut Code::default(), &setting, first_kept);
    // Registers that are left keep the constants that are used most.
    let mut counted: Vec<(usize, u32)> =
        (0..lowered.constants.len() as u32).map(|at| (uses(lowered, at), at)).collect();
    counted.sort_unstable_by_key(|&(uses, at)| (std::cmp::Reverse(uses), at));
    let left = if kept == first_kept { REGISTERS - needed } else { 0 };
    let pinned: Vec<(u32, u8)> =
        counted.iter().map(|&(_, at)| at).zip((0..REGISTERS).rev().take(left.into())).collect();
    setting.pinned = &pinned;
    let (_, kept) = emit(&mut Code::default(), &setting, first_kept);

    let mut code = Code::default();
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
    code.repeat(start, if WIDE { 4 } else { 8 });
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
