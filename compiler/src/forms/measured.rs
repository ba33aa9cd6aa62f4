//! `Measured`: what a trial run of the network on the ideal chip told of its signals.

use std::collections::BTreeMap;

use super::network::NodeId;

/// What a trial run told.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// [samples, elements] of each node, at the end of each sample.
    pub values: BTreeMap<NodeId, Vec<f32>>,
    /// [samples, steps, elements] of each node that moves in time, as a step reads or makes it.
    pub steps: BTreeMap<NodeId, Vec<f32>>,
    /// [samples, steps, elements] of each node where outputs are taken after several steps: what these are made from.
    pub taken: BTreeMap<NodeId, Vec<f32>>,
    /// The bias of each fitted layer: it is added after its products are sensed.
    pub biases: BTreeMap<NodeId, Vec<f32>>,
}
