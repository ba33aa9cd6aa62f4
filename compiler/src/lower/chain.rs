//! Converters: what happens to a value on its way from one operator to the next.

use std::f64::consts::PI;

use nmc_program::{Access, ArrayId, Binary, Draw, Initial, Len, Op, Tensor, TensorData, TensorId, Unary, Value};

use super::kernel::{Builder, OWN};
use super::{Lowering, Signal};
use crate::analyse::quantiser::{Quantiser, range_of};
use crate::cost;
use crate::forms::chip::{Converter, Domain};
use crate::forms::decisions::Range;
use crate::forms::network::NodeId;

/// Adds a normal draw.
pub(crate) fn noisy(b: &mut Builder, value: Value, sigma: f64) -> Value {
    let (draw, sigma) = (b.random(Draw::Normal), b.number(sigma));
    let noise = b.multiply(draw, sigma);
    b.add(value, noise)
}

/// Whether a converter changes values.
pub(crate) fn acts(converter: &Converter) -> bool {
    let shines = converter.to == Domain::Light;
    converter.bits.is_some() || converter.noise > 0.0 || !converter.gain_error.is_none() || shines
}

/// What would be a negative light stays dark.
pub(crate) fn shining(b: &mut Builder, value: Value, domain: Domain) -> Value {
    if domain != Domain::Light {
        return value;
    }
    let dark = b.number(0.0);
    b.binary(Binary::Maximum, value, dark)
}

/// Whether a converter does more than give levels.
pub(crate) fn errs(converter: &Converter) -> bool {
    let exact = converter.gain_error.is_none() && converter.offset_lsb.is_none() && converter.inl_lsb == 0.0;
    converter.noise > 0.0 || !exact
}

/// What each of several converters of one kind has of its own: 1 and its gain error, and its offset; none: all have the same.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Own {
    pub gain: Option<ArrayId>,
    pub offset: Option<ArrayId>,
}

/// A value through a converter: noise, gain and offset errors and what it is bent by, then the nearest of its levels within full range; where
/// bits are driven, the level first. Where its errors are made up for, codes are those that come nearest with them.
pub(crate) fn convert(b: &mut Builder, value: Value, converter: &Converter, range: Range, own: Own) -> Value {
    let range = range_of(converter, range);
    let gain = match own.gain {
        Some(gain) => b.load(gain, OWN),
        None => b.number(1.0 + converter.gain_error.mean),
    };
    let Some(bits) = converter.bits else {
        let value = b.multiply(value, gain);
        let value = if converter.noise > 0.0 { noisy(b, value, converter.noise * range.full) } else { value };
        return shining(b, value, converter.to);
    };
    let offset = match own.offset {
        Some(offset) => b.load(offset, OWN),
        None => b.number(converter.offset_lsb.mean),
    };
    let quantiser = Quantiser::new(bits, range);
    let (low, high) = (b.number(quantiser.low), b.number(quantiser.high));
    let scale = b.number(1.0 / quantiser.step);
    let code = b.multiply(value, scale);
    let level = if converter.from == Domain::Bits {
        let code = if converter.corrected { straight(b, code, gain, offset) } else { code };
        let rounded = b.unary(Unary::Round, code);
        let level = b.clamp(rounded, low, high);
        erring(b, level, converter, (gain, offset), quantiser)
    } else {
        let code = erring(b, code, converter, (gain, offset), quantiser);
        let rounded = b.unary(Unary::Round, code);
        let level = b.clamp(rounded, low, high);
        if converter.corrected { straight(b, level, gain, offset) } else { level }
    };
    let step = b.number(quantiser.step);
    b.multiply(level, step)
}

