//! The JIT equals the interpreter bit for bit, on random kernels with every instruction and every access.

use nmc_program::*;
use nmc_runtime::interpreter::{Computable, Interpreter};
use nmc_runtime::jit::Jit;
use nmc_runtime::state::{Buffer, Clock, Even, Indices, Kernels, Steps, Synapses};
use proptest::prelude::*;

/// Elements of the arrays that kernels touch.
const LEN: usize = 80;
const ARRAYS: usize = 4;

/// How a kernel is run.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Dense,
    List,
    Synapses,
    /// Synapses of one source, or of one target, at even distances.
    Row,
    Column,
}

impl Form {
    fn is_joined(self) -> bool {
        matches!(self, Form::Synapses | Form::Row | Form::Column)
    }
}

/// Makes choices from a list of random numbers.
struct Choices<'a>(std::iter::Cycle<std::slice::Iter<'a, u32>>);

impl Choices<'_> {
    fn below(&mut self, limit: usize) -> usize {
        *self.0.next().unwrap() as usize % limit.max(1)
    }
}

/// A sound kernel of `size` instructions and a store of its last number; dense ones mark spikes.
fn kernel(choices: &mut Choices, size: usize, form: Form) -> Kernel {
    let slots: Vec<Slot> = (0..ARRAYS)
        .map(|array| {
            let access = match (form.is_joined(), choices.below(4)) {
                (true, 0) => Access::Source,
                (true, 1 | 2) => Access::Target,
                (true, _) => Access::Synapse,
                (_, 0) if array > 0 => Access::Broadcast { offset: choices.below(LEN) },
                (_, 1) => Access::Element { offset: choices.below(9) },
                _ => Access::Element { offset: 0 },
            };
            Slot { array: ArrayId(array as u32), access }
        })
        .collect();
    let mut body = vec![Inst::Load(0), Inst::Load(1), Inst::Const(0.75)];
    let (mut numbers, mut truths) = (vec![Value(0), Value(1), Value(2)], vec![]);
    for _ in 0..size {
        let mut number = || numbers[choices.below(numbers.len())];
        let (a, b, c) = (number(), number(), number());
        let truth = if truths.is_empty() { a } else { truths[choices.below(truths.len())] };
        let unary = [
            Unary::Negate,
            Unary::Absolute,
            Unary::SquareRoot,
            Unary::Exp,
            Unary::Log,
            Unary::Sin,
            Unary::Cos,
            Unary::Tanh,
            Unary::Floor,
            Unary::Round,
            Unary::Phi1,
        ];
        let binary = [
            Binary::Add,
            Binary::Subtract,
            Binary::Multiply,
            Binary::Divide,
            Binary::Minimum,
            Binary::Maximum,
            Binary::Power,
            Binary::Add,
            Binary::Multiply,
        ];
        let compare = [
            Compare::Less,
            Compare::LessEqual,
            Compare::Greater,
            Compare::GreaterEqual,
            Compare::Equal,
            Compare::NotEqual,
        ];
        let inst = match choices.below(16) {
            0..=2 => Inst::Unary(unary[choices.below(unary.len())], a),
            3..=6 => Inst::Binary(binary[choices.below(binary.len())], a, b),
            7 => Inst::Fma(a, b, c),
            8 => Inst::Compare(compare[choices.below(compare.len())], a, b),
            9 if !truths.is_empty() => Inst::And(truth, truths[0]),
            10 if !truths.is_empty() => Inst::Or(truth, truths[0]),
            11 if !truths.is_empty() => Inst::Not(truth),
            12 if !truths.is_empty() => Inst::Select(truth, a, b),
            13 => Inst::Random { draw: if choices.below(2) == 0 { Draw::Uniform } else { Draw::Normal }, number: 3 },
            14 => [Inst::Time, Inst::Index, Inst::Const(-1.5)][choices.below(3)],
            15 if form.is_joined() => [Inst::SourceIndex, Inst::TargetIndex][choices.below(2)],
            _ => Inst::Load(choices.below(ARRAYS) as u32),
        };
        let value = Value(body.len() as u32);
        let is_truth = matches!(inst, Inst::Compare(..) | Inst::And(..) | Inst::Or(..) | Inst::Not(_));
        if is_truth {
            truths.push(value)
        } else {
            numbers.push(value)
        }
        body.push(inst);
    }
    let last = numbers[numbers.len() - 1];
    if form == Form::Dense {
        body.push(Inst::Compare(Compare::Greater, last, Value(2)));
        body.push(Inst::Spike(Value(body.len() as u32 - 1)));
    }
    body.push(Inst::Store { slot: 0, value: last });
    Kernel { name: String::from("random"), component: 9, slots, body }
}

