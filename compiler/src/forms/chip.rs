//! `Chip`: the hardware of one experiment with every parameter a number; all values in SI units (area in m2).

use nmc_grammar::span::Span;
use serde::{Deserialize, Serialize};

use super::equations::{Expr, Symbol};
use crate::algebra::substitute;

/// How a value is represented physically.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Domain {
    /// A digital word; its width is the converter's or unit's business.
    Bits,
    /// Amplitude of a voltage.
    Voltage,
    Current,
    Charge,
    /// Width of a pulse.
    Pulse,
    /// Events.
    Spikes,
    Light,
}

impl Domain {
    /// Whether it needs a wire that joins both ends.
    pub fn is_analog(self) -> bool {
        !matches!(self, Domain::Bits | Domain::Spikes)
    }
}

/// A chip. Lists are in the order of the source; ids are indices.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Chip {
    /// Its name.
    pub name: String,
    /// `std.chip.ideal`: unlimited, exact, no conversions; all else is empty then.
    pub ideal: bool,
    /// Kinds of core.
    pub core_kinds: Vec<CoreKind>,
    /// Cores as laid out, index into `core_kinds`, row by row: `grid(width, height)`.
    pub cores: Vec<usize>,
    /// Width and height of the grid.
    pub grid: (usize, usize),
    /// The network on chip.
    pub mesh: Mesh,
    /// Kinds of tile.
    pub tile_kinds: Vec<TileKind>,
    /// Kinds of unit.
    pub unit_kinds: Vec<UnitKind>,
    /// Converters: those of tiles, and those listed by the chip, which may stand on any wire.
    pub converters: Vec<Converter>,
    /// Indices into `converters` of those that may stand on any wire.
    pub on_wires: Vec<usize>,
    /// Kinds of cell.
    pub devices: Vec<Device>,
    /// Analog wires between neighbouring cores.
    pub links: Vec<Link>,
    /// What the host's port is and costs.
    pub host: Host,
    /// Watts that burn all the time beside those of cores, units and converters.
    pub static_power: f64,
    /// Area in m2 beside those of cores, routers and the host's port.
    pub area: f64,
    /// Whether a tick that is too short for its spikes is an error (`ticks: fixed`) or lasts longer.
    pub fixed_ticks: bool,
    /// Where the chip was written.
    pub span: Option<Span>,
}

/// What a core holds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CoreKind {
    pub name: String,
    /// Tile kind and number.
    pub tiles: Vec<(usize, usize)>,
    /// Unit kind and number of instances.
    pub units: Vec<(usize, usize)>,
    /// Devices with dynamics of their own and how many of each: where populations of them live.
    pub cells: Vec<(String, usize)>,
    /// Neurons a core can hold (digital spiking cores); none: no spiking populations fit here.
    pub neurons: Option<usize>,
    /// Synapses a core can hold; none: no limit.
    pub synapses: Option<usize>,
    /// Bits of a weight, its sign among them; steps that a spike may be delayed by; sources and different weights that its neurons hear of;
    /// none: no limit.
    pub weight_bits: Option<u32>,
    /// Bits of a trace of a rule; none: it keeps any number.
    pub trace_bits: Option<u32>,
    pub longest_delay: Option<u32>,
    pub axons: Option<usize>,
    pub axon_types: Option<usize>,
    /// Whether it steps nothing but linear equations with constant coefficients.
    pub linear: bool,
    /// States that a compartment keeps, potentials and currents of synapses; a neuron that has more takes several compartments, each of which
    /// takes the place of a neuron. None: one keeps any.
    pub states: Option<usize>,
    /// The most compartments of a neuron; none: no limit.
    pub compartments: Option<usize>,
    /// Analog lines that join its tiles and units; none: between them only bits move.
    pub lines: Vec<Domain>,
    /// Buffer in bits; 0: not limited.
    pub buffer_bits: f64,
    /// Joules of writing or reading one bit of the buffer.
    pub buffer_energy: f64,
    /// Joules of one update of a neuron that fires, of one that does not, of one synaptic event, of one spike sent, of one synapse that a
    /// rule looks at (digital spiking cores).
    pub neuron_energy: f64,
    pub idle_neuron_energy: f64,
    pub synapse_energy: f64,
    pub spike_energy: f64,
    pub update_energy: f64,
    /// Seconds of one neuron update and of one synaptic event.
    pub neuron_time: f64,
    pub synapse_time: f64,
    /// Watts that burn all the time.
    pub static_power: f64,
    /// Area in m2 of what is not tiles, units or converters.
    pub area: f64,
}

