//! Trial runs: of the network on the ideal chip, for values of signals that move in time; and of the mapped network on drawn chips, for
//! the error they make.

use std::collections::BTreeMap;

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::{ArrayId, Precision, Program, Tensor, TensorId};

use crate::analyse::frames::floats;
use crate::files::{Files, Trial};
use crate::forms::chip::Chip;
use crate::forms::mapped::{Given, Mapped};
use crate::forms::measured::Measured;
use crate::forms::network::{Logical, Mode, Network, NodeId, Operator, PopulationKind, Probe, Probed, Weights};
use crate::forms::plan::{InputData, Phase, PhaseKind, Plan};
use crate::lower;
use crate::map::convert;

/// What each probe of a trial run tells.
type Names = BTreeMap<String, (NodeId, What)>;

/// What of a node.
#[derive(Clone, Copy)]
enum What {
    Value,
    /// Its values in every step.
    Steps,
    Bias,
}

/// Numbers that a trial run keeps of steps, at most; of more steps every so many.
const KEPT: usize = 1 << 24;

/// Runs the calibration samples through a network with neurons or devices; nothing where that is not needed or cannot be.
/// A run that fails is told: the ranges are bounds then.
pub fn measure(given: Given, files: &dyn Files, diagnostics: &mut Vec<Diagnostic>) -> Measured {
    let timed = given.network.graph.node_weights().any(|node| matches!(node.operator, Operator::Population { .. }));
    if given.chip.ideal || !timed || given.plan.calibration.is_empty() {
        return Measured::default();
    }
    let Some((program, probed)) = program(given, files) else { return Measured::default() };
    let recorded = match files.trials(&program, &[1]) {
        Some(Ok(recorded)) => recorded.into_iter().flatten(),
        Some(Err(why)) => {
            let message = format!("ranges of converters are bounds, not measured: the trial run failed: {why}");
            diagnostics
                .push(Diagnostic::placeless(Code::W0615, message).with_help("`nmc explain W0615` says what to do"));
            return Measured::default();
        }
        None => return Measured::default(),
    };
    let mut found = Measured::default();
    let taken = program.phases.last().map_or(1, |last| last.taken as usize);
    for (name, values) in recorded {
        let Some(&(node, what)) = probed.get(&name) else { continue };
        let values: Vec<f32> = values.into_iter().map(|value| value as f32).collect();
        let len = given.network.graph[node].len();
        let into = match what {
            What::Value if taken > 1 => {
                let last = values.chunks_exact((taken * len).max(1)).flat_map(|sample| &sample[(taken - 1) * len..]);
                found.values.insert(node, last.copied().collect());
                &mut found.taken
            }
            What::Value => &mut found.values,
            What::Steps => &mut found.steps,
            What::Bias => &mut found.biases,
        };
        into.insert(node, values);
    }
    // Data whose rows are shown one after the other.
    for (input, tensor) in given.network.inputs.iter().zip(&given.plan.calibration) {
        if let Some(tensor) = given.tensors.get(tensor.index()).filter(|_| given.network.stepped.contains(input)) {
            found.steps.insert(*input, floats(&tensor.data, tensor.data.len()).into_owned());
        }
    }
    found
}

/// Seeds of the chips that are drawn.
const CHIPS: [u64; 20] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20];

/// What drawn chips give on the calibration samples.
pub struct Drawn {
    /// Variance of the outputs' error, relative to theirs.
    pub error: f64,
    /// Accuracy lost on average, if something measures it.
    pub loss: Option<f64>,
}

