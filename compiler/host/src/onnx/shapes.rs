//! What changes the shape of signals, joins them and takes parts of them.

use onnx_rs::ast::Node;

use super::graph::{Constant, Made, Reader, Value};
use super::operators::{attribute, integer};
use crate::layers::Layer;

impl Reader {
    pub fn flatten(&mut self, node: &Node) -> Made<Value> {
        let (_, shape) = self.signal(node, 0)?;
        self.reformed(node, vec![shape.iter().product()])
    }

    /// The same elements in another shape.
    pub fn reformed(&mut self, node: &Node, shape: Vec<usize>) -> Made<Value> {
        let (from, before) = self.signal(node, 0)?;
        if before == shape {
            return Ok(Value::Signal(from, shape));
        }
        let layer = if shape.len() == 1 { Layer::Flatten } else { Layer::Reshape };
        self.add(node, layer, vec![from], shape)
    }

    pub fn reshape(&mut self, node: &Node) -> Made<Value> {
        let (_, before) = self.signal(node, 0)?;
        let to = match node.input.get(1).and_then(|name| self.values.get(*name)) {
            Some(Value::Constant(Constant::Integers(to))) => to.clone(),
            Some(_) | None => return Err(String::from("its shape is computed, not given")),
        };
        let len: usize = before.iter().product();
        let given = to.get(1..).unwrap_or_default();
        let known: usize = given.iter().filter_map(|&len| usize::try_from(len).ok()).product();
        let free = given.iter().filter(|len| **len < 0).count();
        let shape: Vec<usize> = given.iter().map(|&of| usize::try_from(of).unwrap_or(len / known.max(1))).collect();
        if shape.is_empty() || free > 1 || (free == 1 && to[0] < 0) || shape.iter().product::<usize>() != len {
            return Err(format!("{before:?} a sample to {to:?}: the first axis is that of the samples"));
        }
        self.reformed(node, shape)
    }

    /// Axes of one element, taken away.
    pub fn without_axes(&mut self, node: &Node, shape: &[usize]) -> Made<Value> {
        let rank = shape.len() + 1;
        let all = || (1..rank).filter(|axis| shape[axis - 1] == 1).map(|axis| axis as i64).collect();
        let axes = self.integers(node, 1, "axes")?.unwrap_or_else(all);
        let axes = axes.iter().map(|axis| counted(*axis, rank)).collect::<Option<Vec<usize>>>();
        match axes.filter(|axes| axes.iter().all(|axis| *axis > 0 && shape[axis - 1] == 1)) {
            Some(axes) if axes.len() < shape.len() => {
                let kept = (1..rank).filter(|axis| !axes.contains(axis)).map(|axis| shape[axis - 1]).collect();
                self.reformed(node, kept)
            }
            Some(_) | None => Err(format!("of {shape:?} a sample axes of one element are taken away")),
        }
    }

    /// More axes of one element.
    pub fn with_axes(&mut self, node: &Node) -> Made<Value> {
        let (_, mut shape) = self.signal(node, 0)?;
        let mut axes = self.integers(node, 1, "axes")?.unwrap_or_default();
        let rank = shape.len() + 1 + axes.len();
        axes.iter_mut().filter(|axis| **axis < 0).for_each(|axis| *axis += rank as i64);
        axes.sort_unstable();
        for axis in axes {
            match usize::try_from(axis).ok().filter(|axis| (1..=shape.len() + 1).contains(axis)) {
                Some(axis) => shape.insert(axis - 1, 1),
                None => return Err(String::from("the first axis is that of the samples")),
            }
        }
        self.reformed(node, shape)
    }

    /// Axes of one element may change their places.
    pub fn turned_signal(&mut self, node: &Node, order: &[usize], shape: &[usize]) -> Made<Value> {
        let moved: Vec<usize> = order.iter().skip(1).filter_map(|axis| axis.checked_sub(1)).collect();
        let mut sorted = moved.clone();
        sorted.sort_unstable();
        let long: Vec<usize> = moved.iter().copied().filter(|axis| shape.get(*axis) != Some(&1)).collect();
        match order.first() == Some(&0) && sorted.into_iter().eq(0..shape.len()) && long.is_sorted() {
            true => self.reformed(node, moved.into_iter().map(|axis| shape[axis]).collect()),
            false => Err(format!("its order {order:?} of {shape:?} a sample: elements would change their places")),
        }
    }

