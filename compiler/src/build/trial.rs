//! Values of signals that move in time, for calibration: the network is run once on the ideal chip.

use std::collections::BTreeMap;

use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::{ArrayId, Precision, Program, TensorId};

use crate::files::Files;
use crate::forms::chip::Chip;
use crate::forms::mapped::Given;
use crate::forms::measured::Measured;
use crate::forms::network::{Logical, Network, NodeId, Operator, PopulationKind, Probe, Probed, Weights};
use crate::forms::plan::{InputData, Phase, PhaseKind, Plan};
use crate::lower;

/// What each probe of a trial run tells: the values of a node, or (`true`) its bias.
type Names = BTreeMap<String, (NodeId, bool)>;

/// Runs the calibration samples through a network with neurons or devices; nothing where that is not needed or cannot be.
/// A run that fails is told: the ranges are bounds then.
pub fn measure(given: Given, files: &dyn Files, diagnostics: &mut Vec<Diagnostic>) -> Measured {
    let timed = given.network.graph.node_weights().any(|node| matches!(node.operator, Operator::Population { .. }));
    if given.chip.ideal || !timed || given.plan.calibration.is_empty() {
        return Measured::default();
    }
    let Some((program, probed)) = program(given, files) else { return Measured::default() };
    let recorded = match files.trial(&program) {
        Some(Ok(recorded)) => recorded,
        Some(Err(why)) => {
            let message = format!("ranges of converters are bounds, not measured: the trial run failed: {why}");
            diagnostics
                .push(Diagnostic::placeless(Code::W0615, message).with_help("`nmc explain W0615` says what to do"));
            return Measured::default();
        }
        None => return Measured::default(),
    };
    let mut found = Measured::default();
    for (name, values) in recorded {
        let Some(&(node, is_bias)) = probed.get(&name) else { continue };
        let into = if is_bias { &mut found.biases } else { &mut found.values };
        into.insert(node, values.into_iter().map(|value| value as f32).collect());
    }
    found
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
            network.probes.push(Probe { name: name.clone(), node, what: Probed::Output, range, every: None });
            probed.insert(name, (node, false));
        }
    }
    let plan = Plan { step: given.plan.step, phases: phases(given)?, ..Plan::default() };
    let chip = Chip { name: String::from("ideal"), ideal: true, ..Chip::default() };
    // Whatever is wrong is told when the network itself is lowered.
    let mut ignored = Vec::new();
    let mapped = super::map(Given { network: &network, chip: &chip, plan: &plan, tensors }, files, &mut ignored)?;
    let mut program = lower::lower(&mapped, tensors, Precision::F32, Default::default(), &mut ignored)?.program;
    for (node, array) in biases(&network, &program) {
        let name = format!("trial: bias of {}", network.graph[node].name);
        probed.insert(name.clone(), (node, true));
        let (probed, range) = (nmc_program::Probed::Output(array), (0, network.graph[node].len()));
        program.probes.push(nmc_program::Probe { name, probed, range, every: 1, unit: String::new() });
    }
    Some((program, probed))
}

/// The arrays that fitted biases go to.
fn biases(network: &Network, program: &Program) -> Vec<(NodeId, ArrayId)> {
    let fitted = network.graph.node_indices().filter(|&node| {
        matches!(network.graph[node].operator, Operator::Dense { weights: Weights::Ridge { bias: true, .. }, .. })
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
        Operator::Population { kind, .. } => *kind == PopulationKind::Decoder,
        Operator::Output => false,
        Operator::Input
        | Operator::Dense { .. }
        | Operator::Elementwise { .. }
        | Operator::Gather(_)
        | Operator::Reduce { .. }
        | Operator::Read { .. } => true,
    };
    kind && data.logical != Logical::Spikes
}

/// The training of the experiment, then the calibration samples shown as its test or training shows them.
fn phases(given: Given) -> Option<Vec<Phase>> {
    let (plan, tensors) = (given.plan, given.tensors);
    let trained = plan.phases.iter().filter(|phase| phase.kind == PhaseKind::Train);
    let mut phases: Vec<Phase> = trained.cloned().collect();
    let like = plan.phases.iter().rfind(|phase| phase.kind != PhaseKind::Run)?.clone();
    let samples = plan.calibration.iter().filter_map(|id| tensors.get(id.index())?.shape.first().copied()).min()?;
    let fed = |(node, id): (&NodeId, &TensorId)| (*node, InputData::Values(*id));
    let inputs = given.network.inputs.iter().zip(&plan.calibration).map(fed).collect();
    phases.iter_mut().for_each(|phase| phase.metrics.clear());
    phases.push(Phase { kind: PhaseKind::Test, samples, inputs, target: None, metrics: Vec::new(), skip: 0, ..like });
    Some(phases)
}
