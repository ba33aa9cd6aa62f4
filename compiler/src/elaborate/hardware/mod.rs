//! Chips: blocks of hardware with every parameter a number.

mod cell;
mod circuit;
mod stateful;
mod tile;

use std::collections::BTreeMap;

use nmc_grammar::ast::{Arg, BinaryOp, Block, BlockKind, Expr as Ast, ExprKind, Field, StmtKind};
use nmc_grammar::codes::Code;
use nmc_grammar::span::Span;

pub use stateful::Stateful;

use super::Elaborator;
use super::term::Scope;
use crate::forms::chip::{Chip, CoreKind, Deviation, Device, Domain, FullScale, Host, Link, Mesh};
use crate::forms::model::DefId;
use crate::quantity::Dimension;
use crate::typing::walk::all;

const ENERGY: Dimension = Dimension::of([1, 2, -2, 0, 0]);
const POWER: Dimension = Dimension::of([1, 2, -3, 0, 0]);
const AREA: Dimension = Dimension::of([0, 2, 0, 0, 0]);
/// The most cores a chip may have.
const MOST_CORES: usize = 4_000_000;
/// Arrays of a core.
const MOST_TILES: usize = 1 << 24;

/// Mean and standard deviation of `normal(…, …)`.
fn normal(ast: &Ast) -> Option<(&Ast, &Ast)> {
    let ExprKind::Call(callee, args) = &ast.kind else { return None };
    let is_normal = matches!(&callee.kind, ExprKind::Name(name) if name == "normal");
    if let (true, [mean, sigma]) = (is_normal, &args[..]) { Some((&mean.value, &sigma.value)) } else { None }
}

/// The domain a word or type stands for.
pub fn domain(ast: &Ast) -> Option<Domain> {
    match &ast.kind {
        ExprKind::Name(name) => domain_word(name),
        ExprKind::Call(callee, _) => match &callee.kind {
            ExprKind::Name(name) if name == "bits" => Some(Domain::Bits),
            _ => None,
        },
        _ => None,
    }
}

fn domain_word(name: &str) -> Option<Domain> {
    Some(match name {
        "bits" => Domain::Bits,
        "voltage" => Domain::Voltage,
        "current" => Domain::Current,
        "charge" => Domain::Charge,
        "pulse" => Domain::Pulse,
        "spikes" => Domain::Spikes,
        "light" => Domain::Light,
        _ => return None,
    })
}

fn is_ideal(ast: &Ast) -> bool {
    matches!(&ast.kind, ExprKind::Name(name) if name == "ideal")
}

/// A block where it is used: `hfox_array[2](sense_bits: 8)`.
struct Used<'a> {
    id: DefId,
    block: &'a Block,
    counts: Vec<Ast>,
    args: Vec<Arg>,
    span: Span,
}

/// The fields of a block by their keys.
type Fields<'b> = BTreeMap<String, &'b Ast>;

/// The index of an entry in a list that holds each thing once.
fn place<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    list.iter().position(|known| *known == item).unwrap_or_else(|| {
        list.push(item);
        list.len() - 1
    })
}

/// The fields of a block; the check has told of those that are unknown, given twice or missing.
fn fields_of(block: &Block) -> Fields<'_> {
    let fields =
        block.body.iter().filter_map(|stmt| if let StmtKind::Field(field) = &stmt.kind { Some(field) } else { None });
    let key = |field: &Field| field.key.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    fields.map(|field| (key(field), &field.value)).collect()
}

impl<'a> Elaborator<'a> {
    /// The chip an experiment names.
    pub fn deploy_chip(&mut self, ast: &Ast) {
        // `ideal` needs no `use`: it is what an experiment runs on that names no chip.
        if is_ideal(ast) && self.closer.model.lookup(self.file, "ideal").is_none() {
            return;
        }
        let Some(used) = self.used(ast, BlockKind::Chip) else { return };
        self.chip = Chip { name: used.block.name.text.clone(), span: Some(used.span), ..Chip::default() };
        let errors = self.errors();
        let made = self.within(&used, |this, block| this.chip_fields(block));
        if made.is_none() && self.errors() == errors {
            let message = format!("elaborate: the check let something of `{}` pass", used.block.name.text);
            self.error(Code::E0999, message, used.span, "this chip cannot be made");
        }
    }

