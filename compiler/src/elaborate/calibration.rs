//! Samples that signals' ranges are measured on: those asked for, else the first of training or testing.

use nmc_grammar::ast::{Expr as Ast, ExprKind};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_program::{Tensor, TensorId};

use super::Elaborator;
use super::present::bare;
use crate::forms::plan::{InputData, PhaseKind};

/// Samples that ranges are measured on when nothing is said.
const CALIBRATION_SAMPLES: usize = 64;

impl Elaborator<'_> {
    /// Samples to measure ranges on: as asked for, else the first of training or testing.
    pub fn calibration(&mut self, asked: Option<&Ast>) {
        if let Some(ast) = asked {
            let inputs = self.network.inputs.clone();
            // For one input, a list of numbers is its samples written out.
            let written = |items: &[Ast]| {
                inputs.len() == 1
                    && items.iter().all(|item| {
                        self.kind(item) == super::signal::Kind::Number || matches!(item.kind, ExprKind::List(_))
                    })
            };
            let parts: Vec<&Ast> = match &ast.kind {
                ExprKind::List(items) if !written(items) => items.iter().collect(),
                _ => vec![ast],
            };
            if parts.len() != inputs.len() {
                let message = format!("{} inputs need as many calibration arrays, not {}", inputs.len(), parts.len());
                let wrong = Diagnostic::new(Code::E0310, message, ast.span, "one array for each input, in their order");
                let names: Vec<String> = inputs.iter().map(|node| self.network.graph[*node].name.clone()).collect();
                let help =
                    format!("those of {}, behind one another: `calibrate: d[\"a\"], d[\"b\"]`", names.join(", "));
                self.closer.diagnostics.push(wrong.with_help(help));
                return;
            }
            let mut phase = bare(PhaseKind::Test, false, 0, ast.span);
            for (part, node) in parts.into_iter().zip(inputs) {
                let name = self.network.graph[node].name.clone();
                match self.value_data(node, &name, part, &mut phase) {
                    Some(InputData::Values(tensor)) => self.plan.calibration.push(tensor),
                    Some(InputData::Spikes { .. }) | None => return,
                }
            }
            return;
        }
        let phases = &self.plan.phases;
        let trained = phases.iter().find(|phase| phase.kind == PhaseKind::Train);
        let Some(phase) = trained.or_else(|| phases.iter().find(|phase| phase.kind == PhaseKind::Test)) else { return };
        let on_test = phase.kind == PhaseKind::Test;
        let fed: Option<Vec<TensorId>> = self
            .network
            .inputs
            .iter()
            .map(|node| {
                phase.inputs.iter().find(|(fed, _)| fed == node).and_then(|(_, data)| match data {
                    InputData::Values(tensor) => Some(*tensor),
                    InputData::Spikes { .. } => None,
                })
            })
            .collect();
        for tensor in fed.unwrap_or_default() {
            let first = first_samples(&self.tensors[tensor.index()]);
            self.tensors.push(first);
            self.plan.calibration.push(TensorId(self.tensors.len() as u32 - 1));
            self.plan.calibrated_on_test = on_test;
        }
    }
}

fn first_samples(tensor: &Tensor) -> Tensor {
    let samples = tensor.shape.first().copied().unwrap_or(1).min(CALIBRATION_SAMPLES);
    let len = samples * tensor.shape.iter().skip(1).product::<usize>();
    let mut shape = tensor.shape.clone();
    if let Some(first) = shape.first_mut() {
        *first = samples;
    }
    let values = (0..len.min(tensor.data.len())).map(|index| tensor.data.get(index)).collect();
    Tensor { name: tensor.name.clone(), shape, data: nmc_program::TensorData::F64(values) }
}
