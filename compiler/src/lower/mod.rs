//! `Mapped` to `Program`: flat arrays, kernels, matrices, events and their order.
//!
//! Populations and their equations: `population`, `integrate`, `step` · connections: `synapses` (where each state lives),
//! `connection`, `event`, `trace`, `rules`, `coupling`, `decoder` · operators between presentations: `frame`, `dense`, `chain` · cells of arrays: `cells` · what an
//! experiment does and measures: `phases` · what it costs: `costs`.

mod back;
mod cells;
mod chain;
mod columns;
mod connection;
mod costs;
mod coupling;
mod decoder;
mod dense;
mod digits;
mod driven;
mod event;
mod expression;
mod frame;
mod integrate;
mod kernel;
mod learning;
mod left;
mod limits;
mod phases;
mod polynomial;
mod population;
mod propagator;
mod pulses;
mod rewire;
mod rules;
mod stability;
mod step;
mod substeps;
mod synapses;
#[cfg(test)]
mod tests;
mod through;
mod times;
mod trace;
mod transfer;
mod truncated;
mod update;

use std::collections::{BTreeMap, BTreeSet};

use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::{
    Access, Array, ArrayId, GroupId, Image, Initial, KernelId, LayoutReport, Len, MatrixId, Op, Precision, Program,
    SenseRange, Tensor,
};

use crate::algebra;
use crate::forms::chip::Chip;
use crate::forms::mapped::Mapped;
use crate::forms::network::{Network, NodeId};
use crate::forms::plan::Plan;
use crate::graph::Moves;
use connection::Lowered;
pub use dense::bias_name;
use kernel::Builder;
use learning::Placed;
use population::Population;

/// Elements of an array that hold a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signal {
    pub array: ArrayId,
    pub start: usize,
    pub len: usize,
}

impl Signal {
    /// How a kernel over `len` elements reads it.
    pub fn access(self, len: usize) -> Access {
        match self.len == 1 && len != 1 {
            true => Access::Broadcast { offset: self.start },
            false => Access::Element { offset: self.start },
        }
    }
}

/// The operations of a tick by the step of the tick they belong to.
#[derive(Debug, Default)]
pub(crate) struct Tick {
    pub emit: Vec<Op>,
    pub signals: Vec<Op>,
    /// What synapses do with every tick, from what neurons are at its start.
    pub synapses: Vec<Op>,
    pub update: Vec<Op>,
    pub deliver: Vec<Op>,
    pub on_post: Vec<Op>,
    pub reset: Vec<Op>,
    pub intervals: Vec<Op>,
    pub record: Vec<Op>,
}

/// A program in the making.
pub(crate) struct Lowering<'a> {
    pub mapped: &'a Mapped,
    pub network: &'a Network,
    pub moves: Moves,
    pub chip: &'a Chip,
    pub plan: &'a Plan,
    pub program: Program,
    pub tick: Tick,
    pub signals: BTreeMap<NodeId, Signal>,
    pub groups: BTreeMap<NodeId, GroupId>,
    pub populations: BTreeMap<NodeId, Population>,
    /// In the order of the network's connections.
    pub connections: Vec<Lowered>,
    /// The layers that are fitted: a layer's place here is its number.
    pub fitted: Vec<NodeId>,
    /// Where the biases of fitted layers go.
    pub biases: BTreeMap<NodeId, ArrayId>,
    /// Where the ranges of their sense circuits go.
    pub ranges: BTreeMap<NodeId, Vec<SenseRange>>,
    /// Seconds the cells of each block conduct in a read, and seconds each node's output is held.
    pub driven: BTreeMap<usize, f64>,
    pub held: BTreeMap<NodeId, f64>,
    /// The matrices on the cells of each block, without fast arrays; with `true`, of its rows that hold the bias.
    pub reads: BTreeMap<(usize, bool), Vec<MatrixId>>,
    /// The wires of each block, and its lines, as indices into the program's.
    pub wires: BTreeMap<usize, usize>,
    pub lines: BTreeMap<usize, usize>,
    passive: BTreeMap<usize, usize>,
    /// Nodes whose values change while layers learn; the ranges that follow them, by node and all.
    learned: BTreeSet<NodeId>,
    follows: BTreeMap<NodeId, ArrayId>,
    ranges_followed: Vec<nmc_program::Followed>,
    /// Of each layer: its matrices, what its rows are driven with, and the bias that it learns.
    placed: BTreeMap<NodeId, Vec<Placed>>,
    rows_of: BTreeMap<NodeId, Signal>,
    learned_biases: BTreeMap<NodeId, ArrayId>,
    /// Which cells of a matrix are stuck or carry nothing, and what pulses do to each device.
    luck: BTreeMap<MatrixId, ArrayId>,
    pulses: BTreeMap<usize, pulses::Scratch>,
    pulses_of: BTreeMap<MatrixId, nmc_program::Pulse>,
    verifies: BTreeMap<usize, nmc_program::KernelId>,
    pub diagnostics: &'a mut Vec<Diagnostic>,
    /// Mistakes of our own.
    pub problems: Vec<String>,
    components: u32,
    /// Of each population, the connections whose states were the first of their kind to be summed on it.
    summed: BTreeMap<NodeId, Vec<usize>>,
    /// Of states that are kept as the sum of two numbers, the small one.
    small: BTreeMap<ArrayId, ArrayId>,
    noted: BTreeSet<String>,
}

