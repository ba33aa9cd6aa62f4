//! Cells of arrays: what programming leaves behind, in the order target, programming noise, faults; what time makes of it; their wires.

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::{Diagnostic, Label};
use nmc_program::{
    ArrayId, Binary, Cells, Compare, Current, Draw, Initial, Inst, Len, Lines, Matrix, MatrixId, Op, Scheme, Value,
    VerifyRead, WeightSource, Wired,
};

use super::Lowering;
use super::dense::Layer;
use super::expression;
use super::kernel::{Builder, OWN};
use crate::algebra::{derivative, mentions};
use crate::analyse::normalised::column_siemens;
use crate::cost;
use crate::forms::chip::{
    ASKED, Device, Drive, Flicker, PROGRAMMED, PulseEnergy, Sense, TileKind, Trap, VOLTS, WeightScheme,
};
use crate::forms::circuit::{Part, Role};
use crate::forms::equations::{Expr, Function, Symbol};
use crate::forms::mapped::Mapped;

impl Lowering<'_> {
    /// Puts a matrix on the cells of a block, from this row on.
    pub(super) fn cells(&mut self, matrix: MatrixId, layer: &Layer, (block, first): (usize, usize)) {
        let scheme = match layer.tile.weights {
            WeightScheme::Differential => Scheme::Differential,
            WeightScheme::Reference => Scheme::Reference,
            WeightScheme::Unsigned => Scheme::Single,
            WeightScheme::Offset => Scheme::Digit { digit: 0, digits: 1 },
        };
        self.program_cells(matrix, layer, (block, first), scheme, false);
    }

    /// The same for one digit of the weights (or whole ones), with inputs of 0 and 1 where they come bit by bit.
    pub(super) fn digit_cells(
        &mut self,
        matrix: MatrixId,
        layer: &Layer,
        block: usize,
        digit: Option<(usize, usize)>,
        bits: bool,
    ) {
        let scheme = match (digit, layer.tile.weights) {
            (Some((digit, digits)), _) => Scheme::Digit { digit: digit as u32, digits: digits as u32 },
            (None, WeightScheme::Reference) => Scheme::Reference,
            (None, WeightScheme::Unsigned) => Scheme::Single,
            (None, WeightScheme::Differential | WeightScheme::Offset) => Scheme::Differential,
        };
        self.program_cells(matrix, layer, (block, 0), scheme, bits || digit.is_some());
    }

    /// `shares`: the matrix is fed shares of full range instead of values.
    pub(super) fn program_cells(
        &mut self,
        matrix: MatrixId,
        layer: &Layer,
        (block, first): (usize, usize),
        scheme: Scheme,
        shares: bool,
    ) {
        let (chip, tile) = (self.chip, layer.tile);
        let device = &chip.devices[tile.device];
        let (name, len) = {
            let matrix = &self.program.matrices[matrix.index()];
            (matrix.name.clone(), scheme.cells(matrix.rows, matrix.cols))
        };
        let shared = |lowering: &mut Self, what: &str| {
            lowering.array(format!("{name}.{what}"), Len::Fixed(len), false, Initial::Fill(0.0))
        };
        let conductance = shared(self, "g");
        let aged = device.drift.as_ref().map_or(conductance, |_| shared(self, "aged"));
        let read_sigma = device.read_sigma.as_ref().map(|_| shared(self, "read_sigma"));
        let pulses = cost::pulses(chip, tile, layer.how);
        let one = if shares { 1.0 } else { self.arriving_range(layer) };
        let (read_voltage, read_time) = self.read_of_one(layer, block, one);
        self.program.matrices[matrix.index()].cells = Some(Cells {
            g_min: device.g_min,
            g_max: device.g_max,
            levels: device.levels,
            scheme,
            rest: layer.rest.unwrap_or(if scheme == Scheme::Reference { 0.5 } else { 0.0 }),
            signs: None,
            w_max: layer.most,
            conductance,
            aged,
            read_sigma,
            telegraph: Vec::new(),
            flicker: None,
            normalised: self.normalised(matrix, layer),
            read_voltage,
            read_time,
            pulses,
            current: None,
            write_pulses: device.programming.pulses,
            write_time: device.programming.time,
            write_joules_per_siemens: taken_by_a_pulse(device),
            written: None,
            verified: self.verified(layer, device),
            block: self.written_with(block),
        });
        self.program.programming.push(Op::Target { matrix });
        let mut asked = conductance;
        let later = [&device.drift, &device.read_sigma].into_iter().flatten();
        let of_traps = device.traps.iter().flat_map(|trap| [&trap.amplitude, &trap.capture, &trap.emission]);
        let of_flicker = device.flicker.iter().map(|flicker| &flicker.sigma);
        if later.chain(of_traps).chain(of_flicker).any(|expr| mentions(expr, &|symbol| symbol == ASKED)) {
            asked = shared(self, "asked");
            let mut b = Builder::default();
            let target = b.load(conductance, OWN);
            b.store(asked, OWN, target);
            let kernel = self.kernel(format!("{name}: asked"), b);
            self.program.programming.push(Op::Kernel { kernel, len, spikes: None });
        }
        let luck = device.fails().then(|| self.faults(&name, len));
        self.luck.extend(luck.map(|luck| (matrix, luck)));
        if let Some(luck) = luck.filter(|_| device.has_open_lines() || tile.spare_columns > 0) {
            let lines = self.lines(layer, block);
            self.program.lines[lines].pieces.push((matrix, first, luck));
        }
        let open = luck.filter(|_| device.has_open_lines());
        if let Some(written) = self.written(matrix, tile, (block, first), len, luck) {
            self.program.programming.push(Op::Write { matrix });
            if let Some(cells) = &mut self.program.matrices[matrix.index()].cells {
                cells.written = Some(written);
            }
        }
        if let Some(kernel) = programming(device, conductance, luck) {
            let kernel = self.kernel(format!("{name}: programming"), kernel);
            self.program.programming.push(Op::Kernel { kernel, len, spikes: None });
        }
        if let Some(drift) = &device.drift {
            if self.plan.after.is_empty() {
                self.note(format!("{}: read just after programming; `after: 1 day` lets its cells age", device.name));
            }
            let mut b = Builder::default();
            let aged_to = over_cell(&mut b, Held { now: conductance, programmed: conductance, asked }, drift);
            let zero = b.number(0.0);
            let mut aged_to = b.binary(Binary::Maximum, aged_to, zero);
            if let Some(luck) = luck {
                // What is shorted or open does not relax.
                let (number, either) = (b.load(luck, OWN), b.number(device.stuck_on + device.stuck_off));
                let (stuck, held) = (b.compare(Compare::Less, number, either), b.load(conductance, OWN));
                aged_to = b.select(stuck, held, aged_to);
            }
            let aged_to = carried(&mut b, aged_to, open);
            b.store(aged, OWN, aged_to);
            self.age(format!("{name}: drift"), b, len);
        }
        if let (Some(sigma), Some(array)) = (&device.read_sigma, read_sigma) {
            let mut b = Builder::default();
            let sigma = over_cell(&mut b, Held { now: aged, programmed: conductance, asked }, sigma);
            let sigma = carried(&mut b, sigma, open);
            b.store(array, OWN, sigma);
            self.age(format!("{name}: read noise"), b, len);
        }
        for trap in &device.traps {
            self.trap(matrix, trap, Held { now: aged, programmed: conductance, asked }, open);
        }
        if let Some(Flicker { sigma, from, to }) = &device.flicker {
            let array = shared(self, "flicker");
            let mut b = Builder::default();
            let sigma = over_cell(&mut b, Held { now: aged, programmed: conductance, asked }, sigma);
            let sigma = carried(&mut b, sigma, open);
            b.store(array, OWN, sigma);
            self.age(format!("{name}: flicker"), b, len);
            let component = self.component();
            if let Some(cells) = &mut self.program.matrices[matrix.index()].cells {
                cells.flicker = Some(nmc_program::Flicker { sigma: array, taus: decades(*from, *to), component });
            }
        }
        self.program.programming.push(Op::Fold { matrix });
        self.wire(matrix, tile, block, first);
        let ohmic = Expr::Call(Function::Multiply, vec![Expr::Symbol(Symbol::Input(0)), Expr::Symbol(VOLTS)]);
        if device.current.is_some() || device.read_error.is_some() {
            self.curve(matrix, layer, block, (device.current.as_ref().unwrap_or(&ohmic), one), open);
        }
        self.say_what_is_left_out(tile);
    }

    /// Full range of what a layer's arrays are driven with.
    fn arriving_range(&self, layer: &Layer) -> f64 {
        self.operand(layer.node, 0).map_or(1.0, |operand| self.range(operand).full)
    }

    /// Volts and seconds of an input of 1, where `one` is full range. Pulses are all of one height; a full range lasts the whole time.
    fn read_of_one(&self, layer: &Layer, block: usize, one: f64) -> (f64, f64) {
        let volts = layer.tile.read_voltage;
        let seconds = self.driven.get(&block).copied().unwrap_or(layer.tile.read_time);
        match cost::pulses(self.chip, layer.tile, layer.how) {
            true => (volts, seconds / one),
            false => (volts / one, seconds),
        }
    }

    /// The first block on the drivers of this one: that of its stack.
    fn written_with(&self, block: usize) -> usize {
        let Mapped { circuit, placement, chip, .. } = self.mapped;
        let place = |of: usize| {
            let is = |part: &Part| matches!(part.role, Role::Array { block, .. } if block == of);
            let part = circuit.parts.iter().position(is)?;
            let (core, tile) = (placement.cores[part], placement.tiles[part]?);
            Some((core, chip.core_kinds[chip.cores[core]].stack(&chip.tile_kinds, tile)))
        };
        let tiling = &self.mapped.tiling;
        if chip.tile_kinds[tiling.blocks[block].tile_kind].layers <= 1 {
            return block;
        }
        (0..block).find(|other| place(*other) == place(block)).unwrap_or(block)
    }

    /// The reads that verify a layer's cells: one row at the read voltage, one column through the tile's converter.
    fn verified(&self, layer: &Layer, device: &Device) -> Option<VerifyRead> {
        let tile = layer.tile;
        if !device.programming.verifies {
            return None;
        }
        let (volts, none) = (tile.read_voltage, vec![]);
        let drive = match tile.inputs.get(layer.how.drive) {
            Some(Drive::Converter(id) | Drive::BitSerial { converter: id, .. }) => vec![*id],
            Some(Drive::Direct(_)) | None => none.clone(),
        };
        let sense = match tile.senses.get(layer.how.sense) {
            Some(Sense::Converter { converter, .. }) => [*converter].into_iter().chain(tile.hold).collect(),
            Some(Sense::Analog(_)) | None => none,
        };
        let converters = || drive.iter().chain(&sense).map(|id| &self.chip.converters[*id]);
        Some(VerifyRead {
            joules_per_siemens: watts_a_siemens(device, volts) * tile.read_time,
            joules: tile.row_energy + converters().map(|converter| converter.energy).sum::<f64>(),
            seconds: tile.read_time + sense.iter().map(|id| self.chip.converters[*id].time).sum::<f64>(),
        })
    }

    /// Joules a siemens of an input of 1.
    pub(super) fn joules(&self, layer: &Layer, block: usize) -> f64 {
        let (volts, seconds) = self.read_of_one(layer, block, self.arriving_range(layer));
        volts * volts * seconds
    }

    /// Cells whose current is no multiple of the voltage; `one`: the input that is full range.
    fn curve(
        &mut self,
        matrix: MatrixId,
        layer: &Layer,
        block: usize,
        (curve, one): (&Expr, f64),
        open: Option<ArrayId>,
    ) {
        let (device, tile) = (&self.chip.devices[layer.tile.device], layer.tile);
        let ends = [device.g_min, device.g_max].map(|g| cost::amperes(curve, g, tile.read_voltage));
        let range = ends[1] - ends[0];
        let told = |message: String, help: &str| {
            Diagnostic::new(Code::E0620, message, self.network.graph[layer.node].span, "on these cells").with_help(help)
        };
        let (name, volts) = (&device.name, tile.read_voltage);
        let pieces = self.wires.get(&block).map_or(0, |&index| self.program.wired[index].pieces.len());
        let wrong = if !(range > 0.0 && range.is_finite()) {
            let message =
                format!("`{name}` does not conduct more at its highest conductance: {range} A more at {volts} V");
            Some(told(message, "`current` must rise with `g` and `v` and be finite"))
        } else if pieces > 1 {
            let message = format!("`{name}` has a current of its own, on resisting wires with several matrices");
            Some(told(message, "use `wire: ideal`, no `slices`, or add the bias digitally"))
        } else if pieces == 1 && self.plan.wires_compensated {
            let message = format!("`{name}` has a current of its own: no scale of its outputs makes up for wires");
            Some(told(message, "leave `wires` out of `compensate`"))
        } else if pieces == 1 && cost::pulses(self.chip, tile, layer.how) {
            let message = format!("`{name}` has a current of its own, on resisting wires that carry pulses");
            Some(told(message, "use `wire: ideal`, or drive rows with voltages"))
        } else {
            None
        };
        if let Some(wrong) = wrong {
            if !self.diagnostics.iter().any(|other| other.message == wrong.message) {
                self.diagnostics.push(wrong);
            }
            return;
        }
        let Some(cells) = &self.program.matrices[matrix.index()].cells else { return };
        let scheme = cells.scheme;
        let found = &self.program.matrices[matrix.index()];
        let (title, len) = (found.name.clone(), scheme.cells(found.rows, found.cols));
        let array = |lowering: &mut Self, what: &str| {
            lowering.array(format!("{title}.{what}"), Len::Fixed(len), false, Initial::Fill(0.0))
        };
        let (siemens, volts) = (array(self, "siemens"), array(self, "volts"));
        let (amperes, slope) = (array(self, "amperes"), array(self, "slope"));
        let mut b = Builder::default();
        let mut held = b.load(siemens, OWN);
        if let Some(error) = &device.read_error {
            let mut names = |_: &mut Builder, symbol: Symbol| (symbol == Symbol::Input(0)).then_some(held);
            let error = expression::number(&mut b, &mut names, error);
            let (seen, zero) = (b.add(held, error), b.number(0.0));
            held = b.binary(Binary::Maximum, seen, zero);
            held = carried(&mut b, held, open);
        }
        for (into, expr) in [(amperes, curve.clone()), (slope, derivative(curve, VOLTS))] {
            let mut names = |b: &mut Builder, symbol: Symbol| match symbol == VOLTS {
                true => Some(b.load(volts, OWN)),
                false => (symbol == Symbol::Input(0)).then_some(held),
            };
            let value = expression::number(&mut b, &mut names, &expr);
            b.store(into, OWN, value);
        }
        let kernel = self.kernel(format!("{title}: current"), b);
        let full = tile.read_voltage;
        if let Some(cells) = &mut self.program.matrices[matrix.index()].cells {
            cells.current = Some(Current { kernel, siemens, volts, amperes, slope, full, one: full / one, range });
        }
        self.note(format!(
            "{name}: every read is simulated cell by cell; conversions are chosen, and errors and energy estimated, as if the current were the conductance times the voltage, and without noise that is not normal"
        ));
    }

    /// A trap in each cell of a matrix, which takes no more than there is.
    fn trap(&mut self, matrix: MatrixId, trap: &Trap, cell: Held, open: Option<ArrayId>) {
        let found = &self.program.matrices[matrix.index()];
        let Some(cells) = &found.cells else { return };
        let (name, len) = (found.name.clone(), cells.scheme.cells(found.rows, found.cols));
        let mut b = Builder::default();
        let mut all = [ArrayId(0); 3];
        for (array, (what, expr)) in all.iter_mut().zip([
            ("amplitude", &trap.amplitude),
            ("capture", &trap.capture),
            ("emission", &trap.emission),
        ]) {
            *array = self.array(format!("{name}.{what}"), Len::Fixed(len), false, Initial::Fill(0.0));
            let mut value = over_cell(&mut b, cell, expr);
            if what == "amplitude" {
                let held = b.load(cell.now, OWN);
                value = b.binary(Binary::Minimum, value, held);
                value = carried(&mut b, value, open);
            }
            b.store(*array, OWN, value);
        }
        self.age(format!("{name}: traps"), b, len);
        let [amplitude, capture, emission] = all;
        let component = self.component();
        if let Some(cells) = &mut self.program.matrices[matrix.index()].cells {
            cells.telegraph.push(nmc_program::Trap { amplitude, capture, emission, component });
        }
    }

    /// A kernel that runs whenever arrays are read at another time.
    fn age(&mut self, name: String, b: Builder, len: usize) {
        let kernel = self.kernel(name, b);
        self.program.ageing.push(Op::Kernel { kernel, len, spikes: None });
    }

    /// Puts a matrix on the wires of its array, if they resist.
    pub(super) fn wire(&mut self, matrix: MatrixId, tile: &TileKind, block: usize, first: usize) {
        let TileKind { wire_ohms: segment, driver_ohms: driver, sense_ohms: sense, both_ends, .. } = *tile;
        if tile.resists() {
            let wired = &mut self.program.wired;
            let index = *self.wires.entry(block).or_insert_with(|| {
                wired.push(Wired { segment, driver, sense, both_ends, pieces: Vec::new() });
                wired.len() - 1
            });
            wired[index].pieces.push((matrix, first));
        }
    }

    /// The lines of a block, which all its matrices share; an index into the program's.
    fn lines(&mut self, layer: &Layer, block: usize) -> usize {
        if let Some(&known) = self.lines.get(&block) {
            return known;
        }
        let TileKind { rows, cols, spare_columns: spares, device, .. } = *layer.tile;
        let device = &self.chip.devices[device];
        let name = self.name(layer.node);
        let lines = Lines {
            rows: self.faults(&format!("{name}[{block}].rows"), rows),
            columns: self.faults(&format!("{name}[{block}].columns"), cols),
            dead_row: device.dead_row,
            dead_column: device.dead_column,
            stuck: device.stuck_on + device.stuck_off,
            spares,
            spare_cells: (spares > 0).then(|| self.faults(&format!("{name}[{block}].spares"), spares * rows)),
            pieces: Vec::new(),
            name,
        };
        self.program.lines.push(lines);
        let index = self.program.lines.len() - 1;
        self.lines.insert(block, index);
        index
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

    /// What is known of the energy of a device's pulses.
    pub(super) fn say_what_pulses_take(&mut self, device: &Device) {
        let name = &device.name;
        match device.pulse_energy {
            PulseEnergy::Said => {}
            PulseEnergy::Across { volts, seconds } => self.note(format!(
                "{name}: a pulse takes what {volts} V across the cell do in {} ns, by its conductance before the pulse",
                (seconds * 1e12).round() / 1e3
            )),
            PulseEnergy::Unknown => self.note(format!(
                "{name}: energy of programming is not counted: neither `pulse_energy` nor `pulse_voltage` and `pulse_time` are said"
            )),
        }
    }

    fn say_what_is_left_out(&mut self, tile: &TileKind) {
        self.say_what_pulses_take(&self.chip.devices[tile.device]);
        if tile.layers > 1 {
            let TileKind { name, layers, .. } = tile;
            self.note(format!(
                "{name}: {layers} layers of a stack take turns on its drivers and converters; each is an array of its own, without currents through lines that layers share"
            ));
        }
    }

    /// Siemens of the cells that each output of a matrix is asked to have, where its columns divide by them.
    fn normalised(&self, matrix: MatrixId, layer: &Layer) -> Vec<f64> {
        let Matrix { rows, cols, weights, .. } = &self.program.matrices[matrix.index()];
        let WeightSource::Tensor { tensor, output_start, input_start } = *weights else { return Vec::new() };
        let (tile, tensor) = (layer.tile, &self.program.tensors[tensor.index()]);
        if !tile.normalises {
            return Vec::new();
        }
        let inputs = tensor.shape.last().copied().unwrap_or(1);
        let weight =
            |output: usize, input: usize| tensor.data.get((output_start + output) * inputs + input_start + input);
        let most = layer.most.unwrap_or(0.0);
        column_siemens(&self.chip.devices[tile.device], tile.weights, (*cols, *rows), most, &weight)
    }

    /// A note in every report, and a warning.
    pub fn left_out(&mut self, note: String) {
        if !self.program.left_out.contains(&note) {
            let mut warning = Diagnostic::placeless(Code::W0616, note.clone());
            warning.primary = self.mapped.chip.span.map(|span| Label { span, text: String::from("of this chip") });
            self.diagnostics.push(warning);
            self.program.left_out.push(note.clone());
        }
        self.note(note);
    }
}

