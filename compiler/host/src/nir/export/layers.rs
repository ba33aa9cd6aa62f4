//! Layers as NIR's linear nodes; windows of images are read back from the maps that gather them.

use nmc_compiler::algebra::{self, linear};
use nmc_compiler::forms::equations::Symbol;
use nmc_compiler::forms::gather::{AffineMap, Gather};
use nmc_compiler::forms::network::{NodeId, Operator, Weights};
use nmc_compiler::graph::{operands, origin};
use nmc_program::Reduction;

use super::Exporter;

/// How windows lie on an image: along rows, and along columns.
pub struct Windows {
    pub size: [i64; 2],
    pub stride: [i64; 2],
    pub padding: [i64; 2],
    pub dilation: [i64; 2],
    pub image: [usize; 2],
}

/// Windows of [channels, rows, columns]: the places of a window's row, and of the row in it, in the index of the map. None where the
/// padding at one end is another than at the other.
fn windows(map: &AffineMap, row: usize, within: usize) -> Option<Windows> {
    let [_, rows, columns] = &map.axes[..] else { return None };
    let of = |axis: &nmc_compiler::forms::gather::Axis, along: usize| {
        let number = |len: usize| i64::try_from(len).ok();
        let (count, size) = (number(*map.shape.get(row + along)?)?, number(*map.shape.get(within + along)?)?);
        let (stride, padding) = (*axis.steps.get(row + along)? as i64, -axis.start as i64);
        let dilation = *axis.steps.get(within + along)? as i64;
        let room = number(axis.len)? + 2 * padding - dilation * (size - 1) - 1;
        (!axis.nearest && room / stride + 1 == count).then_some((size, stride, padding, dilation))
    };
    let (rows_of, columns_of) = (of(rows, 0)?, of(columns, 1)?);
    Some(Windows {
        size: [rows_of.0, columns_of.0],
        stride: [rows_of.1, columns_of.1],
        padding: [rows_of.2, columns_of.2],
        dilation: [rows_of.3, columns_of.3],
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
            // It is written where it is joined with the others.
            Operator::Dense { .. } if self.is_factor(node) => Ok(Vec::new()),
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
                let found = maps.first().and_then(|map| windows(map, 1, 3));
                let Some(windows) = found else {
                    return Err(String::from(
                        "a mean that is none of windows, or padded at one side more than at the other",
                    ));
                };
                self.written.pool(name, &windows);
                Ok(self.from(image, name.to_string()))
            }
            Operator::Reduce { .. } => Err(String::from("NIR has no largest of windows")),
            Operator::Softmax => Err(String::from("NIR has no softmax")),
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

    /// Of products of single elements that are joined: what they are of, and the factor of each element.
    fn scaled(&self, join: NodeId) -> Option<(NodeId, Vec<f64>)> {
        let Operator::Gather(_) = &self.network.graph[join].operator else { return None };
        let (parts, mut factors, mut of) = (operands(self.network, join), Vec::new(), None);
        for (at, &part) in parts.iter().enumerate() {
            let Operator::Dense { weights: Weights::Given(weight), bias: None, positions: 1 } =
                self.network.graph[part].operator
            else {
                return None;
            };
            let (source, element) = origin(self.network, self.operand(part)?, 0)?;
            let [factor] = self.tensor(weight)[..] else { return None };
            let in_order = element == at && origin(self.network, join, at) == Some((part, 0));
            if !in_order || *of.get_or_insert(source) != source {
                return None;
            }
            factors.push(factor);
        }
        let of = of.filter(|of| parts.len() > 1 && self.network.graph[*of].len() == parts.len())?;
        Some((of, factors))
    }

    /// Whether all that reads a node are such products, or what leads to them.
    fn is_scaled(&self, node: NodeId) -> bool {
        let mut readers = self.network.graph.neighbors(node).peekable();
        readers.peek().is_some()
            && readers.all(|reader| match &self.network.graph[reader].operator {
                Operator::Dense { .. } => self.is_factor(reader),
                Operator::Gather(gather) => !gather.is_whole() && self.is_scaled(reader),
                Operator::Input
                | Operator::Output
                | Operator::Elementwise { .. }
                | Operator::Reduce { .. }
                | Operator::Softmax
                | Operator::Delay
                | Operator::Scatter(_)
                | Operator::Population { .. }
                | Operator::Read { .. } => false,
            })
    }

    fn is_factor(&self, node: NodeId) -> bool {
        let mut readers = self.network.graph.neighbors(node).peekable();
        readers.peek().is_some() && readers.all(|reader| self.scaled(reader).is_some())
    }

    fn given_weights(&self, weights: &Weights) -> Result<Vec<f64>, String> {
        match weights {
            Weights::Given(tensor) => Ok(self.tensor(*tensor)),
            Weights::Fitted { .. } => Err(String::from("its weights are found by training")),
        }
    }

    fn gathered(&mut self, node: NodeId, name: &str, gather: &Gather, all: &[NodeId]) -> Result<Vec<String>, String> {
        let (shape, first) = (self.network.graph[node].shape.clone(), all[0]);
        if let Some((of, factors)) = self.scaled(node) {
            self.written.node(name, "Scale", vec![("scale", self.network.graph[of].shape.clone(), factors)]);
            return Ok(self.from(of, name.to_string()));
        }
        if self.is_scaled(node) {
            return Ok(Vec::new());
        }
        if let Some((of, _)) = self.scaled(first).filter(|_| gather.is_whole())
            && self.network.graph[of].shape == shape
        {
            return Ok(self.given.get(&first).cloned().unwrap_or_default());
        }
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
            | Operator::Softmax
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
        // A line stands as an image of one row for its convolution.
        let windowed = |reader: &NodeId| matches!(&self.network.graph[*reader].operator, Operator::Gather(gather) if !gather.is_whole());
        let stood = self.line(node).is_some() && !readers.is_empty() && readers.iter().all(windowed);
        let laid = self.is_of_line(first) && [before[0], before[2]] == shape[..];
        if stood || laid {
            return Ok(self.given.get(&first).cloned().unwrap_or_default());
        }
        let of_population = self.counted(first).filter(|of| self.shapes.get(of) == Some(&shape));
        match of_population {
            Some(population) => Ok(vec![self.name(population)]),
            None if *before == shape => Ok(self.given.get(&first).cloned().unwrap_or_default()),
            // Neurons that stand as an image take it as it is.
            None if !readers.is_empty() && readers.iter().all(|reader| self.shapes.get(reader) == Some(before)) => {
                Ok(self.given.get(&first).cloned().unwrap_or_default())
            }
            None if shape.len() == 1 => {
                let before = if self.is_of_line(first) { vec![before[0], before[2]] } else { before.clone() };
                self.written.flatten(name, &before);
                Ok(self.from(first, name.to_string()))
            }
            None => Err(format!("NIR gives {before:?} no other shape than a flat one")),
        }
    }

    /// The line [channels, length] that a node makes an image of one row.
    fn line(&self, image: NodeId) -> Option<NodeId> {
        let Operator::Gather(gather) = &self.network.graph[image].operator else { return None };
        let of = self.operand(image).filter(|_| gather.is_whole())?;
        let [channels, len] = self.network.graph[of].shape[..] else { return None };
        (self.network.graph[image].shape == [channels, 1, len]).then_some(of)
    }

    /// Whether a node [channels, 1, length] is a convolution of a line.
    fn is_of_line(&self, node: NodeId) -> bool {
        let image = |part: NodeId| self.operand(self.operand(part)?);
        let product = |part: NodeId| {
            let windows = self.network.windows.contains_key(&part);
            windows && image(part).is_some_and(|image| self.line(image).is_some())
        };
        let parts = operands(self.network, node);
        let joined = parts.len() > 1 && parts.into_iter().all(product);
        matches!(self.network.graph[node].shape[..], [_, 1, _]) && (product(node) || joined)
    }

    /// A convolution of one product of windows, or of one for each group.
    fn convolution(&mut self, name: &str, parts: &[NodeId]) -> Result<Vec<String>, String> {
        const NONE: &str =
            "a product at many positions that is no convolution, or one padded at one side more than at the other";
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
        // A part of one group is written with the others, where they are joined.
        let joined = |node: &NodeId| match &self.network.graph[*node].operator {
            Operator::Gather(gather) => gather.maps.len() > 1,
            Operator::Input
            | Operator::Output
            | Operator::Dense { .. }
            | Operator::Elementwise { .. }
            | Operator::Reduce { .. }
            | Operator::Softmax
            | Operator::Delay
            | Operator::Scatter(_)
            | Operator::Population { .. }
            | Operator::Read { .. } => false,
        };
        let partial = parts.len() == 1 && shape[1] < self.network.graph[image].shape[0];
        if partial && self.network.graph.neighbors(parts[0]).any(|reader| joined(&reader)) {
            return Ok(Vec::new());
        }
        let line = self.line(image);
        self.written.convolution(name, (shape, values), biases, &windows, (parts.len() as i64, line.is_some()));
        Ok(self.from(line.unwrap_or(image), name.to_string()))
    }
}
