//! What a run starts from: connections, and the initial values of arrays.

use std::collections::BTreeMap;

use nmc_program::{Amount, Connection, ConnectionId, Delay, Effect, Len, Program, Rounded, TensorId};
use rayon::prelude::*;

use crate::connect::{Shape, Wiring, are_unseen};
use crate::deliver::{Carrier, Runs};
use crate::interpreter::Computable;
use crate::state::{Buffer, Clock, Kernels, Synapses};
use crate::team;
use crate::thinning::Pairs;

/// Initial values of all arrays, with one lane, and the connections.
pub fn prepare<T: Computable>(
    program: &Program,
    kernels: &dyn Kernels<T>,
    seed: u64,
) -> Result<(Vec<Buffer<T>>, Vec<Carrier>), crate::RunError> {
    let mut carriers = Vec::new();
    let mut buffers = vec![Buffer::default(); program.arrays.len()];
    // Neurons first: connections may hang on where they are.
    fill(program, kernels, seed, &mut buffers, None);
    for index in 0..program.connections.len() {
        let id = nmc_program::ConnectionId(index as u32);
        let pairs = Pairs { program, kernels, buffers: &buffers, seed };
        let likely = |of: &Connection, p, into, itself| pairs.draw(of, p, into, itself);
        let wiring = crate::connect::build(program, id, seed, &likely)?;
        carriers.push(Carrier { wiring, ..Carrier::default() });
    }
    fill(program, kernels, seed, &mut buffers, Some(&carriers));
    round_weights(program, &mut buffers, |index| &carriers[index]);
    let mut delayed = Vec::new();
    for (index, carrier) in carriers.iter_mut().enumerate() {
        let connection = &program.connections[index];
        let Delay::PerSynapse { seconds, max_ticks } = connection.delay else { continue };
        // In seconds they have been of use.
        let values = std::mem::take(&mut buffers[seconds.index()]).data;
        let ticks =
            |seconds: &T| nmc_program::steps(seconds.wide(), program.dt).clamp(0.0, f64::from(max_ticks)) as u32;
        carrier.delays = values.iter().map(ticks).collect();
        if are_unseen(program, ConnectionId(index as u32)) {
            let amounts = match &connection.on_pre {
                Effect::Add { amount: Amount::Array(amounts), .. } => Some(amounts.index()),
                Effect::Add { .. } | Effect::Kernel(_) => None,
            };
            delayed.push((
                carrier,
                amounts,
                amounts.map(|at| std::mem::take(&mut buffers[at].data)).unwrap_or_default(),
            ));
        }
    }
    match team::threads() {
        1 => delayed.iter_mut().for_each(|(carrier, _, amounts)| put_together(carrier, amounts)),
        _ => delayed.par_iter_mut().for_each(|(carrier, _, amounts)| put_together(carrier, amounts)),
    }
    for (_, at, amounts) in delayed {
        if let Some(at) = at {
            buffers[at].data = amounts;
        }
    }
    Ok((buffers, carriers))
}

/// Brings synapses of a source that have one delay together; where each adds an amount of its own, that comes along.
fn put_together<T: Computable>(carrier: &mut Carrier, amounts: &mut [T]) {
    let delays = std::mem::take(&mut carrier.delays);
    let (mut runs, wiring) = (Runs { rows: vec![0], ..Runs::default() }, &mut carrier.wiring);
    let (mut order, mut row_targets, mut row_amounts) = (Vec::<(u32, u32)>::new(), Vec::new(), Vec::new());
    for ends in wiring.starts.windows(2) {
        order.clear();
        order.extend((ends[0]..ends[1]).map(|synapse| (delays[synapse as usize], synapse)));
        order.sort_unstable();
        let mut last = None;
        for (at, &(ticks, _)) in order.iter().enumerate() {
            if last.replace(ticks) != Some(ticks) {
                runs.starts.push(ends[0] + at as u32);
                runs.ticks.push(ticks);
            }
        }
        runs.rows.push(runs.ticks.len() as u32);
        let row = ends[0] as usize..ends[1] as usize;
        row_targets.clear();
        row_targets.extend(order.iter().map(|&(_, synapse)| wiring.targets[synapse as usize]));
        wiring.targets[row.clone()].copy_from_slice(&row_targets);
        if !amounts.is_empty() {
            row_amounts.clear();
            row_amounts.extend(order.iter().map(|&(_, synapse)| amounts[synapse as usize]));
            amounts[row].copy_from_slice(&row_amounts);
        }
    }
    runs.starts.push(wiring.len() as u32);
    wiring.shape = Shape::Listed;
    carrier.runs = Some(runs);
}

