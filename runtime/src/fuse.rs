//! Fuses a product that is only added to something into one multiply-add; both engines run the fused kernel.

use nmc_program::{Binary, Inst, Kernel, Value};

use crate::math::has_fma;

/// The kernel with `a * b + c` as `Fma`, on processors that have it; instructions keep their places, and a product that
/// is no longer used is left for the engines to skip or compute in vain.
pub fn fuse(kernel: &Kernel) -> Kernel {
    let mut fused = kernel.clone();
    if !has_fma() {
        return fused;
    }
    let uses = count_uses(&kernel.body);
    for inst in &mut fused.body {
        if let Inst::Binary(Binary::Add, a, b) = *inst {
            let product = |value: Value| {
                let once = uses[value.0 as usize] == 1;
                if let Inst::Binary(Binary::Multiply, x, y) = kernel.body[value.0 as usize]
                    && once
                {
                    return Some((x, y));
                }
                None
            };
            if let Some((x, y)) = product(a) {
                *inst = Inst::Fma(x, y, b);
            } else if let Some((x, y)) = product(b) {
                *inst = Inst::Fma(x, y, a);
            }
        }
    }
    fused
}

/// How often each result is used.
pub fn count_uses(body: &[Inst]) -> Vec<u32> {
    let mut uses = vec![0; body.len()];
    for inst in body {
        for operand in operands(inst) {
            uses[operand.0 as usize] += 1;
        }
    }
    uses
}

/// The results an instruction uses.
pub fn operands(inst: &Inst) -> Vec<Value> {
    match *inst {
        Inst::Const(_)
        | Inst::Load(_)
        | Inst::Time
        | Inst::Index
        | Inst::SourceIndex
        | Inst::TargetIndex
        | Inst::Random { .. } => vec![],
        Inst::Unary(_, a) | Inst::Not(a) | Inst::Store { value: a, .. } | Inst::Spike(a) => vec![a],
        Inst::Binary(_, a, b) | Inst::Compare(_, a, b) | Inst::And(a, b) | Inst::Or(a, b) => vec![a, b],
        Inst::Fma(a, b, c) | Inst::Select(a, b, c) => vec![a, b, c],
    }
}