/// A two-dimensional mesh with dimension-ordered (x first) routing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Mesh {
    pub flit_bits: f64,
    /// Seconds a flit needs for a hop.
    pub hop_time: f64,
    /// Joules a bit a hop.
    pub energy_per_bit: f64,
    /// Cores along a side of the square blocks that share a router.
    pub side: usize,
    /// Area of a core's share of a router in m2, and watts it burns all the time.
    pub router_area: f64,
    pub router_power: f64,
}

/// The port through which values come from and go to what is not the chip; it enters the mesh at core 0.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Host {
    /// Joules a bit.
    pub energy_per_bit: f64,
    /// Seconds a bit; 0: no limit.
    pub time_per_bit: f64,
    /// Watts that burn all the time, and m2.
    pub power: f64,
    pub area: f64,
}

/// Wires that carry one analog domain between neighbouring cores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    pub carries: Domain,
    /// Joules and seconds a value.
    pub energy: f64,
    pub time: f64,
    /// Noise, rms, as a fraction of full range.
    pub noise: f64,
}

/// A crossbar array with its drivers and sense circuits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TileKind {
    pub name: String,
    /// Index into `Chip::devices`.
    pub device: usize,
    /// Cells of the fast array that lies beside it, index into `Chip::devices`, and how many times more a cell of the array itself counts;
    /// 0: the fast array is not read with it.
    pub fast: Option<usize>,
    pub gain: f64,
    /// Physical rows and columns, and how many of the columns are set aside to replace others.
    pub rows: usize,
    pub cols: usize,
    pub spare_columns: usize,
    /// Neurons of its core that it takes.
    pub neurons: usize,
    /// Arrays that lie on one another: each is a tile, and those of a stack take turns on its drivers and converters.
    pub layers: usize,
    pub weights: WeightScheme,
    /// Arrays that hold the digits of a weight together, each cell one digit; 1: a cell (or pair) holds a weight.
    pub slices: usize,
    /// What has a scale of its own to use the cells' whole range, and what a range of its own to be converted in.
    pub scaling: Each,
    pub ranges: Each,
    /// Ways its rows can be driven.
    pub inputs: Vec<Drive>,
    /// Ways its columns can be read (each an implementation to choose from): a converter for digital outputs;
    /// [`Sense::Analog`] hands the value on as it is.
    pub senses: Vec<Sense>,
    /// Runs of `inputs` and of `senses`, first and past-last, that came of one converter with a range of widths: a tile has one of each.
    pub input_ranges: Vec<(usize, usize)>,
    pub sense_ranges: Vec<(usize, usize)>,
    /// Volts on a row for an input of 1 (full range).
    pub read_voltage: f64,
    /// Seconds of one read (amplitude) or of a full-width pulse.
    pub read_time: f64,
    /// Joules of selecting a row for a read, a row.
    pub row_energy: f64,
    /// The converter (a sample-and-hold, index into `Chip::converters`) at each column that keeps what was read while columns
    /// take turns on a converter; none: rows are driven until all have had their turn.
    pub hold: Option<usize>,
    /// Whether a column gives the voltage to which its cells bring it: what drives them, divided by the sum of its conductances. Both cells of a
    /// differential weight then lie on one column, on rows that one driver gives opposite voltages.
    pub normalises: bool,
    /// What the lines of a passive array hold that are not selected while a cell is written; none: a transistor at each cell keeps others off.
    pub write_bias: Option<WriteBias>,
    /// Ohms of a wire segment between cells; 0: `ideal`.
    pub wire_ohms: f64,
    /// Ohms of a row's driver and of what holds a column at 0 V.
    pub driver_ohms: f64,
    pub sense_ohms: f64,
    /// Whether rows are driven at both ends.
    pub both_ends: bool,
    /// Area in m2 of array and drivers without converters.
    pub area: f64,
    pub transposable: bool,
}

impl TileKind {
    /// Whether the converter of a way to sense its columns has a range by itself.
    pub fn is_fixed(&self, chip: &Chip, sense: usize) -> bool {
        matches!(self.senses.get(sense), Some(Sense::Converter { converter, .. }) if chip.converters[*converter].is_fixed())
    }