/// Runs the calibration samples through chips drawn as this experiment is mapped, and compares with what the network says; none where
/// there are no samples, or nothing can be run.
pub fn drawn(mapped: &Mapped, tensors: &[Tensor], files: &dyn Files) -> Option<Drawn> {
    let given = mapped.given(tensors);
    if given.chip.ideal || given.plan.calibration.is_empty() {
        return None;
    }
    let (network, plan) = shown(given)?;
    let mut ignored = Vec::new();
    let ideal = Chip { name: String::from("ideal"), ideal: true, ..Chip::default() };
    let exact =
        super::map(Given { network: &network, chip: &ideal, plan: &plan, tensors }, files, (1.0, false), &mut ignored)?;
    let chip = Mapped { network, plan, ..mapped.clone() };
    let lowered = |mapped| lower::lower(mapped, tensors, Precision::F32, Default::default(), &mut Vec::new());
    // The outputs with each seed.
    let run = |program: &Program, seeds: &[u64]| -> Option<Vec<Vec<Vec<f32>>>> {
        let outputs = |recorded: Trial| {
            let of = |output: &NodeId| {
                let name = format!("trial: {}", given.network.graph[*output].name);
                let values = &recorded.iter().find(|(known, _)| *known == name)?.1;
                Some(values.iter().map(|&value| value as f32).collect())
            };
            given.network.outputs.iter().map(of).collect()
        };
        files.trials(program, seeds)?.ok()?.into_iter().map(outputs).collect()
    };
    files.entering(&given.plan.name, "lower");
    let exact = run(&lowered(&exact)?.program, &[1])?.pop()?;
    let values: Vec<f64> = exact.iter().flatten().map(|&y| f64::from(y)).collect();
    let variance = convert::variance(&values);
    let judged = judged(given, &exact);
    let program = lowered(&chip)?.program;
    let of_chip = |outputs: Vec<Vec<f32>>| {
        let squares = outputs.iter().flatten().zip(&values).map(|(y, exact)| (f64::from(*y) - exact).powi(2));
        let right = judged.as_ref().map_or(0.0, |judged| judged.right(&outputs));
        (squares.sum::<f64>() / values.len().max(1) as f64, right)
    };
    // What draws nothing is the same on every chip.
    let seeds = if program.draws() { &CHIPS[..] } else { &CHIPS[..1] };
    let chips: Vec<(f64, f64)> = run(&program, seeds)?.into_iter().map(of_chip).collect();
    let mean = |of: fn(&(f64, f64)) -> f64| chips.iter().map(of).sum::<f64>() / chips.len() as f64;
    let (error, right) = (mean(|chip| chip.0), mean(|chip| chip.1));
    let loss = judged.map(|judged| f64::max(judged.right(&exact) - right, 0.0));
    Some(Drawn { error: error / variance, loss })
}

/// What is right for an output.
struct Judged {
    output: usize,
    len: usize,
    labels: Vec<usize>,
}

impl Judged {
    /// Share of the samples that are right.
    fn right(&self, outputs: &[Vec<f32>]) -> f64 {
        let rows = outputs[self.output].chunks(self.len.max(1)).zip(&self.labels);
        let right = rows.filter(|(row, label)| convert::largest(row) == **label).count();
        right as f64 / self.labels.len().max(1) as f64
    }
}

fn judged(given: Given, outputs: &[Vec<f32>]) -> Option<Judged> {
    let (network, plan) = (given.network, given.plan);
    let samples = given.tensors.get(plan.calibration.first()?.index())?.shape.first().copied()?;
    let mut values: BTreeMap<NodeId, Vec<f32>> = network.outputs.iter().copied().zip(outputs.iter().cloned()).collect();
    for (input, id) in network.inputs.iter().zip(&plan.calibration) {
        let data = &given.tensors.get(id.index())?.data;
        values.insert(*input, floats(data, data.len()).into_owned());
    }
    let (node, labels) = convert::labels(given, samples, &values)?;
    let output = network.outputs.iter().position(|output| *output == node)?;
    Some(Judged { output, len: network.graph[node].len(), labels })
}

/// The network with its outputs probed, trained as the experiment trains it, then shown the calibration samples.
fn shown(given: Given) -> Option<(Network, Plan)> {
    let mut network = given.network.clone();
    network.probes.clear();
    for node in network.outputs.clone() {
        let (name, range) = (format!("trial: {}", network.graph[node].name), (0, network.graph[node].len()));
        network.probes.push(Probe { name, node, what: Probed::Output, range, mode: Mode::default() });
    }
    let Plan { step, drift_compensated, wires_compensated, .. } = *given.plan;
    let mut phases = phases(given)?;
    if let Some(last) = phases.last_mut() {
        last.after = given.plan.after.iter().copied().fold(0.0, f64::max);
    }
    Some((network, Plan { step, drift_compensated, wires_compensated, phases, ..Plan::default() }))
}

/// The network on the ideal chip with every number probed, fitted as the experiment fits it, then shown the samples.
fn program(given: Given, files: &dyn Files) -> Option<(Program, Names)> {
    let tensors = given.tensors;
    let mut network = given.network.clone();
    network.probes.clear();
    let mut probed = Names::new();
    for node in network.graph.node_indices() {
        if is_number(&network, node) {
            let data = &network.graph[node];
            let name = format!("trial: {}", data.name);
            let range = (0, data.len());
            network.probes.push(Probe { name: name.clone(), node, what: Probed::Output, range, mode: Mode::default() });
            probed.insert(name, (node, What::Value));
        }
    }
    let mut phases = phases(given)?;
    if let (Some(last), Some(like)) = (phases.last_mut(), shown_as(given.plan)) {
        last.taken = like.taken;
    }
    let plan = Plan { step: given.plan.step, phases, ..Plan::default() };
    let chip = Chip { name: String::from("ideal"), ideal: true, ..Chip::default() };
    // Whatever is wrong is told when the network itself is lowered.
    let mut ignored = Vec::new();
    let mapped =
        super::map(Given { network: &network, chip: &chip, plan: &plan, tensors }, files, (1.0, false), &mut ignored)?;
    let mut program = lower::lower(&mapped, tensors, Precision::F32, Default::default(), &mut ignored)?.program;
    for (node, array) in biases(&network, &program) {
        let name = format!("trial: bias of {}", network.graph[node].name);
        probed.insert(name.clone(), (node, What::Bias));
        let (probed, range) = (nmc_program::Probed::Output(array), (0, network.graph[node].len()));
        program.probes.push(nmc_program::Probe::of(name, probed, range));
    }
    probe_steps(&network, &mut program, &mut probed);
    Some((program, probed))
}

