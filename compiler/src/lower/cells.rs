//! Cells of arrays: what programming leaves behind, in the order target, programming noise, faults, read noise, fold.

use nmc_program::{ArrayId, Binary, Cells, Compare, Draw, Initial, Len, MatrixId, Op};

use super::Lowering;
use super::expression;
use super::kernel::{Builder, OWN};
use crate::forms::chip::{Device, WeightScheme};
use crate::forms::equations::Symbol;
use crate::forms::network::NodeId;

impl Lowering<'_> {
    /// Puts a matrix on cells of a tile kind.
    pub fn cells(&mut self, matrix: MatrixId, node: NodeId, tile_kind: usize) {
        let chip = self.chip;
        let Some(kind) = chip.tile_kinds.get(tile_kind) else { return };
        let Some(device) = chip.devices.get(kind.device) else { return };
        let (name, len) = {
            let matrix = &self.program.matrices[matrix.index()];
            (matrix.name.clone(), 2 * matrix.rows * matrix.cols)
        };
        let shared = |lowering: &mut Self, what: &str| {
            lowering.array(format!("{name}.{what}"), Len::Fixed(len), false, Initial::Fill(0.0))
        };
        let conductance = shared(self, "g");
        let read_sigma = device.read_sigma.as_ref().map(|_| shared(self, "read_sigma"));
        let range = self.operand(node, 0).map_or(1.0, |operand| self.range(operand));
        self.program.matrices[matrix.index()].cells = Some(Cells {
            g_min: device.g_min,
            g_max: device.g_max,
            levels: device.levels,
            reference: kind.weights == WeightScheme::Reference,
            w_max: None,
            conductance,
            read_sigma,
            read_voltage: kind.read_voltage / range,
            read_time: kind.read_time,
        });
        self.program.programming.push(Op::Target { matrix });
        let luck = (device.stuck_on > 0.0 || device.stuck_off > 0.0).then(|| self.faults(&name, len));
        if let Some(kernel) = programming(device, conductance, luck) {
            let kernel = self.kernel(format!("{name}: programming"), kernel);
            self.program.programming.push(Op::Kernel { kernel, len, spikes: None });
        }
        if let (Some(sigma), Some(array)) = (&device.read_sigma, read_sigma) {
            let mut b = Builder::default();
            let held = b.load(conductance, OWN);
            let mut names = |_: &mut Builder, symbol: Symbol| (symbol == Symbol::Input(0)).then_some(held);
            let sigma = expression::number(&mut b, &mut names, sigma);
            b.store(array, OWN, sigma);
            let kernel = self.kernel(format!("{name}: read noise"), b);
            self.program.programming.push(Op::Kernel { kernel, len, spikes: None });
        }
        self.program.programming.push(Op::Fold { matrix });
        self.say_what_is_left_out(device, kind.wire_ohms, &kind.name);
    }

    /// A uniform number for each cell, drawn once: which cells are stuck is the chip's, however often it is programmed.
    fn faults(&mut self, name: &str, len: usize) -> ArrayId {
        let array = self.array(format!("{name}.faults"), Len::Fixed(len), false, Initial::Fill(0.0));
        let mut b = Builder::default();
        let draw = b.random(Draw::Uniform);
        b.store(array, OWN, draw);
        let kernel = self.kernel(format!("{name}: faults"), b);
        self.program.arrays[array.index()].initial = Initial::Kernel(kernel);
        array
    }

    fn say_what_is_left_out(&mut self, device: &Device, wire_ohms: f64, tile: &str) {
        if device.drift.is_some() {
            self.note(format!("{}: drift is left out: arrays are read right after programming", device.name));
        }
        if wire_ohms > 0.0 {
            self.note(format!("{tile}: wire resistance of {wire_ohms} ohm a segment is left out of the simulation"));
        }
    }
}

/// Programming error (never below zero) and stuck cells, by their `luck`; none when neither happens.
fn programming(device: &Device, conductance: ArrayId, luck: Option<ArrayId>) -> Option<Builder> {
    if device.programming_sigma.is_none() && luck.is_none() {
        return None;
    }
    let mut b = Builder::default();
    let asked = b.load(conductance, OWN);
    let mut held = asked;
    if let Some(sigma) = &device.programming_sigma {
        let mut names = |_: &mut Builder, symbol: Symbol| (symbol == Symbol::Input(0)).then_some(asked);
        let sigma = expression::number(&mut b, &mut names, sigma);
        let draw = b.random(Draw::Normal);
        let (error, zero) = (b.multiply(draw, sigma), b.number(0.0));
        let sum = b.add(asked, error);
        held = b.binary(Binary::Maximum, sum, zero);
    }
    if let Some(luck) = luck {
        let draw = b.load(luck, OWN);
        let (on, either) = (b.number(device.stuck_on), b.number(device.stuck_on + device.stuck_off));
        let (stuck_on, stuck) = (b.compare(Compare::Less, draw, on), b.compare(Compare::Less, draw, either));
        let (high, low) = (b.number(device.g_max), b.number(device.g_min));
        let off = b.select(stuck, low, held);
        held = b.select(stuck_on, high, off);
    }
    b.store(conductance, OWN, held);
    Some(b)
}