    /// Rows of an input.
    pub fn rows_per_input(&self) -> usize {
        if self.normalises && self.weights == WeightScheme::Differential { 2 } else { 1 }
    }

    /// What a column gives of one cell at its whole range (of a reference column: the half above it) whose row is driven at full range: amperes,
    /// or coulombs where `converter` takes charge.
    pub fn sensed(&self, chip: &Chip, converter: &Converter) -> f64 {
        let device = &chip.devices[self.device];
        let span = (device.g_max - device.g_min) * if self.weights == WeightScheme::Reference { 0.5 } else { 1.0 };
        let seconds = if converter.from == Domain::Charge { self.read_time } else { 1.0 };
        span * self.read_voltage * seconds
    }

    /// Whether its lines or what stands at their ends resist.
    pub fn resists(&self) -> bool {
        self.wire_ohms > 0.0 || self.driver_ohms > 0.0 || self.sense_ohms > 0.0
    }
}

impl Drive {
    /// Whether bits come to the rows, as they may wait.
    pub fn takes_bits(&self, converters: &[Converter]) -> bool {
        match self {
            Drive::Converter(id) | Drive::BitSerial { converter: id, .. } => converters[*id].from == Domain::Bits,
            Drive::Direct(_) => false,
        }
    }
}

impl Device {
    /// Whether some of its cells may not hold what they are asked for, ever.
    pub fn fails(&self) -> bool {
        self.stuck_on > 0.0 || self.stuck_off > 0.0 || self.has_open_lines()
    }

    /// Whether every read asks each of its cells.
    pub fn is_read_cell_by_cell(&self) -> bool {
        self.current.is_some() || self.read_error.is_some() || !self.traps.is_empty() || self.flicker.is_some()
    }

    /// Whether rows or columns of its arrays may be open.
    pub fn has_open_lines(&self) -> bool {
        self.dead_row > 0.0 || self.dead_column > 0.0
    }
}

impl CoreKind {
    /// The first tile of the stack that a tile of this core lies in; itself where arrays are not stacked.
    pub fn stack(&self, kinds: &[TileKind], tile: usize) -> usize {
        let mut first = 0;
        for &(kind, count) in &self.tiles {
            if tile < first + count {
                return tile - (tile - first) % kinds[kind].layers.max(1);
            }
            first += count;
        }
        tile
    }
}

impl TileKind {
    /// Columns that hold weights.
    pub fn columns(&self) -> usize {
        self.cols - self.spare_columns
    }
}

/// Voltages of a passive array while a cell gets a pulse of V.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WriteBias {
    /// V/2 on all other lines: cells on the row or column of the selected one see V/2, the others nothing.
    Half,
    /// V/3 on other rows, 2 V/3 on other columns: cells on its row or column see V/3, the others -V/3.
    Third,
    /// Other lines are joined to nothing, and settle where their cells bring them.
    Float,
}

impl WriteBias {
    /// Share of the voltage that cells see on the row or column of the selected one; none: that depends on all cells.
    pub fn share(self) -> Option<f64> {
        match self {
            WriteBias::Half => Some(1.0 / 2.0),
            WriteBias::Third => Some(1.0 / 3.0),
            WriteBias::Float => None,
        }
    }
}

/// How signed weights are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum WeightScheme {
    /// Two columns (cells) a weight: w = g+ - g-.
    Differential,
    /// One column a weight plus one shared reference column at mid range.
    Reference,
    /// One cell a digit: what is added to make every weight positive is subtracted digitally. One column a weight plus one whose
    /// cells are all alike, which gives the sum of the inputs.
    Offset,
    /// One cell a weight that is never negative.
    Unsigned,
}

/// A way to drive rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Drive {
    /// From bits or light, through the converter with this index (DAC, pulse-width modulator, photodiode with its amplifier).
    Converter(usize),
    /// An analog value straight onto the rows.
    Direct(Domain),
    /// Bit by bit through the converter with this index (one bit each), so many bits: as many reads a sample.
    BitSerial { converter: usize, bits: u32 },
}

/// A way to read columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Sense {
    /// To bits through the converter with this index; `sharing` columns take turns on one.
    Converter { converter: usize, sharing: usize },
    /// As this domain, unconverted.
    Analog(Domain),
}