/// A number of steps with a converter's errors.
fn erring(
    b: &mut Builder,
    steps: Value,
    converter: &Converter,
    (gain, offset): (Value, Value),
    quantiser: Quantiser,
) -> Value {
    let mut code = b.multiply(steps, gain);
    if converter.noise > 0.0 {
        code = noisy(b, code, converter.noise);
    }
    code = b.add(code, offset);
    if converter.inl_lsb == 0.0 {
        return code;
    }
    // Largest half way to the ends, none at them.
    let at = if converter.from == Domain::Bits { steps } else { code };
    let whole = b.number(1.0 / quantiser.high.max(1.0));
    let (first, last) = (b.number(quantiser.low.max(-1.0)), b.number(1.0));
    let share = b.multiply(at, whole);
    let share = b.clamp(share, first, last);
    let (pi, most) = (b.number(PI), b.number(converter.inl_lsb));
    let angle = b.multiply(share, pi);
    let bent = b.unary(Unary::Sin, angle);
    let bent = b.multiply(bent, most);
    b.add(code, bent)
}

/// The number of steps that a converter with this gain and offset makes so many of.
fn straight(b: &mut Builder, steps: Value, gain: Value, offset: Value) -> Value {
    let steps = b.binary(Binary::Subtract, steps, offset);
    b.binary(Binary::Divide, steps, gain)
}

impl<'a> Lowering<'a> {
    /// Whether values arrive as they left.
    pub fn unchanged(&self, from: NodeId, converters: &[&Converter]) -> bool {
        let acting = converters.iter().any(|converter| acts(converter));
        !acting && self.kept(from, converters) == 1.0 && self.link_noise(from) == 0.0
    }