/// What lowering gave: the program, and what is wrong with it through our own fault.
pub struct Outcome {
    pub program: Program,
    pub problems: Vec<String>,
}

/// Lowers one experiment; none when there was an error of the user's.
pub fn lower(
    mapped: &Mapped,
    tensors: &[Tensor],
    precision: Precision,
    layout: LayoutReport,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Outcome> {
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
    let why = match precision {
        Precision::F32 if times::are_added_to(&mapped.network) => Some("events add to times that `t` is compared with"),
        Precision::F32 if times::are_late(&mapped.network, &mapped.plan) => {
            Some("`t` is read after more steps than single precision tells apart well")
        }
        Precision::F32 | Precision::F64 => None,
    };
    let precision = if why.is_some() { Precision::F64 } else { precision };
    let mut lowering = Lowering {
        mapped,
        network: &mapped.network,
        moves: crate::graph::moves(&mapped.network),
        chip: &mapped.chip,
        plan: &mapped.plan,
        program: empty(&mapped.plan, precision, tensors),
        tick: Tick::default(),
        signals: BTreeMap::new(),
        groups: BTreeMap::new(),
        populations: BTreeMap::new(),
        connections: Vec::new(),
        fitted: Vec::new(),
        biases: BTreeMap::new(),
        ranges: BTreeMap::new(),
        driven: BTreeMap::new(),
        held: BTreeMap::new(),
        reads: BTreeMap::new(),
        wires: BTreeMap::new(),
        lines: BTreeMap::new(),
        passive: BTreeMap::new(),
        learned: crate::graph::learned(&mapped.network, &mapped.plan),
        follows: BTreeMap::new(),
        ranges_followed: Vec::new(),
        placed: BTreeMap::new(),
        rows_of: BTreeMap::new(),
        learned_biases: BTreeMap::new(),
        luck: BTreeMap::new(),
        pulses: BTreeMap::new(),
        pulses_of: BTreeMap::new(),
        verifies: BTreeMap::new(),
        diagnostics,
        problems: Vec::new(),
        components: 0,
        summed: BTreeMap::new(),
        small: BTreeMap::new(),
        noted: BTreeSet::new(),
    };
    lowering.program.costs.layout = layout;
    lowering.program.costs.conversions = mapped.decisions.conversions.clone();
    if let Some(why) = why {
        lowering.note(format!("numbers have double precision: {why}"));
    }
    lowering.read_timetable();
    lowering.declare_populations();
    lowering.declare_connections();
    lowering.declare_signals();
    lowering.find_fits();
    lowering.operators();
    lowering.update_populations();
    lowering.connect();
    lowering.reset_populations();
    lowering.events_of_populations();
    lowering.probes();
    lowering.left();
    lowering.phases();
    lowering.count_costs();
    lowering.count_pulses();
    lowering.order();
    lowering.number_reads();
    let failed = lowering.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count() > errors;
    let Lowering { mut program, problems, .. } = lowering;
    program.keep_used_tensors();
    (!failed).then_some(Outcome { program, problems })
}

/// The image of several programs.
pub fn image(source: &str, programs: Vec<Program>) -> Image {
    Image { format: Image::FORMAT, source: source.to_string(), programs }
}

fn empty(plan: &Plan, precision: Precision, tensors: &[Tensor]) -> Program {
    Program {
        name: plan.name.clone(),
        precision,
        dt: plan.step.unwrap_or(0.0),
        tensors: tensors.to_vec(),
        arrays: Vec::new(),
        kernels: Vec::new(),
        matrices: Vec::new(),
        groups: Vec::new(),
        connections: Vec::new(),
        programming: Vec::new(),
        ageing: Vec::new(),
        lines: Vec::new(),
        passive: Vec::new(),
        wired: Vec::new(),
        drift_compensated: plan.drift_compensated,
        wires_compensated: plan.wires_compensated,
        begin: Vec::new(),
        tick: Vec::new(),
        end: Vec::new(),
        phases: Vec::new(),
        probes: Vec::new(),
        left: Vec::new(),
        chips: plan.chips.unwrap_or(1),
        left_out: Vec::new(),
        requirements: plan.requirements.clone(),
        report: plan.report.clone(),
        costs: Default::default(),
    }
}

impl Lowering<'_> {
    /// Tells the reads of each matrix in a sample (or tick) apart.
    fn number_reads(&mut self) {
        // Reads of a matrix that are done, and how many of those that come bit by bit are under way.
        let mut before: BTreeMap<MatrixId, (usize, usize)> = BTreeMap::new();
        let Program { begin, tick, end, phases, .. } = &mut self.program;
        let learning = phases.iter_mut().filter_map(|phase| phase.learning.as_mut());
        let backward = learning.flat_map(nmc_program::Learning::ops_mut);
        for op in begin.iter_mut().chain(tick).chain(end).chain(backward) {
            let (matrix, positions, read, stride) = if let Op::Multiply { matrix, positions, read, stride, .. } = op {
                (matrix, positions, read, *stride)
            } else if let Op::Transposed { matrix, positions, read, .. } = op {
                (matrix, positions, read, 1)
            } else {
                continue;
            };
            let (done, bits) = before.entry(*matrix).or_default();
            *read = *done + *bits;
            *bits += 1;
            if *bits == stride {
                (*done, *bits) = (*done + stride * *positions, 0);
            }
        }
    }

    /// A fresh key for random numbers.
    pub fn component(&mut self) -> u32 {
        self.components += 1;
        self.components
    }

    pub fn name(&self, node: NodeId) -> String {
        self.network.graph.node_weight(node).map_or_else(String::new, |node| node.name.clone())
    }

    /// A new array.
    pub fn array(&mut self, name: impl Into<String>, len: Len, per_lane: bool, initial: Initial) -> ArrayId {
        self.program.arrays.push(Array { name: name.into(), len, per_lane, initial });
        ArrayId(self.program.arrays.len() as u32 - 1)
    }

    /// A new array of zeros, one a lane.
    pub fn zeros(&mut self, name: impl Into<String>, len: usize) -> ArrayId {
        self.array(name, Len::Fixed(len), true, Initial::Fill(0.0))
    }

    /// Finishes a kernel.
    pub fn kernel(&mut self, name: impl Into<String>, mut builder: Builder) -> KernelId {
        let name = name.into();
        let problems = std::mem::take(&mut builder.problems);
        self.problems.extend(problems.into_iter().map(|problem| format!("kernel {name}: {problem}")));
        let component = if builder.draws() { self.component() } else { 0 };
        self.program.kernels.push(builder.finish(name, component));
        KernelId(self.program.kernels.len() as u32 - 1)
    }

    /// A number of ticks.
    pub fn ticks(&self, seconds: f64) -> f64 {
        if self.program.dt > 0.0 { nmc_program::steps(seconds, self.program.dt) } else { 0.0 }
    }

    pub fn note(&mut self, note: String) {
        if self.noted.insert(note.clone()) {
            self.program.costs.layout.notes.push(note);
        }
    }

    /// The order of a tick: see the semantics of time.
    fn order(&mut self) {
        let tick = std::mem::take(&mut self.tick);
        let Tick { emit, signals, synapses, update, deliver, on_post, reset, intervals, record } = tick;
        for ops in [emit, signals, synapses, update, deliver, on_post, reset, intervals, record] {
            self.program.tick.extend(ops);
        }
    }
}