    fn used(&mut self, ast: &Ast, kind: BlockKind) -> Option<Used<'a>> {
        let (callee, args) = match &ast.kind {
            ExprKind::Call(callee, args) => (&**callee, args.clone()),
            _ => (ast, Vec::new()),
        };
        let (object, counts) = match &callee.kind {
            ExprKind::Index(object, indices) => (&**object, indices.clone()),
            _ => (callee, Vec::new()),
        };
        let ExprKind::Name(name) = &object.kind else { return None };
        let (id, block) = self.block(self.file, name, object.span, &[kind])?;
        Some(Used { id, block, counts, args, span: ast.span })
    }

    /// The device that an expression names, whose cells hold weights.
    pub(super) fn device(&mut self, ast: &Ast) -> Option<Device> {
        let used = self.used(ast, BlockKind::Device)?;
        self.within(&used, |this, block| this.cell_fields(block))
    }

    /// Does something among a block's own names.
    fn within<T>(&mut self, used: &Used, work: impl FnOnce(&mut Self, &Block) -> Option<T>) -> Option<T> {
        let args = self.arguments(&used.block.params, used.id.file, &used.args, used.span, None)?;
        let names = args.into_iter().map(|(param, term)| (param.name.text.clone(), term)).collect();
        let outer_names = std::mem::replace(&mut self.names, Scope { names, ..Scope::default() });
        let outer_file = std::mem::replace(&mut self.file, used.id.file);
        let done = work(self, used.block);
        (self.names, self.file) = (outer_names, outer_file);
        done
    }

    /// A number that is known now and not negative.
    fn quantity(&mut self, ast: &Ast, dimension: Dimension) -> Option<f64> {
        let names = self.names.clone();
        let term = self.closer.quantity(&names, self.file, ast, dimension)?;
        self.closer.known(&term, ast)
    }

    /// The same for a field, with its value when it is not given.
    fn number(&mut self, fields: &Fields, key: &str, dimension: Dimension, absent: f64) -> Option<f64> {
        match fields.get(key) {
            Some(ast) => self.quantity(ast, dimension),
            None => Some(absent),
        }
    }

    /// Whether it is given as `true`.
    fn flag(&mut self, fields: &Fields, key: &str) -> Option<bool> {
        let Some(&ast) = fields.get(key) else { return Some(false) };
        let names = self.names.clone();
        let term = self.closer.flag(&names, self.file, ast)?;
        self.closer.known(&term, ast).map(|value| value != 0.0)
    }

    /// A number of either sign; 0 when it is not given.
    fn fixed(&mut self, fields: &Fields, key: &str) -> Option<f64> {
        let Some(&ast) = fields.get(key) else { return Some(0.0) };
        self.of_either_sign(ast)
    }

    fn of_either_sign(&mut self, ast: &Ast) -> Option<f64> {
        let names = self.names.clone();
        let term = self.closer.deviation(&names, self.file, ast)?;
        self.closer.known(&term, ast)
    }

    /// A fixed error, or `normal(MEAN, SIGMA)`; 0 when it is not given.
    fn deviation(&mut self, fields: &Fields, key: &str) -> Option<Deviation> {
        let Some(&ast) = fields.get(key) else { return Some(Deviation::default()) };
        let ends = normal(ast).map(|(mean, sigma)| (mean.clone(), sigma.clone()));
        let Some((mean, sigma)) = ends else {
            return Some(Deviation { mean: self.of_either_sign(ast)?, spread: 0.0 });
        };
        Some(Deviation { mean: self.of_either_sign(&mean)?, spread: self.quantity(&sigma, Dimension::NONE)? })
    }

    fn chip_fields(&mut self, block: &Block) -> Option<()> {
        let fields = fields_of(block);
        self.chip.ideal = self.flag(&fields, "ideal")?;
        if self.chip.ideal {
            return Some(());
        }
        for grid in all(fields.get("cores")?) {
            self.grid(grid)?;
        }
        if let Some(ast) = fields.get("network") {
            self.mesh(ast)?;
        }
        if let Some(ast) = fields.get("host") {
            let known = [("energy", ENERGY), ("time", Dimension::TIME), ("power", POWER), ("area", AREA)];
            let given = self.call_numbers(ast, &known)?;
            let number = |key: &str| given.get(key).copied().unwrap_or(0.0);
            let (energy_per_bit, time_per_bit) = (number("energy"), number("time"));
            self.chip.host = Host { energy_per_bit, time_per_bit, power: number("power"), area: number("area") };
        }
        self.chip.static_power = self.number(&fields, "static_power", POWER, 0.0)?;
        self.chip.area = self.number(&fields, "area", AREA, 0.0)?;
        if let Some(ast) = fields.get("ticks") {
            self.chip.fixed_ticks = matches!(&ast.kind, ExprKind::Name(name) if name == "fixed");
        }
        if let Some(ast) = fields.get("links") {
            for item in all(ast) {
                let link = self.link(item)?;
                self.chip.links.push(link);
            }
        }
        if let Some(ast) = fields.get("converters") {
            for item in all(ast) {
                let converter = self.converter(item)?;
                if let Some(FullScale::Sensed(_)) = self.chip.converters[converter].full_scale {
                    let message = format!("`{}` has the range of a column", self.chip.converters[converter].name);
                    let label = "it may stand at the `sense` of a tile; on wires a range is a number of the network";
                    self.error(Code::E0503, message, item.span, label);
                    return None;
                }
                if !self.chip.on_wires.contains(&converter) {
                    self.chip.on_wires.push(converter);
                }
            }
        }
        Some(())
    }

    /// `neighbours(carries: voltage, energy: 50 fJ, noise: 0.5 %, time: 2 ns)`
    fn link(&mut self, ast: &Ast) -> Option<Link> {
        let ExprKind::Call(_, args) = &ast.kind else { return None };
        let is_carries = |arg: &Arg| arg.name.as_ref().is_some_and(|name| name.text == "carries");
        let first = args.iter().position(is_carries).unwrap_or(0);
        let carries = domain(&args.get(first)?.value)?;
        let numbers: Vec<Arg> = [&args[..first], &args[first + 1..]].concat();
        let known = [("energy", ENERGY), ("time", Dimension::TIME), ("noise", Dimension::NONE)];
        let given = self.numbers(&numbers, &known)?;
        let number = |key: &str| given.get(key).copied().unwrap_or(0.0);
        Some(Link { carries, energy: number("energy"), time: number("time"), noise: number("noise") })
    }

    /// `mesh(flit: 32 bit, hop: 1 ns, energy: 0.5 pJ per bit)`
    fn mesh(&mut self, ast: &Ast) -> Option<()> {
        let known = [
            ("flit", Dimension::NONE),
            ("hop", Dimension::TIME),
            ("energy", ENERGY),
            ("area", AREA),
            ("power", POWER),
            ("concentration", Dimension::NONE),
        ];
        let given = self.call_numbers(ast, &known)?;
        let number = |key: &str, absent: f64| given.get(key).copied().unwrap_or(absent);
        let concentration = number("concentration", 1.0);
        let side = concentration.sqrt();
        if side < 1.0 || side.fract() != 0.0 {
            let message = format!("{concentration} cores that share a router are no square block of cores");
            self.error(Code::E0503, message, ast.span, "1, 4, 9, 16, …");
            return None;
        }
        self.chip.mesh = Mesh {
            flit_bits: number("flit", 32.0),
            hop_time: number("hop", 0.0),
            energy_per_bit: number("energy", 0.0),
            side: side as usize,
            router_area: number("area", 0.0) / concentration,
            router_power: number("power", 0.0) / concentration,
        };
        Some(())
    }

    /// Those arguments of a call that are numbers, by their names or in this order; the check has told of others.
    fn call_numbers(&mut self, ast: &Ast, known: &[(&str, Dimension)]) -> Option<BTreeMap<String, f64>> {
        let args = if let ExprKind::Call(_, args) = &ast.kind { &args[..] } else { &[] };
        self.numbers(args, known)
    }

    fn numbers(&mut self, args: &[Arg], known: &[(&str, Dimension)]) -> Option<BTreeMap<String, f64>> {
        let mut given = BTreeMap::new();
        for (position, arg) in args.iter().enumerate() {
            let found = match &arg.name {
                Some(name) => known.iter().find(|(known, _)| *known == name.text),
                None => known.get(position),
            };
            let Some((name, dimension)) = found else { continue };
            given.insert((*name).to_string(), self.quantity(&arg.value, *dimension)?);
        }
        Some(given)
    }

    /// `grid(8, 6) of cim(sharing: 4)`, stacked below what is there.
    fn grid(&mut self, ast: &Ast) -> Option<()> {
        let (size, core) = match &ast.kind {
            ExprKind::Binary(BinaryOp::Of, grid, core) => (Some(&**grid), &**core),
            _ => (None, ast),
        };
        let (width, height) = match size.map(|size| &size.kind) {
            None => (1, 1),
            Some(ExprKind::Call(_, args)) if args.len() == 2 => {
                (self.count(&args[0].value, 1.0)?, self.count(&args[1].value, 1.0)?)
            }
            // Of another form: the check has told.
            Some(_) => return None,
        };
        if width.checked_mul(height).is_none_or(|cores| cores + self.chip.cores.len() > MOST_CORES) {
            self.error(Code::E0503, "so many cores cannot be handled", ast.span, format!("at most {MOST_CORES}"));
            return None;
        }
        if !self.chip.cores.is_empty() && self.chip.grid.0 != width {
            let message = format!("grids of {} and {width} columns cannot be stacked", self.chip.grid.0);
            self.error(Code::E0505, message, ast.span, "another width");
            return None;
        }
        let kind = self.core(core)?;
        self.chip.cores.extend(std::iter::repeat_n(kind, width * height));
        self.chip.grid = (width, self.chip.grid.1 + height);
        Some(())
    }

    fn core(&mut self, ast: &Ast) -> Option<usize> {
        let used = self.used(ast, BlockKind::Core)?;
        let kind = self.within(&used, |this, block| this.core_fields(block))?;
        Some(place(&mut self.chip.core_kinds, kind))
    }

    fn core_fields(&mut self, block: &Block) -> Option<CoreKind> {
        let fields = fields_of(block);
        let mut kind = CoreKind { name: block.name.text.clone(), ..CoreKind::default() };
        for (key, what) in [("tiles", BlockKind::Tile), ("units", BlockKind::Unit)] {
            let Some(ast) = fields.get(key) else { continue };
            for item in all(ast) {
                let used = self.used(item, what)?;
                let count = match used.counts.first() {
                    Some(count) => self.count(count, 1.0)?,
                    None => 1,
                };
                if what == BlockKind::Tile {
                    let tile = self.within(&used, |this, block| this.tile_fields(block))?;
                    let Some(arrays) = count.checked_mul(tile.layers).filter(|arrays| *arrays <= MOST_TILES) else {
                        let label = format!("at most {MOST_TILES}, all layers counted");
                        self.error(Code::E0503, "so many arrays cannot be handled", item.span, label);
                        return None;
                    };
                    kind.tiles.push((place(&mut self.chip.tile_kinds, tile), arrays));
                } else {
                    let unit = self.within(&used, |this, block| this.unit_fields(block))?;
                    kind.units.push((place(&mut self.chip.unit_kinds, unit), count));
                }
            }
        }
        if let Some(ast) = fields.get("cells") {
            let used = self.used(ast, BlockKind::Device)?;
            let count = used.counts.first().map_or(Some(1), |count| self.count(count, 1.0))?;
            kind.cells.push((used.block.name.text.clone(), count));
        }
        if let Some(ast) = fields.get("lines") {
            for item in all(ast) {
                let Some(carried) = domain(item) else { continue };
                kind.lines.push(carried);
            }
            kind.lines.sort_unstable();
            kind.lines.dedup();
        }
        kind.buffer_bits = self.number(&fields, "buffer", Dimension::NONE, 0.0)?;
        let most = |this: &mut Self, name: &str| match fields.get(name) {
            Some(ast) => this.count(ast, 1.0).map(Some),
            None => Some(None),
        };
        kind.neurons = most(self, "neurons")?;
        kind.synapses = most(self, "synapses")?;
        kind.axons = most(self, "axons")?;
        kind.axon_types = most(self, "axon_types")?;
        kind.compartments = most(self, "compartments")?;
        kind.states = most(self, "states")?;
        kind.weight_bits = most(self, "weight_bits")?.map(|bits| bits.min(32) as u32);
        kind.trace_bits = most(self, "trace_bits")?.map(|bits| bits.min(32) as u32);
        kind.longest_delay = most(self, "longest_delay")?.map(|ticks| ticks.min(u32::MAX as usize) as u32);
        kind.linear =
            matches!(fields.get("neuron_model").map(|ast| &ast.kind), Some(ExprKind::Name(name)) if name == "linear");
        kind.buffer_energy = self.number(&fields, "buffer_energy", ENERGY, 0.0)?;
        kind.neuron_energy = self.number(&fields, "neuron_energy", ENERGY, 0.0)?;
        kind.idle_neuron_energy = self.number(&fields, "idle_neuron_energy", ENERGY, kind.neuron_energy)?;
        kind.synapse_energy = self.number(&fields, "synapse_energy", ENERGY, 0.0)?;
        kind.spike_energy = self.number(&fields, "spike_energy", ENERGY, 0.0)?;
        kind.update_energy = self.number(&fields, "update_energy", ENERGY, 0.0)?;
        kind.neuron_time = self.number(&fields, "neuron_time", Dimension::TIME, 0.0)?;
        kind.synapse_time = self.number(&fields, "synapse_time", Dimension::TIME, 0.0)?;
        kind.static_power = self.number(&fields, "static_power", POWER, 0.0)?;
        kind.area = self.number(&fields, "area", AREA, 0.0)?;
        Some(kind)
    }
}
