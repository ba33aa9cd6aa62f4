//! What a run leaves for another program: states and weights as they are at the end of its last step.

use std::collections::BTreeMap;

use nmc_program::{Left, Owner, Pattern, Precision, Program, Tensor, TensorData};

use crate::connect::Wiring;
use crate::state::{Buffer, Real};

/// Of each, its numbers in SI units: [elements]; of connections [sources, targets] where all are joined to all or a matrix says who, else
/// [synapses], with `.source` and `.target` beside, counted from the first that the connection joins. The state has moved for so many `ticks`.
pub fn left<'w, T: Real>(
    program: &Program,
    wiring: impl Fn(usize) -> &'w Wiring,
    buffers: &[Buffer<T>],
    ticks: u64,
) -> Vec<Tensor> {
    let tensor = |name: String, shape, values: Vec<f64>| {
        let data = match program.precision {
            Precision::F32 => TensorData::F32(values.into_iter().map(|value| value as f32).collect()),
            Precision::F64 => TensorData::F64(values),
        };
        Tensor { name, shape, data }
    };
    let (mut tensors, mut told) = (Vec::new(), BTreeMap::new());
    for left in &program.left {
        let values = values(left, buffers, (ticks as f64 - 1.0) * program.dt);
        let (Owner::Synapses(id) | Owner::Sources(id) | Owner::Targets(id)) = left.of else {
            tensors.push(tensor(left.name.clone(), vec![values.len()], values));
            continue;
        };
        let (connection, wiring) = (&program.connections[id.index()], wiring(id.index()));
        let ends = || {
            let sources = wiring.every_source(connection.source_start).map(|end| end as usize);
            sources.zip(wiring.targets.iter().map(|end| *end as usize))
        };
        let values: Vec<f64> = match left.of {
            Owner::Elements | Owner::Synapses(_) => values,
            Owner::Sources(_) => ends().map(|(source, _)| values[source]).collect(),
            Owner::Targets(_) => ends().map(|(_, target)| values[target]).collect(),
        };
        let own = |(source, target)| (source - connection.source_start, target - connection.target_start);
        let all = connection.source_len * connection.target_len;
        // Every pair once.
        let whole = || {
            let mut seen = vec![false; if values.len() == all { all } else { 0 }];
            let mut new = |(source, target): (usize, usize)| {
                seen.get_mut(source * connection.target_len + target).is_some_and(|seen| !std::mem::replace(seen, true))
            };
            values.len() == all && ends().map(own).all(&mut new)
        };
        let first = !told.contains_key(&id);
        if *told.entry(id).or_insert_with(|| matches!(connection.pattern, Pattern::Matrix(_)) || whole()) {
            let mut placed = vec![0.0; all];
            for ((source, target), value) in ends().map(own).zip(values) {
                placed[source * connection.target_len + target] = value;
            }
            tensors.push(tensor(left.name.clone(), vec![connection.source_len, connection.target_len], placed));
            continue;
        }
        if first {
            let of = left.name.rsplit_once('.').map_or("", |(of, _)| of);
            let sources = ends().map(|pair| own(pair).0 as f64).collect();
            let targets = ends().map(|pair| own(pair).1 as f64).collect();
            tensors.push(tensor(format!("{of}.source"), vec![values.len()], sources));
            tensors.push(tensor(format!("{of}.target"), vec![values.len()], targets));
        }
        tensors.push(tensor(left.name.clone(), vec![values.len()], values));
    }
    tensors
}

/// What is left, at so many seconds.
fn values<T: Real>(left: &Left, buffers: &[Buffer<T>], now: f64) -> Vec<f64> {
    let of = |array: nmc_program::ArrayId| buffers[array.index()].lane(0).iter().map(|value| value.wide());
    let factor = left.factors.and_then(|factors| of(factors).next()).unwrap_or(1.0);
    let values = of(left.array).map(|value| value * factor);
    let Some(lazy) = &left.lazy else { return values.collect() };
    let since = |(value, last): (f64, f64)| {
        let elapsed = (now - last).max(0.0);
        let z = lazy.rate * elapsed;
        let phi1 = if z == 0.0 { 1.0 } else { z.exp_m1() / z };
        value * z.exp() + lazy.drive * elapsed * phi1
    };
    values.zip(of(lazy.last)).map(since).collect()
}
