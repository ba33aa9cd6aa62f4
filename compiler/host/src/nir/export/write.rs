//! A NIR graph as an HDF5 file, as the reader of the package `nir` takes it.

use std::collections::BTreeMap;

use hdf5_pure::FileBuilder;

use super::layers::Windows;

/// The version of NIR whose nodes these are.
const VERSION: &str = "1.0.8";

/// Numbers of a node: its parameter's name, shape and values.
type Numbers = (&'static str, Vec<usize>, Vec<f64>);

/// A node.
#[derive(Debug, Default)]
struct Node {
    kind: &'static str,
    numbers: Vec<(String, Vec<usize>, Vec<f64>)>,
    /// Sizes; without an axis where it is one.
    whole: Vec<(&'static str, Option<usize>, Vec<i64>)>,
}

/// A graph on its way into a file.
#[derive(Debug, Default)]
pub struct Written {
    nodes: BTreeMap<String, Node>,
    edges: Vec<[String; 2]>,
}

impl Written {
    pub fn has(&self, kind: &str) -> bool {
        self.nodes.values().any(|node| node.kind == kind)
    }

    pub fn edge(&mut self, from: &str, to: &str) {
        self.edges.push([from.to_string(), to.to_string()]);
    }

    pub fn node(&mut self, name: &str, kind: &'static str, numbers: Vec<Numbers>) {
        let numbers = numbers.into_iter().map(|(parameter, shape, values)| (parameter.to_string(), shape, values));
        self.nodes.insert(name.to_string(), Node { kind, numbers: numbers.collect(), whole: Vec::new() });
    }

    fn whole(&mut self, name: &str, kind: &'static str, whole: Vec<(&'static str, Option<usize>, Vec<i64>)>) {
        self.nodes.insert(name.to_string(), Node { kind, numbers: Vec::new(), whole });
    }

    /// An input or an output.
    pub fn shaped(&mut self, name: &str, kind: &'static str, shape: &[usize]) {
        self.whole(name, kind, vec![("shape", Some(shape.len()), sizes(shape))]);
    }

    pub fn flatten(&mut self, name: &str, shape: &[usize]) {
        let input = ("input_type", Some(shape.len()), sizes(shape));
        self.whole(name, "Flatten", vec![input, ("start_dim", None, vec![0]), ("end_dim", None, vec![-1])]);
    }

    pub fn pool(&mut self, name: &str, windows: &Windows) {
        let both = |parameter, values: [i64; 2]| (parameter, Some(2), values.to_vec());
        let Windows { size, stride, padding, .. } = *windows;
        let whole = vec![both("kernel_size", size), both("stride", stride), both("padding", padding)];
        self.whole(name, "AvgPool2d", whole);
    }

    pub fn linear(&mut self, name: &str, shape: Vec<usize>, weights: Vec<f64>, bias: Option<Vec<f64>>) {
        let outputs = shape[0];
        let mut numbers = vec![("weight", shape, weights)];
        let kind = if bias.is_some() { "Affine" } else { "Linear" };
        numbers.extend(bias.map(|bias| ("bias", vec![outputs], bias)));
        self.node(name, kind, numbers);
    }

    pub fn convolution(
        &mut self,
        name: &str,
        (shape, weights): (Vec<usize>, Vec<f64>),
        bias: Vec<f64>,
        windows: &Windows,
        (groups, line): (i64, bool),
    ) {
        let outputs = shape[0];
        if line {
            let shape = vec![outputs, shape[1], shape[3]];
            self.node(name, "Conv1d", vec![("weight", shape, weights), ("bias", vec![outputs], bias)]);
            let along = |parameter, values: [i64; 2]| (parameter, None, vec![values[1]]);
            let sizes = [("stride", windows.stride), ("padding", windows.padding), ("dilation", windows.dilation)];
            let mut whole: Vec<_> = sizes.into_iter().map(|(parameter, values)| along(parameter, values)).collect();
            whole.extend([("groups", None, vec![groups]), ("input_shape", None, vec![windows.image[1] as i64])]);
            self.nodes.entry(name.to_string()).or_default().whole = whole;
            return;
        }
        self.node(name, "Conv2d", vec![("weight", shape, weights), ("bias", vec![outputs], bias)]);
        let both = |parameter, values: [i64; 2]| (parameter, Some(2), values.to_vec());
        if let Some(node) = self.nodes.get_mut(name) {
            node.whole = vec![
                both("stride", windows.stride),
                both("padding", windows.padding),
                both("dilation", windows.dilation),
                ("groups", None, vec![groups]),
                ("input_shape", Some(2), sizes(&windows.image)),
            ];
        }
    }

    /// The file's bytes.
    pub fn file(&self) -> Result<Vec<u8>, String> {
        let mut file = FileBuilder::new();
        file.create_dataset("version").with_vlen_strings(&[VERSION]).with_shape(&[]);
        let mut graph = file.create_group("node");
        graph.create_dataset("type").with_vlen_strings(&["NIRGraph"]).with_shape(&[]);
        let ends: Vec<&str> = self.edges.iter().flatten().map(String::as_str).collect();
        graph.create_dataset("edges").with_vlen_strings(&ends).with_shape(&[self.edges.len() as u64, 2]);
        let mut nodes = graph.create_group("nodes");
        for (name, node) in &self.nodes {
            let mut group = nodes.create_group(name);
            group.create_dataset("type").with_vlen_strings(&[node.kind]).with_shape(&[]);
            for (parameter, shape, values) in &node.numbers {
                let shape: Vec<u64> = shape.iter().map(|&len| len as u64).collect();
                let single: Vec<f32> = values.iter().map(|&value| value as f32).collect();
                let dataset = group.create_dataset(parameter);
                match single.iter().zip(values).all(|(single, value)| f64::from(*single) == *value) {
                    true => dataset.with_f32_data(&single).with_shape(&shape),
                    false => dataset.with_f64_data(values).with_shape(&shape),
                };
            }
            for (parameter, axis, values) in &node.whole {
                let shape: Vec<u64> = axis.iter().map(|&len| len as u64).collect();
                group.create_dataset(parameter).with_i64_data(values).with_shape(&shape);
            }
            nodes.add_group(group.finish());
        }
        graph.add_group(nodes.finish());
        file.add_group(graph.finish());
        file.finish().map_err(|error| format!("the file cannot be made: {error}"))
    }
}

fn sizes(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|&len| len as i64).collect()
}
