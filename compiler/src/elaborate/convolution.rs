//! `conv2d`, `max_pool`, `average_pool`: windows of an image are gathered, then multiplied or reduced.

use nmc_grammar::ast::{Arg, Expr as Ast, Ident};
use nmc_grammar::codes::Code;
use nmc_grammar::diagnostic::Diagnostic;
use nmc_grammar::span::Span;
use nmc_grammar::suggest::closest;
use nmc_program::Reduction;

use super::Elaborator;
use super::array::Array;
use super::signal::Kind;
use crate::forms::gather::{AffineMap, Axis, Gather};
use crate::forms::network::{Logical, NodeId, Operator, Weights};

/// How windows lie on an image [channels, rows, columns].
#[derive(Clone, Copy)]
struct Windows {
    /// The image.
    channels: usize,
    size: (usize, usize),
    /// A window.
    kernel: (usize, usize),
    stride: usize,
    padding: usize,
    /// Whether the padding repeats the edge, else zeros.
    nearest: bool,
    dilation: usize,
}

impl Windows {
    /// Rows and columns of windows; none when not even one fits.
    fn count(&self) -> Option<(usize, usize)> {
        let along = |size: usize, kernel: usize| {
            let reach = self.dilation * (kernel - 1) + 1;
            Some((size + 2 * self.padding).checked_sub(reach)? / self.stride + 1)
        };
        Some((along(self.size.0, self.kernel.0)?, along(self.size.1, self.kernel.1)?))
    }

    /// The axes of the image over an index of five axes: where in it are (window row, window column, row in it, column in it, channel).
    fn axes(&self, first_channel: usize, places: [usize; 5]) -> Vec<Axis> {
        let steps = |of: [usize; 5]| {
            let mut steps = vec![0; 5];
            places.iter().zip(of).for_each(|(&place, step)| steps[place] = step as isize);
            steps
        };
        let start = -(self.padding as isize);
        vec![
            Axis { len: self.channels, start: first_channel as isize, steps: steps([0, 0, 0, 0, 1]), nearest: false },
            Axis {
                len: self.size.0,
                start,
                steps: steps([self.stride, 0, self.dilation, 0, 0]),
                nearest: self.nearest,
            },
            Axis {
                len: self.size.1,
                start,
                steps: steps([0, self.stride, 0, self.dilation, 0]),
                nearest: self.nearest,
            },
        ]
    }
}

