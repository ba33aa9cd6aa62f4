//! `conv2d`, `max_pool`, `average_pool`: windows of an image are gathered, then multiplied or reduced.

use nmc_grammar::ast::{Arg, Expr as Ast, ExprKind, Ident};
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

/// How windows lie along rows or columns.
#[derive(Clone, Copy)]
struct Along {
    /// Of the image.
    len: usize,
    /// Of a window: how much it reads.
    kernel: usize,
    stride: usize,
    dilation: usize,
    /// Padding at either end.
    before: usize,
    after: usize,
}

impl Along {
    /// How many windows; none when not even one fits.
    fn count(&self) -> Option<usize> {
        let reach = self.dilation * (self.kernel - 1) + 1;
        Some((self.len + self.before + self.after).checked_sub(reach)? / self.stride + 1)
    }

    /// Whether a window sees anything of the image.
    fn sees(&self, count: usize) -> bool {
        let place = |window: usize, at: usize| (window * self.stride + at * self.dilation).checked_sub(self.before);
        (0..count).any(|window| (0..self.kernel).any(|at| place(window, at).is_some_and(|place| place < self.len)))
    }
}

/// How windows lie on an image [channels, rows, columns].
#[derive(Clone, Copy)]
struct Windows {
    channels: usize,
    rows: Along,
    columns: Along,
    /// Whether the padding repeats the edge, else zeros.
    nearest: bool,
}

impl Windows {
    /// The axes of the image over an index of five axes: where in it are (window row, window column, row in it, column in it, channel).
    fn axes(&self, first_channel: usize, places: [usize; 5]) -> Vec<Axis> {
        let steps = |of: [usize; 5]| {
            let mut steps = vec![0; 5];
            places.iter().zip(of).for_each(|(&place, step)| steps[place] = step as isize);
            steps
        };
        let along = |of: &Along, steps| {
            let start = -(of.before as isize);
            Axis { len: of.len, start, steps, nearest: self.nearest }
        };
        let (rows, columns) = (&self.rows, &self.columns);
        vec![
            Axis { len: self.channels, start: first_channel as isize, steps: steps([0, 0, 0, 0, 1]), nearest: false },
            along(rows, steps([rows.stride, 0, rows.dilation, 0, 0])),
            along(columns, steps([0, columns.stride, 0, columns.dilation, 0])),
        ]
    }
}

