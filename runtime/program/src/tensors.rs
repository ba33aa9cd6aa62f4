//! Which tensors a program uses; the others (those for calibration, say) are left out of it.

use crate::{Initial, InputFeed, Loss, MetricKind, Op, Pattern, Program, Target, TensorId, To, WeightSource};

impl Program {
    /// Leaves out the tensors that nothing names.
    pub fn keep_used_tensors(&mut self) {
        let mut used = vec![false; self.tensors.len()];
        for id in self.tensor_ids() {
            if let Some(used) = used.get_mut(id.index()) {
                *used = true;
            }
        }
        let place = |next: &mut u32, &used: &bool| {
            let place = *next;
            *next += u32::from(used);
            Some(place)
        };
        let places: Vec<u32> = used.iter().scan(0, place).collect();
        for id in self.tensor_ids() {
            *id = TensorId(places.get(id.index()).copied().unwrap_or(u32::MAX));
        }
        let mut used = used.into_iter();
        self.tensors.retain(|_| used.next().unwrap_or(false));
    }

    /// Every mention of a tensor.
    fn tensor_ids(&mut self) -> Vec<&mut TensorId> {
        let mut ids = Vec::new();
        for array in &mut self.arrays {
            match &mut array.initial {
                Initial::Tensor { tensor, .. } => ids.push(tensor),
                Initial::Fill(_) | Initial::Kernel(_) => {}
            }
        }
        for matrix in &mut self.matrices {
            match &mut matrix.weights {
                WeightSource::Tensor { tensor, .. } => ids.push(tensor),
                WeightSource::Fitted { .. } | WeightSource::Held(_) => {}
            }
        }
        for connection in &mut self.connections {
            match &mut connection.pattern {
                Pattern::Matrix(tensor) => ids.push(tensor),
                Pattern::List { sources, targets } => ids.extend([sources, targets]),
                Pattern::AllToAll { .. }
                | Pattern::OneToOne
                | Pattern::Random { .. }
                | Pattern::Likely { .. }
                | Pattern::FixedInDegree { .. }
                | Pattern::FixedOutDegree { .. }
                | Pattern::FixedTotalNumber { .. } => {}
            }
        }
        let each = self.begin.iter_mut().chain(&mut self.tick).chain(&mut self.end);
        for op in each.chain(&mut self.programming) {
            ids.extend(indices(op));
        }
        for phase in &mut self.phases {
            for feed in &mut phase.inputs {
                match feed {
                    InputFeed::Values { tensor, .. } => ids.push(tensor),
                    InputFeed::Spikes { elements, steps, starts, .. } => ids.extend([elements, steps, starts]),
                }
            }
            ids.extend(phase.changes.iter_mut().filter_map(|(_, to)| match to {
                To::Pairs(tensor) | To::Elements { values: tensor, .. } => Some(tensor),
                To::Fill(_) | To::Range { .. } => None,
            }));
            if let Some(learning) = &mut phase.learning {
                ids.push(match &mut learning.loss {
                    Loss::CrossEntropy { labels } | Loss::SquaredLabels { labels } => labels,
                    Loss::Squared { targets } => targets,
                });
                let through = learning.through.iter_mut();
                let through = through.flat_map(|through| through.tick.iter_mut().chain(&mut through.begin));
                ids.extend(learning.backward.iter_mut().chain(through).filter_map(indices));
            }
            ids.extend(phase.fits.iter_mut().map(|fit| &mut fit.target));
            ids.extend(phase.metrics.iter_mut().flat_map(|metric| &mut metric.steps).filter_map(compared));
        }
        ids
    }
}

/// The tensor that a metric compares with.
fn compared(kind: &mut MetricKind) -> Option<&mut TensorId> {
    match kind {
        MetricKind::Accuracy { labels: data, .. }
        | MetricKind::Nrmse { target: Target::Data(data), .. }
        | MetricKind::MeanSquaredError { target: Target::Data(data), .. } => Some(data),
        MetricKind::Nrmse { target: Target::Output(_), .. }
        | MetricKind::MeanSquaredError { target: Target::Output(_), .. }
        | MetricKind::Output { .. }
        | MetricKind::Final { .. }
        | MetricKind::Number(_)
        | MetricKind::Calculated(_) => None,
    }
}

/// The tensor that an operation reads.
fn indices(op: &mut Op) -> Option<&mut TensorId> {
    match op {
        Op::Gather { indices, .. } | Op::Scatter { indices, .. } => Some(indices),
        Op::Kernel { .. }
        | Op::Substeps { .. }
        | Op::OnSpikes { .. }
        | Op::Emit { .. }
        | Op::Deliver { .. }
        | Op::OnPost { .. }
        | Op::Synapses { .. }
        | Op::Rewire { .. }
        | Op::Fill { .. }
        | Op::Decay { .. }
        | Op::Multiply { .. }
        | Op::Transposed { .. }
        | Op::Copy { .. }
        | Op::Past { .. }
        | Op::Reduce { .. }
        | Op::Target { .. }
        | Op::Write { .. }
        | Op::Fold { .. }
        | Op::Present { .. } => None,
    }
}