impl Elaborator<'_> {
    /// `conv2d(weights, bias: b, stride: 1, padding: 0, dilation: 1, groups: 1)` of an image [channels, rows, columns];
    /// weights [outputs, channels of a group, rows, columns]. `conv2d(outputs, window: 3, bias: true)` is to be trained.
    pub fn conv2d(&mut self, from: NodeId, args: &[Arg], user: Option<&Ident>, span: Span) -> Option<NodeId> {
        let from = self.real(from, span)?;
        let known = ["bias", "stride", "padding", "dilation", "groups", "window", "start", "within"];
        let (weights, named) = self.one_and_named("conv2d", "weights", args, &known, span)?;
        let number = |this: &mut Self, index: usize, otherwise: usize, least: f64| match named[index] {
            Some(ast) => this.count(ast, least),
            None => Some(otherwise),
        };
        let (stride, padding) = (number(self, 1, 1, 1.0)?, number(self, 2, 0, 0.0)?);
        let (dilation, groups) = (number(self, 3, 1, 1.0)?, number(self, 4, 1, 1.0)?);
        let (channels, size) = self.image(from, "conv2d", span)?;
        let is_given = self.kind(weights) == Kind::Data;
        let (array, bias, spread) = match (is_given, named[5]) {
            (true, None) => (self.array(weights)?, None, None),
            (false, Some(_)) if channels % groups != 0 => {
                let message = format!("{channels} channels cannot be divided into {groups} groups");
                let at = named[4].map_or(span, |ast| ast.span);
                self.error(Code::E0303, message, at, "as many channels in each are needed");
                return None;
            }
            (false, Some(window)) => {
                let (outputs, window) = (self.count(weights, 1.0)?, self.count(window, 1.0)?);
                let shape = [outputs, channels / groups, window, window];
                let (array, bias, spread) = self.random(&shape, named[6], named[0], span)?;
                (array, bias, Some(spread))
            }
            (true, Some(window)) => {
                self.error(Code::E0418, "the weights say how large a window is", window.span, "known already");
                return None;
            }
            (false, None) => {
                let message = "`conv2d` takes weights, or a number of outputs and how large its windows are";
                self.error(Code::E0207, message, weights.span, "such as `conv2d(8, window: 3, bias: true)`");
                return None;
            }
        };
        if let (Some(start), None) = (named[6], spread) {
            return self.starts_nowhere(start);
        }
        let &[outputs, of_group, rows, columns] = &array.shape[..] else {
            let message =
                format!("weights are [outputs, channels, rows, columns], `{}` is {:?}", array.name, array.shape);
            self.error(Code::E0308, message, weights.span, "not four axes");
            return None;
        };
        if of_group * groups != channels || outputs % groups != 0 || array.len() == 0 {
            let message = format!(
                "`{}` is {:?}: it takes {of_group} channels in each of {groups} groups, not {channels} in all",
                array.name, array.shape
            );
            self.error(Code::E0308, message, weights.span, "weights are [outputs, channels of a group, rows, columns]");
            return None;
        }
        let windows = Windows { channels, size, kernel: (rows, columns), stride, padding, nearest: false, dilation };
        let count = self.fitting(&windows, span)?;
        let dimension = array.dimension.times(self.dimension(from));
        let bias = match (named[0], spread) {
            (Some(ast), None) => Some(self.bias_array(ast, outputs, dimension)?),
            (_, _) => bias,
        };
        let (positions, each) = (count.0 * count.1, outputs / groups);
        let mut parts = Vec::new();
        for group in 0..groups {
            let shape = vec![of_group, rows, columns, count.0, count.1];
            let map = AffineMap { shape, axes: windows.axes(group * of_group, [3, 4, 1, 2, 0]) };
            let inputs = of_group * rows * columns;
            let gather = Operator::Gather(Gather { maps: vec![map] });
            let read = self.add(gather, vec![inputs, positions], Logical::Real, span, None, "windows", &[from])?;
            let outputs = (group * each, (group + 1) * each);
            let own = array.clone().cut(vec![outputs], vec![each, inputs]);
            let kept = Weights::Given(self.keep_later(own, weights.span));
            let bias_span = named[0].map_or(span, |ast| ast.span);
            let bias = bias.clone().map(|bias| self.keep_later(bias.cut(vec![outputs], vec![each]), bias_span));
            let product = Operator::Dense { weights: kept, bias, positions };
            let (user, base) = if groups == 1 { (user, "conv2d") } else { (None, "group") };
            let shape = vec![each, count.0, count.1];
            let part = self.add(product, shape, Logical::Real, span, user, base, &[read])?;
            match (spread, named[7]) {
                (Some(spread), within) => self.starts_within(part, spread, within)?,
                (None, Some(within)) => self.hold_within(part, within)?,
                (None, None) => {}
            }
            self.network.windows.insert(part, [of_group, rows, columns]);
            parts.push(part);
        }
        let node = match parts[..] {
            [only] => only,
            _ => {
                let join = Operator::Gather(Gather::join(parts.iter().map(|part| self.network.graph[*part].len())));
                let shape = vec![outputs, count.0, count.1];
                self.add(join, shape, Logical::Real, span, user, "conv2d", &parts)?
            }
        };
        self.dimensions.insert(node, dimension);
        Some(node)
    }

    /// `max_pool(2, stride: 2, padding: 0)`, `average_pool(2, stride: 2, padding: 0)`: of each channel's windows; a mean counts the zeros
    /// of its padding.
    pub fn pool(
        &mut self,
        reduction: Reduction,
        from: NodeId,
        args: &[Arg],
        user: Option<&Ident>,
        span: Span,
    ) -> Option<NodeId> {
        let from = self.real(from, span)?;
        let name = if reduction == Reduction::Mean { "average_pool" } else { "max_pool" };
        let (ast, named) = self.one_and_named(name, "size", args, &["stride", "padding"], span)?;
        let kernel = self.count(ast, 1.0)?;
        let stride = match named[0] {
            Some(ast) => self.count(ast, 1.0)?,
            None => kernel,
        };
        let padding = match named[1] {
            Some(ast) => self.count(ast, 0.0)?,
            None => 0,
        };
        if padding >= kernel {
            let message = format!("a padding of {padding} leaves windows of {kernel} that see nothing of the image");
            self.error(Code::E0303, message, span, "the padding is less than the size");
            return None;
        }
        let (channels, size) = self.image(from, name, span)?;
        // What pads a largest value must never be it; the edge is in every window that reaches beyond it.
        let nearest = reduction == Reduction::Maximum;
        let windows = Windows { channels, size, kernel: (kernel, kernel), stride, padding, nearest, dilation: 1 };
        let count = self.fitting(&windows, span)?;
        let each = kernel * kernel;
        let shape = vec![channels, count.0, count.1, kernel, kernel];
        let map = AffineMap { shape, axes: windows.axes(0, [1, 2, 3, 4, 0]) };
        let gather = Operator::Gather(Gather { maps: vec![map] });
        let shape = vec![channels, count.0, count.1, each];
        let read = self.add(gather, shape, Logical::Real, span, None, "windows", &[from])?;
        let shape = vec![channels, count.0, count.1];
        let node = self.add(Operator::Reduce { reduction, each }, shape, Logical::Real, span, user, name, &[read])?;
        self.dimensions.insert(node, self.dimension(from));
        Some(node)
    }

    /// The nameless argument, and those with these names.
    fn one_and_named<'a>(
        &mut self,
        layer: &str,
        first: &str,
        args: &'a [Arg],
        names: &[&str],
        span: Span,
    ) -> Option<(&'a Ast, Vec<Option<&'a Ast>>)> {
        let (mut one, mut named) = (None, vec![None; names.len()]);
        for arg in args {
            let place = arg.name.as_ref().map(|name| names.iter().position(|known| *known == name.text));
            match place {
                None if one.is_none() => one = Some(&arg.value),
                Some(Some(index)) if named[index].is_none() => named[index] = Some(&arg.value),
                None | Some(_) => {
                    let (message, span) = match &arg.name {
                        Some(name) => (format!("`{layer}` has no argument `{}`", name.text), name.span),
                        None => (format!("`{layer}` takes one {first}"), arg.value.span),
                    };
                    let label = format!("its arguments: {first}, {}", names.join(", "));
                    let mut wrong = Diagnostic::new(Code::E0206, message, span, label);
                    let near = arg.name.as_ref().and_then(|name| closest(&name.text, names.iter().copied()));
                    wrong.help = near.map(|near| format!("did you mean `{near}`?"));
                    self.closer.diagnostics.push(wrong);
                    return None;
                }
            }
        }
        let Some(one) = one else {
            self.error(Code::E0207, format!("`{layer}` needs its {first}"), span, "not given");
            return None;
        };
        Some((one, named))
    }

    /// Channels, and rows and columns, of an image; without channels it has one.
    fn image(&mut self, node: NodeId, layer: &str, span: Span) -> Option<(usize, (usize, usize))> {
        let data = &self.network.graph[node];
        match data.shape[..] {
            [channels, rows, columns] => Some((channels, (rows, columns))),
            [rows, columns] => Some((1, (rows, columns))),
            _ => {
                let message = format!("`{layer}` takes an image, `{}` is {:?}", data.name, data.shape);
                let flat = Diagnostic::new(Code::E0303, message, span, "takes [channels, rows, columns]");
                self.closer.diagnostics.push(flat.with_help("put `|> reshape(channels, rows, columns)` before it"));
                None
            }
        }
    }

    fn fitting(&mut self, windows: &Windows, span: Span) -> Option<(usize, usize)> {
        let count = windows.count();
        if count.is_none() {
            let (kernel, size) = (windows.kernel, windows.size);
            let message = format!("windows of {}x{} do not fit {}x{}", kernel.0, kernel.1, size.0, size.1);
            self.error(Code::E0303, message, span, "the image is too small here");
        }
        let along = |size: usize, kernel: usize, count: usize| {
            let place = |window: usize, at: usize| {
                (window * windows.stride + at * windows.dilation).checked_sub(windows.padding)
            };
            (0..count).any(|window| (0..kernel).any(|at| place(window, at).is_some_and(|place| place < size)))
        };
        if let Some((rows, columns)) = count
            && !(along(windows.size.0, windows.kernel.0, rows) && along(windows.size.1, windows.kernel.1, columns))
        {
            self.error(Code::E0303, "all windows lie in the padding", span, "nothing of the image is seen");
            return None;
        }
        count
    }

    /// The array of a bias.
    pub fn bias_array(&mut self, ast: &Ast, outputs: usize, wanted: crate::quantity::Dimension) -> Option<Array> {
        let array = self.array(ast)?;
        if array.shape != [outputs] {
            let message = format!("`{}` is {:?}, the layer has {outputs} outputs", array.name, array.shape);
            self.error(Code::E0308, message, ast.span, "the bias is one number an output");
            return None;
        }
        if array.dimension != wanted {
            self.error(Code::E0302, "bias and product are of different dimensions", ast.span, "cannot be added");
            return None;
        }
        Some(array)
    }
}
