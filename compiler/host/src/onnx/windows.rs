//! Windows of images: convolutions and pools. A line [channels, length] is an image of one row.

use onnx_rs::ast::Node;

use super::graph::{Made, Reader, Value};
use super::operators::{attribute, integer, size};
use crate::layers::{From, Layer, Windows};

/// A signal as an image.
struct Image {
    from: From,
    channels: usize,
    size: [usize; 2],
    /// Whether it is a line.
    line: bool,
}

impl Reader {
    fn image(&mut self, node: &Node) -> Made<Image> {
        let (from, shape) = self.signal(node, 0)?;
        match shape[..] {
            [channels, rows, columns] => Ok(Image { from, channels, size: [rows, columns], line: false }),
            [channels, len] => {
                let name = format!("{}_row", node.output[0]);
                let from = self.step(name, Layer::Reshape, vec![from], vec![channels, 1, len]);
                Ok(Image { from, channels, size: [1, len], line: true })
            }
            _ => Err(format!("it takes an image or a line, not {shape:?} a sample")),
        }
    }

    /// What windows of an image became, as a line again where it was one.
    fn seen(&mut self, node: &Node, layer: Layer, image: &Image, shape: [usize; 3]) -> Made<Value> {
        let made = self.add(node, layer, vec![image.from], shape.to_vec())?;
        if let (Value::Signal(from, _), true) = (&made, image.line) {
            let name = format!("{}_line", node.output[0]);
            let shape = vec![shape[0], shape[2]];
            return Ok(Value::Signal(self.step(name, Layer::Reshape, vec![*from], shape.clone()), shape));
        }
        Ok(made)
    }

    pub fn convolution(&mut self, node: &Node) -> Made<Value> {
        let mut weights = self.floats(node, 1)?;
        let image = self.image(node)?;
        if let ([outputs, of_group, width], true) = (&weights.shape[..], image.line) {
            weights.shape = vec![*outputs, *of_group, 1, *width];
        }
        let &[outputs, of_group, height, width] = &weights.shape[..] else {
            return Err(format!("weights {:?} on {:?} a sample", weights.shape, image.size));
        };
        let (groups, channels) = (size(integer(node, "group", 1))?, image.channels);
        if of_group.checked_mul(groups) != Some(channels)
            || !outputs.is_multiple_of(groups)
            || outputs * height * width == 0
        {
            return Err(format!("weights {:?} do not fit {channels} channels in {groups} groups", weights.shape));
        }
        let windows = windows(node, [height, width], &image)?;
        let [rows, columns] = windows.count(image.size)?;
        let bias = self.bias(node, outputs)?;
        self.seen(node, Layer::Convolution { weights, bias, windows, groups }, &image, [outputs, rows, columns])
    }

    pub fn pool(&mut self, node: &Node, largest: bool) -> Made<Value> {
        let image = self.image(node)?;
        let kernel = pair(node, "kernel_shape", image.line)?.ok_or("it has no kernel_shape")?;
        let mut windows = windows(node, kernel, &image)?;
        let padded = windows.padding.concat().iter().any(|pad| *pad > 0);
        if windows.dilation != [1, 1] || (0..2).any(|axis| windows.padding[axis].iter().any(|pad| *pad >= kernel[axis]))
        {
            return Err(String::from("its windows have no dilation, and pads less than the kernel"));
        }
        if !largest && padded && integer(node, "count_include_pad", 0) == 0 {
            return Err(String::from("a mean counts its padding: count_include_pad"));
        }
        let mut count = windows.count(image.size)?;
        for axis in 0..2 {
            let [before, after] = windows.padding[axis];
            let start = count[axis] * windows.stride[axis];
            let beyond = (start + kernel[axis]).saturating_sub(image.size[axis] + before + after);
            // One more window begins in the image, and ends beyond it.
            if integer(node, "ceil_mode", 0) != 0 && beyond < windows.stride[axis] && start < image.size[axis] + before
            {
                if !largest {
                    return Err(String::from("a mean has whole windows only: no ceil_mode"));
                }
                windows.padding[axis][1] += beyond;
                count[axis] += 1;
            }
        }
        let shape = [image.channels, count[0], count[1]];
        self.seen(node, Layer::Pool { largest, windows }, &image, shape)
    }

    /// The mean, or the largest, of each channel.
    pub fn whole(&mut self, node: &Node, largest: bool) -> Made<Value> {
        let image = self.image(node)?;
        let windows = Windows { stride: image.size, ..Windows::of(image.size) };
        self.seen(node, Layer::Pool { largest, windows }, &image, [image.channels, 1, 1])
    }