/// Something that turns one domain into another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Converter {
    /// `sar`
    pub name: String,
    pub from: Domain,
    pub to: Domain,
    /// Resolution in bits; none: `ideal`.
    pub bits: Option<u32>,
    /// Joules a conversion.
    pub energy: f64,
    /// m2 an instance.
    pub area: f64,
    /// Seconds a conversion.
    pub time: f64,
    /// Noise, rms: in steps (LSB) where bits come or go, else as a fraction of full range.
    pub noise: f64,
    /// Gain error as a fraction and offset in LSB.
    pub gain_error: Deviation,
    pub offset_lsb: Deviation,
    /// Largest deviation from a straight line, in LSB; half way to either end of the range.
    pub inl_lsb: f64,
    /// Its full range; none: as calibrated.
    pub full_scale: Option<FullScale>,
    /// Whether its gain and offset are known and made up for (`compensate: converters`).
    pub corrected: bool,
    /// Share of the value that is lost a second while it is held (a sample-and-hold, an integrator).
    pub droop: f64,
    /// Watts an instance burns all the time.
    pub static_power: f64,
}

/// An error of converters: the same for all, and the standard deviation of what each has besides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Deviation {
    pub mean: f64,
    pub spread: f64,
}

impl Deviation {
    /// Mean square.
    pub fn square(self) -> f64 {
        self.mean.powi(2) + self.spread.powi(2)
    }

    /// Whether there is none.
    pub fn is_none(self) -> bool {
        self == Deviation::default()
    }
}

/// A converter's full range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum FullScale {
    /// In the numbers of the network.
    Values(f64),
    /// In amperes or coulombs of the columns it senses.
    Sensed(f64),
}

/// What arrays of a layer have alike: all of them, each by itself, or each column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Each {
    Layer,
    Array,
    Column,
}

impl Converter {
    /// Whether nothing is measured for it.
    pub fn is_fixed(&self) -> bool {
        self.full_scale.is_some()
    }

    /// Whether it keeps a value: a sample-and-hold.
    pub fn holds(&self) -> bool {
        self.from == self.to && !matches!(self.from, Domain::Bits | Domain::Spikes)
    }

    /// Whether it stands for `input: ideal` or `sense: ideal`: it changes and costs nothing, so nobody counts it.
    pub fn is_ideal(&self) -> bool {
        self.bits.is_none() && self.energy == 0.0 && self.time == 0.0 && self.area == 0.0
    }
}

impl UnitKind {
    /// Functions of which `y` is of the network's numbers.
    pub const OF_NUMBERS: [&str; 5] = ["tanh", "sigmoid", "softmax", "sign", "step"];

    /// Whether what it really computes is stated in full ranges.
    pub fn in_ranges(&self) -> bool {
        !self.implements.iter().any(|name| Self::OF_NUMBERS.contains(&name.as_str()))
    }
}

/// A circuit that computes an elementwise function, or a softmax of all elements that it takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnitKind {
    pub name: String,
    /// The functions it offers (`relu`); `any` for a digital unit that computes everything.
    pub implements: Vec<String>,
    pub from: Domain,
    pub to: Domain,
    /// Width of the words a digital unit gives.
    pub bits: Option<u32>,
    /// What it really computes, over `Symbol::Input(0)` in full ranges (1 = full range) or, where the function minds how large that is, in the
    /// network's numbers ([`UnitKind::in_ranges`]); of a softmax what an element's current is in proportion to, over its logit less the largest. None: exactly the function.
    pub transfer: Option<Expr>,
    /// Joules an element.
    pub energy: f64,
    /// m2 an instance.
    pub area: f64,
    /// Seconds an element.
    pub time: f64,
    /// Noise, rms, as a fraction of full range.
    pub noise: f64,
    /// Of each instance, a share.
    pub gain_error: Deviation,
    /// Watts an instance burns all the time.
    pub static_power: f64,
}

/// What a pulse adds to the conductance of a cell, in siemens: expressions over `Symbol::Input(0)`, what it holds, and `Symbol::State(n)`,
/// the n-th of the numbers that are the cell's own, and the voltage of the pulse ([`VOLTS`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pulse {
    pub up: Expr,
    /// What a pulse of the other sign takes; none: there is none.
    pub down: Option<Expr>,
    /// Standard deviation of one pulse, over `Symbol::Input(1)`, its mean size, too.
    pub sigma: Option<Expr>,
    /// Numbers drawn once for each cell.
    pub own: Vec<Expr>,
    /// Joules and volts of a pulse; 0 volts: not known.
    pub energy: f64,
    pub volts: f64,
}

