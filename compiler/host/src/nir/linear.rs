//! NIR's linear nodes as layers.

use super::file::{Node, Numbers};
use super::graph::{Made, Reader, Value, plain};
use crate::layers::{Array, From, Layer, Windows};

/// Sizes beyond this are no model's.
const LARGEST: f64 = 16_777_216.0;

impl Reader<'_> {
    /// A layer of a linear node on a signal.
    pub fn linear(&mut self, name: &str, node: &Node, from: From, shape: &[usize], spiking: bool) -> Made<Value> {
        let made = |from: From, shape: Vec<usize>| Ok(Value::Signal { from, shape, spiking });
        match node.kind.as_str() {
            "Affine" | "Linear" => {
                let weights = weights(name, node)?;
                let &[outputs, inputs] = &weights.shape[..] else {
                    return Err(format!("its weights are {:?}, no matrix", weights.shape));
                };
                if shape != [inputs] {
                    return Err(format!("its weights {:?} take [{inputs}], {shape:?} lead to it", weights.shape));
                }
                let bias = bias(name, node, outputs, node.kind == "Affine")?;
                let shape = vec![outputs];
                made(self.step(name, Layer::Dense { weights, bias }, vec![from], &shape), shape)
            }
            "Scale" => {
                let scale = numbers(node, "scale")?;
                match scale.values[..] {
                    [first, ..] if scale.values.iter().all(|value| *value == first) => {
                        let layer = Layer::Arithmetic { sign: "*", number: Some(first) };
                        made(self.step(name, layer, vec![from], shape), shape.to_vec())
                    }
                    // Each element is a channel of its own.
                    _ if scale.values.len() == shape.iter().product::<usize>() => {
                        let (len, image) = (scale.values.len(), [scale.values.len(), 1, 1]);
                        let Value::Signal { from, .. } = self.formed(from, name, shape, &image, spiking) else {
                            return Ok(Value::Unknown);
                        };
                        let (name_of, values) = (format!("{}.weight", plain(name)), scale.values.clone());
                        let weights = Array { name: name_of, shape: vec![len, 1, 1, 1], values };
                        let windows = Windows { size: [1; 2], stride: [1; 2], padding: [[0; 2]; 2], dilation: [1; 2] };
                        let layer = Layer::Convolution { weights, bias: None, windows, groups: len };
                        let from = self.step(name, layer, vec![from], &image);
                        Ok(self.formed(from, name, &image, shape, spiking))
                    }
                    _ => Err(format!("its factors are {:?}, {shape:?} leads to it", scale.shape)),
                }
            }
            "Conv2d" => {
                let layer = self.convolution(name, node, from, shape)?;
                made(layer.0, layer.1)
            }
            "Conv1d" => {
                let &[channels, len] = shape else {
                    return Err(format!("{shape:?} leads to it, not [channels, length]"));
                };
                let image = [channels, 1, len];
                let Value::Signal { from, .. } = self.formed(from, name, shape, &image, spiking) else {
                    return Ok(Value::Unknown);
                };
                let (from, image) = self.convolution(name, node, from, &image)?;
                Ok(self.formed(from, name, &image, &[image[0], image[2]], spiking))
            }
            "SumPool2d" | "AvgPool2d" => {
                let &[channels, rows, columns] = shape else {
                    return Err(format!("{shape:?} leads to it, no image [channels, rows, columns]"));
                };
                let (size, stride) = (pair(node, "kernel_size", None)?, pair(node, "stride", None)?);
                let padding = pair(node, "padding", Some(0.0))?.map(|pad| [pad; 2]);
                let windows = Windows { size, stride, padding, dilation: [1; 2] };
                let [rows, columns] = windows.count([rows, columns])?;
                let shape = vec![channels, rows, columns];
                let from = self.step(name, Layer::Pool { largest: false, windows }, vec![from], &shape);
                let sum = Layer::Arithmetic { sign: "*", number: Some((size[0] * size[1]) as f64) };
                made(if node.kind == "SumPool2d" { self.step(name, sum, vec![from], &shape) } else { from }, shape)
            }
            "Delay" => Err(String::from("only the spikes of neurons can be delayed, before they are summed")),
            _ => Err(String::from("nmc knows no such node")),
        }
    }

    /// Of an image [channels, rows, columns]; a kernel of one axis lies along the columns.
    fn convolution(&mut self, name: &str, node: &Node, from: From, shape: &[usize]) -> Made<(From, Vec<usize>)> {
        let mut weights = weights(name, node)?;
        let line = weights.shape.len() == 3;
        if let [outputs, of_group, width] = weights.shape[..] {
            weights.shape = vec![outputs, of_group, 1, width];
        }
        let (&[channels, rows, columns], &[outputs, of_group, height, width]) = (shape, &weights.shape[..]) else {
            return Err(format!("its weights are {:?}, {shape:?} lead to it", weights.shape));
        };
        let groups = sizes(node, "groups")?.first().copied().unwrap_or(1);
        if of_group.checked_mul(groups) != Some(channels) || !outputs.is_multiple_of(groups) {
            return Err(format!("its weights {:?} do not fit {channels} channels in {groups} groups", weights.shape));
        }
        if outputs * height * width == 0 {
            return Err(format!("its weights are {:?}", weights.shape));
        }
        let of_line =
            |across: usize, [rows, columns]: [usize; 2]| if line { [across, columns] } else { [rows, columns] };
        let (stride, dilation) = (pair(node, "stride", None)?, pair(node, "dilation", None)?);
        let (stride, dilation) = (of_line(1, stride), of_line(1, dilation));
        let padding = match node.words.get("padding").map(String::as_str) {
            Some("valid") => [[0; 2]; 2],
            Some(word) => return Err(format!("its padding is `{word}`: give numbers")),
            None => of_line(0, pair(node, "padding", Some(0.0))?).map(|pad| [pad; 2]),
        };
        let windows = Windows { size: [height, width], stride, dilation, padding };
        let [rows, columns] = windows.count([rows, columns])?;
        let shape = vec![outputs, rows, columns];
        let bias = bias(name, node, outputs, false)?;
        let layer = Layer::Convolution { weights, bias, windows, groups };
        Ok((self.step(name, layer, vec![from], &shape), shape))
    }
}