/// A program that runs its one kernel in the given form.
fn program(kernel: Kernel, form: Form, precision: Precision) -> Program {
    let array =
        |name: &str| Array { name: name.into(), len: Len::Fixed(LEN), per_lane: true, initial: Initial::Fill(0.0) };
    let id = KernelId(0);
    let group = Group { name: "g".into(), len: LEN, source: Source::Kernel, component: 1 };
    let connection = Connection {
        name: "c".into(),
        place: Place { file: 0, start: 0, end: 0 },
        source: Some(GroupId(0)),
        source_start: 0,
        source_len: LEN,
        target_start: 0,
        target_len: LEN,
        target: Some(GroupId(0)),
        same: true,
        pattern: match form {
            Form::Row | Form::Column => Pattern::AllToAll { itself: true },
            Form::Dense | Form::List | Form::Synapses => Pattern::OneToOne,
        },
        component: 2,
        delay: Delay::Ticks(0),
        on_pre: Effect::Kernel(id),
        by_target: false,
        rounded: None,
    };
    Program {
        name: "p".into(),
        precision,
        dt: 1e-4,
        tensors: vec![],
        arrays: (0..ARRAYS).map(|i| array(&i.to_string())).collect(),
        kernels: vec![kernel],
        matrices: vec![],
        groups: vec![group],
        connections: if form.is_joined() { vec![connection] } else { vec![] },
        lines: Vec::new(),
        passive: Vec::new(),
        ageing: Vec::new(),
        wired: Vec::new(),
        drift_compensated: false,
        wires_compensated: false,
        programming: vec![],
        begin: vec![],
        tick: match form {
            Form::Dense => vec![Op::Kernel { kernel: id, len: LEN - 9, spikes: Some(GroupId(0)) }],
            Form::List => vec![Op::OnSpikes { kernel: id, group: GroupId(0) }],
            Form::Synapses | Form::Row => vec![],
            Form::Column => vec![Op::OnPost { connection: ConnectionId(0), kernel: id }],
        },
        end: vec![],
        phases: vec![],
        probes: vec![],
        chips: 1,
        left: vec![],
        left_out: vec![],
        requirements: vec![],
        report: vec![],
        costs: Costs::default(),
    }
}

/// Bits of the arrays and of the spikes after one call on each of two lanes.
fn run<T: Computable>(kernels: &dyn Kernels<T>, form: Form, len: usize, choices: &[u32]) -> (Vec<u64>, Vec<u8>) {
    let mut buffers: Vec<Buffer<T>> = (0..ARRAYS)
        .map(|array| {
            let value =
                |i: usize| ((i * 37 + array * 11 + choices[i % choices.len()] as usize % 101) % 97) as f64 / 16.0 - 2.5;
            Buffer { data: (0..2 * LEN).map(|i| T::of(value(i))).collect(), stride: LEN, per_lane: true }
        })
        .collect();
    let mut spikes = vec![0xff; nmc_runtime::state::spike_bytes::<T>(len)];
    for lane in 0..2 {
        let clock = Clock { seed: 0x1_0000_0007, tick: 5, sample: lane as u64, time: 0.0125 };
        let listed: Vec<u32> =
            (0..len as u32).filter(|i| !choices[*i as usize % choices.len()].is_multiple_of(3)).collect();
        let (sources, targets): (Vec<u32>, Vec<u32>) =
            (0..LEN as u32).map(|i| (i / 5, choices[i as usize % choices.len()] % LEN as u32)).unzip();
        let id = KernelId(0);
        match form {
            Form::Dense => kernels.dense(id, &mut buffers, lane, len, clock, Some(&mut spikes), None),
            Form::List => kernels.list(id, &mut buffers, lane, &listed, clock),
            Form::Synapses => {
                let largest = (LEN as u32 / 5, LEN as u32 - 1);
                let of = |indices| Synapses { indices, sources: &sources, targets: &targets, largest };
                let ranges = [(3, len as u32 / 2 + 3), (len as u32 / 2 + 3, len as u32 + 3)];
                kernels.synapses(id, &mut buffers, lane, of(Indices::Ranges(&ranges)), clock);
                kernels.synapses(id, &mut buffers, lane, of(Indices::List(&listed)), clock);
            }
            Form::Row | Form::Column => {
                let of = |indices| Synapses { indices, sources: &[], targets: &[], largest: (0, 0) };
                let (along, step) = (usize::from(form == Form::Row), [1, 3][choices[0] as usize % 2]);
                let even = Even {
                    synapses: Steps { first: 3, step: if form == Form::Row { 1 } else { step } },
                    sources: Steps { first: 7, step: 1 - along },
                    targets: Steps { first: 2, step: along },
                    count: if form == Form::Row { len } else { len / step },
                };
                kernels.synapses(id, &mut buffers, lane, of(Indices::Even(even)), clock);
            }
        }
    }
    // A NaN is a NaN, whatever its payload.
    let bits = |v: &T| if v.wide().is_nan() { u64::MAX } else { v.wide().to_bits() };
    (buffers.iter().flat_map(|buffer| buffer.data.iter().map(bits)).collect(), spikes)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn both_engines_give_the_same_bits(
        choices in prop::collection::vec(any::<u32>(), 40..120),
        size in 1_usize..60,
        len in 0_usize..70,
        form in prop::sample::select(vec![Form::Dense, Form::List, Form::Synapses, Form::Row, Form::Column]),
        wide in any::<bool>(),
    ) {
        let kernel = kernel(&mut Choices(choices.iter().cycle()), size, form);
        let precision = if wide { Precision::F64 } else { Precision::F32 };
        let program = program(kernel, form, precision);
        let jit = Jit::new(&program).map_err(TestCaseError::fail)?;
        let interpreter = Interpreter::new(&program.kernels);
        if wide {
            prop_assert_eq!(run::<f64>(&jit, form, len, &choices), run::<f64>(&interpreter, form, len, &choices));
        } else {
            prop_assert_eq!(run::<f32>(&jit, form, len, &choices), run::<f32>(&interpreter, form, len, &choices));
        }
    }
}
