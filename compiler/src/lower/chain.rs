//! Converters: what happens to a value on its way from one operator to the next.

use nmc_program::{Access, Binary, Draw, Op, TensorData, Unary, Value};

use super::algebra;
use super::kernel::Builder;
use super::{Lowering, Signal};
use crate::forms::chip::{Converter, Domain, Drive, Sense};
use crate::forms::converted::Implementation;
use crate::forms::equations::{Expr, Function, Symbol};
use crate::forms::network::{NodeId, Operator};
use crate::forms::plan::InputData;

/// Adds a normal draw.
pub(crate) fn noisy(b: &mut Builder, value: Value, sigma: f64) -> Value {
    let (draw, sigma) = (b.random(Draw::Normal), b.number(sigma));
    let noise = b.multiply(draw, sigma);
    b.add(value, noise)
}

/// A value through a converter: noise, gain and offset errors, then the nearest of its levels within full range.
/// Levels lie symmetrically about 0, or between 0 and full range when the signal is never negative.
pub(crate) fn convert(b: &mut Builder, value: Value, converter: &Converter, range: f64, unsigned: bool) -> Value {
    let Some(bits) = converter.bits else { return value };
    let codes = match unsigned {
        true => (2f64.powi(bits as i32) - 1.0).max(1.0),
        false => (2f64.powi(bits as i32 - 1) - 1.0).max(1.0),
    };
    let step = range / codes;
    let scale = b.number((1.0 + converter.gain_error) / step);
    let mut code = b.multiply(value, scale);
    if converter.noise_lsb > 0.0 {
        code = noisy(b, code, converter.noise_lsb);
    }
    if converter.offset_lsb != 0.0 {
        let offset = b.number(converter.offset_lsb);
        code = b.add(code, offset);
    }
    let rounded = b.unary(Unary::Round, code);
    let (low, high) = (b.number(if unsigned { 0.0 } else { -codes }), b.number(codes));
    let clipped = b.clamp(rounded, low, high);
    let step = b.number(step);
    b.multiply(clipped, step)
}