    /// The converters on a wire, in order.
    pub fn converters(&self, from: NodeId, to: NodeId, operand: usize) -> Vec<&'a Converter> {
        let mapped = self.mapped;
        let wires = &mapped.decisions.wires;
        let at = wires.binary_search_by_key(&(from, to, operand), |wire| (wire.from, wire.to, wire.operand)).ok();
        let ids = at.map_or_else(Vec::new, |at| [&wires[at].gives[..], &wires[at].takes].concat());
        ids.into_iter().map(|id| &mapped.chip.converters[id]).collect()
    }

    /// Operand `index` of a node as it arrives there, through the converters on its wire; what that takes is added to `ops`.
    pub fn arriving(&mut self, node: NodeId, index: usize, ops: &mut Vec<Op>) -> Option<Signal> {
        let from = self.operand(node, index)?;
        let signal = self.signals.get(&from).copied()?;
        let converters = self.converters(from, node, index);
        if self.unchanged(from, &converters) {
            return Some(signal);
        }
        let (kept, link) = (self.kept(from, &converters), self.link_noise(from));
        let range = self.range(from);
        let fixed = converters.iter().any(|converter| converter.is_fixed());
        let followed = if fixed { None } else { self.followed(from) };
        let name = format!("{}->{}", self.name(from), self.name(node));
        let mut b = Builder::default();
        let mut value = b.load(signal.array, Access::Element { offset: signal.start });
        let followed = followed.map(|range| b.load(range, Access::Broadcast { offset: 0 }));
        if let Some(range) = followed {
            value = b.binary(Binary::Divide, value, range);
        }
        for converter in converters {
            let own = self.own(&name, converter, signal.len, |element| element);
            value = convert(&mut b, value, converter, range, own);
        }
        if kept != 1.0 {
            let kept = b.number(kept);
            value = b.multiply(value, kept);
        }
        if link > 0.0 {
            value = noisy(&mut b, value, link * range.full);
        }
        if let Some(range) = followed {
            value = b.multiply(value, range);
        }
        let arrived = Signal { array: self.zeros(name.clone(), signal.len), start: 0, len: signal.len };
        b.store(arrived.array, Access::Element { offset: 0 }, value);
        let kernel = self.kernel(name, b);
        ops.push(Op::Kernel { kernel, len: signal.len, spikes: None });
        Some(arrived)
    }

    /// What each of the converters of one kind has of its own, drawn once for each chip; `which`: the converter that an element goes through.
    pub(super) fn own(&mut self, name: &str, converter: &Converter, len: usize, which: impl Fn(usize) -> usize) -> Own {
        let [gain, offset] =
            [(converter.gain_error, 1.0, "gain"), (converter.offset_lsb, 0.0, "offset")].map(|(of, from, what)| {
                let exact = of.spread == 0.0 || (what == "offset" && converter.bits.is_none());
                (!exact).then(|| {
                    self.drawn(&format!("{name}: {} {what}", converter.name), (from + of.mean, of.spread), len, &which)
                })
            });
        Own { gain, offset }
    }

    /// An array of normal numbers, one for each of several parts, at each element that of its part.
    pub(super) fn drawn(
        &mut self,
        name: &str,
        (mean, spread): (f64, f64),
        len: usize,
        which: &impl Fn(usize) -> usize,
    ) -> ArrayId {
        let parts = (0..len).map(which).max().map_or(1, |last| last + 1);
        let each = self.array(format!("{name}, each"), Len::Fixed(parts), false, Initial::Fill(0.0));
        let mut b = Builder::default();
        let mean = b.number(mean);
        let drawn = noisy(&mut b, mean, spread);
        b.store(each, OWN, drawn);
        let kernel = self.kernel(name.to_string(), b);
        self.program.arrays[each.index()].initial = Initial::Kernel(kernel);
        if parts == len {
            return each;
        }
        let array = self.array(name.to_string(), Len::Fixed(len), false, Initial::Fill(0.0));
        let indices = TensorData::I64((0..len).map(|at| which(at) as i64).collect());
        self.program.tensors.push(Tensor { name: name.to_string(), shape: vec![len], data: indices });
        let indices = TensorId(self.program.tensors.len() as u32 - 1);
        let spread = Op::Gather { from: each, from_start: 0, to: array, to_start: 0, indices };
        self.program.programming.push(spread);
        array
    }

    /// The share of a node's output that is left when what holds it is no longer needed: the longest time of any of its parts.
    fn kept(&self, node: NodeId, converters: &[&Converter]) -> f64 {
        let droop: f64 = converters.iter().filter(|converter| converter.holds()).map(|converter| converter.droop).sum();
        if droop <= 0.0 {
            return 1.0;
        }
        let held = self.held.get(&node).copied().unwrap_or(0.0);
        (-droop * held).exp()
    }

    /// Noise (a share of full range) of the link that carries a node's analog output to another core.
    fn link_noise(&self, node: NodeId) -> f64 {
        let mapped = self.mapped;
        let crossing = mapped.circuit.nets.iter().filter(|net| net.source == node && net.is_analog());
        let crossing = crossing.filter(|net| !cost::links(&mapped.chip, &mapped.placement.cores, net).is_empty());
        let links = crossing.filter_map(|net| mapped.chip.links.iter().find(|link| link.carries == net.domain));
        links.map(|link| link.noise).fold(0.0, f64::max)
    }

    /// From the timetable: how long the cells of each block conduct, and how long what a node gives is held.
    pub fn read_timetable(&mut self) {
        let mapped = self.mapped;
        let given = mapped.given(&[]);
        let mut span_of: Vec<(f64, f64)> = vec![(0.0, 0.0); mapped.circuit.parts.len()];
        for work in &mapped.timetable.works {
            for (id, span) in work.parts.iter().zip(&work.spans) {
                span_of[id.0] = (work.start + span.0, work.start + span.1);
            }
        }
        let (tiling, decisions, circuit) = (&mapped.tiling, &mapped.decisions, &mapped.circuit);
        for whole in crate::map::place::wholes(circuit) {
            let spans: Vec<(f64, f64)> = whole.iter().map(|id| span_of[id.0]).collect();
            let end = spans.iter().map(|span| span.1).fold(0.0, f64::max);
            self.driven.extend(cost::time::driven(given, tiling, decisions, circuit, &whole, &spans));
            for (id, &span) in whole.iter().zip(&spans) {
                let part = &circuit.parts[id.0];
                let held = cost::time::held(&mapped.chip, part, span, end);
                let most = self.held.entry(part.node).or_insert(0.0);
                *most = most.max(held);
            }
        }
    }
}

/// The sum, first to last.
pub(crate) fn sum(b: &mut Builder, values: &[Value]) -> Value {
    let zero = b.number(0.0);
    values.iter().fold(zero, |sum, &value| b.binary(Binary::Add, sum, value))
}
