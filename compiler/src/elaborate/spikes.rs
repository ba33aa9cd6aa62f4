//! Spikes that are given to an input: elements and steps, or times, and of several samples which one.

use nmc_grammar::ast::{Expr as Ast, ExprKind, Field};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::{Tensor, TensorData};

use super::Elaborator;
use super::array::Array;
use super::experiment::DEFAULT_STEP;
use crate::forms::network::NodeId;
use crate::forms::plan::{InputData, Phase, PhaseKind};
use crate::quantity::{Dimension, Quantity};
use crate::units::show;

impl Elaborator<'_> {
    /// `spikes(neurons, steps)` or `spikes(neurons, t * 1 us)`; of several samples `spikes(neurons, steps, samples)`.
    pub fn spike_data(&mut self, node: NodeId, value: &Ast, phase: &mut Phase) -> Option<InputData> {
        let args = match &value.kind {
            ExprKind::Call(callee, args) if matches!(&callee.kind, ExprKind::Name(name) if name == "spikes") => args,
            _ => {
                let wrong = Diagnostic::new(Code::E0305, "an input of spikes takes spikes", value.span, "not spikes");
                self.closer.diagnostics.push(wrong.with_help("such as `spikes(data[\"neuron\"], data[\"step\"])`"));
                return None;
            }
        };
        let (elements, moments, which) = match (&args[..], phase.kind) {
            ([elements, moments], PhaseKind::Run) => (elements, moments, None),
            ([elements, moments, which], PhaseKind::Test | PhaseKind::Train) => (elements, moments, Some(which)),
            (_, PhaseKind::Run) => {
                self.error(Code::E0207, "`spikes` takes neurons and steps", value.span, "two arrays are needed");
                return None;
            }
            (_, PhaseKind::Test | PhaseKind::Train) => {
                let message = "spikes of several samples say which sample each is of";
                let wrong = Diagnostic::new(Code::E0207, message, value.span, "three arrays are needed");
                self.closer
                    .diagnostics
                    .push(wrong.with_help("`spikes(neurons, steps, samples)`, samples counted from 0"));
                return None;
            }
        };
        let (neurons, times) = (self.some_or_none(&elements.value)?, self.some_or_none(&moments.value)?);
        let samples = which.map(|which| self.some_or_none(&which.value).map(|array| (array, which.value.span)));
        let samples = match samples {
            Some(None) => return None,
            Some(given) => given,
            None => None,
        };
        let others = [Some(times.len()), samples.as_ref().map(|(array, _)| array.len())];
        if let Some(other) = others.into_iter().flatten().find(|other| *other != neurons.len()) {
            let message = format!("{} neurons, but {other} steps or samples", neurons.len());
            self.error(Code::E0310, message, value.span, "one of each for each spike is needed");
            return None;
        }
        let step = self.plan.step.unwrap_or(DEFAULT_STEP);
        let in_steps = match times.dimension {
            Dimension::NONE => 1.0,
            Dimension::TIME => 1.0 / step,
            _ => {
                self.error(Code::E0302, "spikes come at steps or times", moments.value.span, "neither");
                return None;
            }
        };
        let dimension = times.dimension;
        let (neurons, times) = (self.loaded(&neurons, elements.value.span)?, self.loaded(&times, moments.value.span)?);
        let samples = match samples {
            Some((array, span)) => Some((self.loaded(&array, span)?, span)),
            None => None,
        };
        let len = self.network.graph[node].len() as f64;
        let mut spikes = Vec::with_capacity(times.data.len());
        for index in 0..times.data.len() {
            let (neuron, moment) = (neurons.data.get(index), times.data.get(index) * in_steps);
            if !(neuron >= 0.0 && neuron < len && neuron.fract() == 0.0) {
                let message = format!("spike {index} comes from neuron {neuron}");
                let label = format!("neurons 0 to {} exist", len - 1.0);
                self.error(Code::E0309, message, elements.value.span, label);
                return None;
            }
            let tick = moment.round();
            // Times told in seconds, or kept in single precision, are whole steps but for rounding.
            let whole = (moment - tick).abs() <= 1e-3_f64.max(1e-7 * tick);
            let whole = if dimension == Dimension::TIME { whole } else { moment == tick };
            if !((0.0..4e9).contains(&tick) && whole) {
                let shown = match dimension {
                    Dimension::NONE => format!("step {moment}"),
                    _ => show(Quantity { si: times.data.get(index), dimension }),
                };
                let message = format!("spike {index} comes at {shown}, which is no step of the run");
                let label =
                    format!("steps are 0, 1, 2, …, {} long", show(Quantity { si: step, dimension: Dimension::TIME }));
                let wrong = Diagnostic::new(Code::E0458, message, moments.value.span, label);
                let help = "round the times to whole steps, or set a `step` of which they are multiples";
                self.closer.diagnostics.push(wrong.with_help(help));
                return None;
            }
            let sample = samples.as_ref().map_or(0.0, |(samples, _)| samples.data.get(index));
            if let Some((_, span)) =
                samples.as_ref().filter(|_| !((0.0..1e9).contains(&sample) && sample.fract() == 0.0))
            {
                self.error(
                    Code::E0309,
                    format!("spike {index} is of sample {sample}"),
                    *span,
                    "samples are 0, 1, 2, …",
                );
                return None;
            }
            spikes.push((sample as usize, tick as i64, neuron as i64));
        }
        spikes.sort_unstable();
        let known = spikes.last().map_or(1, |(last, ..)| last + 1);
        if samples.is_some() && phase.samples > 0 && known > phase.samples {
            let message = format!("there are spikes of {known} samples, the others have {}", phase.samples);
            self.error(Code::E0310, message, value.span, "another number of samples");
            return None;
        }
        phase.samples = phase.samples.max(known);
        let mut starts = vec![0; phase.samples + 1];
        spikes.iter().for_each(|(sample, ..)| starts[sample + 1] += 1);
        (1..starts.len()).for_each(|at| starts[at] += starts[at - 1]);
        let mut kept = |name: &str, values: Vec<i64>| {
            let data = TensorData::I64(values);
            let shape = vec![data.len()];
            self.keep(Tensor { name: name.to_string(), shape, data }, value.span)
        };
        let elements = kept("spikes: neuron", spikes.iter().map(|(.., neuron)| *neuron).collect())?;
        let steps = kept("spikes: step", spikes.iter().map(|(_, step, _)| *step).collect())?;
        let starts = kept("spikes: start", starts)?;
        Some(InputData::Spikes { elements, steps, starts })
    }

    /// An array, or `[]`: no spikes.
    fn some_or_none(&mut self, ast: &Ast) -> Option<Array> {
        if !matches!(&ast.kind, ExprKind::List(all) if all.is_empty()) {
            return self.array(ast);
        }
        let data = TensorData::F64(Vec::new());
        Some(Array::known(Tensor { name: String::from("[]"), shape: vec![0], data }, Dimension::NONE))
    }

    /// Tells of given spikes that come after a run, or the time for which a sample is shown.
    pub fn late_spikes(&mut self, fields: &[Field], phase: &Phase) {
        let step = self.plan.step.unwrap_or(DEFAULT_STEP);
        let Some(steps) = phase.duration.map(|seconds| nmc_program::steps(seconds, step).max(1.0)) else { return };
        for (node, data) in &phase.inputs {
            let InputData::Spikes { steps: moments, .. } = data else { continue };
            let moments = &self.tensors[moments.index()].data;
            let late: Vec<f64> = (0..moments.len()).map(|at| moments.get(at)).filter(|at| *at >= steps).collect();
            let name = &self.network.graph[*node].name;
            let field = fields.iter().find(|field| field.key[0].text == *name);
            let (Some(last), Some(field)) = (late.iter().copied().reduce(f64::max), field) else { continue };
            let message = format!("{} of {} spikes come after the end and are left out", late.len(), moments.len());
            let label = format!("the last at step {last}, steps are 0 to {}", steps - 1.0);
            let told = Diagnostic::new(Code::W0464, message, field.value.span, label);
            let help = format!(
                "steps are {} long: times are given with their unit, `spikes(neurons, t * 1 ms)`",
                show(Quantity { si: step, dimension: Dimension::TIME })
            );
            self.closer.diagnostics.push(told.with_help(help));
        }
    }
}
