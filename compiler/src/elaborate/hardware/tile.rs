//! Tiles: an array of cells, how its rows are driven and its columns read.

use nmc_grammar::ast::{Arg, BinaryOp, Block, BlockKind, Expr as Ast, ExprKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;

use super::{AREA, ENERGY, Elaborator, Fields, domain, fields_of, is_ideal, place};
use crate::algebra::mentions;
use crate::forms::chip::{
    Converter, Deviation, Domain, Drive, Each, FullScale, Sense, TileKind, VOLTS, Way, WeightScheme, WriteBias,
};
use crate::quantity::Dimension;

const RESISTANCE: Dimension = Dimension::of([1, 2, -3, -2, 0]);
/// Runs of alternatives, first and past-last.
type Ranges = Vec<(usize, usize)>;
/// Widths of one converter that are compared.
const MOST_WAYS: usize = 32;
/// What reads columns that give voltages.
const VOLTS_IN: &str = "a converter of voltages: `sense: std.converter.adc(bits: 8)`";
/// The longest row or column of an array.
const LONGEST: usize = 1 << 20;

impl Elaborator<'_> {
    pub(super) fn tile_fields(&mut self, block: &Block) -> Option<TileKind> {
        let fields = fields_of(block);
        let cells = *fields.get("cells")?;
        let used = self.used(cells, BlockKind::Device)?;
        let [rows, cols] = &used.counts[..] else {
            self.error(Code::E0503, "cells have rows and columns", cells.span, "such as `cell[256, 256]`");
            return None;
        };
        let (rows, cols) = (self.count(rows, 1.0)?, self.count(cols, 1.0)?);
        if rows > LONGEST || cols > LONGEST {
            self.error(
                Code::E0503,
                "so large an array cannot be",
                cells.span,
                format!("at most {LONGEST} by {LONGEST}"),
            );
            return None;
        }
        let device = self.within(&used, |this, block| this.cell_fields(block))?;
        if device.leak > 0.0 {
            let message = "cells that leak do not hold weights";
            self.error(Code::E0503, message, cells.span, "they can be those of a fast array: `fast: …`");
            return None;
        }
        let device = place(&mut self.chip.devices, device);
        let (fast, gain) = self.fast(&fields)?;
        let write_bias = self.write_bias(&fields, device)?;
        let weights = weight_scheme(&fields);
        let sharing = fields.get("sharing").map_or(Some(1), |ast| self.count(ast, 1.0))?;
        let input = *fields.get("input")?;
        let (inputs, input_ranges) = self.ways(input, |this, ast| this.drive(ast))?;
        let sense = *fields.get("sense")?;
        let normalises = self.flag(&fields, "normalises")?;
        let slices = fields.get("slices").map_or(Some(1), |ast| self.count(ast, 1.0))?;
        if slices > 1 && weights != WeightScheme::Offset {
            let label = "`weights: offset` holds the digits of a weight";
            self.error(Code::E0503, "only weights with an offset can be sliced", fields["slices"].span, label);
            return None;
        }
        let spare_columns = fields.get("spare_columns").map_or(Some(0), |ast| self.count(ast, 0.0))?;
        if spare_columns >= cols {
            let message = format!("{spare_columns} spare columns of {cols} leave none for weights");
            let label = "spares are some of the columns of `cells`";
            self.error(Code::E0503, message, fields["spare_columns"].span, label);
            return None;
        }
        let layers = fields.get("layers").map_or(Some(1), |ast| self.count(ast, 1.0))?;
        let hold = match fields.get("hold") {
            Some(ast) => Some(self.holding(ast)?),
            None => None,
        };
        let (senses, sense_ranges) = self.ways(sense, |this, ast| this.sense(ast, sharing, normalises))?;
        let analog = inputs.iter().any(|drive| !drive.takes_bits(&self.chip.converters))
            || senses.iter().any(|sense| matches!(sense, Sense::Analog(_)));
        if layers > 1 && analog {
            let label = "leave out what takes or gives analog values: `input: dac(bits: 8)`, `sense: sar(bits: 8)`";
            let message = "layers of a stack take turns on its converters";
            self.error(Code::E0503, message, fields["layers"].span, label);
            return None;
        }
        let scaling = each(&fields, "scaling").unwrap_or(Each::Layer);
        let ranges = each(&fields, "ranges").unwrap_or(Each::Array);
        let kept = senses.iter().all(|sense| matches!(sense, Sense::Converter { .. }));
        if let (Some(ast), false, true) = (fields.get("scaling"), kept, scaling != Each::Layer) {
            let label = "leave out what hands analog values on: `sense: sar(bits: 8)`";
            let message = "columns of scales of their own end in converters: what they give must be multiplied";
            self.error(Code::E0503, message, ast.span, label);
            return None;
        }
        let in_digits =
            weights == WeightScheme::Offset || inputs.iter().any(|way| matches!(way, Drive::BitSerial { .. }));
        if let (Some(ast), true) = (fields.get("ranges"), in_digits) {
            let label = "leave `ranges` out, or give their converter a `range` in amperes";
            self.error(Code::E0503, "columns of digits and bits have the range of their digits", ast.span, label);
            return None;
        }
        let wire_ohms = match fields.get("wire") {
            Some(ast) if !is_ideal(ast) => self.quantity(ast, RESISTANCE)?,
            _ => 0.0,
        };
        let both_ends =
            matches!(fields.get("driven").map(|ast| &ast.kind), Some(ExprKind::Name(name)) if name == "both_ends");
        if weights == WeightScheme::Unsigned && self.chip.devices[device].g_min > 0.0 {
            let message = "cells that conduct at a weight of 0 need something to be compared with";
            self.error(Code::E0503, message, fields["weights"].span, "use `reference`, `differential` or `offset`");
            return None;
        }
        let tile = TileKind {
            name: block.name.text.clone(),
            device,
            fast,
            gain,
            rows,
            cols,
            spare_columns,
            neurons: fields.get("neurons").map_or(Some(0), |ast| self.count(ast, 0.0))?,
            layers,
            weights,
            slices,
            scaling,
            ranges,
            inputs,
            senses,
            input_ranges,
            sense_ranges,
            row_energy: self.number(&fields, "row_energy", ENERGY, 0.0)?,
            hold,
            normalises,
            write_bias,
            read_voltage: self.number(&fields, "read_voltage", Dimension::VOLTAGE, 0.2)?,
            read_time: self.number(&fields, "read_time", Dimension::TIME, 0.0)?,
            wire_ohms,
            driver_ohms: self.number(&fields, "driver_resistance", RESISTANCE, 0.0)?,
            sense_ohms: self.number(&fields, "sense_resistance", RESISTANCE, 0.0)?,
            both_ends,
            area: self.number(&fields, "area", AREA, 0.0)?,
            transposable: self.flag(&fields, "transposable")?,
        };
        if let (Some(ast), Some((why, help))) = (fields.get("normalises"), self.undivided(&tile)) {
            let message = format!("columns that divide by their conductances are not simulated {why}");
            self.error(Code::E0503, message, ast.span, help);
            return None;
        }
        Some(tile)
    }

    /// What a tile has with which the division by a column's conductances is not simulated, and what to do about it.
    fn undivided(&self, tile: &TileKind) -> Option<(&'static str, &'static str)> {
        let serial = tile.inputs.iter().any(|way| matches!(way, Drive::BitSerial { .. }));
        let all = [
            (
                matches!(tile.weights, WeightScheme::Reference | WeightScheme::Offset),
                "with weights that are compared with a column of other conductances",
                "use `weights: differential`, or `unsigned`",
            ),
            (serial, "for inputs that come bit by bit", "drive rows by a `dac` or by pulses"),
            (tile.resists(), "on lines that resist", "leave out resistances: `wire: ideal`"),
            (
                self.chip.devices[tile.device].is_read_cell_by_cell(),
                "for cells with a `current`, `noise telegraph`, `noise flicker`, or read noise that is not normal",
                "use cells without, whose read noise is `normal(0, …)`",
            ),
            (tile.fast.is_some(), "with a fast array beside them", "leave out `fast`, or `normalises`"),
            (tile.write_bias.is_some(), "for passive arrays", "leave out `write_bias`, or `normalises`"),
        ];
        all.into_iter().find(|(is, ..)| *is && tile.normalises).map(|(_, why, help)| (why, help))
    }

    /// The alternatives, and the runs of them that are of one converter with a range of whole numbers: `sar(bits: 4..8)`.
    fn ways<T>(&mut self, ast: &Ast, way: impl Fn(&mut Self, &Ast) -> Option<T>) -> Option<(Vec<T>, Ranges)> {
        let (mut all, mut ranges) = (Vec::new(), Vec::new());
        for one in alternatives(ast) {
            let first = all.len();
            for each in self.each_of(one)? {
                all.push(way(self, &each)?);
            }
            if all.len() > first + 1 {
                ranges.push((first, all.len()));
            }
        }
        Some((all, ranges))
    }

    /// A call with each number of the ranges among its arguments.
    fn each_of(&mut self, ast: &Ast) -> Option<Vec<Ast>> {
        let ExprKind::Call(callee, args) = &ast.kind else { return Some(vec![ast.clone()]) };
        let ranges = |(at, arg): (usize, &Arg)| match &arg.value.kind {
            ExprKind::Range(low, high) => Some((at, arg.value.span, low.clone(), high.clone())),
            _ => None,
        };
        let Some((at, span, low, high)) = args.iter().enumerate().find_map(ranges) else {
            return Some(vec![ast.clone()]);
        };
        let names = self.names.clone();
        self.closer.range(&names, self.file, (&low, &high), Dimension::NONE)?;
        let (low, high) = (self.count(&low, 0.0)?, self.count(&high, 0.0)?);
        if high - low >= MOST_WAYS {
            let message = format!("{} ways to build a tile", high - low + 1);
            self.error(Code::E0503, message, span, format!("at most {MOST_WAYS} can be compared"));
            return None;
        }
        let mut all = Vec::new();
        for number in low..=high {
            let mut args = args.clone();
            let text = number.to_string();
            args[at].value = Ast { kind: ExprKind::Number { value: number as f64, unit: None, text }, span };
            all.extend(self.each_of(&Ast { kind: ExprKind::Call(callee.clone(), args), span: ast.span })?);
        }
        Some(all)
    }

    /// The bias scheme of a passive array; what a part of a pulse does to its cells must be known.
    fn write_bias(&mut self, fields: &Fields, index: usize) -> Option<Option<WriteBias>> {
        let Some(&ast) = fields.get("write_bias") else { return Some(None) };
        let device = &self.chip.devices[index];
        let label = match &device.pulse {
            _ if device.programming.way == Way::Drawn => {
                "write them pulse by pulse, by a field of the device: `programming: write_verify(tolerance: 1 uS, pulses: 100, pulse_time: 100 ns)` or `open_loop(…)`"
            }
            Some(pulse) if !mentions(&pulse.up, &|symbol| symbol == VOLTS) => {
                "`potentiation` does not follow from the voltage `v`: say, such as, `potentiation: 1 uS * max(v / 1 V - 1, 0)`"
            }
            _ if device.programming.time == 0.0 => {
                "how long a pulse lasts is not known: `pulse_time: 100 ns` in `programming`"
            }
            Some(_) | None => return self.bias_scheme(ast, index).map(Some),
        };
        let message = format!("nothing says what a part of a pulse does to cells of `{}`", device.name);
        self.error(Code::E0503, message, ast.span, label);
        None
    }

    fn bias_scheme(&mut self, ast: &Ast, index: usize) -> Option<WriteBias> {
        let device = &self.chip.devices[index];
        let ExprKind::Name(name) = &ast.kind else { return None };
        let (message, label) = match name.as_str() {
            "half" => return Some(WriteBias::Half),
            "third" => return Some(WriteBias::Third),
            "ground" => (
                "with all other lines at 0 V a pulse writes the whole row",
                "its cells see all of the voltage: use `half`, `third` or `float`",
            ),
            _ if device.current.is_some() => (
                "where floating lines settle is known of cells whose current is `g * v`",
                "use `half` or `third`, or leave out the device's `current`",
            ),
            _ if device.g_min <= 0.0 => (
                "lines that float settle by their cells, and these may conduct nothing",
                "use `half` or `third`, or a lowest conductance above 0",
            ),
            _ => return Some(WriteBias::Float),
        };
        self.error(Code::E0503, message, ast.span, label);
        None
    }

    /// The cells of a fast array, and its gain.
    fn fast(&mut self, fields: &Fields) -> Option<(Option<usize>, f64)> {
        let gain = self.number(fields, "gain", Dimension::NONE, 0.0)?;
        let Some(&ast) = fields.get("fast") else {
            if let Some(ast) = fields.get("gain") {
                let label = "how many times more a cell counts than one of the fast array: say `fast: …`, too";
                self.error(Code::E0503, "`gain` is that of a fast array", ast.span, label);
                return None;
            }
            return Some((None, 0.0));
        };
        if fields.contains_key("gain") && gain == 0.0 {
            let label = "leave it out where the fast array is not read with the weights";
            self.error(Code::E0503, "a gain is above 0", fields["gain"].span, label);
            return None;
        }
        let used = self.used(ast, BlockKind::Device)?;
        if !used.counts.is_empty() {
            let label = "only the name of a device";
            self.error(Code::E0503, "a fast array has as many cells as the tile", ast.span, label);
            return None;
        }
        let device = self.within(&used, |this, block| this.cell_fields(block))?;
        Some((Some(place(&mut self.chip.devices, device)), gain))
    }

    fn drive(&mut self, ast: &Ast) -> Option<Drive> {
        if is_ideal(ast) {
            return Some(Drive::Converter(place(&mut self.chip.converters, ideal(Domain::Bits, Domain::Voltage))));
        }
        if let Some(domain) = domain(ast) {
            if matches!(domain, Domain::Voltage | Domain::Pulse | Domain::Charge) {
                return Some(Drive::Direct(domain));
            }
            let why = match domain {
                Domain::Light => "light is received by a converter light -> voltage: `input: std.converter.receiver()`",
                Domain::Bits | Domain::Current | Domain::Spikes | Domain::Voltage | Domain::Charge | Domain::Pulse => {
                    "rows are driven by voltages, pulses or charges"
                }
            };
            return self.no_way(ast, why);
        }
        if let Some(serial) = self.bit_serial(ast) {
            return serial;
        }
        let index = self.converter(ast)?;
        let converter = &self.chip.converters[index];
        let drives = matches!(converter.from, Domain::Bits | Domain::Light)
            && matches!(converter.to, Domain::Voltage | Domain::Pulse | Domain::Charge);
        if drives {
            Some(Drive::Converter(index))
        } else {
            self.no_way(ast, "it must turn bits or light into a voltage, a pulse or a charge")
        }
    }

    /// `bit_serial(dac(bits: 1), bits: 16)`; outer none: it is something else.
    fn bit_serial(&mut self, ast: &Ast) -> Option<Option<Drive>> {
        let ExprKind::Call(callee, args) = &ast.kind else { return None };
        if !matches!(&callee.kind, ExprKind::Name(name) if name == "bit_serial") {
            return None;
        }
        let bits = args.iter().find(|arg| arg.name.as_ref().is_some_and(|name| name.text == "bits"));
        let driver = args.iter().find(|arg| arg.name.is_none());
        let (Some(bits), Some(driver)) = (bits, driver) else {
            return Some(self.no_way(ast, "such as `bit_serial(dac(bits: 1), bits: 8)`"));
        };
        let (Some(bits), Some(converter)) = (self.count(&bits.value, 1.0), self.converter(&driver.value)) else {
            return Some(None);
        };
        let of = &self.chip.converters[converter];
        if of.from != Domain::Bits || of.to != Domain::Voltage || of.bits.is_some_and(|bits| bits != 1) {
            return Some(self.no_way(&driver.value, "it must turn one bit into a voltage"));
        }
        if bits > 32 {
            return Some(self.no_way(ast, "at most 32 bits"));
        }
        Some(Some(Drive::BitSerial { converter, bits: bits as u32 }))
    }

    /// A converter that keeps what it is given.
    fn holding(&mut self, ast: &Ast) -> Option<usize> {
        let index = self.converter(ast)?;
        let of = &self.chip.converters[index];
        match of.from == of.to && !matches!(of.from, Domain::Bits | Domain::Spikes) {
            true => Some(index),
            false => self.no_way(ast, "it must hold an analog value, as `sample_hold()` does"),
        }
    }

    fn sense(&mut self, ast: &Ast, sharing: usize, normalises: bool) -> Option<Sense> {
        if is_ideal(ast) {
            let from = if normalises { Domain::Voltage } else { Domain::Current };
            let converter = place(&mut self.chip.converters, ideal(from, Domain::Bits));
            return Some(Sense::Converter { converter, sharing: 1 });
        }
        if let Some(domain) = domain(ast) {
            if domain == Domain::Current && !normalises {
                return Some(Sense::Analog(domain));
            }
            return match normalises {
                true => {
                    let why = "what columns give must be multiplied by their conductances, as bits";
                    self.no_way_but(ast, why, VOLTS_IN)
                }
                false => self.no_way(ast, "a column gives a current"),
            };
        }
        let converter = self.converter(ast)?;
        let of = &self.chip.converters[converter];
        let in_volts = of.from == Domain::Voltage && matches!(of.full_scale, Some(FullScale::Sensed(_)));
        if normalises && of.from != Domain::Voltage {
            return self.no_way_but(ast, "columns of `normalises: true` give voltages", VOLTS_IN);
        }
        if in_volts && !normalises {
            let why = "a range in volts is that of columns that give voltages";
            return self.no_way_but(ast, why, "`normalises: true`, or a range in amperes: `range: 20 uA`");
        }
        let senses = of.to == Domain::Bits && matches!(of.from, Domain::Voltage | Domain::Current | Domain::Charge);
        match senses {
            true => Some(Sense::Converter { converter, sharing }),
            false => self.no_way(ast, "it must turn a current, a charge or a voltage into bits"),
        }
    }

    fn no_way<T>(&mut self, ast: &Ast, why: &str) -> Option<T> {
        self.no_way_but(ast, why, "`input: dac(bits: 8) or voltage`, `sense: sar(bits: 8) or current`")
    }

    fn no_way_but<T>(&mut self, ast: &Ast, why: &str, help: &str) -> Option<T> {
        let wrong = Diagnostic::new(Code::E0507, "this cannot stand at a tile", ast.span, why);
        self.closer.diagnostics.push(wrong.with_help(help));
        None
    }
}