/// Gives arrays their initial values: those of synapses, once there are connections, or all others.
fn fill<T: Computable>(
    program: &Program,
    kernels: &dyn Kernels<T>,
    seed: u64,
    buffers: &mut [Buffer<T>],
    connected: Option<&[Carrier]>,
) {
    let now = |array: &nmc_program::Array| matches!(array.len, Len::Synapses(_)) == connected.is_some();
    let carriers = connected.unwrap_or_default();
    for (array, buffer) in program.arrays.iter().zip(&mut *buffers).filter(|(array, _)| now(array)) {
        *buffer = start(program, array, carriers);
    }
    for array in program.arrays.iter().filter(|array| now(array)) {
        if let nmc_program::Initial::Kernel(kernel) = array.initial {
            let clock = Clock { seed, tick: 0, sample: 0, time: 0.0 };
            let synapses = synapses_of(array, |index| &carriers[index]);
            kernels.dense(kernel, buffers, 0, length(array, carriers), clock, None, synapses);
        }
    }
}

/// Elements of an array.
fn length(array: &nmc_program::Array, carriers: &[Carrier]) -> usize {
    match array.len {
        Len::Fixed(len) => len,
        Len::Synapses(connection) => carriers[connection.index()].wiring.len(),
    }
}

/// Gives weights the digits that their cores keep of them: whole steps up to the largest of their connection, one bit being the sign; of a single
/// bit, whether they are there, each as large as the largest of its target and sign.
pub fn round_weights<'c, T: Computable>(
    program: &Program,
    buffers: &mut [Buffer<T>],
    carrier: impl Fn(usize) -> &'c Carrier,
) {
    for (index, connection) in program.connections.iter().enumerate() {
        let Some(Rounded { weights, bits, step }) = connection.rounded else { continue };
        let weights = &mut buffers[weights.index()].data;
        if bits > 1 {
            let most = weights.iter().fold(0.0, |most: f64, weight| most.max(weight.wide().abs()));
            let steps = ((1_u64 << (bits - 1)) - 1) as f64;
            let step = step.unwrap_or(most / steps);
            if step > 0.0 {
                let held = |weight: f64| (weight / step).round().clamp(-steps, steps) * step;
                weights.iter_mut().for_each(|weight| *weight = T::of(held(weight.wide())));
            }
            continue;
        }
        let targets = &carrier(index).wiring.targets;
        let mut largest: BTreeMap<(u32, bool), f64> = BTreeMap::new();
        for (weight, target) in weights.iter().zip(targets) {
            let most = largest.entry((*target, weight.wide() < 0.0)).or_default();
            *most = most.max(weight.wide().abs());
        }
        for (weight, target) in weights.iter_mut().zip(targets) {
            let (size, below) = (weight.wide().abs(), weight.wide() < 0.0);
            let most = largest[&(*target, below)];
            let held = if 2.0 * size >= most { most } else { 0.0 };
            *weight = T::of(if below { -held } else { held });
        }
    }
}

/// The synapses that an array holds a number for, none of them chosen.
pub fn synapses_of<'c>(array: &nmc_program::Array, carrier: impl Fn(usize) -> &'c Carrier) -> Option<Synapses<'c>> {
    let nmc_program::Len::Synapses(connection) = array.len else { return None };
    Some(carrier(connection.index()).wiring.synapses(crate::state::Indices::List(&[])))
}

/// Of each synapse the entry [source, target] of a tensor.
pub fn of_pairs<T: Computable>(
    program: &Program,
    tensor: TensorId,
    connection: ConnectionId,
    wiring: &Wiring,
) -> Vec<T> {
    let values = &program.tensors[tensor.index()].data;
    let connection = &program.connections[connection.index()];
    let pairs = wiring.every_source(connection.source_start).zip(&wiring.targets);
    let entry = |(source, &target): (u32, &u32)| {
        let (row, column) = (source as usize - connection.source_start, target as usize - connection.target_start);
        T::of(values.get(row * connection.target_len + column))
    };
    pairs.map(entry).collect()
}

fn start<T: Computable>(program: &Program, array: &nmc_program::Array, carriers: &[Carrier]) -> Buffer<T> {
    let stride = length(array, carriers);
    let data = match array.initial {
        nmc_program::Initial::Fill(value) => vec![T::of(value); stride],
        nmc_program::Initial::Kernel(_) => vec![T::default(); stride],
        nmc_program::Initial::Tensor { tensor, start } => {
            let values = &program.tensors[tensor.index()].data;
            let by_pair = match array.len {
                nmc_program::Len::Fixed(_) => None,
                nmc_program::Len::Synapses(id) => {
                    matches!(program.connections[id.index()].pattern, nmc_program::Pattern::Matrix(_)).then_some(id)
                }
            };
            match by_pair {
                None => (0..stride).map(|i| T::of(values.get(start + i))).collect(),
                Some(connection) => of_pairs(program, tensor, connection, &carriers[connection.index()].wiring),
            }
        }
    };
    Buffer { data, stride, per_lane: array.per_lane }
}