impl Pulse {
    /// What a pulse of so many volts does.
    pub fn at_volts(&self, volts: f64) -> Pulse {
        let at = |expr: &Expr| substitute(expr, &|symbol| (symbol == VOLTS).then_some(Expr::Number(volts)));
        let (down, sigma) = (self.down.as_ref().map(at), self.sigma.as_ref().map(at));
        Pulse { up: at(&self.up), down, sigma, own: self.own.clone(), energy: self.energy, volts }
    }

    /// What a whole one does.
    pub fn whole(&self) -> Pulse {
        self.at_volts(self.volts)
    }
}

/// What takes siemens from a cell's conductance while it is filled, and the mean seconds until it is filled and until it is emptied; random
/// numbers are drawn once for each cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trap {
    pub amplitude: Expr,
    pub capture: Expr,
    pub emission: Expr,
}

/// Noise of a 1/f spectrum between two times, which reads share: siemens of its standard deviation, and the shortest and the longest time in seconds for
/// which it stays what it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flicker {
    pub sigma: Expr,
    pub from: f64,
    pub to: f64,
}

/// In expressions of a cell: the conductance just after programming, and that asked for.
pub const PROGRAMMED: Symbol = Symbol::Input(2);
pub const ASKED: Symbol = Symbol::Input(3);
/// The voltage across it.
pub const VOLTS: Symbol = Symbol::Input(4);

/// How a cell gets its conductance.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Programming {
    pub way: Way,
    /// Whether each pulse is followed by a read.
    pub verifies: bool,
    /// Pulses a cell takes; where they are simulated, at most.
    pub pulses: f64,
    /// Joules and seconds of a pulse.
    pub energy: f64,
    pub time: f64,
}

/// What is known of the energy of a pulse.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub enum PulseEnergy {
    #[default]
    Unknown,
    /// Its joules.
    Said,
    /// So many volts for so many seconds, across a cell that conducts as it did before.
    Across { volts: f64, seconds: f64 },
}

/// Where pulses are simulated, all from the lowest conductance on.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub enum Way {
    /// They are not: `programming_sigma` is what they leave.
    #[default]
    Drawn,
    /// Up or down, until a read shows the conductance asked for, give or take so many siemens.
    Verified(f64),
    /// As many as a cell without deviations would take.
    Open,
}

/// A memory cell with fixed conductance between programmings. Expressions are over `Symbol::Input(0)`, the conductance
/// asked for (programming) or held (read, drift), in siemens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Device {
    pub name: String,
    /// Lowest and highest conductance in siemens.
    pub g_min: f64,
    pub g_max: f64,
    /// Number of levels; none: continuous.
    pub levels: Option<u32>,
    /// Standard deviation in siemens of what programming leaves; none: exact.
    pub programming_sigma: Option<Expr>,
    /// Standard deviation in siemens of one read, `Symbol::Time` seconds after programming; none: noiseless.
    pub read_sigma: Option<Expr>,
    /// Siemens that a read sees more than are there, drawn for each cell and read, where that is not normal.
    pub read_error: Option<Expr>,
    /// Traps in each cell.
    pub traps: Vec<Trap>,
    /// None: what reads vary by is drawn anew for each of them.
    pub flicker: Option<Flicker>,
    /// Conductance `Symbol::Time` seconds after programming; random numbers in it are drawn once for each cell. None: no drift.
    pub drift: Option<Expr>,
    /// Amperes at a voltage ([`VOLTS`]); none: the conductance times it.
    pub current: Option<Expr>,
    /// What pulses do in training; none: they cannot change it.
    pub pulse: Option<Pulse>,
    /// Share of cells stuck at g_max and at g_min.
    pub stuck_on: f64,
    pub stuck_off: f64,
    /// Share of an array's rows and of its columns that are open: their cells carry nothing.
    pub dead_row: f64,
    pub dead_column: f64,
    /// Seconds in which it loses all but 1/e of what sets it apart from a weight of 0; 0: nothing is lost.
    pub leak: f64,
    pub programming: Programming,
    pub pulse_energy: PulseEnergy,
    /// Area of a cell in m2.
    pub area: f64,
}