/// What has something of its own.
fn each(fields: &Fields, key: &str) -> Option<Each> {
    match fields.get(key).map(|ast| &ast.kind) {
        Some(ExprKind::Name(name)) if name == "layer" => Some(Each::Layer),
        Some(ExprKind::Name(name)) if name == "array" => Some(Each::Array),
        Some(ExprKind::Name(name)) if name == "column" => Some(Each::Column),
        _ => None,
    }
}

fn weight_scheme(fields: &Fields) -> WeightScheme {
    match fields.get("weights").map(|ast| &ast.kind) {
        Some(ExprKind::Name(name)) if name == "reference" => WeightScheme::Reference,
        Some(ExprKind::Name(name)) if name == "offset" => WeightScheme::Offset,
        Some(ExprKind::Name(name)) if name == "unsigned" => WeightScheme::Unsigned,
        _ => WeightScheme::Differential,
    }
}

/// A converter without error, cost or time.
fn ideal(from: Domain, to: Domain) -> Converter {
    Converter {
        name: String::from("ideal"),
        from,
        to,
        bits: None,
        energy: 0.0,
        area: 0.0,
        time: 0.0,
        noise: 0.0,
        gain_error: Deviation::default(),
        offset_lsb: Deviation::default(),
        inl_lsb: 0.0,
        full_scale: None,
        corrected: false,
        droop: 0.0,
        static_power: 0.0,
    }
}

/// `a or b or c`
fn alternatives(ast: &Ast) -> Vec<&Ast> {
    match &ast.kind {
        ExprKind::Binary(BinaryOp::Or, a, b) => [alternatives(a), alternatives(b)].concat(),
        _ => vec![ast],
    }
}
