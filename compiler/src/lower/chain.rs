//! Converters: what happens to a value on its way from one operator to the next.

use nmc_program::{Access, Binary, Draw, Op, Unary, Value};

use super::kernel::Builder;
use super::{Lowering, Signal};
use crate::analyse::quantiser::Quantiser;
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
    converter.bits.is_some() || converter.noise > 0.0 || converter.gain_error != 0.0 || shines
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
    converter.noise > 0.0 || converter.gain_error != 0.0 || converter.offset_lsb != 0.0
}

/// A value through a converter: noise, gain and offset errors, then the nearest of its levels within full range; where bits are driven, the
/// level first.
pub(crate) fn convert(b: &mut Builder, value: Value, converter: &Converter, range: Range) -> Value {
    let gain = 1.0 + converter.gain_error;
    let Some(bits) = converter.bits else {
        let value = if gain == 1.0 {
            value
        } else {
            let gain = b.number(gain);
            b.multiply(value, gain)
        };
        let value = if converter.noise > 0.0 { noisy(b, value, converter.noise * range.full) } else { value };
        return shining(b, value, converter.to);
    };
    let quantiser = Quantiser::new(bits, range);
    let driven = converter.from == Domain::Bits;
    let scale = b.number(if driven { 1.0 } else { gain } / quantiser.step);
    let mut code = b.multiply(value, scale);
    if !driven {
        code = off(b, code, converter);
    }
    let rounded = b.unary(Unary::Round, code);
    let (low, high) = (b.number(quantiser.low), b.number(quantiser.high));
    let mut level = b.clamp(rounded, low, high);
    if driven {
        if gain != 1.0 {
            let gain = b.number(gain);
            level = b.multiply(level, gain);
        }
        level = off(b, level, converter);
    }
    let step = b.number(quantiser.step);
    b.multiply(level, step)
}

/// A number of steps with a converter's noise and offset.
fn off(b: &mut Builder, mut code: Value, converter: &Converter) -> Value {
    if converter.noise > 0.0 {
        code = noisy(b, code, converter.noise);
    }
    if converter.offset_lsb != 0.0 {
        let offset = b.number(converter.offset_lsb);
        code = b.add(code, offset);
    }
    code
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
        let followed = self.followed(from);
        let mut b = Builder::default();
        let mut value = b.load(signal.array, Access::Element { offset: signal.start });
        let followed = followed.map(|range| b.load(range, Access::Broadcast { offset: 0 }));
        if let Some(range) = followed {
            value = b.binary(Binary::Divide, value, range);
        }
        for converter in converters {
            value = convert(&mut b, value, converter, range);
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
        let name = format!("{}->{}", self.name(from), self.name(node));
        let arrived = Signal { array: self.zeros(name.clone(), signal.len), start: 0, len: signal.len };
        b.store(arrived.array, Access::Element { offset: 0 }, value);
        let kernel = self.kernel(name, b);
        ops.push(Op::Kernel { kernel, len: signal.len, spikes: None });
        Some(arrived)
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
