//! Layers as NIR's linear nodes; windows of images are read back from the maps that gather them.

use nmc_compiler::algebra::{self, linear};
use nmc_compiler::forms::equations::Symbol;
use nmc_compiler::forms::gather::{AffineMap, Gather};
use nmc_compiler::forms::network::{NodeId, Operator, Weights};
use nmc_compiler::graph::operands;
use nmc_program::Reduction;

use super::Exporter;

/// How windows lie on an image.
struct Windows {
    stride: isize,
    padding: isize,
    dilation: isize,
    /// Rows and columns.
    image: [usize; 2],
}

/// Windows of [channels, rows, columns]: the places of a window's row, and of the row in it, in the index of the map.
fn windows(map: &AffineMap, row: usize, within: usize) -> Option<Windows> {
    let [_, rows, columns] = &map.axes[..] else { return None };
    let of = |axis: &nmc_compiler::forms::gather::Axis, along: usize| {
        Some((*axis.steps.get(row + along)?, -axis.start, *axis.steps.get(within + along)?))
    };
    let ((stride, padding, dilation), columnwise) = (of(rows, 0)?, of(columns, 1)?);
    (columnwise == (stride, padding, dilation) && !rows.nearest).then_some(Windows {
        stride,
        padding,
        dilation,
        image: [rows.len, columns.len],
    })
}