/// Probes what ticks read and make, too: what layers make in them, and what states and decoders hold when a tick begins.
fn probe_steps(network: &Network, program: &mut Program, probed: &mut Names) {
    let made = program.made_in_ticks();
    let outputs: Vec<(NodeId, nmc_program::Probe)> = program
        .probes
        .iter()
        .filter_map(|probe| {
            let (nmc_program::Probed::Output(array), (node, What::Value)) = (probe.probed, *probed.get(&probe.name)?)
            else {
                return None;
            };
            // What a tick reads of a state of the network it has taken over when it begins.
            let start = matches!(&network.graph[node].operator, Operator::Population { kind, .. } if *kind != PopulationKind::State);
            let name = format!("steps of {}", probe.name);
            let steps = nmc_program::Probe::of(name, nmc_program::Probed::Array(array), probe.range);
            made.contains(&array).then_some((node, nmc_program::Probe { start, ..steps }))
        })
        .collect();
    let Some(last) = program.phases.last() else { return };
    let elements: usize = outputs.iter().map(|(_, probe)| probe.range.1 - probe.range.0).sum();
    let all = (last.ticks as usize).saturating_mul(last.samples).saturating_mul(elements);
    let every = u32::try_from(all.div_ceil(KEPT)).unwrap_or(u32::MAX).max(1);
    for (node, probe) in outputs {
        probed.insert(probe.name.clone(), (node, What::Steps));
        program.probes.push(nmc_program::Probe { every, ..probe });
    }
}

/// The arrays that fitted biases go to.
fn biases(network: &Network, program: &Program) -> Vec<(NodeId, ArrayId)> {
    let fitted = network.graph.node_indices().filter(|&node| {
        matches!(network.graph[node].operator, Operator::Dense { weights: Weights::Fitted { bias: true, .. }, .. })
    });
    let array = |node: NodeId| {
        let name = lower::bias_name(&network.graph[node].name);
        let index = program.arrays.iter().position(|array| array.name == name)?;
        Some((node, ArrayId(index as u32)))
    };
    fitted.filter_map(array).collect()
}

/// Whether a node gives numbers that a run can record.
fn is_number(network: &Network, node: NodeId) -> bool {
    let data = &network.graph[node];
    let kind = match &data.operator {
        Operator::Population { kind, .. } => matches!(kind, PopulationKind::Decoder | PopulationKind::State),
        Operator::Output => false,
        Operator::Input
        | Operator::Dense { .. }
        | Operator::Elementwise { .. }
        | Operator::Gather(_)
        | Operator::Reduce { .. }
        | Operator::Softmax
        | Operator::Scatter(_)
        | Operator::Delay
        | Operator::Read { .. } => true,
    };
    kind && data.logical != Logical::Spikes
}

/// The phase as which calibration samples are shown.
fn shown_as(plan: &Plan) -> Option<&Phase> {
    plan.phases.iter().rfind(|phase| phase.kind != PhaseKind::Run)
}

/// The training of the experiment, then the calibration samples shown as its test or training shows them.
fn phases(given: Given) -> Option<Vec<Phase>> {
    let (plan, tensors) = (given.plan, given.tensors);
    let trained = plan.phases.iter().filter(|phase| phase.kind == PhaseKind::Train);
    let mut phases: Vec<Phase> = trained.cloned().collect();
    let like = shown_as(plan)?.clone();
    let samples = plan.calibration.iter().filter_map(|id| tensors.get(id.index())?.shape.first().copied()).min()?;
    let fed = |(node, id): (&NodeId, &TensorId)| (*node, InputData::Values(*id));
    let inputs = given.network.inputs.iter().zip(&plan.calibration).map(fed).collect();
    phases.iter_mut().for_each(|phase| phase.metrics.clear());
    phases.push(Phase {
        kind: PhaseKind::Test,
        samples,
        inputs,
        target: None,
        metrics: Vec::new(),
        skip: 0,
        taken: 1,
        ..like
    });
    Some(phases)
}