    /// A vector's mean, that of an image of one row: [1].
    pub fn mean_of_a_vector(&mut self, name: &str, from: From, len: usize) -> From {
        let row = self.step(format!("{name}_row"), Layer::Reshape, vec![from], vec![1, 1, len]);
        let windows = Windows { stride: [1, len], ..Windows::of([1, len]) };
        let pooled = Layer::Pool { largest: false, windows };
        let pooled = self.step(format!("{name}_pool"), pooled, vec![row], vec![1, 1, 1]);
        self.step(name.to_string(), Layer::Reshape, vec![pooled], vec![1])
    }

    /// A mean over all axes but those of samples and channels is that of the whole image.
    pub fn mean(&mut self, node: &Node) -> Made<Value> {
        let (from, shape) = self.signal(node, 0)?;
        let mut axes = self.integers(node, 1, "axes")?.unwrap_or_default();
        let rank = shape.len() as i64 + 1;
        axes.iter_mut().filter(|axis| **axis < 0).for_each(|axis| *axis += rank);
        axes.sort_unstable();
        if let ([len], [1], 1) = (&shape[..], &axes[..], integer(node, "keepdims", 1)) {
            return Ok(Value::Signal(self.mean_of_a_vector(node.output[0], from, *len), vec![1]));
        }
        if !axes.iter().copied().eq(2..rank) || shape.len() < 2 {
            return Err(format!("over axes {axes:?} of {shape:?} a sample: it is taken of whole channels"));
        }
        let made = self.whole(node, false)?;
        if let (Value::Signal(from, shape), 0) = (&made, integer(node, "keepdims", 1)) {
            let flat = vec![shape[0]];
            let name = format!("{}_flat", node.output[0]);
            return Ok(Value::Signal(self.step(name, Layer::Flatten, vec![*from], flat.clone()), flat));
        }
        Ok(made)
    }
}

/// Two numbers, of rows and of columns; of a line one is given.
fn pair(node: &Node, name: &str, line: bool) -> Made<Option<[usize; 2]>> {
    let numbers = attribute(node, name).map_or(&[][..], |attribute| &attribute.ints);
    match (numbers, line) {
        ([], _) => Ok(None),
        ([columns], true) => Ok(Some([1, size(*columns)?])),
        ([rows, columns], false) => Ok(Some([size(*rows)?, size(*columns)?])),
        _ => Err(format!("{name} {numbers:?}: not a number for each axis")),
    }
}

/// How windows of this size lie on an image.
fn windows(node: &Node, size: [usize; 2], image: &Image) -> Made<Windows> {
    let stride = pair(node, "strides", image.line)?.unwrap_or([1; 2]);
    let dilation = pair(node, "dilations", image.line)?.unwrap_or([1; 2]);
    let mut windows = Windows { size, stride, dilation, padding: [[0; 2]; 2] };
    let word = attribute(node, "auto_pad").map_or(&b"NOTSET"[..], |attribute| attribute.s);
    match word {
        b"NOTSET" | b"" => {
            let pads = attribute(node, "pads").map_or(&[][..], |attribute| &attribute.ints);
            let pad = |pad: &i64| usize::try_from(*pad).ok().filter(|pad| *pad < 1 << 16);
            let known: Option<Vec<usize>> = pads.iter().map(pad).collect();
            windows.padding = match (known.as_deref(), image.line) {
                (Some([]), _) => [[0; 2]; 2],
                (Some(&[left, right]), true) => [[0; 2], [left, right]],
                (Some(&[top, left, bottom, right]), false) => [[top, bottom], [left, right]],
                (Some(_) | None, _) => return Err(format!("pads {pads:?}: not two numbers from 0 on for each axis")),
            };
        }
        b"VALID" => {}
        b"SAME_UPPER" | b"SAME_LOWER" => {
            for (axis, (size, stride)) in image.size.into_iter().zip(stride).enumerate() {
                let count = size.div_ceil(stride);
                let all = ((count - 1) * stride + windows.reach(axis)).saturating_sub(size);
                let (less, more) = (all / 2, all.div_ceil(2));
                windows.padding[axis] = if word == b"SAME_UPPER" { [less, more] } else { [more, less] };
            }
        }
        other => return Err(format!("auto_pad {}", String::from_utf8_lossy(other))),
    }
    Ok(windows)
}