impl Exporter<'_> {
    /// Writes a layer; returns what gives its value.
    pub fn layer(&mut self, node: NodeId) -> Vec<String> {
        let name = self.name(node);
        match self.made(node, &name) {
            Ok(given) => given,
            Err(why) => {
                self.refuse(node, why);
                Vec::new()
            }
        }
    }

    fn from(&mut self, of: NodeId, name: String) -> Vec<String> {
        for from in self.given.get(&of).cloned().unwrap_or_default() {
            self.written.edge(&from, &name);
        }
        vec![name]
    }

    fn made(&mut self, node: NodeId, name: &str) -> Result<Vec<String>, String> {
        let data = &self.network.graph[node];
        let all = operands(self.network, node);
        let Some(&first) = all.first() else { return Err(String::from("it takes nothing")) };
        match &data.operator {
            Operator::Dense { weights, bias, positions: 1 } => {
                let (values, bias) = (self.given_weights(weights)?, bias.map(|bias| self.tensor(bias)));
                let shape = vec![data.len(), self.network.graph[first].len()];
                self.written.linear(name, shape, values, bias);
                Ok(self.from(first, name.to_string()))
            }
            Operator::Dense { .. } => self.convolution(name, &[node]),
            Operator::Gather(gather) => self.gathered(node, name, gather, &all),
            Operator::Reduce { reduction: Reduction::Mean, .. } => {
                let (Operator::Gather(Gather { maps }), Some(image)) =
                    (&self.network.graph[first].operator, self.operand(first))
                else {
                    return Err(String::from("a mean that is none of windows"));
                };
                let found = maps.first().and_then(|map| Some((windows(map, 1, 3)?, *map.shape.get(3)?)));
                let Some((windows, size)) = found else { return Err(String::from("a mean that is none of windows")) };
                let (size, stride, padding) = (size as i64, windows.stride as i64, windows.padding as i64);
                self.written.pool(name, size, stride, padding);
                Ok(self.from(image, name.to_string()))
            }
            Operator::Reduce { .. } => Err(String::from("NIR has no largest of windows")),
            Operator::Elementwise { function, body } => {
                let slopes: Option<Vec<f64>> =
                    (0..all.len()).map(|index| algebra::constant(&linear(body, Symbol::Input(index))?.0)).collect();
                let rest = (0..all.len()).try_fold(body.clone(), |rest, i| Some(linear(&rest, Symbol::Input(i))?.1));
                let none = rest.and_then(|rest| algebra::constant(&rest)) == Some(0.0);
                let Some(slopes) = slopes.filter(|_| none) else {
                    return Err(format!("`{function}` is none of NIR's layers"));
                };
                let mut given = Vec::new();
                for (index, (&operand, factor)) in all.iter().zip(slopes).enumerate() {
                    if factor == 1.0 {
                        given.extend(self.given.get(&operand).cloned().unwrap_or_default());
                        continue;
                    }
                    let shape = self.network.graph[operand].shape.clone();
                    let scaled = if all.len() == 1 { name.to_string() } else { format!("{name}_{index}") };
                    let factors = vec![factor; shape.iter().product()];
                    self.written.node(&scaled, "Scale", vec![("scale", shape, factors)]);
                    given.extend(self.from(operand, scaled));
                }
                Ok(given)
            }
            Operator::Input
            | Operator::Output
            | Operator::Delay
            | Operator::Scatter(_)
            | Operator::Population { .. }
            | Operator::Read { .. } => Err(String::from("it is no layer")),
        }
    }

    fn given_weights(&self, weights: &Weights) -> Result<Vec<f64>, String> {
        match weights {
            Weights::Given(tensor) => Ok(self.tensor(*tensor)),
            Weights::Fitted { .. } => Err(String::from("its weights are found by training")),
        }
    }

    fn gathered(&mut self, node: NodeId, name: &str, gather: &Gather, all: &[NodeId]) -> Result<Vec<String>, String> {
        let (shape, first) = (self.network.graph[node].shape.clone(), all[0]);
        let products =
            |node: &NodeId| matches!(self.network.graph[*node].operator, Operator::Dense { positions: 2.., .. });
        if all.len() > 1 && all.iter().all(products) {
            return self.convolution(name, all);
        }
        // What convolutions and means read is written with them.
        let readers: Vec<NodeId> = self.network.graph.neighbors(node).collect();
        let of_windows = |reader: &NodeId| match &self.network.graph[*reader].operator {
            Operator::Dense { positions, .. } => *positions > 1,
            Operator::Reduce { .. } => true,
            Operator::Input
            | Operator::Output
            | Operator::Elementwise { .. }
            | Operator::Delay
            | Operator::Gather(_)
            | Operator::Scatter(_)
            | Operator::Population { .. }
            | Operator::Read { .. } => false,
        };
        if !gather.is_whole() {
            return match !readers.is_empty() && readers.iter().all(of_windows) {
                true => Ok(Vec::new()),
                false => Err(String::from("NIR has no slices and joins of signals")),
            };
        }
        let before = &self.network.graph[first].shape;
        let of_population = self.counted(first).filter(|of| self.shapes.get(of) == Some(&shape));
        match of_population {
            Some(population) => Ok(vec![self.name(population)]),
            None if *before == shape => Ok(self.given.get(&first).cloned().unwrap_or_default()),
            // Neurons that stand as an image take it as it is.
            None if !readers.is_empty() && readers.iter().all(|reader| self.shapes.get(reader) == Some(before)) => {
                Ok(self.given.get(&first).cloned().unwrap_or_default())
            }
            None if shape.len() == 1 => {
                let before = before.clone();
                self.written.flatten(name, &before);
                Ok(self.from(first, name.to_string()))
            }
            None => Err(format!("NIR gives {before:?} no other shape than a flat one")),
        }
    }

    /// A convolution of one product of windows, or of one for each group.
    fn convolution(&mut self, name: &str, parts: &[NodeId]) -> Result<Vec<String>, String> {
        const NONE: &str = "a product at many positions that is no convolution";
        let (mut values, mut biases, mut known) = (Vec::new(), Vec::new(), None);
        let mut shape = Vec::new();
        for &part in parts {
            let Operator::Dense { weights, bias, .. } = &self.network.graph[part].operator else {
                return Err(NONE.into());
            };
            let (read, window) = (self.operand(part).ok_or(NONE)?, self.network.windows.get(&part).ok_or(NONE)?);
            let Operator::Gather(Gather { maps }) = &self.network.graph[read].operator else { return Err(NONE.into()) };
            let found = maps.first().and_then(|map| windows(map, 3, 1)).ok_or(NONE)?;
            known = Some((self.operand(read).ok_or(NONE)?, found));
            let own = self.given_weights(weights)?;
            let outputs = own.len() / window.iter().product::<usize>();
            shape = vec![outputs * parts.len(), window[0], window[1], window[2]];
            values.extend(own);
            biases.extend(bias.map_or_else(|| vec![0.0; outputs], |bias| self.tensor(bias)));
        }
        let (image, windows) = known.ok_or(NONE)?;
        let (stride, padding, dilation) = (windows.stride as i64, windows.padding as i64, windows.dilation as i64);
        // A part of one group is written with the others, where they are joined.
        let joined = |node: &NodeId| match &self.network.graph[*node].operator {
            Operator::Gather(gather) => gather.maps.len() > 1,
            Operator::Input
            | Operator::Output
            | Operator::Dense { .. }
            | Operator::Elementwise { .. }
            | Operator::Reduce { .. }
            | Operator::Delay
            | Operator::Scatter(_)
            | Operator::Population { .. }
            | Operator::Read { .. } => false,
        };
        let partial = parts.len() == 1 && shape[1] < self.network.graph[image].shape[0];
        if partial && self.network.graph.neighbors(parts[0]).any(|reader| joined(&reader)) {
            return Ok(Vec::new());
        }
        self.written.convolution(
            name,
            (shape, values),
            biases,
            [stride, padding, dilation, parts.len() as i64],
            windows.image,
        );
        Ok(self.from(image, name.to_string()))
    }
}