impl Lowering<'_> {
    /// Operand `index` of a node as it arrives there, through the converters of the wire that are not a tile's own;
    /// what that takes is added to `ops`.
    pub fn arriving(&mut self, node: NodeId, index: usize, ops: &mut Vec<Op>) -> Option<Signal> {
        let from = self.operand(node, index)?;
        let signal = self.signals.get(&from).copied()?;
        let chip = self.chip;
        let converters: Vec<&Converter> =
            self.between(from, node, index).into_iter().filter_map(|id| chip.converters.get(id)).collect();
        let acts = |converter: &&Converter| converter.bits.is_some();
        if !converters.iter().any(acts) {
            return Some(signal);
        }
        let (range, unsigned) = (self.range(from), self.non_negative(from));
        let mut b = Builder::default();
        let mut value = b.load(signal.array, Access::Element { offset: signal.start });
        for converter in converters {
            value = convert(&mut b, value, converter, range, unsigned);
        }
        let name = format!("{}->{}", self.name(from), self.name(node));
        let arrived = Signal { array: self.zeros(name.clone(), signal.len), start: 0, len: signal.len };
        b.store(arrived.array, Access::Element { offset: 0 }, value);
        let kernel = self.kernel(name, b);
        ops.push(Op::Kernel { kernel, len: signal.len, spikes: None });
        Some(arrived)
    }

    /// Converters of a wire without the sense converter of the tile it leaves and the drive converter of the tile it enters.
    fn between(&self, from: NodeId, to: NodeId, operand: usize) -> Vec<usize> {
        let mut chain = self.chains.get(&(from, to, operand)).map_or_else(Vec::new, |chain| chain.to_vec());
        if chain.is_empty() {
            return chain;
        }
        if let Some((_, Some(sense))) = self.tile_ends(from)
            && chain.first() == Some(&sense)
        {
            chain.remove(0);
        }
        if let Some((Some(drive), _)) = self.tile_ends(to)
            && chain.last() == Some(&drive)
        {
            chain.pop();
        }
        chain
    }

    /// Drive and sense converters of the tiles a layer is on; outer none: it is on none.
    pub fn tile_ends(&self, node: NodeId) -> Option<(Option<usize>, Option<usize>)> {
        let Some(Implementation::Tile { drive, sense }) = self.implementation(node) else { return None };
        let block = self.scheduled.placed.converted.tiled.blocks.iter().find(|block| block.layer == node)?;
        let kind = self.chip.tile_kinds.get(block.tile_kind)?;
        let drive = match kind.inputs.get(drive) {
            Some(Drive::Converter(converter)) => Some(*converter),
            Some(Drive::Direct(Domain::Bits | Domain::Voltage | Domain::Current | Domain::Charge | Domain::Pulse))
            | Some(Drive::Direct(Domain::Spikes | Domain::Light))
            | None => None,
        };
        let sense = match kind.senses.get(sense) {
            Some(Sense::Converter { converter, .. }) => Some(*converter),
            Some(Sense::Analog(_)) | None => None,
        };
        Some((drive, sense))
    }

    /// Whether a signal can be seen never to be negative.
    pub fn non_negative(&self, node: NodeId) -> bool {
        match &self.network.graph[node].operator {
            Operator::Elementwise { function, body } => {
                let named = matches!(function.as_str(), "relu" | "sigmoid" | "step");
                named
                    || never_negative(body, &|index| {
                        self.operand(node, index).is_some_and(|node| self.non_negative(node))
                    })
            }
            Operator::Reshape | Operator::Slice { .. } | Operator::Concat | Operator::Output => {
                self.operands(node).into_iter().all(|operand| self.non_negative(operand))
            }
            Operator::Input => self.data_non_negative(node),
            Operator::Dense { .. } | Operator::Population { .. } | Operator::Read { .. } => false,
        }
    }

    fn data_non_negative(&self, node: NodeId) -> bool {
        self.plan.phases.iter().flat_map(|phase| &phase.inputs).filter(|(input, _)| *input == node).all(|(_, data)| {
            let InputData::Values(tensor) = data else { return false };
            self.program.tensors.get(tensor.index()).is_some_and(|tensor| match &tensor.data {
                TensorData::U8(_) => true,
                TensorData::I64(values) => values.iter().all(|&value| value >= 0),
                TensorData::F32(values) => values.iter().all(|&value| value >= 0.0),
                TensorData::F64(values) => values.iter().all(|&value| value >= 0.0),
            })
        })
    }
}

/// Whether an expression cannot be negative, given which operands cannot.
fn never_negative(expr: &Expr, operand: &dyn Fn(usize) -> bool) -> bool {
    if let Some(value) = algebra::constant(expr) {
        return value >= 0.0;
    }
    let of = |arg: &Expr| never_negative(arg, operand);
    match expr {
        Expr::Number(value) => *value >= 0.0,
        Expr::Symbol(symbol) => matches!(symbol, Symbol::Input(index) if operand(*index)),
        Expr::Call(function, args) => match function {
            Function::Absolute | Function::Exp | Function::SquareRoot => true,
            Function::Less | Function::LessEqual | Function::Equal | Function::And | Function::Or | Function::Not => {
                true
            }
            Function::Maximum => args.iter().any(of),
            Function::Add | Function::Multiply | Function::Divide | Function::Minimum => args.iter().all(of),
            Function::Floor | Function::Round | Function::Tanh => args.iter().all(of),
            Function::Select => args.iter().skip(1).all(of),
            Function::Subtract | Function::Negate | Function::Power | Function::Log | Function::Sin => false,
            Function::Cos | Function::Uniform | Function::Normal => false,
        },
    }
}

/// The sum, first to last.
pub(crate) fn sum(b: &mut Builder, values: &[Value]) -> Value {
    let zero = b.number(0.0);
    values.iter().fold(zero, |sum, &value| b.binary(Binary::Add, sum, value))
}