    pub fn concat(&mut self, node: &Node) -> Made<Value> {
        let parts = (0..node.input.len()).map(|index| self.signal(node, index)).collect::<Made<Vec<_>>>()?;
        let first = parts.first().map(|(_, shape)| shape.clone()).filter(|shape| !shape.is_empty());
        let mut shape = first.ok_or("it joins nothing")?;
        let alike = |other: &[usize]| other.len() == shape.len() && other[1..] == shape[1..];
        if counted(integer(node, "axis", 1), shape.len() + 1) != Some(1) || !parts.iter().all(|(_, of)| alike(of)) {
            return Err(String::from("signals are joined along their first axis (axis 1)"));
        }
        shape[0] = parts.iter().map(|(_, shape)| shape[0]).sum();
        self.add(node, Layer::Concat, parts.into_iter().map(|(from, _)| from).collect(), shape)
    }

    /// Neighbours along the first axis.
    pub fn slice(&mut self, node: &Node) -> Made<Value> {
        let (_, shape) = self.signal(node, 0)?;
        let given = [(1, "starts"), (2, "ends"), (3, "axes"), (4, "steps")]
            .map(|(index, name)| self.integers(node, index, name));
        let [starts, ends, axes, steps] = given;
        let (starts, ends) = (starts?.unwrap_or_default(), ends?.unwrap_or_default());
        let axes = axes?.unwrap_or_else(|| (0..starts.len() as i64).collect());
        let one_by_one = steps?.is_none_or(|steps| steps.iter().all(|step| *step == 1));
        let mut range = 0..shape[0];
        if !one_by_one || ends.len() != starts.len() || axes.len() != starts.len() {
            return Err(String::from("it takes neighbours, from starts to ends"));
        }
        for ((start, end), axis) in starts.into_iter().zip(ends).zip(axes) {
            let axis = counted(axis, shape.len() + 1).ok_or("it has no such axis")?;
            let len = if axis == 0 { i64::MAX } else { shape[axis - 1] as i64 };
            let at = |place: i64| if place < 0 { place.saturating_add(len) } else { place }.clamp(0, len);
            match axis {
                1 => range = at(start) as usize..at(end) as usize,
                0 if start == 0 && end >= i64::from(i32::MAX) => {}
                1.. if (at(start), at(end)) == (0, len) => {}
                _ => return Err(format!("axis {axis}: a signal is cut along its first axis (axis 1)")),
            }
        }
        self.cut(node, 0, range)
    }

    /// Parts along the first axis.
    pub fn split(&mut self, node: &Node) -> Made<Value> {
        let (_, shape) = self.signal(node, 0)?;
        let parts = node.output.len();
        if counted(integer(node, "axis", 0), shape.len() + 1) != Some(1) {
            return Err(String::from("a signal is cut along its first axis (axis 1)"));
        }
        let each = shape[0].div_ceil(parts) as i64;
        let equal = || (0..parts as i64).map(|part| each.min(shape[0] as i64 - part * each)).collect();
        let lens = self.integers(node, 1, "split")?.unwrap_or_else(equal);
        let part = |len: &i64| usize::try_from(*len).ok().filter(|len| *len <= shape[0]);
        let lens: Option<Vec<usize>> = lens.iter().map(part).collect();
        let lens = lens.filter(|lens| lens.len() == parts && lens.iter().sum::<usize>() == shape[0]);
        let lens = lens.ok_or_else(|| format!("{shape:?} a sample in {parts} parts"))?;
        let (mut start, mut made) = (0, Vec::new());
        for (part, len) in lens.into_iter().enumerate() {
            made.push(self.cut(node, part, start..start + len)?);
            start += len;
        }
        for (name, value) in node.output.iter().zip(&made).skip(1) {
            self.values.insert(name.to_string(), value.clone());
        }
        made.into_iter().next().ok_or_else(|| String::from("it gives nothing"))
    }

    fn cut(&mut self, node: &Node, output: usize, range: std::ops::Range<usize>) -> Made<Value> {
        let (from, mut shape) = self.signal(node, 0)?;
        if range.start >= range.end {
            return Err(format!("{}..{} of {shape:?} a sample: nothing is left", range.start, range.end));
        }
        shape[0] = range.len();
        let cut = Layer::Formula(format!("{{0}}[{}..{}]", range.start, range.end));
        let from = self.step(node.output[output].to_string(), cut, vec![from], shape.clone());
        Ok(Value::Signal(from, shape))
    }

    /// Integers that are an operand, or an attribute of old; none where they are left out.
    pub fn integers(&self, node: &Node, index: usize, name: &str) -> Made<Option<Vec<i64>>> {
        match node.input.get(index).filter(|name| !name.is_empty()).map(|name| self.values.get(*name)) {
            Some(Some(Value::Constant(Constant::Integers(numbers)))) => Ok(Some(numbers.clone())),
            Some(_) => Err(format!("its {name} are computed, not given")),
            None => Ok(attribute(node, name).map(|a| a.ints.clone())),
        }
    }
}

/// An axis, counted from the last where it is below 0.
fn counted(axis: i64, rank: usize) -> Option<usize> {
    let axis = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(axis).ok().filter(|axis| *axis < rank)
}
