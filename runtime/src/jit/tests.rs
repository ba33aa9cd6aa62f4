//! Oracle: cross. Loops over vectors of every length that this processor has, with Cranelift's code for what they leave, beside that code alone.

use nmc_program::{Access, ArrayId, Binary, Compare, Draw, Inst, Kernel, Slot, Unary, Value};

use super::{Code, Form, args, define, draw_ahead, module, placed, stretch, wide};
use crate::interpreter::Computable;
use crate::state::{Clock, spike_bytes};

const ELEMENTS: usize = 75;
/// Those that are written; one more is only read.
const ARRAYS: u32 = 5;

/// Numbers that follow from nothing but a state.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn one_of<A: Copy>(&mut self, all: &[A]) -> A {
        all[self.below(all.len())]
    }
}

/// A kernel of many instructions of all kinds that vectors have, of which most are still needed at its end.
fn kernel(dice: &mut Dice) -> Kernel {
    let element = |array| Slot { array: ArrayId(array), access: Access::Element { offset: array as usize % 2 } };
    let scalar = Slot { array: ArrayId(ARRAYS), access: Access::Broadcast { offset: 3 } };
    let slots = (0..ARRAYS).map(element).chain([scalar]).collect();
    let mut body: Vec<Inst> = (0..=ARRAYS).map(Inst::Load).chain([Inst::Time]).collect();
    body.extend([Draw::Uniform, Draw::Normal].map(|draw| Inst::Random { draw, number: 0 }));
    let mut truths = Vec::new();
    for _ in 0..dice.below(70) + 10 {
        let numbers: Vec<u32> = (0..body.len() as u32).filter(|at| !truths.contains(at)).collect();
        let mut number = || Value(dice.one_of(&numbers));
        let (a, b, c) = (number(), number(), number());
        let inst = match (dice.below(12), &truths[..]) {
            (0, _) => Inst::Const(dice.below(2000) as f64 / 100.0 - 10.0),
            (1..=3, _) => {
                let all = [
                    Unary::Negate,
                    Unary::Absolute,
                    Unary::SquareRoot,
                    Unary::Exp,
                    Unary::Log,
                    Unary::Floor,
                    Unary::Round,
                    Unary::Phi1,
                ];
                Inst::Unary(dice.one_of(&all), a)
            }
            (4..=6, _) => {
                let all =
                    [Binary::Add, Binary::Subtract, Binary::Multiply, Binary::Divide, Binary::Minimum, Binary::Maximum];
                Inst::Binary(dice.one_of(&all), a, b)
            }
            (7, _) => Inst::Fma(a, b, c),
            (8, _) | (_, []) => {
                let all = [
                    Compare::Less,
                    Compare::LessEqual,
                    Compare::Greater,
                    Compare::GreaterEqual,
                    Compare::Equal,
                    Compare::NotEqual,
                ];
                truths.push(body.len() as u32);
                Inst::Compare(dice.one_of(&all), a, b)
            }
            (9, truths) => Inst::Select(Value(dice.one_of(truths)), a, b),
            (kind, _) => {
                let (x, y) = (Value(dice.one_of(&truths)), Value(dice.one_of(&truths)));
                truths.push(body.len() as u32);
                [Inst::And(x, y), Inst::Or(x, y), Inst::Not(x)][(kind + dice.below(3)) % 3]
            }
        };
        body.push(inst);
    }
    // All that was made is added up, so that much of it is kept at a time.
    let numbers: Vec<u32> = (0..body.len() as u32).filter(|at| !truths.contains(at)).collect();
    for array in 0..ARRAYS {
        let mut sum = Value(dice.one_of(&numbers));
        for _ in 0..20 {
            body.push(Inst::Binary(Binary::Add, sum, Value(dice.one_of(&numbers))));
            sum = Value(body.len() as u32 - 1);
        }
        body.push(Inst::Store { slot: array, value: sum });
    }
    if let Some(&truth) = truths.last() {
        body.push(Inst::Spike(Value(truth)));
    }
    Kernel { name: String::from("made"), component: 1, slots, body }
}

