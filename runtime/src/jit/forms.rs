//! Which functions of each kernel a program needs.

use nmc_program::{Connection, Effect, Initial, Len, Op, Pattern, Program, WrittenBy};

use super::function::Shared;

/// What a function of a kernel runs over.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    /// A stretch of elements.
    Dense,
    /// Elements or synapses of a list.
    Listed,
    /// Synapses at even distances.
    Even(Shared),
}

/// How the kernels of a program are run: each with its form.
pub fn forms(program: &Program) -> Vec<(usize, Form)> {
    let (dense, indexed) = plain_forms(program);
    let of = |wanted: Vec<bool>, form: Form| {
        wanted.into_iter().enumerate().filter_map(move |(kernel, wanted)| wanted.then_some((kernel, form)))
    };
    let full = |connection: &&Connection| matches!(connection.pattern, Pattern::AllToAll { .. });
    let rows = program.connections.iter().filter(full).filter_map(|connection| match connection.on_pre {
        Effect::Kernel(kernel) => Some((kernel.index(), Form::Even(Shared::Source))),
        Effect::Add { .. } => None,
    });
    let ops = program.stages().into_iter().flat_map(|(_, ops)| ops);
    let columns = ops.filter_map(|op| {
        let Op::OnPost { connection, kernel } = op else { return None };
        let column = (kernel.index(), Form::Even(Shared::Target));
        full(&&program.connections[connection.index()]).then_some(column)
    });
    of(dense, Form::Dense).chain(of(indexed, Form::Listed)).chain(rows).chain(columns).collect()
}

/// The longest stretch that each kernel is run over, of those that are known before.
pub fn most(program: &Program) -> Vec<usize> {
    let mut most = vec![0; program.kernels.len()];
    let backward = program.learning().flat_map(nmc_program::Learning::ops);
    for op in program.stages().into_iter().flat_map(|(_, ops)| ops).chain(backward) {
        if let Op::Kernel { kernel, len, .. } = op {
            let known = &mut most[kernel.index()];
            *known = (*len).max(*known);
        }
    }
    most
}

/// Whether each kernel is run over stretches, and over lists.
fn plain_forms(program: &Program) -> (Vec<bool>, Vec<bool>) {
    let mut dense = vec![false; program.kernels.len()];
    let mut indexed = dense.clone();
    for array in &program.arrays {
        if let Initial::Kernel(kernel) = array.initial {
            let over_synapses = matches!(array.len, Len::Synapses(_));
            let form = if over_synapses { &mut indexed } else { &mut dense };
            form[kernel.index()] = true;
        }
    }
    for connection in &program.connections {
        if let Effect::Kernel(kernel) = connection.on_pre {
            indexed[kernel.index()] = true;
        }
        if let Pattern::Likely { p, .. } = connection.pattern {
            indexed[p.index()] = true;
        }
    }
    let learned = program.learning().flat_map(|learning| &learning.layers).flat_map(|layer| &layer.matrices);
    for cells in program.matrices.iter().filter_map(|matrix| matrix.cells.as_ref()) {
        if let Some(current) = &cells.current {
            dense[current.kernel.index()] = true;
        }
    }
    for learner in learned {
        let fast = learner.fast.as_ref();
        let pulsed = learner.pulsed.iter().chain(fast.map(|fast| &fast.pulsed)).map(|pulsed| pulsed.pulse.kernel);
        pulsed.chain(fast.map(|fast| fast.kernel)).for_each(|kernel| dense[kernel.index()] = true);
    }
    for written in program.matrices.iter().filter_map(|matrix| matrix.cells.as_ref()?.written.as_ref()) {
        let half_selected = written.half_selected.iter().map(|other| other.kernel);
        half_selected.chain([written.pulse.kernel]).for_each(|kernel| dense[kernel.index()] = true);
        if let WrittenBy::Verify { kernel, .. } = written.way {
            dense[kernel.index()] = true;
        }
    }
    let backward = program.learning().flat_map(nmc_program::Learning::ops);
    for op in program.stages().into_iter().flat_map(|(_, ops)| ops).chain(backward) {
        if let Op::Kernel { kernel, .. } | Op::Substeps { kernel, .. } = op {
            dense[kernel.index()] = true;
        }
        if let Op::OnSpikes { kernel, .. }
        | Op::OnPost { kernel, .. }
        | Op::Synapses { kernel, .. }
        | Op::Rewire { fresh: kernel, .. }
        | Op::Substeps { kernel, .. } = op
        {
            indexed[kernel.index()] = true;
        }
    }
    (dense, indexed)
}