/// Seconds from one time to another, both among them, one a decade: the sum of as many Lorentzian spectra of one variance is 1/f within 6 %.
fn decades(from: f64, to: f64) -> Vec<f64> {
    let steps = (to / from).log10().round();
    (0..=steps as usize).map(|step| from * (to / from).powf(step as f64 / steps.max(1.0))).collect()
}

/// Watts a siemens of cells at so many volts: of a curve that is a multiple of the conductance, as most are.
fn watts_a_siemens(device: &Device, volts: f64) -> f64 {
    let amperes =
        device.current.as_ref().map_or(device.g_max * volts, |current| cost::amperes(current, device.g_max, volts));
    volts * amperes / device.g_max
}

/// Joules a siemens of a pulse, where its voltage and its width say them.
fn taken_by_a_pulse(device: &Device) -> f64 {
    match device.pulse_energy {
        PulseEnergy::Across { volts, seconds } => watts_a_siemens(device, volts) * seconds,
        PulseEnergy::Unknown | PulseEnergy::Said => 0.0,
    }
}

/// Arrays with what cells hold, held just after programming, and were asked for.
#[derive(Clone, Copy)]
struct Held {
    now: ArrayId,
    programmed: ArrayId,
    asked: ArrayId,
}

/// An expression of what a cell holds and held, and of the time since programming.
fn over_cell(b: &mut Builder, cell: Held, expr: &Expr) -> Value {
    let mut names = |b: &mut Builder, symbol: Symbol| {
        if symbol == Symbol::Time {
            return Some(b.nullary(Inst::Time));
        }
        let known = [(Symbol::Input(0), cell.now), (PROGRAMMED, cell.programmed), (ASKED, cell.asked)];
        known.into_iter().find(|(known, _)| *known == symbol).map(|(_, array)| b.load(array, OWN))
    };
    expression::number(b, &mut names, expr)
}