impl Elaborator<'_> {
    /// `conv2d(weights, bias: b, stride: 1, padding: 0, dilation: 1, groups: 1)` of an image [channels, rows, columns];
    /// weights [outputs, channels of a group, rows, columns]. `conv2d(outputs, window: 3, bias: true)` is to be trained.
    /// What differs along rows and columns is a pair, `stride: (2, 1)`, a padding that differs at both ends four numbers.
    pub fn conv2d(&mut self, from: NodeId, args: &[Arg], user: Option<&Ident>, span: Span) -> Option<NodeId> {
        let from = self.real(from, span)?;
        let known = ["bias", "stride", "padding", "dilation", "groups", "window", "start", "within"];
        let (weights, named) = self.one_and_named("conv2d", "weights", args, &known, span)?;
        let (stride, padding) = (self.pair(named[1], [1, 1])?, self.padding(named[2])?);
        let dilation = self.pair(named[3], [1, 1])?;
        let groups = match named[4] {
            Some(ast) => self.count(ast, 1.0)?,
            None => 1,
        };
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
                let (outputs, [rows, columns]) = (self.count(weights, 1.0)?, self.pair(Some(window), [1, 1])?);
                let shape = [outputs, channels / groups, rows, columns];
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
        let windows = laid((channels, size), [rows, columns], (stride, padding, dilation), false);
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
    /// of its padding. What differs along rows and columns is told as for `conv2d`, the size, too.
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
        let kernel = self.pair(Some(ast), [1, 1])?;
        let (stride, padding) = (self.pair(named[0], kernel)?, self.padding(named[1])?);
        if let Some((size, pad)) = kernel
            .iter()
            .zip(&padding)
            .find_map(|(size, pads)| pads.iter().find(|pad| *pad >= size).map(|pad| (size, pad)))
        {
            let message = format!("a padding of {pad} leaves windows of {size} that see nothing of the image");
            self.error(Code::E0303, message, span, "the padding is less than the size");
            return None;
        }
        let (channels, size) = self.image(from, name, span)?;
        // What pads a largest value must never be it; the edge is in every window that reaches beyond it.
        let nearest = reduction == Reduction::Maximum;
        let windows = laid((channels, size), kernel, (stride, padding, [1, 1]), nearest);
        let count = self.fitting(&windows, span)?;
        let each = kernel[0] * kernel[1];
        let shape = vec![channels, count.0, count.1, kernel[0], kernel[1]];
        let map = AffineMap { shape, axes: windows.axes(0, [1, 2, 3, 4, 0]) };
        let gather = Operator::Gather(Gather { maps: vec![map] });
        let shape = vec![channels, count.0, count.1, each];
        let read = self.add(gather, shape, Logical::Real, span, None, "windows", &[from])?;
        let shape = vec![channels, count.0, count.1];
        let node = self.add(Operator::Reduce { reduction, each }, shape, Logical::Real, span, user, name, &[read])?;
        self.dimensions.insert(node, self.dimension(from));
        Some(node)
    }

    /// Numbers in parentheses, or one.
    fn counts(&mut self, ast: &Ast, least: f64) -> Option<Vec<usize>> {
        match &ast.kind {
            ExprKind::Tuple(items) | ExprKind::List(items) => {
                items.iter().map(|item| self.count(item, least)).collect()
            }
            _ => Some(vec![self.count(ast, least)?]),
        }
    }

    /// A number of both, or one along rows and one along columns.
    fn pair(&mut self, ast: Option<&Ast>, otherwise: [usize; 2]) -> Option<[usize; 2]> {
        let Some(ast) = ast else { return Some(otherwise) };
        match self.counts(ast, 1.0)?[..] {
            [both] => Some([both; 2]),
            [rows, columns] => Some([rows, columns]),
            _ => {
                let message = "one number is needed, or one along rows and one along columns";
                self.error(Code::E0305, message, ast.span, "such as `2`, or `(2, 1)`");
                None
            }
        }
    }

    /// What pads rows, and columns, at either end.
    fn padding(&mut self, ast: Option<&Ast>) -> Option<[[usize; 2]; 2]> {
        let Some(ast) = ast else { return Some([[0; 2]; 2]) };
        match self.counts(ast, 0.0)?[..] {
            [all] => Some([[all; 2]; 2]),
            [rows, columns] => Some([[rows; 2], [columns; 2]]),
            [top, bottom, left, right] => Some([[top, bottom], [left, right]]),
            _ => {
                let message = "a padding is one number, two (along rows, along columns) or four";
                self.error(Code::E0305, message, ast.span, "such as `1`, `(1, 0)`, or `(top, bottom, left, right)`");
                None
            }
        }
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
        let Windows { rows, columns, .. } = windows;
        let (Some(high), Some(wide)) = (rows.count(), columns.count()) else {
            let message =
                format!("windows of {}x{} do not fit {}x{}", rows.kernel, columns.kernel, rows.len, columns.len);
            self.error(Code::E0303, message, span, "the image is too small here");
            return None;
        };
        if !(rows.sees(high) && columns.sees(wide)) {
            self.error(Code::E0303, "all windows lie in the padding", span, "nothing of the image is seen");
            return None;
        }
        Some((high, wide))
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

/// Windows with (stride, padding, dilation), each along rows and along columns.
fn laid(
    (channels, size): (usize, (usize, usize)),
    kernel: [usize; 2],
    (stride, padding, dilation): ([usize; 2], [[usize; 2]; 2], [usize; 2]),
    nearest: bool,
) -> Windows {
    let along = |axis: usize, len: usize| Along {
        len,
        kernel: kernel[axis],
        stride: stride[axis],
        dilation: dilation[axis],
        before: padding[axis][0],
        after: padding[axis][1],
    };
    Windows { channels, rows: along(0, size.0), columns: along(1, size.1), nearest }
}