pub fn numbers<'a>(node: &'a Node, name: &str) -> Made<&'a Numbers> {
    node.arrays.get(name).ok_or_else(|| format!("it has no `{name}`"))
}

fn weights(name: &str, node: &Node) -> Made<Array> {
    let Numbers { shape, values } = numbers(node, "weight")?.clone();
    match values.is_empty() {
        true => Err(format!("its weights are {shape:?}")),
        false => Ok(Array { name: format!("{}.weight", plain(name)), shape, values }),
    }
}

/// One number an output; none where all are 0.
fn bias(name: &str, node: &Node, outputs: usize, needed: bool) -> Made<Option<Array>> {
    let Some(Numbers { shape, values }) = node.arrays.get("bias").cloned() else {
        return if needed { Err(String::from("it has no `bias`")) } else { Ok(None) };
    };
    if values.len() != outputs {
        return Err(format!("its bias is {shape:?}, not one number for each of {outputs} outputs"));
    }
    let array = Array { name: format!("{}.bias", plain(name)), shape: vec![outputs], values };
    Ok(array.values.iter().any(|value| *value != 0.0).then_some(array))
}

fn whole(value: f64, name: &str, least: f64) -> Made<usize> {
    match value.fract() == 0.0 && (least..LARGEST).contains(&value) {
        true => Ok(value as usize),
        false => Err(format!("its `{name}` is {value}")),
    }
}

/// Sizes above 0.
pub fn sizes(node: &Node, name: &str) -> Made<Vec<usize>> {
    let sizes = &numbers(node, name)?.values;
    let sizes = sizes.iter().map(|&size| whole(size, name, 1.0)).collect::<Made<Vec<usize>>>()?;
    let elements = sizes.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    match !sizes.is_empty() && elements.is_some_and(|elements| (elements as f64) < LARGEST) {
        true => Ok(sizes),
        false => Err(format!("its `{name}` is {sizes:?}")),
    }
}

/// A number along rows and one along columns.
fn pair(node: &Node, name: &str, otherwise: Option<f64>) -> Made<[usize; 2]> {
    let least = if name == "padding" { 0.0 } else { 1.0 };
    let values = match (node.arrays.get(name), otherwise) {
        (Some(numbers), _) => &numbers.values[..],
        (None, Some(_)) if node.words.get(name).is_none_or(|word| word == "valid") => &[0.0],
        (None, _) => return Err(format!("it has no `{name}`")),
    };
    match *values {
        [both] => Ok([whole(both, name, least)?; 2]),
        [rows, columns] => Ok([whole(rows, name, least)?, whole(columns, name, least)?]),
        _ => Err(format!("its `{name}` is {values:?}")),
    }
}

/// A shape of which axes `start_dim` to `end_dim` are joined.
pub fn flattened(node: &Node, shape: &[usize]) -> Made<Vec<usize>> {
    let axis = |name: &str| {
        let value = numbers(node, name)?.values.first().copied().unwrap_or(0.0);
        let axis = if value < 0.0 { value + shape.len() as f64 } else { value };
        whole(axis, name, 0.0)
            .ok()
            .filter(|axis| *axis < shape.len())
            .ok_or(format!("its `{name}` is {value} of {shape:?}"))
    };
    let (start, end) = (axis("start_dim")?, axis("end_dim")?);
    if start > end {
        return Err(format!("it joins axes {start} to {end}"));
    }
    let joined = shape[start..=end].iter().product();
    Ok(shape[..start].iter().copied().chain([joined]).chain(shape[end + 1..].iter().copied()).collect())
}
