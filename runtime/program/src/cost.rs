//! Costs: how many of which events happened, what each takes, and what the mapping says before any run.

use serde::{Deserialize, Serialize};

use crate::{ArrayId, ConnectionId, GroupId, MatrixId};

/// Everything about cost.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Costs {
    /// Energy is the sum over these.
    pub costs: Vec<Cost>,
    /// Watts that burn all the time a sample takes.
    pub static_power_w: f64,
    /// Seconds from a sample's input to its output, and between two samples.
    pub latency_s: f64,
    pub initiation_interval_s: f64,
    /// Seconds a tick lasts on the chip; 0 without ticks.
    pub tick_s: f64,
    /// Conversions a sample, each list in the order of names.
    pub conversions: Conversions,
    /// The mapping as `nmc report` shows it.
    pub layout: LayoutReport,
}

/// Events of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    pub kind: ComponentKind,
    /// `fc1: sar(6)`
    pub name: String,
    /// How often it happened.
    pub count: Count,
    /// Joules each (1 for `Count::ReadEnergy`, which counts joules).
    pub energy_j: f64,
}

/// What costs are added up under: keys of `energy_j`, `area_mm2`, `power_w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ComponentKind {
    Cells,
    /// Word lines and what else drives and surrounds cells.
    Driver,
    Programming,
    Adc,
    Dac,
    Converter,
    Unit,
    Digital,
    Buffer,
    Neuron,
    Synapse,
    Network,
    Host,
    Static,
}

/// How often an event happens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Count {
    /// So many a sample.
    PerSample(f64),
    /// So many a tick.
    PerTick(f64),
    /// Once in the life of the program (programming).
    Once(f64),
    /// Each spike of the group, times this.
    Spikes(GroupId, f64),
    /// Each delivery over a synapse of the connection, times this.
    SynapticEvents(ConnectionId, f64),
    /// Each synapse of the connection at which a spike of the target or the clock runs a kernel.
    Updates(ConnectionId),
    /// Each pulse that changed a cell of a matrix in training.
    Pulses(MatrixId),
    /// Each pulse that programmed a cell of a matrix.
    Written(MatrixId),
    /// Joules of reads that verify the cells of a matrix, and of cells that share lines with those that get pulses.
    WriteEnergy(MatrixId),
    /// Each read of a single row of a matrix in training.
    RowReads(MatrixId),
    /// The sum of an array at the end: pulses on the cells of synapses.
    Sum(ArrayId),
    /// Joules dissipated in the cells of a matrix during its reads: sum over rows of v^2 * row conductance * time.
    ReadEnergy(MatrixId),
}

/// Conversions a sample by converter name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Conversions {
    pub inserted: Vec<(String, f64)>,
    pub elided: Vec<(String, f64)>,
    pub baseline: Vec<(String, f64)>,
}

/// The static report: everything `nmc report --json` prints, in its keys' names.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LayoutReport {
    pub chip: String,
    pub tiles: Vec<TileReport>,
    pub cores: Vec<CoreReport>,
    pub wires: Vec<WireReport>,
    pub objective: ObjectiveReport,
    pub placement: PlacementReport,
    pub schedule: ScheduleReport,
    /// By component kind, a sample: what running the program gives.
    pub energy_j: Vec<(ComponentKind, f64)>,
    /// Of the whole chip, and of the part of it in use.
    pub area_mm2: Vec<(ComponentKind, f64)>,
    pub area_used_mm2: Vec<(ComponentKind, f64)>,
    /// Energy over initiation interval, plus static power.
    pub power_w: Vec<(ComponentKind, f64)>,
    /// Integrators chosen and things approximated, in words.
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TileReport {
    pub id: usize,
    pub layer: String,
    pub rows: usize,
    pub cols: usize,
    pub rows_used: usize,
    pub cols_used: usize,
    pub core: usize,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CoreReport {
    pub id: usize,
    /// `cim`
    pub kind: String,
    pub x: usize,
    pub y: usize,
    pub tiles: usize,
    pub utilisation: f64,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WireReport {
    pub from: String,
    pub to: String,
    pub domain: String,
    pub converter: Option<String>,
    pub reason: String,
    /// Where it is converted: what would have to be true for that to go.
    pub remedy: Option<String>,
    pub count_per_sample: f64,
    pub energy_j: f64,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ObjectiveReport {
    pub value: f64,
    pub convert_everywhere: f64,
    pub greedy: f64,
    pub lower_bound: f64,
    pub optimal: bool,
    /// `energy_j`, `time_s` or `area_m2`
    pub unit: String,
    /// Cost of each pin, in words and in the objective's unit.
    pub pins: Vec<(String, f64)>,
    /// Error variance of the outputs relative to theirs: over drawn chips where these were asked for, else as estimated; the estimate; and
    /// what the resistance of wires takes in the estimate.
    pub error_variance: f64,
    pub error_variance_estimated: f64,
    pub error_variance_wires: f64,
    pub accuracy_loss: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PlacementReport {
    pub cost: f64,
    pub lower_bound: f64,
    pub snake_cost: f64,
    pub random_cost: f64,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ScheduleReport {
    pub initiation_interval_s: f64,
    pub latency_s: f64,
    pub bottleneck: String,
    pub links: Vec<LinkReport>,
    /// Work within one sample, in the order of the timetable.
    pub tasks: Vec<TaskReport>,
}

/// A resource busy for a time, from the start of a sample.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TaskReport {
    /// What is computed: `fc1`.
    pub name: String,
    pub core: usize,
    /// What it occupies there: `tile 0`, `analog_relu`, `neurons`.
    pub resource: String,
    pub start_s: f64,
    pub end_s: f64,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LinkReport {
    pub from: usize,
    pub to: usize,
    pub utilisation: f64,
}