/// A value of a cell, 0 where it lies on an open line.
fn carried(b: &mut Builder, value: Value, open: Option<ArrayId>) -> Value {
    let Some(open) = open else { return value };
    let (number, zero) = (b.load(open, OWN), b.number(0.0));
    let is_open = b.compare(Compare::Less, number, zero);
    b.select(is_open, zero, value)
}

/// Programming error, which no conductance falls below 0 by, and stuck cells, by their `luck`; none when neither happens.
fn programming(device: &Device, conductance: ArrayId, luck: Option<ArrayId>) -> Option<Builder> {
    if device.programming_sigma.is_none() && luck.is_none() {
        return None;
    }
    let mut b = Builder::default();
    let asked = b.load(conductance, OWN);
    let mut held = asked;
    if let Some(sigma) = &device.programming_sigma {
        let sigma = over_cell(&mut b, Held { now: conductance, programmed: conductance, asked: conductance }, sigma);
        let draw = b.random(Draw::Normal);
        let error = b.multiply(draw, sigma);
        let sum = b.add(asked, error);
        let zero = b.number(0.0);
        held = b.binary(Binary::Maximum, sum, zero);
    }
    if let Some(luck) = luck {
        let draw = b.load(luck, OWN);
        let (on, either) = (b.number(device.stuck_on), b.number(device.stuck_on + device.stuck_off));
        let (stuck_on, stuck) = (b.compare(Compare::Less, draw, on), b.compare(Compare::Less, draw, either));
        let (high, low) = (b.number(device.g_max), b.number(device.g_min));
        let off = b.select(stuck, low, held);
        held = b.select(stuck_on, high, off);
        held = carried(&mut b, held, Some(luck).filter(|_| device.has_open_lines()));
    }
    b.store(conductance, OWN, held);
    Some(b)
}