/// What a kernel leaves in its arrays, and who spiked; and whether there was such a loop.
fn run<T: Computable, const WIDE: bool>(
    kernel: &Kernel,
    numbers: &[Vec<T>],
    width: Option<wide::Width>,
) -> (Vec<Vec<T>>, Vec<u8>, bool) {
    let mut module = module(WIDE).expect("this processor is known");
    let (id, vectors) = define::<WIDE>(&mut module, kernel, Form::Dense, width).expect("it can be compiled");
    module.finalize_definitions().expect("it can be placed");
    // SAFETY: the function was defined with just this signature.
    let code = unsafe { std::mem::transmute::<*const u8, Code>(module.get_finalized_function(id)) };
    let wide = vectors.zip(width).map(|(ids, width)| placed(&module, ids, (width.bytes() / size_of::<T>()) as u64));
    let mut arrays = numbers.to_vec();
    let mut spikes = vec![0; spike_bytes::<T>(ELEMENTS)];
    let clock = Clock { seed: 5, tick: 7, sample: 1, time: 0.0375 };
    let ahead = draw_ahead::<T>(&super::calls::draws(kernel), kernel.component, &(0..ELEMENTS), clock);
    let draws: Vec<*const u8> = ahead.iter().map(|numbers| numbers.as_ptr().cast()).collect();
    let slots: Vec<*mut u8> =
        kernel.slots.iter().map(|slot| arrays[slot.array.index()].as_mut_ptr().cast::<u8>()).collect();
    let mut args = args(clock);
    (args.slots, args.draws, args.spikes, args.end) =
        (slots.as_ptr(), draws.as_ptr(), spikes.as_mut_ptr(), ELEMENTS as u64);
    stretch(code, wide.as_ref(), &mut args);
    // SAFETY: the code has run.
    unsafe { module.free_memory() };
    (arrays, spikes, wide.is_some())
}

fn all_widths_agree<T: Computable, const WIDE: bool>() {
    let widths: Vec<wide::Width> = match wide::Width::longest() {
        None => Vec::new(),
        Some(wide::Width::Bits256) => vec![wide::Width::Bits256],
        Some(wide::Width::Bits512) => vec![wide::Width::Bits256, wide::Width::Bits512],
    };
    let mut dice = Dice(1);
    let mut looped = 0;
    for round in 0..60 {
        let kernel = crate::fuse::fuse(&kernel(&mut dice));
        // Some are such that functions go the long way: very small, very large, below 0, no numbers.
        let numbers: Vec<Vec<T>> = (0..=ARRAYS)
            .map(|_| {
                let number = |dice: &mut Dice| match dice.below(if round % 3 == 0 { 60 } else { 1000 }) {
                    0 => f64::NAN,
                    1 => 1e300,
                    2 => -1e-300,
                    3 => -0.0,
                    _ => dice.below(4000) as f64 / 1000.0 - 1.0,
                };
                (0..ELEMENTS + 1).map(|_| T::of(number(&mut dice))).collect()
            })
            .collect();
        let bits = |arrays: &[Vec<T>]| -> Vec<Option<u64>> {
            // Which of two that are no numbers a sum hands on is the processor's choice by the order of operands.
            let bits = |number: &T| (!number.wide().is_nan()).then(|| number.wide().to_bits());
            arrays.iter().flatten().map(bits).collect()
        };
        let (arrays, spikes, _) = run::<T, WIDE>(&kernel, &numbers, None);
        for &width in &widths {
            let (others, marks, was) = run::<T, WIDE>(&kernel, &numbers, Some(width));
            looped += usize::from(was);
            assert!(bits(&others) == bits(&arrays), "{width:?}, round {round}: {:?}", kernel.body);
            assert_eq!(marks, spikes, "{width:?}, round {round}");
        }
    }
    assert!(looped >= 30 * widths.len(), "only {looped} kernels became loops");
}

#[test]
fn vectors_of_every_width_give_the_same_bits_in_single_precision() {
    all_widths_agree::<f32, false>();
}

#[test]
fn vectors_of_every_width_give_the_same_bits_in_double_precision() {
    all_widths_agree::<f64, true>();
}
